/** What has changed from one graph to the next, so that a page changes just that and keeps everything else. */
import type { Graph, GraphEdge, GraphNode } from './graph.ts';

export interface GraphPatch {
  /** Everything but nodes and edges; small, so it is sent whole. */
  head: Omit<Graph, 'nodes' | 'edges'>;
  /** New, or no longer what they were. */
  nodes: GraphNode[];
  removed: string[];
  addedEdges: GraphEdge[];
  removedEdges: GraphEdge[];
}

export function patchBetween(before: Graph, after: Graph): GraphPatch {
  const old = new Map(before.nodes.map((node) => [node.id, JSON.stringify(node)]));
  const kept = new Set(after.nodes.map(({ id }) => id));
  const [oldEdges, newEdges] = [edgesByKey(before), edgesByKey(after)];
  const { nodes, edges, ...head } = after;
  return {
    head,
    nodes: nodes.filter((node) => old.get(node.id) !== JSON.stringify(node)),
    removed: before.nodes.flatMap(({ id }) => (kept.has(id) ? [] : [id])),
    addedEdges: edges.filter((edge) => !oldEdges.has(edgeKey(edge))),
    removedEdges: before.edges.filter((edge) => !newEdges.has(edgeKey(edge))),
  };
}

export function isEmpty(patch: GraphPatch, before: Graph): boolean {
  const { nodes, edges, ...head } = before;
  return (
    patch.nodes.length + patch.removed.length + patch.addedEdges.length + patch.removedEdges.length === 0 &&
    JSON.stringify(head) === JSON.stringify(patch.head)
  );
}

export function patched(before: Graph, patch: GraphPatch): Graph {
  const changed = new Map(patch.nodes.map((node) => [node.id, node]));
  const removed = new Set(patch.removed);
  const removedEdges = new Set(patch.removedEdges.map(edgeKey));
  const known = new Set(before.nodes.map(({ id }) => id));
  return {
    ...patch.head,
    // What was there keeps its place in the list; what is new comes behind.
    nodes: [
      ...before.nodes.filter(({ id }) => !removed.has(id)).map((node) => changed.get(node.id) ?? node),
      ...patch.nodes.filter(({ id }) => !known.has(id)),
    ],
    edges: [...before.edges.filter((edge) => !removedEdges.has(edgeKey(edge))), ...patch.addedEdges],
  };
}

export function edgeKey({ from, to, label }: GraphEdge): string {
  return `${from} ${to} ${label}`;
}

function edgesByKey({ edges }: Graph): Set<string> {
  return new Set(edges.map(edgeKey));
}
