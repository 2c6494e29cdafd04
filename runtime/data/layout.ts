/** Which field of a table belongs to which number of which column of the schema. */
import type { ColumnPlan } from '../../grammar/plan/plan.ts';
import type { SchemaProblem } from '../../grammar/rules/facts.ts';
import { columnWidth } from './builder.ts';

export interface Layout {
  /** By field of the table: the column's position in the schema (−1: not read) and the number within a row of it. */
  column: Int32Array;
  slot: Int32Array;
  /** Columns of the schema that were found. */
  found: number;
  problems: SchemaProblem[];
}

/**
 * Finds columns by a table's field names.
 *
 * A column of one number is the field of its name; spelt alike but for case, spaces and punctuation will do where just
 * one field is (`flipperLength` finds `Flipper length`). A column of n numbers is n fields: `pixels_0 … pixels_63`, also
 * with `.`, `-`, `[0]` or nothing before the number, counted from 0 or from 1; or by one number a dimension,
 * `pixels_0_0 … pixels_7_7`.
 */
export function layoutByNames(schema: ColumnPlan[], names: string[]): Layout {
  const layout = emptyLayout(names.length);
  const exact = new Map<string, number>();
  const loose = new Map<string, number[]>();
  for (const [index, raw] of names.entries()) {
    const name = raw.trim();
    if (!exact.has(name)) exact.set(name, index);
    const key = withoutPunctuation(name);
    const alike = loose.get(key);
    if (alike === undefined) loose.set(key, [index]);
    else alike.push(index);
  }
  for (const [position, column] of schema.entries()) {
    const fields = fieldsOf(column, names, exact, loose);
    if (fields === undefined) {
      layout.problems.push({ kind: 'missing-column', column: column.name, expected: expectedName(column, names) });
      continue;
    }
    layout.found++;
    for (const [slot, field] of fields.entries()) {
      layout.column[field] = position;
      layout.slot[field] = slot;
    }
  }
  return layout;
}

/** Lays the schema's columns over the fields in their order: for tables without names. */
export function layoutByPosition(schema: ColumnPlan[], width: number): Layout {
  const layout = emptyLayout(width);
  const needed = schema.reduce((sum, column) => sum + columnWidth(column), 0);
  if (schema.length > 0 && needed !== width) {
    layout.problems.push({
      kind: 'wrong-width',
      line: 1,
      found: String(width),
      expected: `${needed} by the schema, for the file has no header to find columns by name`,
    });
    return layout;
  }
  let field = 0;
  for (const [position, column] of schema.entries()) {
    for (let slot = 0; slot < columnWidth(column); slot++, field++) {
      layout.column[field] = position;
      layout.slot[field] = slot;
    }
    layout.found++;
  }
  return layout;
}

/** Of these names the one most like `name`, where one is near enough to be meant. */
export function nearest(name: string, names: string[]): string | undefined {
  let best: string | undefined;
  let least = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of names) {
    const distance = editDistance(withoutPunctuation(name), withoutPunctuation(candidate), least);
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

function emptyLayout(width: number): Layout {
  return { column: new Int32Array(width).fill(-1), slot: new Int32Array(width), found: 0, problems: [] };
}

function fieldsOf(
  column: ColumnPlan,
  names: string[],
  exact: Map<string, number>,
  loose: Map<string, number[]>,
): number[] | undefined {
  const width = columnWidth(column);
  if (width === 1) {
    const field = exact.get(column.name);
    if (field !== undefined) return [field];
    const alike = loose.get(withoutPunctuation(column.name));
    return alike?.length === 1 ? alike : undefined;
  }
  const shape = 'shape' in column.type ? column.type.shape : [];
  return numberedFields(column.name, width, shape, names);
}

function numberedFields(name: string, width: number, shape: readonly number[], names: string[]): number[] | undefined {
  const numbered: { field: number; indices: number[] }[] = [];
  for (const [field, candidate] of names.entries()) {
    const trimmed = candidate.trim();
    if (trimmed.length <= name.length || !sameText(trimmed.slice(0, name.length), name)) continue;
    const rest = trimmed.slice(name.length);
    if (!/^(?:[_.\-[\] ,x]*\d+)+\]?$/.test(rest)) continue;
    numbered.push({ field, indices: (rest.match(/\d+/g) ?? []).map(Number) });
  }
  if (numbered.length !== width) return undefined;
  const dimensions = numbered[0]?.indices.length ?? 0;
  const base = numbered.reduce(
    (least, { indices }) => indices.map((index, dimension) => Math.min(index, least[dimension] ?? index)),
    numbered[0]?.indices ?? [],
  );
  const sizes = dimensions === 1 ? [width] : shape;
  if (sizes.length !== dimensions || base.some((first) => first > 1)) return undefined;
  const fields = new Array<number>(width).fill(-1);
  for (const { field, indices } of numbered) {
    if (indices.length !== dimensions) return undefined;
    let slot = 0;
    for (const [dimension, size] of sizes.entries()) {
      const index = (indices[dimension] ?? 0) - (base[dimension] ?? 0);
      if (index >= size) return undefined;
      slot = slot * size + index;
    }
    if (fields[slot] !== -1) return undefined;
    fields[slot] = field;
  }
  return fields;
}

function expectedName(column: ColumnPlan, names: string[]): string {
  const width = columnWidth(column);
  if (width > 1) return `fields ${column.name}_0 to ${column.name}_${width - 1}`;
  const near = nearest(column.name, names);
  return near === undefined
    ? `a field of that name among ${listed(names)}`
    : `a field of that name (is "${near}" meant?)`;
}

function listed(names: string[]): string {
  return names.length > 8 ? `${names.slice(0, 8).join(', ')}, …` : names.join(', ');
}

function sameText(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

function withoutPunctuation(name: string): string {
  return name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');
}

/** Levenshtein's distance, given up at `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (previous[j - 1] ?? limit) + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(substitution, (previous[j] ?? limit) + 1, (current[j - 1] ?? limit) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? limit;
}
