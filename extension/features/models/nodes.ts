/** The Models tree as plain data: pipelines, their models, and what stands behind each. Knows nothing of VS Code. */
import { basename, join } from 'node:path';
import type { ModelNode } from '../../../runtime/rpc/protocol.ts';
import type { Running } from '../../infrastructure/running.ts';
import { foremostStep, shareOf } from '../../infrastructure/running.ts';
import type { Verified } from '../../infrastructure/verifications.ts';
import { shortDigest, spokenAge, spokenMetric } from '../../infrastructure/wording.ts';
import { isRepairable, lineageOf } from './behind.ts';
import { escaped, list } from './markdown.ts';
import type { TreeNode } from './tree-node.ts';

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
    ...(isRepairable(verified) ? { repairable: true } : {}),
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
