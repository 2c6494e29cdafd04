/**
 * Every benchmark, one after the other. What their lines say (`report.ts`) is gathered into the tables of
 * docs/benchmarks.md with `--write`. `npm run bench -- store cli` runs a choice.
 *
 * Machines are noisy: ratios against a peer of the same run say more than absolute values.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus, loadavg, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

interface Metric {
  name: string;
  value: number;
  unit: string;
  target?: string;
}

interface Result {
  metrics: Metric[];
  peers: { name: string; version: string }[];
  missing: { name: string; why: string }[];
  /** Of the machine when it began: what others did. */
  load: number;
  seconds: number;
}

const here = fileURLToPath(new URL('.', import.meta.url));
const root = fileURLToPath(new URL('../../', import.meta.url));
const benchmarks = [
  'language-server',
  'store',
  'scale',
  'remotes',
  'data',
  'kernels',
  'training',
  'cli',
  'ledger',
  'lineage',
];

const { values, positionals } = parseArgs({ allowPositionals: true, options: { write: { type: 'boolean' } } });
const unknown = positionals.filter((name) => !benchmarks.includes(name));
if (unknown.length > 0) {
  console.error(`No benchmark is called ${unknown.join(', ')}. There are: ${benchmarks.join(', ')}.`);
  process.exit(2);
}

// Whatever a benchmark or a peer leaves in the folder for temporary files is inside this one, which goes at the end.
const scratch = mkdtempSync(join(tmpdir(), 'mlpipe-bench-'));
let running: ChildProcess | undefined;
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    running?.kill(signal);
    process.exit(130);
  });
}

const results = new Map<string, Result>();
let failed = false;
for (const name of positionals.length > 0 ? positionals : benchmarks) {
  console.log(`\n── ${name}`);
  const result = await measure(name);
  if (result.metrics.length === 0) {
    console.error(`${name} measured nothing.`);
    failed = true;
  }
  console.log(`   ${result.seconds} s`);
  results.set(name, result);
}
await mkdir(join(root, 'test/.out'), { recursive: true });
await writeFile(
  join(root, 'test/.out/benchmarks.json'),
  `${JSON.stringify(Object.fromEntries(results), undefined, 2)}\n`,
);
if (values.write) await writeTables();
process.exitCode = failed ? 1 : 0;

/** Each in a process of its own, so that one benchmark's heap is not another's. */
function measure(name: string): Promise<Result> {
  return new Promise((resolve, reject) => {
    const result: Result = { metrics: [], peers: [], missing: [], load: loadavg()[0] ?? 0, seconds: 0 };
    const began = performance.now();
    running = spawn(process.execPath, ['--expose-gc', join(here, `${name}.ts`)], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, TMPDIR: scratch, MLPIPE_BENCH_PEERS: join(scratch, 'peers') },
    });
    if (running.stdout) {
      createInterface({ input: running.stdout }).on('line', (line) => {
        console.log(line);
        gather(line, result);
      });
    }
    running.once('error', reject);
    running.once('close', (code) => {
      if (code !== 0) failed = true;
      resolve({ ...result, seconds: Math.round((performance.now() - began) / 1000) });
    });
  });
}

function gather(line: string, result: Result): void {
  const [, kind, name = '', rest = ''] = /^(METRIC|TARGET|PEER|MISSING):([^:]+):(.+)$/.exec(line) ?? [];
  if (kind === 'METRIC') {
    const [, value, unit = ''] = /^(-?[\d.]+(?:e[-+]?\d+)?):(.+)$/.exec(rest) ?? [];
    if (value !== undefined) result.metrics.push({ name, value: Number(value), unit });
  }
  if (kind === 'TARGET') {
    const metric = result.metrics.find((each) => each.name === name);
    if (metric) metric.target = rest;
  }
  if (kind === 'PEER') result.peers.push({ name, version: rest });
  if (kind === 'MISSING') result.missing.push({ name, why: rest });
}

/** Replaces what stands between each benchmark's two markers; a section that did not run keeps its figures. */
async function writeTables(): Promise<void> {
  const path = join(root, 'docs/benchmarks.md');
  let page = await readFile(path, 'utf8');
  for (const [name, result] of results) {
    if (result.metrics.length === 0) continue;
    const section = new RegExp(`(<!-- begin ${name} -->)[\\s\\S]*?(<!-- end ${name} -->)`);
    if (!section.test(page)) throw new Error(`docs/benchmarks.md has no section for ${name}.`);
    page = page.replace(section, (_, begin, end) => `${begin}\n${tableOf(result)}\n${end}`);
  }
  await writeFile(path, page);
}

function tableOf({ metrics, peers, missing, load, seconds }: Result): string {
  const machine = `${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, ${process.platform} ${release().split('-')[0]} ${process.arch}, Node ${process.versions.node}`;
  const caption = [
    `${new Date().toISOString().slice(0, 10)}; ${machine}; load ${load.toFixed(1)} before, ${seconds} s in all.`,
    ...(peers.length > 0 ? [`Beside: ${peers.map(({ name, version }) => `${name} ${version}`).join(', ')}.`] : []),
    ...missing.map(({ name, why }) => `Without ${name}, which could not be had: ${why.replace(/\.$/, '')}.`),
  ];
  const rows = metrics.map(
    ({ name, value, unit, target }) => `| ${name} | ${round(value)} | ${unit} | ${target ?? ''} |`,
  );
  return ['', caption.join('\n'), '', '| | value | unit | target |', '|---|---:|---|---|', ...rows, ''].join('\n');
}

function round(value: number): string {
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString('en-GB') : String(Number(value.toPrecision(3)));
}
