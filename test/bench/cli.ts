/**
 * The command line as a process: what `--version` costs above `node -e 0`, and how long `status` and `run` take when
 * nothing has changed in a project of 10,000 files, beside DVC on the same files. DVC is installed into a temporary
 * virtual environment; where that cannot be done, its figures are left out and it is said why.
 *
 * Runs of the two are interleaved, and the median counts: noise hits both alike. Needs `npm run build`.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const FILES = 10_000;
const REPEATS = 15;
const SLOW_REPEATS = 5;
const START = fileURLToPath(new URL('../../runtime/cli/start.cjs', import.meta.url));

export interface CliMetric {
  name: string;
  value: number;
  unit: string;
}

export function bench(): CliMetric[] {
  const folder = mkdtempSync(join(tmpdir(), 'mlpipe-bench-'));
  try {
    const metrics: CliMetric[] = [];
    const [bare, version] = medians(
      REPEATS,
      () => run(process.execPath, ['-e', '0']),
      () => run(process.execPath, [START, '--version']),
    );
    metrics.push({ name: 'version-overhead', value: version - bare, unit: 'ms' });

    const project = makeProject(folder);
    run(process.execPath, [START, 'run', '-q'], project);
    settle();
    const [status, unchanged] = medians(
      REPEATS,
      () => run(process.execPath, [START, 'status'], project),
      () => run(process.execPath, [START, 'run', '-q'], project),
    );
    metrics.push({ name: 'status-10000-files', value: status, unit: 'ms' });
    metrics.push({ name: 'run-unchanged-10000-files', value: unchanged, unit: 'ms' });
    return [...metrics, ...dvc(folder, project)];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function makeProject(folder: string): string {
  const project = join(folder, 'project');
  for (let index = 0; index < FILES; index += 1) {
    const group = join(project, 'files', String(index % 100));
    mkdirSync(group, { recursive: true });
    writeFileSync(join(group, `${index}.txt`), `file ${index}\n`);
  }
  writeFileSync(
    join(project, 'many.mlpipe'),
    [
      'pipeline many',
      '',
      'step count {',
      '  run    "find files -type f | wc -l > ${number}"',
      '  reads  "files"',
      '  writes number "number.txt"',
      '}',
      '',
    ].join('\n'),
  );
  execFileSync('git', ['init', '-q'], { cwd: project });
  return project;
}

function dvc(folder: string, project: string): CliMetric[] {
  const environment = join(folder, 'dvc');
  const binary = join(environment, 'bin', 'dvc');
  const made =
    spawnSync('python3', ['-m', 'venv', environment], { stdio: 'ignore' }).status === 0 &&
    spawnSync(join(environment, 'bin', 'pip'), ['install', '-q', 'dvc==3.67.1'], {
      stdio: ['ignore', 'ignore', 'inherit'],
    }).status === 0;
  if (!made) {
    console.error('DVC could not be installed here; its figures are left out.');
    return [];
  }
  writeFileSync(
    join(project, 'dvc.yaml'),
    'stages:\n  count:\n    cmd: find files -type f | wc -l > dvc-number.txt\n    deps:\n      - files\n    outs:\n      - dvc-number.txt\n',
  );
  run(binary, ['init', '-q'], project);
  run(binary, ['config', 'core.analytics', 'false'], project);
  run(binary, ['repro', '-q'], project);
  run(binary, ['status', '-q'], project);
  const [status, repro] = medians(
    SLOW_REPEATS,
    () => run(binary, ['status'], project),
    () => run(binary, ['repro'], project),
  );
  return [
    { name: 'dvc-3.67.1-status-10000-files', value: status, unit: 'ms' },
    { name: 'dvc-3.67.1-repro-unchanged-10000-files', value: repro, unit: 'ms' },
  ];
}

/** Both in turns, so that a slow moment of the machine hits both. In milliseconds. */
function medians(repeats: number, one: () => void, other: () => void): [number, number] {
  const times: [number[], number[]] = [[], []];
  for (let round = -1; round < repeats; round += 1) {
    for (const [index, act] of [one, other].entries()) {
      const began = performance.now();
      act();
      // The first round fills caches.
      if (round >= 0) times[index]?.push(performance.now() - began);
    }
  }
  return [median(times[0]), median(times[1])];
}

function median(times: number[]): number {
  return [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN;
}

function run(program: string, parameters: string[], cwd?: string): void {
  const { status, stderr, error } = spawnSync(program, parameters, { cwd, stdio: ['ignore', 'ignore', 'pipe'] });
  if (error) throw error;
  if (status !== 0) throw new Error(`${program} ${parameters.join(' ')} ended with ${status}: ${stderr}`);
}

/** A file that was written within the clock's grain before it was hashed is hashed again; a moment makes all older. */
function settle(): void {
  const until = Date.now() + 1500;
  while (Date.now() < until) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const { name, value, unit } of bench()) console.log(`METRIC:${name}:${value.toFixed(1)}:${unit}`);
}
