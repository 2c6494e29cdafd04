/**
 * Which rows belong to which part. The answer follows from the number of rows, the shares, the seed and the columns
 * named by `stratify` and `group`; from nothing else, on every platform. docs/data.md states the algorithm.
 */
import type { SplitPlan } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import type { Column, Dataset } from './dataset.ts';
import { Random } from './random.ts';

/** Row numbers of each part, ascending. Parts share no row; rows that no share claims belong to none. */
export type Parts = Record<string, Uint32Array>;

/**
 * Splits a data set.
 *
 * @throws MlpipeError `split-empty` where a part with a share gets no row; `split-column` where a column is not there
 */
export function split(dataset: Dataset, plan: SplitPlan): Parts {
  const strata = plan.stratify === undefined ? new Uint32Array(dataset.rows) : keysOf(dataset, plan.stratify);
  const random = new Random(plan.seed);
  const shares = [...plan.parts.map((part) => part.share), restOf(plan)];
  const assigned =
    plan.group === undefined
      ? splitRows(strata, shares, random)
      : splitGroups(keysOf(dataset, plan.group), strata, shares, random);
  return collect(assigned, plan);
}

/**
 * How many of `total` each share gets: the whole part of its quota, and one more for the largest remainders (of equal
 * ones the earlier) until all are given. The shares must add up to 1.
 */
export function largestRemainder(total: number, shares: number[]): number[] {
  const quotas = shares.map((share) => quotaOf(total, share));
  const counts = quotas.map(Math.floor);
  const order = quotas
    .map((quota, index) => ({ index, remainder: quota - Math.floor(quota) }))
    .sort((a, b) => b.remainder - a.remainder || a.index - b.index);
  let left = total - counts.reduce((sum, count) => sum + count, 0);
  for (const { index } of order) {
    if (left-- <= 0) break;
    counts[index] = (counts[index] ?? 0) + 1;
  }
  return counts;
}

// ---------------------------------------------------------------- rows

/** The part of each row. Within each stratum every part gets its quota, rounded up or down; in all, exactly its count. */
function splitRows(strata: Uint32Array, shares: number[], random: Random): Uint8Array {
  const byStratum = rowsByKey(strata);
  const counts = countsByStratum(
    byStratum.map((rows) => rows.length),
    shares,
  );
  const assigned = new Uint8Array(strata.length);
  for (const [stratum, rows] of byStratum.entries()) {
    random.shuffle(rows);
    let next = 0;
    for (const [part, count] of (counts[stratum] ?? []).entries())
      for (const end = next + count; next < end; next++) assigned[rows[next] as number] = part; // counts add up to rows
  }
  return assigned;
}

/**
 * A table of whole numbers near strata × shares: rows add up to the strata, columns to the parts' counts by largest
 * remainder, and every entry is its quota rounded up or down. The seats beyond the whole quotas are a bipartite
 * matching between strata and parts, found greedily by the largest fractions and completed by augmenting paths.
 */
function countsByStratum(sizes: number[], shares: number[]): number[][] {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const quotas = sizes.map((size) => shares.map((share) => quotaOf(size, share)));
  const counts = quotas.map((row) => row.map(Math.floor));
  const open = counts.map((row, stratum) => (sizes[stratum] ?? 0) - sum(row));
  const wanted = largestRemainder(total, shares).map((count, part) => count - sum(counts.map((row) => row[part] ?? 0)));
  const seats = quotas.map((row) => row.map(() => false));

  const pairs = quotas
    .flatMap((row, stratum) => row.map((quota, part) => ({ stratum, part, fraction: quota - Math.floor(quota) })))
    .filter((pair) => pair.fraction > 0)
    .sort((a, b) => b.fraction - a.fraction || a.stratum - b.stratum || a.part - b.part);
  const possible = quotas.map((row) => row.map((quota) => quota > Math.floor(quota)));
  const give = (stratum: number, part: number): void => {
    const row = seats[stratum];
    if (row !== undefined) row[part] = true;
    open[stratum] = (open[stratum] ?? 0) - 1;
    wanted[part] = (wanted[part] ?? 0) - 1;
  };
  for (const { stratum, part } of pairs) if ((open[stratum] ?? 0) > 0 && (wanted[part] ?? 0) > 0) give(stratum, part);

  for (const stratum of sizes.keys()) {
    while ((open[stratum] ?? 0) > 0 && augment(stratum, seats, possible, wanted))
      open[stratum] = (open[stratum] ?? 0) - 1;
    // Where no such table exists, a part takes a second row above its quota rather than leaving one out.
    for (let left = open[stratum] ?? 0; left > 0; left--) {
      const part = wanted.indexOf(Math.max(...wanted));
      wanted[part] = (wanted[part] ?? 0) - 1;
      const row = counts[stratum];
      if (row !== undefined) row[part] = (row[part] ?? 0) + 1;
    }
  }
  return counts.map((row, stratum) => row.map((count, part) => count + (seats[stratum]?.[part] ? 1 : 0)));
}

/** Gives `stratum` one more seat, moving other strata's seats where that makes room. */
function augment(stratum: number, seats: boolean[][], possible: boolean[][], wanted: number[]): boolean {
  const visited = new Set<number>();
  const search = (from: number): boolean => {
    for (const [part, allowed] of (possible[from] ?? []).entries()) {
      if (!allowed || seats[from]?.[part] || visited.has(part)) continue;
      visited.add(part);
      if ((wanted[part] ?? 0) > 0) {
        wanted[part] = (wanted[part] ?? 0) - 1;
      } else {
        const holder = seats.findIndex((row, other) => other !== from && row[part] && search(other));
        if (holder < 0) continue;
        (seats[holder] as boolean[])[part] = false; // found just above
      }
      (seats[from] as boolean[])[part] = true; // `from` is a stratum
      return true;
    }
    return false;
  };
  return search(stratum);
}

// ---------------------------------------------------------------- groups

/**
 * The part of each row where groups stay whole: shuffled, then the largest first, each to the part that lacks most of
 * what the group brings (by stratum, weighted by the stratum's rarity). Equal lacks go to the part with fewer rows of
 * its quota, then to the earlier.
 */
function splitGroups(groups: Uint32Array, strata: Uint32Array, shares: number[], random: Random): Uint8Array {
  const byGroup = rowsByKey(groups);
  const sizes = rowsByKey(strata).map((rows) => rows.length);
  const targets = shares.map((share) => sizes.map((size) => quotaOf(size, share)));
  const have = shares.map(() => sizes.map(() => 0));
  const order = random.shuffle(Uint32Array.from(byGroup.keys()));
  const bySize = [...order].sort((a, b) => (byGroup[b]?.length ?? 0) - (byGroup[a]?.length ?? 0));
  const assigned = new Uint8Array(groups.length);
  for (const group of bySize) {
    const rows = byGroup[group] ?? new Uint32Array(0);
    const brings = new Map<number, number>();
    for (const row of rows) brings.set(strata[row] ?? 0, (brings.get(strata[row] ?? 0) ?? 0) + 1);
    let best = 0;
    let most = Number.NEGATIVE_INFINITY;
    for (const part of shares.keys()) {
      let lack = 0;
      for (const [stratum, count] of brings)
        lack += (count / (sizes[stratum] ?? 1)) * ((targets[part]?.[stratum] ?? 0) - (have[part]?.[stratum] ?? 0));
      if (lack > most) {
        most = lack;
        best = part;
      }
    }
    for (const [stratum, count] of brings) {
      const held = have[best];
      if (held !== undefined) held[stratum] = (held[stratum] ?? 0) + count;
    }
    for (const row of rows) assigned[row] = best;
  }
  return assigned;
}

// ---------------------------------------------------------------- shared

/** A key a row, numbered in the order in which the values first occur. */
function keysOf(dataset: Dataset, name: string): Uint32Array {
  const column = dataset.columns[name];
  if (column === undefined)
    throw new MlpipeError(`The split names the column "${name}", which was not read.`, {
      code: 'split-column',
      todo: `Add ${name} to the schema.`,
    });
  const keys = new Uint32Array(dataset.rows);
  const numbers = new Map<number | string, number>();
  for (let row = 0; row < dataset.rows; row++) {
    const value = keyOfRow(column, row, dataset.rows);
    let key = numbers.get(value);
    if (key === undefined) {
      key = numbers.size;
      numbers.set(value, key);
    }
    keys[row] = key;
  }
  return keys;
}

function keyOfRow(column: Column, row: number, rows: number): number | string {
  if (column.texts !== undefined) return column.texts[row] ?? '';
  const width = rows === 0 ? 1 : column.values.length / rows;
  return width === 1 ? (column.values[row] ?? 0) : column.values.subarray(row * width, (row + 1) * width).join(' ');
}

function rowsByKey(keys: Uint32Array): Uint32Array[] {
  const counts: number[] = [];
  for (const key of keys) counts[key] = (counts[key] ?? 0) + 1;
  const rows = counts.map((count) => new Uint32Array(count));
  const filled = counts.map(() => 0);
  for (const [row, key] of keys.entries()) {
    const at = filled[key] ?? 0;
    (rows[key] as Uint32Array)[at] = row; // every key was counted
    filled[key] = at + 1;
  }
  return rows;
}

function collect(assigned: Uint8Array, plan: SplitPlan): Parts {
  const byPart = plan.parts.map((): number[] => []);
  for (const [row, part] of assigned.entries()) byPart[part]?.push(row);
  return Object.fromEntries(
    plan.parts.map((part, index) => {
      const rows = byPart[index] ?? [];
      if (rows.length === 0 && part.share > 0) throw emptyPart(part.name, assigned.length, plan);
      return [part.name, Uint32Array.from(rows)];
    }),
  );
}

function emptyPart(name: string, rows: number, plan: SplitPlan): MlpipeError {
  const group = plan.group === undefined ? '' : ` whose groups of equal ${plan.group} stay together`;
  return new MlpipeError(`The part "${name}" would have no row: there are ${rows} rows${group}.`, {
    code: 'split-empty',
    todo: 'Raise its share, or bring more data.',
  });
}

function restOf(plan: SplitPlan): number {
  const used = plan.parts.reduce((total, part) => total + part.share, 0);
  return used > 1 - 1e-9 ? 0 : 1 - used;
}

/** Shares are decimal fractions: 10 % of 30 rows is 3 of them, not 3.0000000000000004. */
function quotaOf(total: number, share: number): number {
  const quota = total * share;
  const whole = Math.round(quota);
  return Math.abs(quota - whole) < 1e-9 * Math.max(1, total) ? whole : quota;
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
