import assert from 'node:assert/strict';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { type ColumnSource, parquetWriteBuffer } from 'hyparquet-writer';
import type { ColumnPlan, DataPlan } from '../../grammar/plan/plan.ts';
import { checkDataset, readDataset } from '../../runtime/data/read.ts';

const planOf = (schema: ColumnPlan[]): DataPlan => ({
  name: 'table',
  source: { kind: 'path', path: 'table.parquet' },
  schema,
});
const float = (name: string, ...shape: number[]): ColumnPlan => ({ name, type: { kind: 'float', shape } });

describe('reading Parquet', () => {
  let folder: string;
  let path: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mlpipe-parquet-'));
    path = join(folder, 'table.parquet');
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const write = (columnData: ColumnSource[], options: { rowGroupSize?: number } = {}): Promise<void> =>
    writeFile(path, Buffer.from(parquetWriteBuffer({ columnData, ...options })));

  it('reads numbers, whole numbers, truths, classes and texts over several groups of rows', async () => {
    const rows = 10_000;
    const of = <T>(make: (row: number) => T): T[] => Array.from({ length: rows }, (_, row) => make(row));
    await write(
      [
        { name: 'Size', data: of((row) => row * 0.5), type: 'DOUBLE' },
        { name: 'count', data: of((row) => BigInt(row)), type: 'INT64' },
        { name: 'good', data: of((row) => row % 2 === 0), type: 'BOOLEAN' },
        { name: 'kind', data: of((row) => ['b', 'a'][row % 2] ?? ''), type: 'STRING' },
        { name: 'note', data: of((row) => (row % 3 === 0 ? null : `n${row}`)), type: 'STRING', nullable: true },
        { name: 'unused', data: of(() => 1), type: 'INT32' },
      ],
      { rowGroupSize: 3000 },
    );
    const schema: ColumnPlan[] = [
      float('size'),
      { name: 'count', type: { kind: 'int', shape: [] } },
      { name: 'good', type: { kind: 'bool', shape: [] } },
      { name: 'kind', type: { kind: 'class', count: 2 } },
      { name: 'note', type: { kind: 'text' } },
    ];
    const { rows: found, columns } = await readDataset(planOf(schema), path);
    assert.equal(found, rows);
    assert.deepEqual(columns.kind?.labels, ['a', 'b']);
    for (const row of [0, 1, 2, 2999, 3000, 9999]) {
      assert.equal(columns.size?.values[row], row * 0.5);
      assert.equal(columns.count?.values[row], row);
      assert.equal(columns.good?.values[row], row % 2 === 0 ? 1 : 0);
      assert.equal(columns.kind?.values[row], row % 2 === 0 ? 1 : 0);
      assert.equal(columns.note?.texts?.[row], row % 3 === 0 ? '' : `n${row}`);
    }
    const fact = await checkDataset(planOf(schema), path);
    assert.equal(fact.rows, rows);
    assert.deepEqual(fact.columns, ['Size', 'count', 'good', 'kind', 'note', 'unused']);
    assert.equal(fact.statistics.size?.mean, (rows - 1) / 4);
  });

  it('reads zstd', async () => {
    const columnData: ColumnSource[] = [
      { name: 'x', data: Array.from({ length: 500 }, (_, row) => row % 9), type: 'DOUBLE' },
    ];
    const buffer = parquetWriteBuffer({
      columnData,
      codec: 'ZSTD',
      compressors: { ZSTD: (input) => zstdCompressSync(input) },
    });
    await writeFile(path, Buffer.from(buffer));
    const { columns } = await readDataset(planOf([float('x')]), path);
    assert.equal(columns.x?.values[499], 499 % 9);
  });

  it('takes a list as the numbers of a shape', async () => {
    await write([
      {
        name: 'pixels',
        data: [
          [1, 2, 3, 4],
          [5, 6, 7, 8],
        ],
        type: 'JSON',
      },
    ]);
    const { columns } = await readDataset(planOf([float('pixels', 2, 2)]), path);
    assert.deepEqual([...(columns.pixels?.values ?? [])], [1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('takes numbered fields as the numbers of a shape', async () => {
    await write([
      { name: 'p_1', data: [2, 4], type: 'FLOAT' },
      { name: 'p_0', data: [1, 3], type: 'FLOAT' },
    ]);
    const { columns } = await readDataset(planOf([float('p', 2)]), path);
    assert.deepEqual([...(columns.p?.values ?? [])], [1, 2, 3, 4]);
  });

  it('tells of rows that do not fit', async () => {
    await write([
      { name: 'x', data: [1, null, 900], type: 'DOUBLE', nullable: true },
      { name: 'word', data: ['a', 'b', 'c'], type: 'STRING' },
      { name: 'list', data: [[1, 2], [1], [1, 2]], type: 'JSON' },
    ]);
    const { problems } = await checkDataset(
      planOf([{ ...float('x'), range: { lower: 0, upper: 10 } }, float('word'), float('list', 2), float('no')]),
      path,
    );
    assert.deepEqual(
      problems.map(({ kind, column, line, found }) => [kind, column, line, found]),
      [
        ['missing-column', 'no', undefined, undefined],
        ['wrong-width', 'list', 2, '1'],
        ['missing-value', 'x', 2, ''],
        ['outside-range', 'x', 3, '900'],
        ['wrong-type', 'word', 1, 'a'],
        ['wrong-type', 'word', 2, 'b'],
        ['wrong-type', 'word', 3, 'c'],
      ],
    );
  });

  it('names a file that was not written to its end', async () => {
    await write([{ name: 'x', data: [1, 2, 3], type: 'DOUBLE' }]);
    await truncate(path, 40);
    await assert.rejects(readDataset(planOf([float('x')]), path), { code: 'data-format', message: /^table\.parquet/ });
  });
});
