/** The Models tree as plain data: pipelines, their models, and what stands behind each. Knows nothing of VS Code. */
import { basename, join } from 'node:path';
import type { ModelNode } from '../../../runtime/rpc/protocol.ts';
import type { Running } from '../../infrastructure/running.ts';
import { foremostStep, shareOf } from '../../infrastructure/running.ts';
import type { Verified } from '../../infrastructure/verifications.ts';
import {
  counted,
  grouped,
  shortDigest,
  spokenAge,
  spokenBytes,
  spokenMetric,
  spokenValue,
} from '../../infrastructure/wording.ts';

export type NodeKind =
  | 'pipeline'
  | 'running'
  | 'model'
  | 'metrics'
  | 'metric'
  | 'gate'
  | 'verdict'
  | 'verification'
  | 'data'
  | 'commit'
  | 'environment'
  | 'parameters'
  | 'parameter'
  | 'who';

/** One line of the tree. */
export interface TreeNode {
  /** Stable from one refresh to the next, so that what was open stays open. */
  id: string;
  kind: NodeKind;
  label: string;
  /** Greyed text behind the label. */
  description: string;
  /** Markdown. */
  tooltip: string;
  /** A codicon's name, and a theme colour where it means something. */
  icon: string;
  color?: string;
  children: TreeNode[];
  /** Open when first shown. */
  expanded?: boolean;
  /** What the context menu's commands need. */
  folder: string;
  pipelineFile?: string;
  step?: string;
  record?: string;
  digest?: string;
  /** A file that a click opens. */
  file?: string;
}

export interface ModelsOfFolder {
  folder: string;
  models: readonly ModelNode[];
}

/**
 * Pipelines by name; below each what runs, then its models, the newest first.
 *
 * @param verified what was found when models were read again, by record
 */
export function treeOf(
  folders: readonly ModelsOfFolder[],
  runs: readonly Running[],
  now: number,
  verified: ReadonlyMap<string, Verified> = new Map(),
): TreeNode[] {
  const pipelines = new Map<string, TreeNode>();
  const pipelineAt = (file: string, folder: string, name: string, where: string): TreeNode => {
    const known = pipelines.get(file);
    if (known !== undefined) return known;
    const node: TreeNode = {
      id: `pipeline:${file}`,
      kind: 'pipeline',
      label: name,
      description: where,
      tooltip: `Pipeline **${escaped(name)}**\n\n${escaped(file)}`,
      icon: 'type-hierarchy-sub',
      children: [],
      expanded: true,
      folder,
      pipelineFile: file,
    };
    pipelines.set(file, node);
    return node;
  };
  const sorted = folders.flatMap(({ folder, models }) => models.map((model) => ({ folder, model })));
  sorted.sort((a, b) => b.model.ended.localeCompare(a.model.ended));
  for (const { folder, model } of sorted) {
    const file = join(folder, model.file);
    pipelineAt(file, folder, model.pipeline, model.file).children.push(
      modelNode(folder, model, now, verified.get(model.record)),
    );
  }
  for (const running of runs) {
    const folder = folders.find((one) => running.file.startsWith(one.folder))?.folder ?? '';
    const name = basename(running.file);
    pipelineAt(running.file, folder, name.replace(/\.mlpipe$/, ''), name).children.unshift(
      runningNode(folder, running),
    );
  }
  return [...pipelines.values()].sort((a, b) => a.label.localeCompare(b.label) || a.id.localeCompare(b.id));
}

function runningNode(folder: string, running: Running): TreeNode {
  const step = foremostStep(running);
  const progress = step?.progress;
  const epoch = progress?.epoch === undefined ? progress?.phase : `epoch ${progress.epoch}/${progress.epochs ?? '?'}`;
  const metrics = Object.entries(progress?.metrics ?? {}).map(([name, value]) => spokenMetric(name, value));
  return {
    id: `running:${running.id}`,
    kind: 'running',
    label: step?.step ?? (running.asked.length > 0 ? running.asked.join(', ') : 'running'),
    description: [`${Math.round(shareOf(running) * 100)} %`, epoch, ...metrics.slice(0, 2)]
      .filter((part) => part !== undefined)
      .join(' · '),
    tooltip: [
      `**${escaped(step?.step ?? basename(running.file))}** is running${running.run ? ` as *${running.run}*` : ''}.`,
      ...(step?.reason ? [`Why: ${escaped(step.reason)}`] : []),
      ...(metrics.length > 0 ? [list(metrics)] : []),
    ].join('\n\n'),
    icon: 'loading~spin',
    children: [],
    folder,
    pipelineFile: running.file,
    ...(running.asked[0] === undefined ? {} : { step: running.asked[0] }),
  };
}

function modelNode(folder: string, model: ModelNode, now: number, verified: Verified | undefined): TreeNode {
  const failedGates = model.gates.filter(({ ok }) => !ok);
  const { icon, color, verdict } = verified?.answer.ok === false ? NOT_WHOLE : verdictOf(model, failedGates.length);
  const best = Object.entries(model.metrics).find(([name]) => /accuracy|r2|^loss/i.test(name));
  const first = best ?? Object.entries(model.metrics)[0];
  return {
    id: `model:${folder}:${model.record}`,
    kind: 'model',
    label: model.step,
    description: [
      // Ahead of all else: there is little room, and nothing else is worth anything then.
      verified?.answer.ok === false ? 'not whole' : undefined,
      first === undefined ? undefined : spokenMetric(...first),
      spokenAge(model.ended, now),
      model.current && model.status === 'ok' ? 'current' : undefined,
      verified?.answer.ok ? 'verified: whole' : undefined,
      model.reproduction === null ? undefined : `reproduced: ${model.reproduction.verdict}`,
    ]
      .filter((part) => part !== undefined)
      .join(' · '),
    tooltip: [
      `**${escaped(model.step)}** of ${escaped(model.pipeline)}: ${verdict}`,
      `Run *${escaped(model.run)}*, ended ${new Date(model.ended).toISOString().replace('T', ' ').slice(0, 16)} UTC`,
      list(Object.entries(model.metrics).map(([name, value]) => spokenMetric(name, value))),
      `Record \`${shortDigest(model.record)}\`${model.modelDigest ? `, model \`${shortDigest(model.modelDigest)}\`` : ''}`,
    ].join('\n\n'),
    icon,
    ...(color === undefined ? {} : { color }),
    children: lineageOf(folder, model, now, verified),
    folder,
    pipelineFile: join(folder, model.file),
    step: model.step,
    record: model.record,
    digest: model.modelDigest ?? model.record,
  };
}

const NOT_WHOLE = { icon: 'error', color: 'testing.iconFailed', verdict: 'it, or what stands behind it, is not whole' };

function verdictOf(model: ModelNode, failedGates: number): { icon: string; color?: string; verdict: string } {
  if (model.status === 'failed') return { icon: 'error', color: 'testing.iconFailed', verdict: 'its training failed' };
  if (model.status === 'cancelled') return { icon: 'circle-slash', verdict: 'its training was cancelled' };
  if (failedGates > 0) {
    const gates = `${failedGates} gate${failedGates === 1 ? '' : 's'} failed`;
    return { icon: 'warning', color: 'list.warningForeground', verdict: gates };
  }
  const passed = model.gates.length > 0 ? 'all gates passed' : 'no gate was set';
  return model.current
    ? { icon: 'pass-filled', color: 'testing.iconPassed', verdict: `${passed}; this is the current model` }
    : { icon: 'pass', color: 'testing.iconPassed', verdict: passed };
}

/** What stands behind a model: what was measured, then data, code, environment, parameters, and who made it. */
function lineageOf(folder: string, model: ModelNode, now: number, verified: Verified | undefined): TreeNode[] {
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
    ...verificationNode(verified, part, now),
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

/** Whether everything behind the model is as it was written, and when that was looked at. */
function verificationNode(verified: Verified | undefined, part: Part, now: number): TreeNode[] {
  if (verified === undefined) return [];
  const { ok, objects, records, signatures, problems, notes } = verified.answer;
  const looked = [counted(objects, 'object'), counted(records, 'record'), counted(signatures, 'signature')].join(', ');
  return [
    part('verification', '', {
      label: ok ? 'verified: whole' : `not whole: ${counted(problems.length, 'problem')}`,
      description: `${spokenAge(verified.when, now)} · ${ok ? looked : (problems[0]?.message ?? '')}`,
      tooltip: [
        `Read again ${verified.when.replace('T', ' ').slice(0, 16)} UTC: ${looked}`,
        ...(ok ? [] : [list(problems.map(({ message, todo }) => `${message} ${todo}`))]),
        ...(notes.length === 0 ? [] : ['What that does not prove:', list(notes)]),
      ].join('\n\n'),
      icon: ok ? 'shield' : 'error',
      color: ok ? 'testing.iconPassed' : 'testing.iconFailed',
    }),
  ];
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

function list(lines: readonly string[]): string {
  return lines.map((line) => `- ${escaped(line)}`).join('\n');
}

/** Text from files is text, not markdown. */
function escaped(text: string): string {
  return text.replace(/[\\`*_{}[\]()#+!|<>]/g, '\\$&');
}
