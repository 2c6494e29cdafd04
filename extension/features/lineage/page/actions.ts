/** What can be done with a node, as buttons. */
import type { Graph, GraphNode } from '../graph.ts';
import type { FromPage } from '../messages.ts';
import type { Action } from './details.ts';
import type { Fold } from './visible.ts';

const OPENS = { file: 'Open File', commit: 'Open Commit', record: 'Open Record' } as const;

export function actionsOf(
  { id, kind, opens }: GraphNode,
  graph: Graph,
  folds: readonly Fold[],
  tell: (message: FromPage) => void,
  unfold: (folds: readonly Fold[]) => void,
): Action[] {
  const other = graph.start !== id && graph.comparison?.start !== id;
  const hasLineage = kind !== 'commit' && kind !== 'environment';
  return [
    ...(opens === undefined ? [] : [{ title: OPENS[opens], act: () => tell({ type: 'open', id }) }]),
    { title: kind === 'commit' ? 'Copy Commit' : 'Copy Digest', act: () => tell({ type: 'copy', id }) },
    ...(kind === 'training' && other ? [{ title: 'Compare with This', act: () => tell({ type: 'compare', id }) }] : []),
    ...(other && hasLineage ? [{ title: 'Show Its Lineage', act: () => tell({ type: 'look', id }) }] : []),
    ...folds.map((fold) => ({
      title: `Show ${fold.hidden} More ${fold.side === 'after' ? 'Made from This' : 'Behind This'}`,
      act: () => unfold([fold]),
    })),
  ];
}
