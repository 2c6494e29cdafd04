/** From a data set's plan and the place where its content lies to typed columns, or to what is wrong with it. */
import { stat } from 'node:fs/promises';
import type { ColumnPlan, DataPlan } from '../../grammar/plan/plan.ts';
import type { TableFact } from '../../grammar/rules/facts.ts';
import { MlpipeError } from '../errors.ts';
import { TableBuilder } from './builder.ts';
import { type CsvSource, readCsv } from './csv/read.ts';
import type { Dataset } from './dataset.ts';
import { ProblemList, schemaError } from './problems.ts';
import { expandSource, formatOf, type SourceFile } from './sources.ts';

export interface DatasetOptions {
  /** Only these columns of the schema; the others are neither read nor checked. */
  columns?: string[];
  /** Only so many rows, from the first. */
  limit?: number;
  signal?: AbortSignal;
  /** 0 … 1 of the bytes. */
  onProgress?: (share: number) => void;
}

/**
 * Reads a data set into columns of 32-bit floats.
 *
 * @param path where the content lies: a file, a folder or a glob
 * @throws MlpipeError `data-schema` with the first bad rows where the content does not fit the schema; `data-missing`,
 *   `data-format`, `data-encoding`, `data-quote`, `data-image`, `data-empty` where it cannot be read
 */
export async function readDataset(plan: DataPlan, path: string, options: DatasetOptions = {}): Promise<Dataset> {
  const { builder, name } = await readInto(plan, path, options, true);
  if (builder.problems.count > 0) throw schemaError(plan.name, name, builder.problems);
  if (builder.rows === 0)
    throw new MlpipeError(`Data "${plan.name}" has no rows: ${name} is empty.`, {
      code: 'data-empty',
      todo: 'Look at what wrote it.',
    });
  return builder.dataset();
}

/** Reads a data set without keeping it: rows, columns, where it does not fit the schema, and statistics. */
export async function checkDataset(plan: DataPlan, path: string, options: DatasetOptions = {}): Promise<TableFact> {
  const { builder } = await readInto(plan, path, options, false);
  return {
    rows: builder.rows,
    columns: builder.columnNames,
    problems: builder.problems.problems,
    statistics: builder.statistics(),
  };
}

async function readInto(
  plan: DataPlan,
  path: string,
  options: DatasetOptions,
  keep: boolean,
): Promise<{ builder: TableBuilder; name: string }> {
  const name = plan.source.kind === 'path' ? plan.source.path : plan.name;
  const schema = chosenColumns(plan, options.columns);
  const files = await expandSource(path);
  const problems = new ProblemList();
  const builder = new TableBuilder(schema, problems, { keep, limit: options.limit });
  const progress = await progressOver(files, options.onProgress);
  // Decoders are loaded where they are needed: most questions about a project need none.
  const image = schema.find((column) => column.type.kind === 'image');
  if (image !== undefined) {
    const { readImages } = await import('./images.ts');
    await readImages(files, image, schema, builder, { signal: options.signal, onBytes: progress });
    return { builder, name };
  }
  for (const file of tablesOf(files)) {
    if (builder.full) break;
    options.signal?.throwIfAborted();
    const source = sourceOf(file, name);
    switch (formatOf(file.path)) {
      case 'csv':
        await readCsv(source, schema, builder, { signal: options.signal, onBytes: progress });
        break;
      case 'parquet':
        await (await import('./parquet.ts')).readParquet(source, schema, builder, {
          signal: options.signal,
          onBytes: progress,
        });
        break;
      default:
        throw new MlpipeError(`${source.name} is of no kind that can be read.`, {
          code: 'data-format',
          todo: 'Readable are .csv, .tsv, .txt (also .gz), .parquet, and folders of .png and .jpg pictures.',
        });
    }
  }
  return { builder, name };
}

function sourceOf(file: SourceFile, name: string): CsvSource {
  return file.part === undefined ? { path: file.path, name } : { path: file.path, name: file.part, part: file.part };
}

/** Of a folder that holds tables, the tables: a README or a licence beside them is no data. */
function tablesOf(files: SourceFile[]): SourceFile[] {
  if (files.length === 1) return files;
  const data = files.filter((file) => /\.(?:csv|tsv|tab|psv|parquet|pq)(?:\.gz)?$/i.test(file.path));
  return data.length > 0 ? data : files;
}

function chosenColumns(plan: DataPlan, names: string[] | undefined): ColumnPlan[] {
  if (names === undefined) return plan.schema;
  return plan.schema.filter((column) => names.includes(column.name));
}

async function progressOver(
  files: SourceFile[],
  onProgress: ((share: number) => void) | undefined,
): Promise<((bytes: number) => void) | undefined> {
  if (onProgress === undefined) return undefined;
  let total = 0;
  for (const file of files) total += (await stat(file.path)).size;
  let read = 0;
  return (bytes) => {
    read += bytes;
    onProgress(total === 0 ? 1 : Math.min(1, read / total));
  };
}
