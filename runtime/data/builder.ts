/** Where readers put what they read: typed columns that grow, or, for a check, a block that is used again and again. */
import type { ColumnPlan } from '../../grammar/plan/plan.ts';
import type { ColumnStatistics, SchemaProblem } from '../../grammar/rules/facts.ts';
import { ClassIndex } from './classes.ts';
import {
  hasDecimalComma,
  isMissing,
  LARGEST_FLOAT32,
  LARGEST_WHOLE_FLOAT32,
  parseBoolean,
  parseNumber,
} from './csv/numbers.ts';
import type { Column, Dataset } from './dataset.ts';
import type { ProblemList } from './problems.ts';
import { ClassSummary, classStatistics, NumberSummary, numberStatistics, textStatistics } from './statistics.ts';

/** Rows of a block where the data is only checked. */
const CHECKED_BLOCK = 4096;

export interface Place {
  file?: string;
  line?: number;
}

/** Numbers of one row of a column. */
export function columnWidth(plan: ColumnPlan): number {
  return 'shape' in plan.type ? plan.type.shape.reduce((product, size) => product * size, 1) : 1;
}

/** One column while it is read. */
export class ColumnWriter {
  readonly plan: ColumnPlan;
  readonly width: number;
  readonly lower: number;
  readonly upper: number;
  readonly classes: ClassIndex | undefined;
  /** rows × width; empty for text. `NaN` where a value was refused. */
  values: Float32Array;
  /** Present for text. */
  texts: string[] | undefined;
  missing = 0;
  readonly #numbers = new NumberSummary();
  readonly #classes = new ClassSummary();

  constructor(plan: ColumnPlan, capacity: number) {
    this.plan = plan;
    this.width = columnWidth(plan);
    this.lower = plan.range?.lower ?? -LARGEST_FLOAT32;
    this.upper = plan.range?.upper ?? LARGEST_FLOAT32;
    if (plan.type.kind === 'class') this.classes = new ClassIndex(plan.type);
    if (plan.type.kind === 'text') this.texts = [];
    this.values = new Float32Array(this.texts === undefined ? capacity * this.width : 0);
  }

  /** Takes a field of text; answers with what is wrong with it, or nothing. */
  writeText(row: number, slot: number, field: string): SchemaProblem | undefined {
    if (this.texts !== undefined) {
      this.texts[row] = field;
      if (field === '') this.missing++;
      return undefined;
    }
    const text = field.trim();
    const declared = this.classes?.mode === 'label' && this.classes.labels.includes(text);
    if (isMissing(text) && !declared) return this.refuse(row, slot, 'missing-value', text);
    switch (this.plan.type.kind) {
      case 'bool': {
        const value = parseBoolean(text);
        return value === undefined
          ? this.refuse(row, slot, 'wrong-type', text)
          : this.writeNumber(row, slot, value ? 1 : 0);
      }
      case 'class': {
        const index = this.classes?.indexOf(text);
        if (index === undefined) return this.refuse(row, slot, 'unknown-class', text);
        this.values[row] = index;
        return undefined;
      }
      default: {
        const value = parseNumber(text);
        return value === undefined
          ? this.refuse(row, slot, 'wrong-type', text)
          : this.writeNumber(row, slot, value, text);
      }
    }
  }

  /** Takes a number of a numeric column, after its checks. */
  writeNumber(row: number, slot: number, value: number, found = String(value)): SchemaProblem | undefined {
    if (Number.isNaN(value)) return this.refuse(row, slot, 'missing-value', found);
    if (this.plan.type.kind === 'int' && !(Number.isInteger(value) && Math.abs(value) <= LARGEST_WHOLE_FLOAT32))
      return this.refuse(row, slot, 'wrong-type', found);
    if (!(Math.abs(value) <= LARGEST_FLOAT32)) return this.refuse(row, slot, 'wrong-type', found);
    if (value < this.lower || value > this.upper) return this.refuse(row, slot, 'outside-range', found);
    this.values[row * this.width + slot] = value;
    return undefined;
  }

  /** Takes what a typed source (Parquet) holds in one cell of a column of width one, or one number of a wider one. */
  writeValue(row: number, slot: number, value: unknown): SchemaProblem | undefined {
    if (value === null || value === undefined) {
      if (this.texts !== undefined) return this.writeText(row, slot, '');
      return this.refuse(row, slot, 'missing-value', '');
    }
    const { kind } = this.plan.type;
    if (kind === 'text' || kind === 'class') {
      return typeof value === 'object'
        ? this.refuse(row, slot, 'wrong-type', JSON.stringify(value))
        : this.writeText(row, slot, String(value));
    }
    if (typeof value === 'boolean') {
      return kind === 'bool'
        ? this.writeNumber(row, slot, value ? 1 : 0)
        : this.refuse(row, slot, 'wrong-type', String(value));
    }
    if (typeof value !== 'number' && typeof value !== 'bigint')
      return this.refuse(row, slot, 'wrong-type', String(value));
    const number = Number(value);
    if (kind === 'bool' && number !== 0 && number !== 1) return this.refuse(row, slot, 'wrong-type', String(value));
    return this.writeNumber(row, slot, number, String(value));
  }

  refuse(row: number, slot: number, kind: SchemaProblem['kind'], found: string): SchemaProblem {
    if (this.texts === undefined) this.values[row * this.width + slot] = Number.NaN;
    else this.texts[row] = '';
    if (kind === 'missing-value') this.missing++;
    const expected = hasDecimalComma(found)
      ? 'a number with a decimal point, not a decimal comma'
      : this.expected(found);
    return { kind, column: this.plan.name, found: shorten(found), expected };
  }

  /** What a value should be, in words. */
  expected(found = ''): string {
    const { type, range } = this.plan;
    const bounds = range === undefined ? '' : ` from ${range.lower} to ${range.upper}`;
    switch (type.kind) {
      case 'int':
        return Math.abs(Number(found)) > LARGEST_WHOLE_FLOAT32 && range === undefined
          ? `a whole number up to ${LARGEST_WHOLE_FLOAT32.toLocaleString('en')} (larger ones lose digits in 32 bits; a key can be text)`
          : `a whole number${bounds}`;
      case 'bool':
        return 'true or false';
      case 'text':
        return 'text';
      case 'class':
        return this.classes?.expected ?? 'a class';
      case 'image':
        return 'a picture';
      default:
        return Math.abs(Number(found)) > LARGEST_FLOAT32 ? 'a number that 32 bits can hold' : `a number${bounds}`;
    }
  }

  grow(capacity: number): void {
    if (this.texts !== undefined) return;
    const grown = new Float32Array(capacity * this.width);
    grown.set(this.values);
    this.values = grown;
  }

  summarize(rows: number): void {
    if (this.texts !== undefined) return;
    if (this.classes === undefined) this.#numbers.add(this.values, 0, rows * this.width);
    else this.#classes.add(this.values, 0, rows);
  }

  statistics(rows: number): ColumnStatistics {
    if (this.texts !== undefined) return textStatistics(rows, this.missing);
    if (this.classes === undefined) return numberStatistics(this.#numbers, this.missing);
    const { labels, replace } = this.classes.finish();
    if (replace === undefined) return { ...classStatistics(this.#classes, labels, rows), missing: this.missing };
    const sorted = new ClassSummary();
    for (const [index, count] of this.#classes.counts.entries()) sorted.counts[replace[index] ?? index] = count ?? 0;
    return { ...classStatistics(sorted, labels, rows), missing: this.missing };
  }

  finish(rows: number): Column {
    const values = this.values.subarray(0, this.texts === undefined ? rows * this.width : 0);
    if (this.texts !== undefined) {
      this.texts.length = rows;
      return { plan: this.plan, values, texts: this.texts };
    }
    if (this.classes === undefined) return { plan: this.plan, values };
    const { labels, replace } = this.classes.finish();
    if (replace !== undefined)
      for (let row = 0; row < rows; row++) values[row] = replace[values[row] as number] ?? Number.NaN; // NaN stays NaN
    return { plan: this.plan, values, labels };
  }
}

/** All columns while they are read. */
export class TableBuilder {
  readonly writers: ColumnWriter[];
  readonly problems: ProblemList;
  /** Of the first file: as its header has them, or `column1 …`. */
  columnNames: string[] = [];
  /** The row that is written next, in the present block. */
  row = 0;
  capacity: number;
  readonly #keep: boolean;
  readonly #limit: number;
  #before = 0;

  constructor(schema: ColumnPlan[], problems: ProblemList, options: { keep: boolean; limit?: number | undefined }) {
    this.problems = problems;
    this.#keep = options.keep;
    this.#limit = options.limit ?? Number.POSITIVE_INFINITY;
    this.capacity = Math.max(0, Math.min(CHECKED_BLOCK, this.#limit));
    this.writers = schema.map((plan) => new ColumnWriter(plan, this.capacity));
  }

  /** Rows so far. */
  get rows(): number {
    return this.#before + this.row;
  }

  get full(): boolean {
    return this.rows >= this.#limit;
  }

  report(problem: SchemaProblem, place: Place): void {
    this.problems.add({ ...problem, ...place });
  }

  /** Makes room for about so many rows; pages that are never written cost no memory. */
  expect(rows: number): void {
    if (this.#keep && rows > this.capacity) this.#grow(Math.min(rows, this.#limit));
  }

  /** Called where `row` has reached `capacity`. */
  makeRoom(): void {
    if (this.full) return;
    if (this.#keep) this.#grow(Math.min(Math.ceil(this.capacity * 1.5) + CHECKED_BLOCK, this.#limit));
    else this.#flush();
  }

  dataset(): Dataset {
    const { rows } = this;
    return { rows, columns: Object.fromEntries(this.writers.map((writer) => [writer.plan.name, writer.finish(rows)])) };
  }

  statistics(): Record<string, ColumnStatistics> {
    this.#flush();
    return Object.fromEntries(this.writers.map((writer) => [writer.plan.name, writer.statistics(this.rows)]));
  }

  #grow(capacity: number): void {
    this.capacity = capacity;
    for (const writer of this.writers) writer.grow(capacity);
  }

  #flush(): void {
    for (const writer of this.writers) writer.summarize(this.row);
    this.#before += this.row;
    this.row = 0;
    this.capacity = Math.min(this.capacity, this.#limit - this.#before);
  }
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
