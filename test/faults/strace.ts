/** Runs a program under strace, which injects the fault. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Whether strace can inject faults here. In CI its lack is a failure, because the tests that need it would otherwise
 * pass by not running.
 */
export function straceWorks(): boolean {
  const { status, error, stderr } = spawnSync('strace', ['-f', '-e', 'inject=fsync:error=EIO:when=1', 'true']);
  if (status === 0) return true;
  const reason = `strace cannot inject faults here: ${error?.message ?? String(stderr)}`;
  if (process.platform === 'linux' && process.env.CI) throw new Error(`${reason}. Install strace.`);
  console.warn(`SKIPPED: ${reason}`);
  return false;
}

export interface Traced {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  /** The system calls, one a line. */
  trace: string;
}

/** @param calls which calls to write down, for strace's `trace=` */
export function traced(calls: string, inject: string | undefined, program: readonly string[]): Traced {
  const folder = fs.mkdtempSync(join(tmpdir(), 'mlpipe-strace-'));
  try {
    const path = join(folder, 'trace');
    const faults = inject === undefined ? [] : ['-e', `inject=${inject}`];
    const args = ['-f', '-qq', '-o', path, '-e', `trace=${calls}`, ...faults, '--', process.execPath, ...program];
    const { status, signal, stdout, stderr } = spawnSync('strace', args, { encoding: 'utf8', maxBuffer: 64 * 2 ** 20 });
    return { status, signal, stdout, stderr, trace: fs.readFileSync(path, 'utf8') };
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}
