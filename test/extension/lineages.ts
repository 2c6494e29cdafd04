/** Lineages for tests and benchmarks: a small one that reads like a real one, and large ones of any size. */
import type { Graph } from '../../extension/features/lineage/graph.ts';
import type { LineageAnswer, LineageNode } from '../../runtime/rpc/protocol.ts';

export const digest = (letter: string): string => `sha256:${letter.repeat(64)}`;
export const COMMIT = 'c0ffee0'.padEnd(40, '0');

export const recordNode = (
  id: string,
  rest: Partial<NonNullable<LineageNode['record']>> & { kind: NonNullable<LineageNode['record']>['kind'] },
): LineageNode => ({
  id,
  kind: 'record',
  label: rest.step ?? 'recognise',
  record: {
    step: 'recognise',
    run: 'quiet-heron-41',
    pipeline: 'digits',
    file: 'digits.mlpipe',
    status: 'ok',
    who: 'Ada',
    ended: '2026-03-01T11:55:00Z',
    seconds: 12,
    metrics: { loss: 0.089, accuracy: 0.972 },
    ...rest,
  },
});

/** Data, commit and environment → training → model → evaluation → report. */
export function smallLineage(): LineageAnswer {
  return {
    start: digest('a'),
    nodes: [
      recordNode(digest('a'), { kind: 'train' }),
      { id: digest('d'), kind: 'data', label: 'data/digits.csv', path: 'data/digits.csv', rows: 1797, bytes: 300_000 },
      {
        id: `commit:${COMMIT}`,
        kind: 'commit',
        label: 'c0ffee000000',
        commit: { id: COMMIT, branch: 'main', dirty: false },
      },
      { id: digest('e'), kind: 'environment', label: 'cpu' },
      { id: digest('b'), kind: 'model', label: 'recognise.model', bytes: 40_000 },
      recordNode(digest('f'), { kind: 'evaluate', step: 'evaluate recognise', ended: '2026-03-01T11:56:00Z' }),
      { id: digest('9'), kind: 'output', label: 'evaluate recognise.report', bytes: 2000 },
    ],
    edges: [
      { from: digest('d'), to: digest('a'), label: 'read by' },
      { from: `commit:${COMMIT}`, to: digest('a'), label: 'code of' },
      { from: digest('e'), to: digest('a'), label: 'environment of' },
      { from: digest('a'), to: digest('b'), label: 'wrote' },
      { from: digest('b'), to: digest('f'), label: 'read by' },
      { from: digest('d'), to: digest('f'), label: 'read by' },
      { from: `commit:${COMMIT}`, to: digest('f'), label: 'code of' },
      { from: digest('f'), to: digest('9'), label: 'wrote' },
    ],
  };
}

/** The same, trained again with another rate on longer data. */
export function otherLineage(): LineageAnswer {
  const { nodes, edges } = smallLineage();
  const renamed = new Map([
    [digest('a'), digest('1')],
    [digest('d'), digest('2')],
    [digest('b'), digest('3')],
  ]);
  const is = (id: string): string => renamed.get(id) ?? id;
  const kept = new Set([digest('a'), digest('d'), digest('b'), digest('e'), `commit:${COMMIT}`]);
  return {
    start: digest('1'),
    nodes: nodes.filter(({ id }) => kept.has(id)).map((node) => ({ ...node, id: is(node.id) })),
    edges: edges
      .filter(({ from, to }) => kept.has(from) && kept.has(to))
      .map(({ from, to, label }) => ({ from: is(from), to: is(to), label })),
  };
}

/** `size` nodes as pipelines make them: chains of steps, with data, a commit and an environment that many share. */
export function largeGraph(size: number): Graph {
  const nodes: Graph['nodes'] = [];
  const edges: Graph['edges'] = [];
  const add = (id: string, kind: Graph['nodes'][number]['kind'], number: number): string => {
    const label = `${kind} ${number}`;
    const minutes = String(number % 60).padStart(2, '0');
    nodes.push({
      id,
      kind,
      label,
      detail: `accuracy 97.${number % 10} %`,
      facts: [['digest', id]],
      when: `2026-03-01T00:${minutes}:00Z`,
    });
    return id;
  };
  const join = (from: string, to: string): void => void edges.push({ from, to, label: 'read by' });
  for (let number = 0; nodes.length < size; number += 1) {
    const training = add(`training ${number}`, 'training', number);
    const model = add(`model ${number}`, 'model', number);
    const evaluation = add(`evaluation ${number}`, 'evaluation', number);
    join(training, model);
    join(model, evaluation);
    const group = Math.floor(number / 12);
    if (number % 12 === 0) {
      add(`data ${group}`, 'data', group);
      add(`commit ${group}`, 'commit', group);
      if (group === 0) add('environment 0', 'environment', 0);
    }
    // All in the same environment, as it mostly is.
    for (const source of [`data ${group}`, `commit ${group}`, 'environment 0']) {
      join(source, training);
      join(source, evaluation);
    }
    // Now and then one goes on from the model of another.
    if (number % 3 !== 0) join(`model ${number - 1}`, training);
  }
  const kept = new Set(nodes.slice(0, size).map(({ id }) => id));
  return {
    title: 'large',
    start: 'training 0',
    nodes: nodes.slice(0, size),
    edges: edges.filter(({ from, to }) => kept.has(from) && kept.has(to)),
  };
}
