/** Child processes: groups of their own that end together, limits, and words for how they ended. */
import { type ChildProcess, execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import type { Bytes, Seconds } from '../../grammar/plan/plan.ts';
import { statFields } from '../processes.ts';

/** How a child ended. */
export interface ProcessEnd {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** Which limit ended it, or `cancelled`. */
  stopped?: 'cancelled' | 'time' | 'memory';
  /** The most memory that was seen in use by the whole group, where the platform tells. */
  peakMemory?: Bytes;
}

export interface Limits {
  time?: Seconds;
  memory?: Bytes;
}

/** What a step may use, as limits. */
export function limitsOf(step: { resources: { time?: number; memory?: number } }): { time?: number; memory?: number } {
  const { time, memory } = step.resources;
  return { ...(time === undefined ? {} : { time }), ...(memory === undefined ? {} : { memory }) };
}

/** After the polite signal, so long until the other one. */
const GRACE = 3000;
const WATCH = 200;

/**
 * Watches over a child that was started with `detached: true` until it has ended: ends its whole group when the signal
 * is aborted, when its time is over or when the group holds more memory than it may.
 *
 * Memory is the resident size of all processes of the group, looked at five times a second (Linux only).
 *
 * @param mark an entry of the child's environment (`NAME=value`) that no other process has: by it are found those who
 * left the group (`setsid`) and who must not outlive the child either (Linux only)
 */
export function supervise(
  child: ChildProcess,
  limits: Limits,
  signal: AbortSignal,
  mark?: string,
): Promise<ProcessEnd> {
  const signalAll = (pid: number, what: NodeJS.Signals) => {
    signalGroup(pid, what);
    if (mark !== undefined) signalMarked(mark, what);
  };
  return new Promise((resolve) => {
    let stopped: ProcessEnd['stopped'];
    let peakMemory = 0;
    let hard: NodeJS.Timeout | undefined;
    const stop = (why: NonNullable<ProcessEnd['stopped']>) => {
      if (stopped !== undefined || child.pid === undefined) return;
      stopped = why;
      const { pid } = child;
      signalAll(pid, why === 'memory' ? 'SIGKILL' : 'SIGTERM');
      hard = setTimeout(() => signalAll(pid, 'SIGKILL'), GRACE);
    };
    const cancel = () => stop('cancelled');
    const time = limits.time === undefined ? undefined : setTimeout(() => stop('time'), limits.time * 1000);
    const watch =
      process.platform !== 'linux' || limits.memory === undefined
        ? undefined
        : setInterval(() => {
            if (child.pid === undefined) return;
            const used = groupMemory(child.pid);
            peakMemory = Math.max(peakMemory, used);
            if (limits.memory !== undefined && used > limits.memory) stop('memory');
          }, WATCH);
    signal.addEventListener('abort', cancel, { once: true });
    if (signal.aborted) cancel();

    const finish = (code: number | null, ended: NodeJS.Signals | null) => {
      clearTimeout(time);
      clearTimeout(hard);
      clearInterval(watch);
      signal.removeEventListener('abort', cancel);
      resolve({ code, signal: ended, stopped, ...(peakMemory > 0 ? { peakMemory } : {}) });
    };
    child.once('error', () => finish(127, null));
    child.once('close', finish);
    // A step is over when its main process is: what it left in the background must not keep the pipes open for ever.
    child.once('exit', () => {
      if (child.pid !== undefined) signalAll(child.pid, 'SIGKILL');
    });
  });
}

/** Sends a signal to a process and all that it has started. */
export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    if (process.platform === 'win32') {
      execFileSync('taskkill', ['/pid', String(pid), '/T', '/F'], { stdio: 'ignore' });
    } else {
      process.kill(-pid, signal);
    }
  } catch {
    // It has ended already.
  }
}

/** Sends a signal to every process that has this entry in its environment, as all have that a marked one has started. */
export function signalMarked(mark: string, signal: NodeJS.Signals): void {
  for (const pid of processesMarked(mark)) {
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended already.
    }
  }
}

/** In words, how a process ended that did not end well. */
export function describeEnd(
  end: ProcessEnd,
  limits: Limits,
  words: { duration: (seconds: Seconds) => string; size: (bytes: Bytes) => string },
): string {
  if (end.stopped === 'cancelled') return 'was cancelled';
  if (end.stopped === 'time')
    return `was ended after ${words.duration(limits.time ?? 0)}, the time that its resources allow`;
  if (end.stopped === 'memory') {
    return `was ended because it used ${words.size(end.peakMemory ?? 0)} of memory; its resources allow ${words.size(limits.memory ?? 0)}`;
  }
  // A shell says of a child that a signal ended: 128 + the signal's number.
  const signal = end.signal ?? signalOfCode(end.code);
  if (signal !== null) return `was ended by ${signal}${SIGNAL_WORDS[signal] ?? ''}`;
  if (end.code === 127) return 'ended with exit code 127: a program was not found';
  if (end.code === 126) return 'ended with exit code 126: a program could not be executed';
  return `ended with exit code ${end.code}`;
}

const SIGNAL_WORDS: Partial<Record<NodeJS.Signals, string>> = {
  SIGSEGV: ' (it read or wrote memory that is not its own)',
  SIGABRT: ' (it gave up by itself)',
  SIGKILL: ' (by the system when memory runs out, or by hand)',
  SIGTERM: ' (somebody asked it to end)',
  SIGINT: ' (somebody interrupted it)',
  SIGXCPU: ' (it used up its processor time)',
};

function signalOfCode(code: number | null): NodeJS.Signals | null {
  if (code === null || code <= 128 || code > 128 + 64) return null;
  for (const [name, number] of Object.entries(constants.signals)) {
    // The table's keys are the names of signals by its type.
    if (number === code - 128) return name as NodeJS.Signals;
  }
  return null;
}

// ---------------------------------------------------------------- what Linux knows

function processesMarked(mark: string): number[] {
  if (process.platform !== 'linux') return [];
  return runningProcesses().filter((pid) => {
    try {
      return pid !== process.pid && readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(mark);
    } catch {
      // Ended while we looked, or somebody else's.
      return false;
    }
  });
}

function runningProcesses(): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number);
}

/** Resident memory of all processes of a group. Shared pages count once a process. */
export function groupMemory(group: number): Bytes {
  let pages = 0;
  for (const pid of runningProcesses()) {
    try {
      const fields = statFields(readFileSync(`/proc/${pid}/stat`, 'latin1'));
      if (Number(fields[2]) === group) pages += Number(fields[21]);
    } catch {
      // Ended while we looked.
    }
  }
  return pages * 4096;
}
