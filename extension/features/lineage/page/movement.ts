/** Where an arrow key leads from a node. */
import type { LaidOut } from './layout.ts';
import type { Neighbours } from './neighbours.ts';

export type Direction = 'left' | 'right' | 'up' | 'down';

/**
 * Left and right along the edges: back to where one came from, or else to what stands nearest in height; up and down
 * in the same column. Nothing where there is nothing more.
 */
export function movedFrom(
  id: string,
  direction: Direction,
  { places }: Pick<LaidOut, 'places'>,
  neighbours: Neighbours,
  cameFrom: string | undefined,
): string | undefined {
  const here = places.get(id);
  if (here === undefined) return undefined;
  if (direction === 'left' || direction === 'right') {
    const others = direction === 'left' ? neighbours.before(id) : neighbours.after(id);
    if (cameFrom !== undefined && others.includes(cameFrom) && places.has(cameFrom)) return cameFrom;
    return least(others, (other) => distance(places.get(other)?.y, here.y));
  }
  const sign = direction === 'down' ? 1 : -1;
  const column = [...places].filter(([, { x, y }]) => x === here.x && (y - here.y) * sign > 0);
  return least(
    column.map(([other]) => other),
    (other) => distance(places.get(other)?.y, here.y),
  );
}

function distance(one: number | undefined, other: number): number {
  return one === undefined ? Number.POSITIVE_INFINITY : Math.abs(one - other);
}

function least(ids: readonly string[], measure: (id: string) => number): string | undefined {
  let best: string | undefined;
  let smallest = Number.POSITIVE_INFINITY;
  for (const id of ids) {
    const size = measure(id);
    if (size >= smallest) continue;
    smallest = size;
    best = id;
  }
  return best;
}
