/** Finding nodes by what a person remembers of them: a name, the beginning of a digest, a run, who made it. */
import type { GraphNode } from '../graph.ts';

/** Every word must be somewhere in the node; those whose name begins so come first, then in the graph's order. */
export function found(nodes: readonly GraphNode[], query: string): string[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [];
  const hits = nodes.flatMap((node) => {
    const text = textOf(node);
    if (!words.every((word) => text.includes(word))) return [];
    return [{ id: node.id, first: node.label.toLowerCase().startsWith(words[0] ?? '') ? 0 : 1 }];
  });
  return hits.sort((one, other) => one.first - other.first).map(({ id }) => id);
}

/** `3 of 12`, for the box and for a screen reader. */
export function spokenHits(hits: readonly string[], current: string | undefined, query: string): string {
  if (query.trim() === '') return '';
  if (hits.length === 0) return 'nothing found';
  const at = current === undefined ? -1 : hits.indexOf(current);
  return at < 0 ? `${hits.length} found` : `${at + 1} of ${hits.length}`;
}

function textOf({ id, kind, label, detail, problem, facts, differs }: GraphNode): string {
  return [id, kind, label, detail, problem ?? '', ...facts.map(([, value]) => value), ...(differs ?? [])]
    .join('\n')
    .toLowerCase();
}
