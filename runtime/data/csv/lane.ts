/**
 * The fast lane: rows of plain fields, from bytes straight into columns, with no string in between. Whatever is not
 * plain (an escaped quote, a missing value, a value that the schema refuses, the end of the buffer) is left alone, and
 * the caller reads that row the careful way; so the lane never has to explain anything.
 */
import type { ColumnWriter, TableBuilder } from '../builder.ts';
import type { Layout } from '../layout.ts';
import { LARGEST_WHOLE_FLOAT32, POWERS_OF_TEN } from './numbers.ts';
import { CARRIAGE_RETURN, LINE_FEED, QUOTE } from './record.ts';

const SKIP = 0;
const NUMBER = 1;
const WHOLE = 2;
const LABEL = 3;
const TEXT = 4;
/** Not for the lane. */
const CAREFUL = 5;

/** A number of at most this many digits is exact in a double and leaves room for one more digit. */
const MANTISSA_LIMIT = 1e14;

export interface Lane {
  delimiter: number;
  width: number;
  /** By field. */
  kind: Uint8Array;
  writer: (ColumnWriter | undefined)[];
  slot: Int32Array;
  rowWidth: Int32Array;
  lower: Float64Array;
  upper: Float64Array;
  labels: (LabelTable | undefined)[];
  /** Where the last scan stopped. */
  position: number;
}

export function makeLane(delimiter: number, layout: Layout, builder: TableBuilder): Lane {
  const width = layout.column.length;
  const lane: Lane = {
    delimiter,
    width,
    kind: new Uint8Array(width),
    writer: [],
    slot: layout.slot,
    rowWidth: new Int32Array(width),
    lower: new Float64Array(width),
    upper: new Float64Array(width),
    labels: [],
    position: 0,
  };
  for (let field = 0; field < width; field++) {
    const writer = builder.writers[layout.column[field] ?? -1];
    lane.writer[field] = writer;
    lane.labels[field] = undefined;
    lane.rowWidth[field] = writer?.width ?? 0;
    lane.lower[field] = writer?.lower ?? 0;
    lane.upper[field] = writer?.upper ?? 0;
  }
  refreshLane(lane);
  return lane;
}

/** Takes in what a careful row has settled: how a class column is written, and labels that were learned. */
export function refreshLane(lane: Lane): void {
  for (let field = 0; field < lane.width; field++) {
    const writer = lane.writer[field];
    lane.kind[field] = writer === undefined ? SKIP : kindOf(writer);
    const { classes } = writer ?? {};
    if (classes === undefined) continue;
    if (classes.mode === 'index') {
      lane.lower[field] = 0;
      lane.upper[field] = classes.size - 1;
    } else if (lane.labels[field]?.size !== classes.labels.length) {
      lane.labels[field] = new LabelTable(classes.labels);
    }
  }
}

function kindOf(writer: ColumnWriter): number {
  switch (writer.plan.type.kind) {
    case 'float':
      return NUMBER;
    case 'int':
      return WHOLE;
    case 'text':
      return TEXT;
    case 'class':
      return writer.classes?.mode === 'index' ? WHOLE : writer.classes?.mode === 'label' ? LABEL : CAREFUL;
    default:
      return CAREFUL;
  }
}

/**
 * Reads rows from `start` on, until one is not plain or the columns are full.
 *
 * `bytes[end]` must hold a zero: no field goes past it. A number is the 32-bit float nearest to its decimal: up to 15
 * digits by one correctly rounded division, more by bracketing.
 *
 * @returns rows that were read; `lane.position` is where the next one begins
 */
export function scanLane(lane: Lane, bytes: Buffer, start: number, builder: TableBuilder): number {
  const { delimiter, width, kind, slot, rowWidth, lower, upper, labels } = lane;
  const values = lane.writer.map((writer) => writer?.values ?? NO_VALUES);
  const last = width - 1;
  const { row: firstRow, capacity } = builder;
  let row = firstRow;
  let position = start;
  rows: for (; row < capacity; row++) {
    let p = position;
    for (let field = 0; field < width; field++) {
      const fieldKind = kind[field];
      let c = bytes[p] as number; // the zero at `end` stops every loop below
      if (fieldKind === NUMBER || fieldKind === WHOLE) {
        const quoted = c === QUOTE;
        if (quoted) c = bytes[++p] as number;
        const from = p;
        const negative = c === 45;
        if (negative) c = bytes[++p] as number;
        let mantissa = 0;
        let exponent = 0;
        let dropped = 0;
        const digits = p;
        for (let digit = c - 48; digit >= 0 && digit <= 9; digit = c - 48) {
          if (mantissa < MANTISSA_LIMIT) mantissa = mantissa * 10 + digit;
          else {
            exponent++;
            dropped |= digit;
          }
          c = bytes[++p] as number;
        }
        let count = p - digits;
        if (c === 46) {
          c = bytes[++p] as number;
          const fraction = p;
          for (let digit = c - 48; digit >= 0 && digit <= 9; digit = c - 48) {
            if (mantissa < MANTISSA_LIMIT) {
              mantissa = mantissa * 10 + digit;
              exponent--;
            } else dropped |= digit;
            c = bytes[++p] as number;
          }
          count += p - fraction;
        }
        if (count === 0) break rows;
        if (c === 101 || c === 69) {
          c = bytes[++p] as number;
          const negativePower = c === 45;
          if (negativePower || c === 43) c = bytes[++p] as number;
          const power = p;
          let e = 0;
          for (let digit = c - 48; digit >= 0 && digit <= 9; digit = c - 48) {
            e = e * 10 + digit;
            c = bytes[++p] as number;
          }
          if (p === power || p > power + 3) break rows;
          exponent += negativePower ? -e : e;
        }
        if (exponent < -22 || exponent > 22) {
          if (mantissa !== 0) break rows;
          exponent = 0;
        }
        const scale = POWERS_OF_TEN[exponent < 0 ? -exponent : exponent] as number;
        let value = exponent < 0 ? mantissa / scale : mantissa * scale;
        if (dropped !== 0) {
          const above = exponent < 0 ? (mantissa + 1) / scale : (mantissa + 1) * scale;
          if (Math.fround(above) !== Math.fround(value))
            value = Number(bytes.toString('latin1', negative ? from + 1 : from, p));
        }
        if (negative) value = -value;
        if (!(value >= (lower[field] as number) && value <= (upper[field] as number))) break rows;
        if (
          fieldKind === WHOLE &&
          (value !== Math.floor(value) ||
            value > LARGEST_WHOLE_FLOAT32 ||
            value < -LARGEST_WHOLE_FLOAT32 ||
            dropped !== 0)
        )
          break rows;
        if (quoted) {
          if (c !== QUOTE) break rows;
          c = bytes[++p] as number;
        }
        (values[field] as Float32Array)[row * (rowWidth[field] as number) + (slot[field] as number)] = value;
      } else if (fieldKind === CAREFUL) {
        break rows;
      } else {
        const quoted = c === QUOTE;
        if (quoted) {
          if (fieldKind === SKIP) break rows;
          c = bytes[++p] as number;
        }
        const from = p;
        if (quoted) while (c !== QUOTE && c !== LINE_FEED && c !== 0) c = bytes[++p] as number;
        else while (c !== delimiter && c !== LINE_FEED && c !== CARRIAGE_RETURN && c !== 0) c = bytes[++p] as number;
        const to = p;
        if (quoted) {
          if (c !== QUOTE) break rows;
          c = bytes[++p] as number;
        }
        if (fieldKind === LABEL) {
          const index = labels[field]?.find(bytes, from, to) ?? -1;
          if (index < 0) break rows;
          (values[field] as Float32Array)[row] = index;
        } else if (fieldKind === TEXT) {
          const texts = lane.writer[field]?.texts;
          if (texts === undefined || to === from) break rows;
          texts[row] = bytes.toString('utf8', from, to);
        }
      }
      if (field < last) {
        if (c !== delimiter) break rows;
        p++;
      } else if (c === LINE_FEED) {
        position = p + 1;
      } else if (c === CARRIAGE_RETURN && bytes[p + 1] === LINE_FEED) {
        position = p + 2;
      } else {
        break rows;
      }
    }
  }
  lane.position = position;
  return row - firstRow;
}

const NO_VALUES = new Float32Array(0);

/** Labels found by their bytes: open addressing over FNV-1a. */
class LabelTable {
  readonly size: number;
  readonly #mask: number;
  readonly #slots: Int32Array;
  readonly #labels: Uint8Array[];

  constructor(labels: readonly string[]) {
    this.size = labels.length;
    this.#labels = labels.map((label) => Buffer.from(label));
    this.#mask = 2 ** Math.ceil(Math.log2(labels.length * 2 + 2)) - 1;
    this.#slots = new Int32Array(this.#mask + 1).fill(-1);
    for (const [index, label] of this.#labels.entries()) {
      let slot = hash(label, 0, label.length) & this.#mask;
      while (this.#slots[slot] !== -1) slot = (slot + 1) & this.#mask;
      this.#slots[slot] = index;
    }
  }

  find(bytes: Uint8Array, from: number, to: number): number {
    for (let slot = hash(bytes, from, to) & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const index = this.#slots[slot] as number; // masked, so in range
      if (index < 0) return -1;
      const label = this.#labels[index] as Uint8Array; // only indices of labels are stored
      if (label.length !== to - from) continue;
      let same = 0;
      while (same < label.length && label[same] === bytes[from + same]) same++;
      if (same === label.length) return index;
    }
  }
}

function hash(bytes: Uint8Array, from: number, to: number): number {
  let value = 0x811c9dc5;
  for (let index = from; index < to; index++) value = Math.imul(value ^ (bytes[index] as number), 0x01000193);
  return value ^ (value >>> 15);
}
