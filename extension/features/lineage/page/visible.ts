/**
 * Which nodes of a large graph are shown: what is near to the models it is about, and what was asked for. What is left
 * out is counted beside the nodes that lead to it.
 */
import type { Graph } from '../graph.ts';
import type { Neighbours } from './neighbours.ts';

/** More than this on one page helps nobody to see anything. */
export const SHOWN_AT_FIRST = 160;
/** How many come with one click on what is left out. */
export const SHOWN_AT_ONCE = 40;

export interface Asked {
  /** Nodes that were asked for: by a search, or by unfolding. */
  shown: ReadonlySet<string>;
  /** Everything is wanted, whatever it looks like. */
  all: boolean;
}

/** What is left out on one side of a node. */
export interface Fold {
  id: string;
  node: string;
  side: 'before' | 'after';
  hidden: number;
}

export interface Visible {
  nodes: ReadonlySet<string>;
  folds: Fold[];
}

export function visibleOf(graph: Graph, neighbours: Neighbours, asked: Asked): Visible {
  const ids = graph.nodes.map(({ id }) => id);
  if (asked.all || ids.length <= SHOWN_AT_FIRST) return { nodes: new Set(ids), folds: [] };
  const known = new Set(ids);
  const starts = [graph.start, graph.comparison?.start ?? graph.start].filter((id) => known.has(id));
  const nodes = nearest(starts.length > 0 ? starts : ids.slice(0, 1), neighbours);
  for (const id of asked.shown) if (known.has(id)) nodes.add(id);
  const folds = [...nodes].flatMap((node) =>
    (['before', 'after'] as const).flatMap((side): Fold[] => {
      const hidden = neighbours[side](node).filter((id) => !nodes.has(id)).length;
      return hidden === 0 ? [] : [{ id: foldId(node, side), node, side, hidden }];
    }),
  );
  return { nodes, folds };
}

/** What a click on a fold brings. */
export function unfolded(fold: Fold, neighbours: Neighbours, visible: Visible): string[] {
  return neighbours[fold.side](fold.node)
    .filter((id) => !visible.nodes.has(id))
    .slice(0, SHOWN_AT_ONCE);
}

/** The nodes between a hidden one and those that are shown, itself included, so that it does not hang in the air. */
export function wayTo(id: string, neighbours: Neighbours, visible: Visible): string[] {
  if (visible.nodes.has(id)) return [];
  const cameFrom = new Map<string, string | undefined>([[id, undefined]]);
  const queue = [id];
  for (const next of queue) {
    if (visible.nodes.has(next)) {
      const way: string[] = [];
      for (let step = cameFrom.get(next); step !== undefined; step = cameFrom.get(step)) way.push(step);
      return way;
    }
    for (const other of [...neighbours.before(next), ...neighbours.after(next)]) {
      if (cameFrom.has(other)) continue;
      cameFrom.set(other, next);
      queue.push(other);
    }
  }
  return [id];
}

/** What a model was made from and what came of it; then what else went into that; then what else came of it all. */
function nearest(starts: readonly string[], { before, after }: Neighbours): Set<string> {
  const nodes = new Set(starts);
  const grow = (front: Set<string>, next: (id: string) => readonly string[]): void => {
    for (const id of front) {
      for (const other of next(id)) {
        if (nodes.size >= SHOWN_AT_FIRST) return;
        front.add(other);
        nodes.add(other);
      }
    }
  };
  grow(new Set(starts), before);
  // The newest first: an environment or a commit may have hundreds of readers.
  grow(new Set(starts), (id) => after(id).toReversed());
  grow(nodes, before);
  grow(nodes, (id) => after(id).toReversed());
  return nodes;
}

function foldId(node: string, side: Fold['side']): string {
  return `fold ${side} ${node}`;
}
