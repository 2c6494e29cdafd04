/** Who stands beside whom: the edges of a graph by their ends. */
import type { Graph } from '../graph.ts';

export interface Neighbours {
  /** What a node was made from. */
  before(id: string): readonly string[];
  /** What was made from it. */
  after(id: string): readonly string[];
}

/** Edges to nodes that are not there are left out, and so is an edge from a node to itself. */
export function neighboursOf({ nodes, edges }: Pick<Graph, 'nodes' | 'edges'>): Neighbours {
  const known = new Set(nodes.map(({ id }) => id));
  const before = new Map<string, Set<string>>();
  const after = new Map<string, Set<string>>();
  for (const { from, to } of edges) {
    if (from === to || !known.has(from) || !known.has(to)) continue;
    add(after, from, to);
    add(before, to, from);
  }
  const lists = (sets: Map<string, Set<string>>) => new Map([...sets].map(([id, others]) => [id, [...others]]));
  const [beforeLists, afterLists] = [lists(before), lists(after)];
  return { before: (id) => beforeLists.get(id) ?? [], after: (id) => afterLists.get(id) ?? [] };
}

function add(sets: Map<string, Set<string>>, key: string, value: string): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([value]));
  else set.add(value);
}
