/** Which column each node stands in: always to the right of what it was made from, and as near to what uses it as can be. */
import type { Neighbours } from './neighbours.ts';

/** Columns from 0 on. A cycle, which no honest lineage has, is cut where it is met. */
export function layersOf(ids: readonly string[], { before, after }: Neighbours): Map<string, number> {
  const order = orderOf(ids, before);
  const place = new Map(order.map((id, index) => [id, index]));
  const earlier = (id: string): string[] => before(id).filter((other) => at(place, other) < at(place, id));
  const later = (id: string): string[] => after(id).filter((other) => at(place, other) > at(place, id));

  const layers = new Map<string, number>();
  for (const id of order) layers.set(id, Math.max(0, ...earlier(id).map((other) => at(layers, other) + 1)));
  // What was made from nothing here (data, a commit) stands directly before its first reader, not at the far left.
  for (const id of order.toReversed()) {
    const readers = later(id);
    if (readers.length > 0 && earlier(id).length === 0) {
      layers.set(id, Math.max(0, Math.min(...readers.map((other) => at(layers, other))) - 1));
    }
  }
  return layers;
}

/** Each after everything that it was made from; without recursion, for a chain may be thousands long. */
function orderOf(ids: readonly string[], before: Neighbours['before']): string[] {
  const order: string[] = [];
  const begun = new Set<string>();
  for (const root of ids) {
    const stack: { id: string; next: number }[] = [];
    if (!begun.has(root)) stack.push({ id: root, next: 0 });
    begun.add(root);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const other = before(top.id)[top.next];
      top.next += 1;
      if (other === undefined) {
        order.push(top.id);
        stack.pop();
      } else if (!begun.has(other)) {
        begun.add(other);
        stack.push({ id: other, next: 0 });
      }
    }
  }
  return order;
}

function at(places: Map<string, number>, id: string): number {
  return places.get(id) ?? 0;
}
