/**
 * How each reader does the same work: a table's numbers into columns of 32-bit floats. `data-readers.ts READER PATH
 * PACKAGES` reads once and prints what it took; a sum over the first column proves that it did.
 */
import { createReadStream, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { asyncBufferFromFile, parquetRead } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { inferSchema, initParser } from 'udsv';
import type { DataPlan } from '../../grammar/plan/plan.ts';
import { checkDataset, readDataset } from '../../runtime/data/read.ts';

export const ROWS = 1_000_000;
export const COLUMNS = 20;

export interface Reading {
  milliseconds: number;
  /** The process's largest resident size. */
  megabytes: number;
  total: number;
}

type Load = (name: string) => unknown;

const plan: DataPlan = {
  name: 'table',
  source: { kind: 'path', path: 'table' },
  schema: Array.from({ length: COLUMNS }, (_, index) => ({ name: `x${index}`, type: { kind: 'float', shape: [] } })),
};

const readers: Record<string, (path: string, load: Load) => Promise<number>> = {
  async mlpipe(path) {
    const { columns } = await readDataset(plan, path);
    return sum(columns.x0?.values ?? []);
  },
  async 'mlpipe, check only'(path) {
    const { rows, statistics } = await checkDataset(plan, path);
    return (statistics.x0?.mean ?? 0) * rows;
  },
  async udsv(path) {
    // Whole text in memory, rows as arrays, then one pass into the columns: its fastest documented way.
    const text = readFileSync(path, 'utf8');
    const table = new Columns();
    table.append(initParser(inferSchema(text)).typedArrs(text) as number[][]);
    return table.total();
  },
  async papaparse(path, load) {
    const papa = load('papaparse') as {
      parse(input: unknown, options: object): void;
    };
    const table = new Columns();
    await new Promise<void>((complete, error) => {
      let header = true;
      const chunk = ({ data }: { data: number[][] }) => {
        table.append(header ? data.slice(1) : data);
        header = false;
      };
      const options = { dynamicTyping: true, skipEmptyLines: true, chunk, complete: () => complete(), error };
      papa.parse(createReadStream(path, { highWaterMark: 2 ** 20 }), options);
    });
    return table.total();
  },
  async 'csv-parse'(path, load) {
    const { parse } = load('csv-parse') as { parse(options: object): NodeJS.ReadWriteStream };
    const table = new Columns();
    const parser = createReadStream(path, { highWaterMark: 2 ** 20 }).pipe(parse({ from_line: 2 }));
    parser.on('data', (record: string[]) => table.append([record]));
    await new Promise((resolve, reject) => parser.once('end', resolve).once('error', reject));
    return table.total();
  },
  async duckdb(path, load) {
    const names = plan.schema.map(({ name }) => name);
    const source = path.endsWith('.csv')
      ? `read_csv('${path}', header = true, columns = {${names.map((name) => `${name}: 'FLOAT'`).join(', ')}})`
      : `read_parquet('${path}')`;
    const { DuckDBInstance } = load('@duckdb/node-api') as { DuckDBInstance: { create(path: string): Promise<Duck> } };
    const connection = await (await DuckDBInstance.create(':memory:')).connect();
    const query = `select ${names.map((name) => `${name}::FLOAT`).join(', ')} from ${source}`;
    const result = await connection.stream(query);
    const table = new Columns();
    for (;;) {
      const chunk = await result.fetchChunk();
      if (!chunk || chunk.rowCount === 0) return table.total();
      table.appendColumns(chunk.rowCount, (index) => chunk.getColumnVector(index).items);
    }
  },
  async hyparquet(path) {
    const file = await asyncBufferFromFile(path);
    const table = new Columns();
    await parquetRead({ file, compressors, onComplete: (rows) => table.append(rows as unknown as number[][]) });
    return table.total();
  },
};

/** As much of DuckDB's interface as is used here. */
interface Duck {
  connect(): Promise<{
    stream(query: string): Promise<{
      fetchChunk(): Promise<{ rowCount: number; getColumnVector(index: number): { items: Float32Array } } | null>;
    }>;
  }>;
}

class Columns {
  readonly #columns = Array.from({ length: COLUMNS }, () => new Float32Array(ROWS));
  #rows = 0;

  append(rows: readonly (readonly (number | string)[])[]): void {
    for (const values of rows) {
      for (const [column, numbers] of this.#columns.entries()) numbers[this.#rows] = Number(values[column]);
      this.#rows++;
    }
  }

  appendColumns(rows: number, column: (index: number) => Float32Array): void {
    for (const [index, numbers] of this.#columns.entries()) numbers.set(column(index).subarray(0, rows), this.#rows);
    this.#rows += rows;
  }

  total(): number {
    if (this.#rows !== ROWS) throw new Error(`${this.#rows} rows were read, not ${ROWS}.`);
    return sum(this.#columns[0] ?? []);
  }
}

function sum(values: ArrayLike<number>): number {
  let total = 0;
  for (let index = 0; index < values.length; index++) total += values[index] ?? 0;
  return total;
}

if (import.meta.main) {
  const [, , name = '', path = '', packages = ''] = process.argv;
  const require = createRequire(join(packages, 'package.json'));
  const read = readers[name];
  if (!read) throw new Error(`There is no reader ${name}.`);
  const started = performance.now();
  const total = await read(path, require);
  const milliseconds = performance.now() - started;
  const reading: Reading = { milliseconds, megabytes: process.resourceUsage().maxRSS / 1024, total };
  process.stdout.write(JSON.stringify(reading));
}
