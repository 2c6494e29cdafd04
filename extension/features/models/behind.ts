/** What stands behind one model, as lines below it in the tree. Knows nothing of VS Code. */
import { join } from 'node:path';
import type { ModelNode } from '../../../runtime/rpc/protocol.ts';
import type { Verified } from '../../infrastructure/verifications.ts';
import {
  counted,
  grouped,
  shortDigest,
  spokenAge,
  spokenBytes,
  spokenMetric,
  spokenValue,
  withShortDigests,
} from '../../infrastructure/wording.ts';
import { escaped, list } from './markdown.ts';
import type { NodeKind, TreeNode } from './tree-node.ts';

/** What stands behind a model: what was measured, then data, code, environment, parameters, and who made it. */
export function lineageOf(folder: string, model: ModelNode, now: number, verified: Verified | undefined): TreeNode[] {
  const part = (
    kind: NodeKind,
    key: string,
    rest: Omit<TreeNode, 'id' | 'kind' | 'folder' | 'children'>,
  ): TreeNode => ({
    id: `${kind}:${folder}:${model.record}:${key}`,
    kind,
    folder,
    children: [],
    ...rest,
  });
  return [
    ...model.gates.map((gate, index) => {
      const value = spokenValue(gate.metric, gate.value);
      const bound = `${gate.operator} ${spokenValue(gate.metric, gate.threshold)}`;
      return part('gate', String(index), {
        label: `${gate.metric} ${value}`,
        description: `${gate.ok ? 'gate' : 'gate failed:'} ${bound}`,
        tooltip: `Gate: ${escaped(gate.metric)} ${escaped(bound)}. Measured: ${value}.`,
        icon: gate.ok ? 'check' : 'close',
        color: gate.ok ? 'testing.iconPassed' : 'testing.iconFailed',
      });
    }),
    ...verificationNode(folder, model, verified, part, now),
    ...verdictNode(model, part, now),
    ...metricsNode(model, part),
    ...model.data.map((data) => {
      const size = data.rows === undefined ? spokenBytes(data.bytes) : `${grouped(data.rows)} rows`;
      return part('data', data.name, {
        label: data.name,
        description: [size, data.path].filter((word) => word !== undefined).join(' · '),
        tooltip: [
          `Data **${escaped(data.name)}**: ${data.rows === undefined ? '' : `${grouped(data.rows)} rows, `}${spokenBytes(data.bytes)}`,
          ...(data.path === undefined ? [] : [escaped(data.path)]),
          `\`${data.digest}\``,
        ].join('\n\n'),
        icon: 'database',
        digest: data.digest,
        ...(data.path === undefined ? {} : { file: join(folder, model.file, '..', data.path) }),
      });
    }),
    commitNode(model, part),
    part('environment', '', {
      label: model.environment.name ?? 'this machine',
      description: [model.environment.engine, shortDigest(model.environment.fingerprint)]
        .filter((word) => word !== null)
        .join(' · '),
      tooltip: [
        `Environment **${escaped(model.environment.name ?? 'not named')}**`,
        `Engine: ${escaped(model.environment.engine ?? 'none')}`,
        `Fingerprint: \`${model.environment.fingerprint}\``,
      ].join('\n\n'),
      icon: 'server-environment',
      digest: model.environment.fingerprint,
    }),
    ...parametersNode(model, part),
    part('who', '', {
      label: model.who,
      description: new Date(model.ended).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' }),
      tooltip: `Run *${escaped(model.run)}* by ${escaped(model.who)}, ended ${model.ended}`,
      icon: 'person',
    }),
  ];
}

type Part = (kind: NodeKind, key: string, rest: Omit<TreeNode, 'id' | 'kind' | 'folder' | 'children'>) => TreeNode;

export function isRepairable(verified: Verified | undefined): boolean {
  return verified?.answer.problems.some(({ repairable }) => repairable) ?? false;
}

/** So many problems are lines of their own; the output has all. */
const SHOWN = 20;

/** Whether everything behind the model is as it was written, and when that was looked at; below, what is not. */
function verificationNode(
  folder: string,
  model: ModelNode,
  verified: Verified | undefined,
  part: Part,
  now: number,
): TreeNode[] {
  if (verified === undefined) return [];
  const { ok, objects, records, signatures, problems, notes } = verified.answer;
  const looked = [counted(objects, 'object'), counted(records, 'record'), counted(signatures, 'signature')].join(', ');
  const node = part('verification', '', {
    label: ok ? 'verified: whole' : `not whole: ${counted(problems.length, 'problem')}`,
    description: `${spokenAge(verified.when, now)} · ${ok ? looked : withShortDigests(problems[0]?.message ?? '')}`,
    tooltip: [
      `Read again ${verified.when.replace('T', ' ').slice(0, 16)} UTC: ${looked}`,
      ...(ok ? [] : [list(problems.slice(0, SHOWN).map(({ message, todo }) => `${message} ${todo}`))]),
      ...(notes.length === 0 ? [] : ['What that does not prove:', list(notes)]),
    ].join('\n\n'),
    icon: ok ? 'shield' : 'error',
    color: ok ? 'testing.iconPassed' : 'testing.iconFailed',
    step: model.step,
    record: model.record,
    pipelineFile: join(folder, model.file),
    ...(isRepairable(verified) ? { repairable: true } : {}),
  });
  node.children = problems.slice(0, SHOWN).map(({ code, message, todo, digest }, index) =>
    part('problem', String(index), {
      label: withShortDigests(message),
      description: code,
      tooltip: `${escaped(message)}\n\n${escaped(todo)}`,
      icon: 'circle-small-filled',
      ...(digest === undefined ? {} : { digest }),
    }),
  );
  return [node];
}

/** Whether the model came out again, how near, and when that was tried. */
function verdictNode({ reproduction }: ModelNode, part: Part, now: number): TreeNode[] {
  if (reproduction === null) return [];
  const { verdict, level, because, when, record } = reproduction;
  const good = verdict !== 'failed' && verdict !== 'inconclusive';
  return [
    part('verdict', '', {
      label: good ? `reproduced: ${verdict}` : `not reproduced: ${verdict}`,
      description: `${spokenAge(when, now)} · ${because}`,
      tooltip: [
        `Made again in a clean place: **${escaped(verdict)}** (${level}), ${escaped(because)}`,
        `${when.replace('T', ' ').slice(0, 16)} UTC, record \`${shortDigest(record)}\``,
      ].join('\n\n'),
      icon: good ? 'verified-filled' : 'unverified',
      color: good ? 'testing.iconPassed' : 'list.warningForeground',
      record,
      digest: record,
    }),
  ];
}

function metricsNode(model: ModelNode, part: Part): TreeNode[] {
  const gated = new Set(model.gates.map(({ metric }) => metric));
  const others = Object.entries(model.metrics).filter(([name]) => !gated.has(name));
  if (others.length === 0) return [];
  const said = others.map(([name, value]) => spokenMetric(name, value));
  const node = part('metrics', '', {
    label: 'metrics',
    description: said.slice(0, 2).join(' · '),
    tooltip: list(said),
    icon: 'graph',
  });
  node.children = others.map(([name, value]) =>
    part('metric', name, {
      label: name,
      description: spokenValue(name, value),
      tooltip: `${escaped(name)}: ${value}`,
      icon: 'dash',
    }),
  );
  return [node];
}

function parametersNode(model: ModelNode, part: Part): TreeNode[] {
  const parameters = Object.entries(model.parameters);
  if (parameters.length === 0) return [];
  const said = parameters.map(([name, value]) => `${name} ${spokenParameter(value)}`);
  const node = part('parameters', '', {
    label: 'parameters',
    description: said.slice(0, 3).join(' · '),
    tooltip: list(said),
    icon: 'settings',
  });
  node.children = parameters.map(([name, value]) =>
    part('parameter', name, {
      label: name,
      description: spokenParameter(value),
      tooltip: `Parameter ${escaped(name)}: ${escaped(String(value))}`,
      icon: 'symbol-parameter',
    }),
  );
  return [node];
}

function spokenParameter(value: string | number | boolean): string {
  return String(value);
}

function commitNode({ commit }: ModelNode, part: Part): TreeNode {
  if (commit === null) {
    return part('commit', '', {
      label: 'no commit',
      description: 'the folder is not in git',
      tooltip: 'The code behind this model was in no git repository: only its text is recorded. Put it into git.',
      icon: 'git-commit',
      color: 'list.warningForeground',
    });
  }
  return part('commit', '', {
    label: commit.id.slice(0, 8),
    description: [commit.branch, commit.dirty ? 'with uncommitted changes' : undefined]
      .filter((word) => word !== undefined)
      .join(' · '),
    tooltip: [
      `Commit \`${commit.id}\`${commit.branch === undefined ? '' : ` on ${escaped(commit.branch)}`}`,
      commit.dirty ? 'There were uncommitted changes; they are kept with the record.' : 'Nothing was uncommitted.',
    ].join('\n\n'),
    icon: 'git-commit',
    ...(commit.dirty ? { color: 'list.warningForeground' } : {}),
    digest: commit.id,
  });
}
