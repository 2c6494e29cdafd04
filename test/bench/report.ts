/**
 * What a benchmark says, line by line, for `all.ts` to gather:
 *
 *     METRIC:name:value:unit
 *     TARGET:name:what was promised of it
 *     PEER:name:version           something that was measured beside
 *     MISSING:name:why            a peer that could not be had here
 */

export function metric(name: string, value: number, unit: string, target?: string): void {
  console.log(`METRIC:${name}:${Number(value.toPrecision(4))}:${unit}`);
  if (target !== undefined) console.log(`TARGET:${name}:${target}`);
}

export function peer(name: string, version: string): void {
  console.log(`PEER:${name}:${version}`);
}

export function missing(name: string, why: string): void {
  console.log(`MISSING:${name}:${why}`);
}

/** One way of doing the work. Where not all of it counts, it answers how long it took, in milliseconds. */
export type Way = () => unknown;

/**
 * Lets the ways take turns, so that a slow moment of the machine hits all alike. Answers the median of each, in
 * milliseconds.
 *
 * @param unmeasured how many rounds come first, to fill caches
 */
export async function inTurns<Name extends string>(
  rounds: number,
  ways: Record<Name, Way>,
  unmeasured = 0,
): Promise<Record<Name, number>> {
  const names = Object.keys(ways) as Name[]; // exactly the keys that the type has
  const times = new Map<Name, number[]>(names.map((name) => [name, []]));
  for (let round = -unmeasured; round < rounds; round++) {
    for (const name of names) {
      const began = performance.now();
      const told = await ways[name]();
      const took = typeof told === 'number' ? told : performance.now() - began;
      if (round >= 0) times.get(name)?.push(took);
    }
  }
  return Object.fromEntries(names.map((name) => [name, median(times.get(name) ?? [])])) as Record<Name, number>;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1
    ? (sorted[Math.floor(middle)] ?? Number.NaN)
    : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}
