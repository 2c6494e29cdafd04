/** Two tables of predictions beside each other: the probe by which two models are told apart whose bits differ. */
import { readRecord } from '../data/csv/record.ts';

const COMMA = 44;

export interface Agreement {
  rows: number;
  /** Rows whose prediction is the same, 0 … 1. For regression, those within the tolerance of `same`. */
  share: number;
  /** The largest difference of two scores, relative to their size or to 1 where that is smaller. */
  distance: number;
}

/**
 * Compares two tables as an evaluation writes them (`predictions.csv`: truth, predicted, a score for each class).
 *
 * @param same how near two numbers are the same prediction, where the prediction is a number
 * @returns nothing where the tables are not about the same rows
 */
export function agreementOf(recorded: Buffer, reproduced: Buffer, same: number): Agreement | undefined {
  const [one, other] = [rowsOf(recorded), rowsOf(reproduced)];
  const [head, ...before] = one;
  const [otherHead, ...after] = other;
  if (head === undefined || otherHead === undefined || head.join() !== otherHead.join()) return undefined;
  if (before.length !== after.length || before.length === 0) return undefined;
  const truths = head.filter((name) => /^truth\d*$/.test(name)).length;
  const predicted = head.filter((name) => /^predicted\d*$/.test(name)).length;
  const isClass = head.length > truths + predicted;
  let agree = 0;
  let distance = 0;
  for (const [index, row] of before.entries()) {
    const now = after[index] ?? [];
    if (row.slice(0, truths).join('\0') !== now.slice(0, truths).join('\0')) return undefined;
    const [numbers, otherNumbers] = [row, now].map((each) =>
      each.slice(isClass ? truths + predicted : truths).map(Number),
    );
    const apart = Math.max(0, ...(numbers ?? []).map((value, at) => relative(value, otherNumbers?.[at] ?? Number.NaN)));
    distance = Math.max(distance, apart);
    const equal = isClass
      ? row.slice(truths, truths + predicted).join('\0') === now.slice(truths, truths + predicted).join('\0')
      : apart <= same;
    if (equal) agree += 1;
  }
  return { rows: before.length, share: agree / before.length, distance };
}

/** All pairs taken together: rows add up, the largest distance counts. */
export function together(agreements: readonly Agreement[]): Agreement | undefined {
  if (agreements.length === 0) return undefined;
  const rows = agreements.reduce((sum, each) => sum + each.rows, 0);
  return {
    rows,
    share: agreements.reduce((sum, each) => sum + each.share * each.rows, 0) / rows,
    distance: Math.max(...agreements.map(({ distance }) => distance)),
  };
}

function relative(one: number, other: number): number {
  const apart = Math.abs(one - other) / Math.max(1, Math.abs(one));
  return Number.isNaN(apart) ? Number.POSITIVE_INFINITY : apart;
}

/** The records of a table that mlpipe itself has written: every one ends with a line feed. */
function rowsOf(table: Buffer): string[][] {
  const rows: string[][] = [];
  for (let position = 0; position < table.length; ) {
    const fields: string[] = [];
    const end = readRecord(table, position, table.length, COMMA, fields);
    if (end === undefined) break;
    rows.push(fields);
    position = end.position;
  }
  return rows;
}
