/** A folder of pictures: labelled by the folder that each lies in, or by a table beside them. */
import { readFile } from 'node:fs/promises';
import type { ColumnPlan } from '../../grammar/plan/plan.ts';
import { TableBuilder } from './builder.ts';
import { type ReadOptions, readCsv } from './csv/read.ts';
import type { Column } from './dataset.ts';
import { decodePicture } from './pictures.ts';
import { resize } from './resize.ts';
import { formatOf, type SourceFile } from './sources.ts';

/** What a table of labels may call the column that names the picture, after the picture's column itself. */
const FILE_COLUMNS = ['file', 'filename', 'path', 'image', 'picture'];

/**
 * Appends every picture of a folder, in the order of the paths' code units, or in the order of the table.
 *
 * The table is `labels.csv` or `labels.tsv` in the folder itself, with a header: one column names the picture relative to
 * the folder, the others are the schema's. Without one, a class or text column takes the name of the picture's folder.
 */
export async function readImages(
  files: SourceFile[],
  image: ColumnPlan,
  schema: ColumnPlan[],
  builder: TableBuilder,
  options: ReadOptions,
): Promise<void> {
  if (builder.columnNames.length === 0) builder.columnNames = schema.map((column) => column.name);
  const pictures = files.filter((file) => formatOf(file.path) === 'image');
  const others = schema.filter((column) => column !== image);
  const table = files.find((file) => /^labels\.(?:csv|tsv)$/i.test(file.part ?? ''));
  builder.expect(builder.row + pictures.length);
  if (table !== undefined) await readByTable(table, pictures, image, others, builder, options);
  else await readByFolder(pictures, image, others, builder, options);
}

async function readByFolder(
  pictures: SourceFile[],
  image: ColumnPlan,
  others: ColumnPlan[],
  builder: TableBuilder,
  options: ReadOptions,
): Promise<void> {
  const [label, ...more] = others;
  for (const column of more)
    builder.report(
      {
        kind: 'missing-column',
        column: column.name,
        expected: 'a table labels.csv in the folder: the names of folders give one column alone',
      },
      {},
    );
  for (const picture of pictures) {
    if (!(await writePicture(picture, image, builder, options))) return;
    const folder = picture.part?.split('/').at(-2);
    for (const column of others) {
      const writer = builder.writers.find((candidate) => candidate.plan === column);
      const problem =
        column !== label || folder === undefined || column.type.kind === 'image'
          ? writer?.refuse(builder.row, 0, 'missing-value', '')
          : writer?.writeText(builder.row, 0, folder);
      if (problem !== undefined && column === label)
        builder.report(
          folder === undefined ? { ...problem, expected: 'a picture in the folder of its class' } : problem,
          place(picture),
        );
    }
    builder.row++;
  }
}

async function readByTable(
  table: SourceFile,
  pictures: SourceFile[],
  image: ColumnPlan,
  others: ColumnPlan[],
  builder: TableBuilder,
  options: ReadOptions,
): Promise<void> {
  const source = { path: table.path, name: table.part ?? table.path, ...place(table) };
  const header = new TableBuilder([], builder.problems, { keep: true, limit: 0 });
  await readCsv(source, [], header, {});
  const named = [image.name, ...FILE_COLUMNS].find((name) => header.columnNames.includes(name));
  if (named === undefined) {
    builder.report(
      { kind: 'missing-column', column: image.name, expected: 'a field "file" with the name of the picture' },
      place(table),
    );
    return;
  }
  const fileColumn: ColumnPlan = { name: named, type: { kind: 'text' } };
  const rows = new TableBuilder([fileColumn, ...others], builder.problems, { keep: true });
  await readCsv(source, [fileColumn, ...others], rows, { signal: options.signal });
  const labels = rows.dataset();
  const byPart = new Map(pictures.map((picture) => [picture.part, picture]));
  const names = labels.columns[named]?.texts ?? [];
  for (const [row, name] of names.entries()) {
    const picture = byPart.get(name.trim().replaceAll('\\', '/').replace(/^\.\//, ''));
    if (picture === undefined) {
      // The header is the first line.
      builder.report(
        { kind: 'missing-value', column: image.name, found: name, expected: `a picture ${name} in the folder` },
        { ...place(table), line: row + 2 },
      );
      continue;
    }
    if (!(await writePicture(picture, image, builder, options))) return;
    for (const column of others) copyCell(labels.columns[column.name], row, column, builder);
    builder.row++;
  }
}

function copyCell(from: Column | undefined, row: number, column: ColumnPlan, builder: TableBuilder): void {
  const writer = builder.writers.find((candidate) => candidate.plan === column);
  if (from === undefined || writer === undefined) return;
  // What the table's own reading has refused is reported already, and stands there as NaN.
  if (from.texts !== undefined) writer.writeText(builder.row, 0, from.texts[row] ?? '');
  else if (from.labels !== undefined) writer.writeText(builder.row, 0, from.labels[from.values[row] ?? -1] ?? '');
  else
    for (let slot = 0; slot < writer.width; slot++)
      writer.writeNumber(builder.row, slot, from.values[row * writer.width + slot] ?? Number.NaN);
}

/** Decodes one picture into the row that is next; false where no more rows are wanted. */
async function writePicture(
  picture: SourceFile,
  image: ColumnPlan,
  builder: TableBuilder,
  options: ReadOptions,
): Promise<boolean> {
  options.signal?.throwIfAborted();
  if (builder.row >= builder.capacity) {
    if (builder.full) return false;
    builder.makeRoom();
  }
  const writer = builder.writers.find((candidate) => candidate.plan === image);
  if (writer === undefined || image.type.kind !== 'image') return true;
  const [height, width, channels] = image.type.shape;
  const bytes = await readFile(picture.path);
  options.onBytes?.(bytes.length);
  try {
    const { values } = resize(decodePicture(bytes, channels), height, width);
    writer.values.set(values, builder.row * writer.width);
  } catch (error) {
    writer.values.fill(Number.NaN, builder.row * writer.width, (builder.row + 1) * writer.width);
    builder.report(
      {
        kind: 'wrong-type',
        column: image.name,
        found: error instanceof Error ? error.message : String(error),
        expected: 'a whole PNG or JPEG picture',
      },
      place(picture),
    );
  }
  return true;
}

function place(file: SourceFile): { file?: string } {
  return file.part === undefined ? {} : { file: file.part };
}
