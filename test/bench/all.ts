/**
 * Every benchmark, one after the other. Each prints lines `METRIC:name:value:unit`; they are gathered into the table of
 * docs/benchmarks.md with `--write`. `npm run bench -- store cli` runs a choice.
 *
 * Machines are noisy: ratios against a peer of the same run say more than absolute values.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

interface Metric {
  name: string;
  value: number;
  unit: string;
}

const here = fileURLToPath(new URL('.', import.meta.url));
const root = fileURLToPath(new URL('../../', import.meta.url));
const benchmarks = ['language-server', 'store', 'data', 'kernels', 'training', 'cli', 'ledger'];

const { values, positionals } = parseArgs({ allowPositionals: true, options: { write: { type: 'boolean' } } });
const unknown = positionals.filter((name) => !benchmarks.includes(name));
if (unknown.length > 0) {
  console.error(`No benchmark is called ${unknown.join(', ')}. There are: ${benchmarks.join(', ')}.`);
  process.exit(2);
}

const results = new Map<string, Metric[]>();
let failed = false;
for (const name of positionals.length > 0 ? positionals : benchmarks) {
  console.log(`\n── ${name}`);
  const metrics = await measure(name);
  if (metrics.length === 0) {
    console.error(`${name} measured nothing.`);
    failed = true;
  }
  results.set(name, metrics);
}
await mkdir(join(root, 'test/.out'), { recursive: true });
await writeFile(
  join(root, 'test/.out/benchmarks.json'),
  `${JSON.stringify(Object.fromEntries(results), undefined, 2)}\n`,
);
if (values.write) await writeTables();
process.exitCode = failed ? 1 : 0;

/** Each in a process of its own, so that one benchmark's heap is not another's. */
function measure(name: string): Promise<Metric[]> {
  return new Promise((resolve, reject) => {
    const metrics: Metric[] = [];
    const child = spawn(process.execPath, ['--expose-gc', join(here, `${name}.ts`)], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    createInterface({ input: child.stdout }).on('line', (line) => {
      console.log(line);
      const match = /^METRIC:([^:]+):(-?[\d.]+(?:e[-+]?\d+)?):(.+)$/.exec(line);
      if (match?.[1] && match[3]) metrics.push({ name: match[1], value: Number(match[2]), unit: match[3] });
    });
    child.once('error', reject);
    child.once('close', (code) => {
      if (code !== 0) failed = true;
      resolve(metrics);
    });
  });
}

/** Replaces what stands between each benchmark's two markers; a section that did not run keeps its figures. */
async function writeTables(): Promise<void> {
  const path = join(root, 'docs/benchmarks.md');
  let page = existsSync(path) ? await readFile(path, 'utf8') : '# Benchmarks\n';
  const machine = `${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}, ${process.platform} ${process.arch}, load ${(loadavg()[0] ?? 0).toFixed(1)}`;
  const date = new Date().toISOString().slice(0, 10);
  for (const [name, metrics] of results) {
    const rows = metrics.map((metric) => `| ${metric.name} | ${round(metric.value)} | ${metric.unit} |`).join('\n');
    const body = `<!-- begin ${name} -->\n${date}; ${machine}.\n\n| metric | value | unit |\n|---|---:|---|\n${rows}\n<!-- end ${name} -->`;
    const section = new RegExp(`<!-- begin ${name} -->[\\s\\S]*?<!-- end ${name} -->`);
    page = section.test(page) ? page.replace(section, () => body) : `${page.trimEnd()}\n\n## ${name}\n\n${body}\n`;
  }
  await writeFile(path, page);
}

function round(value: number): string {
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString('en-GB') : String(Number(value.toPrecision(3)));
}
