/** The command line as people and CI meet it: a process from the bundle, its two streams and its exit code. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import '../configuration.ts';

export const root = fileURLToPath(new URL('../../', import.meta.url));
export const start = join(root, 'runtime', 'cli', 'start.cjs');

export interface Answer {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface CallOptions {
  folder?: string;
  environment?: NodeJS.ProcessEnv;
  /** Words for Node itself, before the script. */
  node?: string[];
}

/** Makes the bundle once, where nobody has yet. */
export function ensureBuilt(): void {
  if (!fs.existsSync(join(root, 'dist', 'cli.cjs')))
    execFileSync(process.execPath, [join(root, 'esbuild.ts')], { cwd: root });
}

/** Starts `mlpipe` without waiting for its end. */
export function launch(words: readonly string[], options: CallOptions = {}): ChildProcess {
  return spawn(process.execPath, [...(options.node ?? []), start, ...words], {
    cwd: options.folder ?? tmpdir(),
    env: { ...process.env, NO_COLOR: '', FORCE_COLOR: undefined, ...options.environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Runs `mlpipe` to its end. */
export function mlpipe(words: readonly string[], options: CallOptions = {}): Promise<Answer> {
  return ended(launch(words, options));
}

export function ended(child: ChildProcess): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let stdout = '';
    let stderr = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** A folder that is gone after the tests of a suite. */
export function temporaryFolder(): string {
  return fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'mlpipe-cli-')));
}

export function remove(folder: string): void {
  fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}

/** Waits until something can be seen. */
export async function until(seen: () => boolean, what: string, milliseconds = 15_000): Promise<void> {
  const end = Date.now() + milliseconds;
  while (!seen()) {
    if (Date.now() > end) throw new Error(`It did not come to this in time: ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
