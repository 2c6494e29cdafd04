/** Parquet into columns: one group of rows after the other, and only the columns of the schema. */
import { asyncBufferFromFile, parquetMetadataAsync, parquetSchema } from 'hyparquet';
import { parquetReadColumn } from 'hyparquet/src/read.js';
import { compressors } from 'hyparquet-compressors';
import type { ColumnPlan } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import type { ColumnWriter, TableBuilder } from './builder.ts';
import type { CsvSource, ReadOptions } from './csv/read.ts';
import { layoutByNames } from './layout.ts';

/** One field of the file and where it goes: a number of a column, or a list that is a whole row of it. */
interface Field {
  name: string;
  writer: ColumnWriter;
  slot: number;
  list: boolean;
}

/**
 * Appends a file's rows. Columns are found by name as in a table of text; a column of several numbers may also be one
 * field of lists, nested or not, whose numbers are taken in their order.
 *
 * @throws MlpipeError `data-format` where the file is no Parquet file or is damaged
 */
export async function readParquet(
  source: CsvSource,
  schema: ColumnPlan[],
  builder: TableBuilder,
  options: ReadOptions,
): Promise<void> {
  const file = await readable(source, () => asyncBufferFromFile(source.path));
  const metadata = await readable(source, () => parquetMetadataAsync(file));
  const names = parquetSchema(metadata).children.map((child) => child.element.name);
  if (builder.columnNames.length === 0) builder.columnNames = names;
  const fields = fieldsOf(schema, names, source, builder);
  builder.expect(builder.row + Number(metadata.num_rows));
  let rowStart = 0;
  for (const group of metadata.row_groups) {
    options.signal?.throwIfAborted();
    const rowEnd = rowStart + Number(group.num_rows);
    const columns: ArrayLike<unknown>[] = [];
    for (const { name } of fields) {
      options.signal?.throwIfAborted();
      columns.push(
        await readable(source, () =>
          parquetReadColumn({ file, metadata, columns: [name], rowStart, rowEnd, compressors }),
        ),
      );
    }
    writeRows(fields, columns, rowStart, rowEnd - rowStart, source, builder);
    options.onBytes?.(Math.round((file.byteLength * (rowEnd - rowStart)) / Math.max(1, Number(metadata.num_rows))));
    rowStart = rowEnd;
    if (builder.full) return;
  }
}

function fieldsOf(schema: ColumnPlan[], names: string[], source: CsvSource, builder: TableBuilder): Field[] {
  const fields: Field[] = [];
  const flat: ColumnPlan[] = [];
  for (const column of schema) {
    const writer = builder.writers.find((candidate) => candidate.plan === column);
    if (writer !== undefined && writer.width > 1 && names.includes(column.name))
      fields.push({ name: column.name, writer, slot: 0, list: true });
    else flat.push(column);
  }
  const layout = layoutByNames(flat, names);
  for (const problem of layout.problems) builder.report(problem, placeOf(source));
  for (const [index, name] of names.entries()) {
    const column = flat[layout.column[index] ?? -1];
    const writer = builder.writers.find((candidate) => candidate.plan === column);
    if (writer !== undefined) fields.push({ name, writer, slot: layout.slot[index] ?? 0, list: false });
  }
  return fields;
}

/** Row by row over the columns of one group, so that a check needs no more than a block. */
function writeRows(
  fields: Field[],
  columns: ArrayLike<unknown>[],
  rowStart: number,
  rows: number,
  source: CsvSource,
  builder: TableBuilder,
): void {
  for (let done = 0; done < rows; ) {
    if (builder.row >= builder.capacity) {
      if (builder.full) return;
      builder.makeRoom();
    }
    const block = Math.min(rows - done, builder.capacity - builder.row);
    for (const [index, field] of fields.entries())
      writeBlock(field, columns[index] ?? [], rowStart, done, block, source, builder);
    builder.row += block;
    done += block;
  }
}

function writeBlock(
  field: Field,
  values: ArrayLike<unknown>,
  rowStart: number,
  from: number,
  rows: number,
  source: CsvSource,
  builder: TableBuilder,
): void {
  const { writer, slot } = field;
  const plain = writer.plan.type.kind === 'float';
  for (let index = 0; index < rows; index++) {
    const value = values[from + index];
    const row = builder.row + index;
    if (field.list) {
      const list = flatten(value);
      if (list.length !== writer.width) {
        const problem = writer.refuse(row, 0, value == null ? 'missing-value' : 'wrong-width', String(list.length));
        writer.values.fill(Number.NaN, row * writer.width, (row + 1) * writer.width);
        const expected = value == null ? problem.expected : `a list of ${writer.width} numbers`;
        builder.report({ ...problem, expected }, { ...placeOf(source), line: rowStart + from + index + 1 });
        continue;
      }
      for (const [position, item] of list.entries()) write(row, position, item, from + index);
    } else if (plain && typeof value === 'number' && value >= writer.lower && value <= writer.upper) {
      writer.values[row * writer.width + slot] = value;
    } else {
      write(row, slot, value, from + index);
    }
  }

  function write(row: number, position: number, value: unknown, inGroup: number): void {
    const problem = writer.writeValue(row, position, value);
    if (problem !== undefined) builder.report(problem, { ...placeOf(source), line: rowStart + inGroup + 1 });
  }
}

function flatten(value: unknown): unknown[] {
  if (value === null || value === undefined) return [];
  if (ArrayBuffer.isView(value)) return Array.from(value as Uint8Array); // only typed arrays come out of the reader
  return Array.isArray(value) ? value.flat(Number.POSITIVE_INFINITY) : [value];
}

async function readable<T>(source: CsvSource, read: () => T | Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw new MlpipeError(
      `${source.name} cannot be read as Parquet: ${error instanceof Error ? error.message : String(error)}.`,
      { code: 'data-format', todo: 'Look at what wrote it; it may not have been written to its end.', cause: error },
    );
  }
}

function placeOf(source: CsvSource): { file?: string } {
  return source.part === undefined ? {} : { file: source.part };
}
