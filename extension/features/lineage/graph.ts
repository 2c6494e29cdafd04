/** The graph that the page shows, as plain data: a lineage, or two of them laid over each other. Knows nothing of VS Code. */
import type { DiffAnswer, LineageAnswer, LineageNode } from '../../../runtime/rpc/protocol.ts';
import {
  grouped,
  shortDigest,
  spokenBytes,
  spokenMetric,
  spokenSeconds,
  spokenValue,
} from '../../infrastructure/wording.ts';

export const NODE_KINDS = [
  'data',
  'file',
  'training',
  'evaluation',
  'program',
  'reproduction',
  'import',
  'model',
  'output',
  'commit',
  'environment',
] as const;
export type NodeKind = (typeof NODE_KINDS)[number];

/** On which side of a comparison a node stands. */
export type Side = 'first' | 'second' | 'both';

export interface GraphNode {
  id: string;
  kind: NodeKind;
  label: string;
  /** The second line: the number or the name that tells it from others of its kind. */
  detail: string;
  /** What went wrong with it, in a word or two; nothing where all is well. */
  problem?: string;
  /** Name and value, for the details. */
  facts: [string, string][];
  /** Oldest first within a layer; nothing for what has no time of its own. */
  when?: string;
  /** What Enter does: open the file, the commit, the record. */
  opens?: 'file' | 'commit' | 'record';
  /** Only while two models are compared. */
  side?: Side;
  /** In what it differs from its counterpart, in words. */
  differs?: string[];
}

export interface GraphEdge {
  from: string;
  to: string;
  label: string;
}

/** One line of a comparison. */
export interface Difference {
  section: string;
  name: string;
  before: string;
  after: string;
}

export interface Graph {
  title: string;
  /** The node that was asked for. */
  start: string;
  nodes: GraphNode[];
  edges: GraphEdge[];
  comparison?: { title: string; start: string; differences: Difference[] };
}

const KIND_OF_RECORD = {
  train: 'training',
  evaluate: 'evaluation',
  program: 'program',
  reproduce: 'reproduction',
  import: 'import',
} as const;

export interface Comparison {
  other: LineageAnswer;
  diff: DiffAnswer;
}

export function graphOf(answer: LineageAnswer, comparison?: Comparison): Graph {
  const graph = laidOver(answer, comparison);
  const read = new Set(graph.edges.filter(({ label }) => label !== 'wrote').map(({ from, to }) => `${from} ${to}`));
  // What read a model and came to the very same bits has not made it: the model was there before.
  const edges = graph.edges.filter(({ from, to, label }) => label !== 'wrote' || !read.has(`${to} ${from}`));
  return { ...graph, edges };
}

function laidOver(answer: LineageAnswer, comparison: Comparison | undefined): Graph {
  if (comparison === undefined) {
    const nodes = answer.nodes.map(nodeOf);
    return { title: titleOf(answer), start: answer.start, nodes, edges: answer.edges };
  }
  const { other, diff } = comparison;
  const first = new Set(answer.nodes.map(({ id }) => id));
  const second = new Set(other.nodes.map(({ id }) => id));
  const differences = diff.differences.map(spokenDifference);
  const told = differences.filter(({ section }) => section !== 'outputs');
  const nodes = [...answer.nodes, ...other.nodes.filter(({ id }) => !first.has(id))].map((lineageNode): GraphNode => {
    const node = nodeOf(lineageNode);
    node.side = first.has(node.id) ? (second.has(node.id) ? 'both' : 'first') : 'second';
    const differs =
      node.id === answer.start || node.id === other.start
        ? told.map(({ section, name }) => `${section} ${name}`)
        : differsAs(lineageNode, node.side, diff);
    return differs.length === 0 ? node : { ...node, differs };
  });
  const edges = new Map(
    [...answer.edges, ...other.edges].map((edge) => [`${edge.from} ${edge.to} ${edge.label}`, edge]),
  );
  return {
    title: titleOf(answer),
    start: answer.start,
    nodes,
    edges: [...edges.values()],
    comparison: { title: titleOf(other), start: other.start, differences },
  };
}

const KIND_OF_SECTION = { environment: 'environment', code: 'commit' } as const;

/** Data, commit and environment that the two models do not share: by what the comparison of their records says. */
function differsAs(node: LineageNode, side: Side, { differences }: DiffAnswer): string[] {
  const mine = (value: { before: string | null; after: string | null }): string | null =>
    side === 'first' ? value.before : value.after;
  if (side === 'both') return [];
  return differences
    .filter(({ section, name, ...values }) => {
      if (section === 'environment' || section === 'code') return node.kind === KIND_OF_SECTION[section];
      return (section === 'data' || section === 'outputs') && mine(values)?.startsWith(node.id);
    })
    .map(({ section, name }) => `${section} ${name}`);
}

function titleOf(answer: LineageAnswer): string {
  const node = answer.nodes.find(({ id }) => id === answer.start);
  if (node === undefined) return shortDigest(answer.start);
  return node.record === undefined ? node.label : `${node.record.step} (${node.record.run})`;
}

function nodeOf(node: LineageNode): GraphNode {
  const size = sizeOf(node);
  if (node.record !== undefined) return recordNode(node.id, node.record);
  if (node.commit !== undefined) {
    const { id, branch, dirty } = node.commit;
    const unborn = /^0+$/.test(id);
    return {
      id: node.id,
      kind: 'commit',
      label: unborn ? 'no commit yet' : id.slice(0, 8),
      detail: branch ?? '',
      ...(dirty ? { problem: 'uncommitted changes' } : {}),
      facts: [
        ['commit', id],
        ...fact('branch', branch),
        ['uncommitted changes', dirty ? 'yes; kept with the record' : 'none'],
      ],
      ...(unborn ? {} : { opens: 'commit' as const }),
    };
  }
  const kind = node.kind === 'record' ? 'program' : node.kind;
  if (!node.id.startsWith('sha256:')) {
    // Another tool's word: nothing here has a digest of it.
    return { id: node.id, kind, label: node.label, detail: 'claimed', facts: fact('claimed', node.detail) };
  }
  return {
    id: node.id,
    kind,
    label: node.label,
    detail: size === '' ? shortDigest(node.id) : size,
    facts: [
      ...fact('path', node.path),
      ...fact('rows', node.rows === undefined ? undefined : grouped(node.rows)),
      ...fact('size', node.bytes === undefined ? undefined : spokenBytes(node.bytes)),
      [kind === 'environment' ? 'fingerprint' : 'digest', node.id],
    ],
    ...(node.path === undefined ? {} : { opens: 'file' as const }),
  };
}

function recordNode(id: string, record: NonNullable<LineageNode['record']>): GraphNode {
  const metrics = Object.entries(record.metrics);
  const telling = [/accuracy|r2/i, /^loss/].map((name) => metrics.find(([each]) => name.test(each)));
  const best = [...telling, metrics[0]].find((metric) => metric !== undefined);
  return {
    id,
    kind: KIND_OF_RECORD[record.kind],
    label: record.step,
    detail: best === undefined ? record.run : spokenMetric(...best),
    ...(record.status === 'ok' ? {} : { problem: record.status }),
    facts: [
      ['run', record.run],
      ['status', record.status],
      ...fact('imported', record.origin),
      ['who', record.who],
      ['when', spokenMoment(record.ended)],
      ['took', spokenSeconds(record.seconds)],
      ['pipeline', `${record.pipeline} (${record.file})`],
      ...metrics.map(([name, value]): [string, string] => [name, spokenValue(name, value)]),
      ['record', id],
    ],
    when: record.ended,
    opens: 'record',
  };
}

function sizeOf({ rows, bytes }: LineageNode): string {
  if (rows !== undefined) return `${grouped(rows)} rows`;
  return bytes === undefined ? '' : spokenBytes(bytes);
}

function fact(name: string, value: string | undefined): [string, string][] {
  return value === undefined ? [] : [[name, value]];
}

function spokenMoment(moment: string): string {
  return `${moment.slice(0, 16).replace('T', ' ')} UTC`;
}

function spokenDifference({ section, name, before, after }: DiffAnswer['differences'][number]): Difference {
  const words = (value: string | null): string => {
    if (value === null) return '–';
    if (section === 'metrics') return spokenValue(name, Number(value));
    return value
      .replaceAll(/sha256:[0-9a-f]{64}/g, (digest) => shortDigest(digest))
      .replaceAll(/\b([0-9a-f]{8})[0-9a-f]{32}\b/g, '$1');
  };
  return { section, name, before: words(before), after: words(after) };
}
