/**
 * The command line as a process: what `--version` costs above `node -e 0`, and how long `status` and `run` take when
 * nothing has changed in a project of 10,000 files, beside DVC on the same files. Needs `npm run build`.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Dvc, installDvc } from './peers.ts';
import { inTurns, metric } from './report.ts';

const FILES = 10_000;
const ROUNDS = 15;
const SLOW_ROUNDS = 5;
const START = fileURLToPath(new URL('../../runtime/cli/start.cjs', import.meta.url));

async function bench(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'mlpipe-bench-'));
  try {
    const dvc = installDvc();
    const start = await inTurns(ROUNDS, { bare: () => node('-e', '0'), version: () => mlpipe(folder, '--version') }, 1);
    metric('node -e 0', start.bare, 'ms');
    metric('mlpipe --version, above node -e 0', start.version - start.bare, 'ms', '≤ 60 ms');

    const project = makeProject(folder);
    mlpipe(project, 'run', '-q');
    // A file that was written within the clock's grain before it was hashed is hashed again; a moment makes all older.
    await wait(1500);
    provesToBeCurrent(project);
    const warm = await inTurns(
      ROUNDS,
      { status: () => mlpipe(project, 'status'), unchanged: () => mlpipe(project, 'run', '-q') },
      1,
    );
    metric('10,000 files unchanged, mlpipe status', warm.status, 'ms', '≤ 300 ms');
    metric('10,000 files unchanged, mlpipe run', warm.unchanged, 'ms');
    if (dvc) await besideDvc(dvc, project);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** That the fast answer is the answer to the question: a step that reads all files, and sees one that changes. */
function provesToBeCurrent(project: string): void {
  const ask = () => spawnSync(process.execPath, [START, 'status'], { cwd: project, encoding: 'utf8' });
  const path = join(project, 'files/42/42.txt');
  writeFileSync(path, 'another\n');
  if (ask().status !== 1) throw new Error('`mlpipe status` did not see a changed file.');
  writeFileSync(path, 'file 42\n');
  const { status, stdout } = ask();
  if (status !== 0) throw new Error(`\`mlpipe status\` does not hold the project for unchanged: ${stdout}`);
}

async function besideDvc(dvc: Dvc, project: string): Promise<void> {
  writeFileSync(
    join(project, 'dvc.yaml'),
    'stages:\n  count:\n    cmd: find files -type f | wc -l > dvc-number.txt\n    deps:\n      - files\n    outs:\n      - dvc-number.txt\n',
  );
  const run = (...parameters: string[]) => started(dvc.program, parameters, project, dvc.environment);
  run('init', '-q');
  run('repro', '-q');
  const times = await inTurns(
    SLOW_ROUNDS,
    {
      ours: () => mlpipe(project, 'status'),
      status: () => run('status'),
      repro: () => run('repro'),
    },
    1,
  );
  metric('10,000 files unchanged, dvc status', times.status, 'ms');
  metric('10,000 files unchanged, dvc repro', times.repro, 'ms');
  metric("10,000 files unchanged, mlpipe status's time as a share of dvc status's", times.ours / times.status, 'x');
}

function makeProject(folder: string): string {
  const project = join(folder, 'project');
  for (let index = 0; index < FILES; index += 1) {
    const group = join(project, 'files', String(index % 100));
    if (index < 100) mkdirSync(group, { recursive: true });
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

function node(...parameters: string[]): void {
  started(process.execPath, parameters);
}

function mlpipe(project: string, ...parameters: string[]): void {
  started(process.execPath, [START, ...parameters], project);
}

function started(program: string, parameters: string[], cwd?: string, environment?: Record<string, string>): void {
  const { status, stderr, error } = spawnSync(program, parameters, {
    cwd,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${program} ${parameters.join(' ')} ended with ${status}: ${stderr}`);
}

if (import.meta.main) await bench();
