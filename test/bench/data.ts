/**
 * Reading tables: 1,000,000 rows × 20 columns of numbers into 32-bit floats, beside udsv, the
 * fastest reader of a package that was measured. Started directly, it prints its metrics.
 *
 * Each reader has a process of its own, so that peak memory is its own and none runs on another's warmed-up code.
 */
import { execFileSync } from 'node:child_process';
import { createWriteStream, existsSync, readFileSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { inferSchema, initParser } from 'udsv';
import type { DataPlan } from '../../grammar/plan/plan.ts';
import { Random } from '../../runtime/data/random.ts';
import { checkDataset, readDataset } from '../../runtime/data/read.ts';

const ROWS = 1_000_000;
const COLUMNS = 20;
const REPEATS = 3;

const plan: DataPlan = {
  name: 'table',
  source: { kind: 'path', path: 'table.csv' },
  schema: Array.from({ length: COLUMNS }, (_, index) => ({ name: `x${index}`, type: { kind: 'float', shape: [] } })),
};

/** How each reader does the same work: a sum over the first column proves that it did. */
const readers: Record<string, (path: string) => Promise<number>> = {
  async mlpipe(path) {
    const { columns } = await readDataset(plan, path);
    return sum(columns.x0?.values ?? []);
  },
  async mlpipe_check(path) {
    const { rows, statistics } = await checkDataset(plan, path);
    return (statistics.x0?.mean ?? 0) * rows;
  },
  async udsv(path) {
    // Whole text in memory, rows as arrays, then one pass into the columns: its fastest documented way.
    const text = readFileSync(path, 'utf8');
    const rows = initParser(inferSchema(text)).typedArrs(text) as number[][];
    return sum(columnsOf(rows)[0] ?? []);
  },
};

export interface DataMetric {
  name: string;
  value: number;
  unit: string;
}

/** Runs each reader several times and keeps the fastest, as noise only ever adds. */
export async function bench(): Promise<DataMetric[]> {
  const folder = await mkdtemp(join(tmpdir(), 'mlpipe-bench-'));
  const metrics: DataMetric[] = [];
  try {
    const path = join(folder, 'table.csv');
    await writeTable(path);
    const best = new Map<string, Measured>();
    for (let repeat = 0; repeat < REPEATS; repeat++) {
      for (const name of Object.keys(readers)) {
        const once = measure(name, path);
        const before = best.get(name);
        if (before === undefined || once.milliseconds < before.milliseconds) best.set(name, once);
      }
    }
    for (const [name, { milliseconds, megabytes }] of best) {
      metrics.push({ name: `data_csv_1m_by_20_${name}`, value: Math.round(milliseconds), unit: 'ms' });
      metrics.push({ name: `data_csv_1m_by_20_${name}_peak`, value: Math.round(megabytes), unit: 'MiB' });
    }
    // The check's sum comes from a mean, so it has its rounding.
    const totals = [...best.values()].map(({ total }) => total);
    if (Math.max(...totals) - Math.min(...totals) > 1e-6 * Math.max(...totals.map(Math.abs)))
      throw new Error(`The readers disagree: ${totals.join(', ')}.`);
    const own = best.get('mlpipe')?.milliseconds ?? 0;
    const peers = [...best].filter(([name]) => name.startsWith('udsv')).map(([, { milliseconds }]) => milliseconds);
    metrics.push({ name: 'data_csv_share_of_fastest_peer', value: own / Math.min(...peers), unit: 'x' });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return metrics;
}

interface Measured {
  milliseconds: number;
  megabytes: number;
  total: number;
}

function measure(name: string, path: string): Measured {
  const output = execFileSync(process.execPath, [fileURLToPath(import.meta.url), 'once', name, path], {
    encoding: 'utf8',
  });
  return JSON.parse(output) as Measured;
}

async function once(name: string, path: string): Promise<void> {
  const started = performance.now();
  const total = await readers[name]?.(path);
  const milliseconds = performance.now() - started;
  process.stdout.write(JSON.stringify({ milliseconds, megabytes: process.resourceUsage().maxRSS / 1024, total }));
}

/** Numbers as tables hold them: some whole, some with a few digits, some as a program prints doubles. */
async function writeTable(path: string): Promise<void> {
  const random = new Random(1);
  const file = createWriteStream(path);
  file.write(`${plan.schema.map((column) => column.name).join(',')}\n`);
  const next = (): number => random.bits() / 0x1_0000_0000;
  for (let row = 0; row < ROWS; ) {
    const lines: string[] = [];
    for (const end = Math.min(row + 2000, ROWS); row < end; row++) {
      const fields: string[] = [];
      for (let column = 0; column < COLUMNS; column++)
        fields.push(
          column % 5 === 0
            ? String(random.below(1000))
            : column % 5 === 1
              ? String(next() * 2 - 1)
              : (next() * 200 - 100).toFixed(4),
        );
      lines.push(fields.join(','));
    }
    if (!file.write(`${lines.join('\n')}\n`)) await new Promise<void>((resolve) => file.once('drain', () => resolve()));
  }
  file.end();
  await finished(file);
}

function columnsOf(rows: number[][]): Float32Array[] {
  const columns = Array.from({ length: COLUMNS }, () => new Float32Array(rows.length));
  for (const [row, values] of rows.entries())
    for (let column = 0; column < COLUMNS; column++) (columns[column] as Float32Array)[row] = values[column] ?? 0;
  return columns;
}

function sum(values: ArrayLike<number>): number {
  let total = 0;
  for (let index = 0; index < values.length; index++) total += values[index] ?? 0;
  return total;
}

const [, script, mode, name, path] = process.argv;
if (script === fileURLToPath(import.meta.url)) {
  if (mode === 'once' && name !== undefined && path !== undefined && existsSync(path)) await once(name, path);
  else
    for (const metric of await bench())
      console.log(`METRIC:${metric.name}:${Number(metric.value.toFixed(3))}:${metric.unit}`);
}
