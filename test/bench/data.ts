/**
 * Reading tables of 1,000,000 rows × 20 columns of numbers into 32-bit floats, as text and as Parquet, beside the
 * readers that a package offers. Every reader has a process of its own (`data-readers.ts`), so that the peak of memory
 * is its own and none runs on another's warmed-up code; only the reading counts, not the start of the process.
 */
import { execFileSync } from 'node:child_process';
import { createWriteStream, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { zstdCompressSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { Random } from '../../runtime/data/random.ts';
import { COLUMNS, type Reading, ROWS } from './data-readers.ts';
import { installPackages, ownPeer, type PackagePeer } from './peers.ts';
import { inTurns, median, metric } from './report.ts';

const ROUNDS = 3;
const READERS = fileURLToPath(new URL('data-readers.ts', import.meta.url));

/** Of `data-readers.ts`, and the package that each needs. */
const TEXT: Record<string, PackagePeer | undefined> = {
  mlpipe: undefined,
  'mlpipe, check only': undefined,
  udsv: undefined,
  papaparse: 'papaparse',
  'csv-parse': 'csv-parse',
  duckdb: '@duckdb/node-api',
};
const PARQUET: Record<string, PackagePeer | undefined> = {
  mlpipe: undefined,
  hyparquet: undefined,
  duckdb: '@duckdb/node-api',
};

async function bench(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'mlpipe-bench-'));
  try {
    ownPeer('udsv');
    ownPeer('hyparquet');
    const peers = installPackages(['papaparse', 'csv-parse', '@duckdb/node-api']);
    const has = ([, needs]: [string, PackagePeer | undefined]) =>
      needs === undefined || peers.installed.includes(needs);
    const text = join(folder, 'table.csv');
    const columns = await writeTable(text);
    await compare('CSV', text, Object.entries(TEXT).filter(has), peers.folder);
    for (const codec of ['SNAPPY', 'ZSTD'] as const) {
      const path = join(folder, `${codec}.parquet`);
      writeParquet(path, columns, codec);
      const label = `Parquet (${codec.toLowerCase()})`;
      await compare(label, path, Object.entries(PARQUET).filter(has), peers.folder);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function compare(label: string, path: string, readers: [string, unknown][], packages: string): Promise<void> {
  const peaks = new Map<string, number[]>();
  const totals: number[] = [];
  const ways = readers.map(([name]) => {
    const way = () => {
      const output = execFileSync(process.execPath, [READERS, name, path, packages], { encoding: 'utf8' });
      const { milliseconds, megabytes, total } = JSON.parse(output) as Reading;
      peaks.set(name, [...(peaks.get(name) ?? []), megabytes]);
      totals.push(total);
      return milliseconds;
    };
    return [name, way] as const;
  });
  const times: Record<string, number> = await inTurns(ROUNDS, Object.fromEntries(ways));
  // The check's sum comes from a mean, so it has its rounding.
  if (Math.max(...totals) - Math.min(...totals) > 1e-6 * Math.max(...totals.map(Math.abs)))
    throw new Error(`The readers of ${label} disagree: ${totals.join(', ')}.`);
  for (const [name, milliseconds] of Object.entries(times)) {
    metric(`${label}, ${name}`, milliseconds / 1000, 's');
    metric(`${label}, ${name}, peak memory`, median(peaks.get(name) ?? []), 'MiB');
  }
  for (const [name, milliseconds] of Object.entries(times)) {
    if (name.startsWith('mlpipe')) continue;
    metric(`${label}, mlpipe's time as a share of ${name}'s`, (times.mlpipe ?? Number.NaN) / milliseconds, 'x');
  }
}

/**
 * Numbers as tables hold them: some whole, some with a few digits, some as a program prints doubles.
 *
 * @returns the same numbers, column by column
 */
async function writeTable(path: string): Promise<Float64Array[]> {
  const random = new Random(1);
  const columns = Array.from({ length: COLUMNS }, () => new Float64Array(ROWS));
  const file = createWriteStream(path);
  file.write(`${columns.map((_, index) => `x${index}`).join(',')}\n`);
  const next = (): number => random.bits() / 0x1_0000_0000;
  for (let row = 0; row < ROWS; ) {
    const lines: string[] = [];
    for (const end = Math.min(row + 2000, ROWS); row < end; row++) {
      const fields = columns.map((values, column) => {
        const field =
          column % 5 === 0
            ? String(random.below(1000))
            : column % 5 === 1
              ? String(next() * 2 - 1)
              : (next() * 200 - 100).toFixed(4);
        values[row] = Number(field);
        return field;
      });
      lines.push(fields.join(','));
    }
    if (!file.write(`${lines.join('\n')}\n`)) await new Promise<void>((resolve) => file.once('drain', () => resolve()));
  }
  file.end();
  await finished(file);
  return columns;
}

/** Doubles, in groups of as many rows as DuckDB makes. */
function writeParquet(path: string, columns: Float64Array[], codec: 'SNAPPY' | 'ZSTD'): void {
  const buffer = parquetWriteBuffer({
    columnData: columns.map((data, index) => ({ name: `x${index}`, data, type: 'DOUBLE' })),
    rowGroupSize: 122_880,
    codec,
    compressors: { ZSTD: (input) => zstdCompressSync(input) },
  });
  writeFileSync(path, Buffer.from(buffer));
}

if (import.meta.main) await bench();
