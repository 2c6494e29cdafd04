/** How a delimited file is written: found out from its first bytes. */
import type { ColumnPlan } from '../../../grammar/plan/plan.ts';
import { MlpipeError } from '../../errors.ts';
import { columnWidth } from '../builder.ts';
import { layoutByNames } from '../layout.ts';
import { hasDecimalComma, isMissing, parseNumber } from './numbers.ts';
import { readRecord } from './record.ts';

export interface Dialect {
  delimiter: number;
  /** Where the first record begins, after a byte order mark. */
  start: number;
  /** The header's fields, or nothing where the first record is a row. */
  header: string[] | undefined;
  /** Fields of the first record. */
  width: number;
}

/** Tried in this order where nothing else tells: a comma may be a decimal comma, the others may not. */
const DELIMITERS = ['\t', ';', '|', ','] as const;
const SAMPLE_RECORDS = 25;

/** Finds the delimiter and whether there is a header. `bytes` hold the file's beginning. */
export function detectDialect(bytes: Buffer, end: number, path: string, schema: ColumnPlan[]): Dialect {
  refuseWideEncodings(bytes, path);
  const start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  const candidates = DELIMITERS.map((delimiter) => {
    const records = sample(bytes, start, end, delimiter.charCodeAt(0));
    return { delimiter: delimiter.charCodeAt(0), records, score: scoreOf(records, schema) };
  });
  const byExtension = /\.(?:tsv|tab)(?:\.gz)?$/i.test(path) ? '\t'.charCodeAt(0) : undefined;
  const best =
    candidates.find((candidate) => candidate.delimiter === byExtension) ??
    candidates.reduce((a, b) => (b.score > a.score ? b : a));
  const chosen = best.score > 0 ? best : (candidates.find((candidate) => candidate.delimiter === 44) ?? best);
  const first = chosen.records[0] ?? [];
  const header = isHeader(first, chosen.records[1], schema) ? first.map((name) => name.trim()) : undefined;
  return { delimiter: chosen.delimiter, start, header, width: first.length };
}

/**
 * Whether the first record names the columns. With a schema: one of its columns is named there, or its fields do not
 * fit the columns' types where a header's names would not. Without: nothing in it is a number or missing.
 */
function isHeader(first: string[], second: string[] | undefined, schema: ColumnPlan[]): boolean {
  if (first.length === 0) return false;
  if (schema.length > 0 && layoutByNames(schema, first).found > 0) return true;
  const words = first.every((field) => parseNumber(field.trim()) === undefined && !hasDecimalComma(field.trim()));
  if (!words || first.every((field) => isMissing(field.trim()))) return false;
  if (schema.length === 0) return new Set(first).size === first.length;
  const numeric = schema.some((column) => ['float', 'int'].includes(column.type.kind));
  return numeric || (second?.some((field) => parseNumber(field.trim()) !== undefined) ?? false);
}

/** How well a delimiter explains the sample: the schema's names or width first, else the number of even fields. */
function scoreOf(records: string[][], schema: ColumnPlan[]): number {
  const [first] = records;
  if (first === undefined) return 0;
  const named = layoutByNames(schema, first).found;
  if (named > 0 && first.length > 1) return 1e6 * named;
  const width = schema.reduce((sum, column) => sum + columnWidth(column), 0);
  const even = records.filter((record) => record.length === first.length).length / records.length;
  if (first.length > 1 && first.length === width) return 1e5 * even;
  return first.length > 1 && even > 0.9 ? 1 + even : 0;
}

function sample(bytes: Buffer, start: number, end: number, delimiter: number): string[][] {
  const records: string[][] = [];
  let position = start;
  while (records.length < SAMPLE_RECORDS && position < end) {
    const fields: string[] = [];
    const record = readRecord(bytes, position, end, delimiter, fields);
    if (record === undefined) break;
    position = record.position;
    if (fields.length > 1 || fields[0]?.trim() !== '') records.push(fields);
  }
  return records;
}

function refuseWideEncodings(bytes: Buffer, path: string): void {
  const mark = bytes.readUInt16BE(0);
  if (mark === 0xfffe || mark === 0xfeff)
    throw new MlpipeError(`${path} is written in UTF-16.`, {
      code: 'data-encoding',
      todo: 'Save it as UTF-8.',
    });
}
