/** Whether a process that has left something behind still runs. */
import { readFileSync } from 'node:fs';
import { hostname, uptime } from 'node:os';

/** Tells a process from every other one, on whatever machine and after whatever restart. */
export interface ProcessIdentity {
  host: string;
  boot: string;
  pid: number;
  /** When the process was started, as the system counts; a number that is used again is another process. */
  start: string;
}

export function ownIdentity(): ProcessIdentity {
  return { host: hostname(), boot: bootId(), pid: process.pid, start: processStart(process.pid) ?? '' };
}

/**
 * Whether the process still runs; one that was stopped does.
 *
 * @param silence milliseconds since it last gave a sign: all that is known of a process on another machine
 * @param patience milliseconds of silence after which a process on another machine is taken for dead
 */
export function isAlive(process: ProcessIdentity, silence: number, patience: number): boolean {
  if (process.host !== hostname()) return silence < patience;
  if (process.boot !== bootId()) return false;
  const start = processStart(process.pid);
  if (start === null) return false;
  return process.start === '' || start === '' || process.start === start;
}

/** Whether a process of this machine, of which no more is known than its number, runs; a zombie does not. */
export function isRunning(pid: number): boolean {
  return processStart(pid) !== null;
}

let boot: string | undefined;

/** Tells one start of the machine from the next. */
export function bootId(): string {
  boot ??= readOr('/proc/sys/kernel/random/boot_id', () => String(Math.round((Date.now() / 1000 - uptime()) / 10)));
  return boot;
}

/** When a process was started, `''` where that cannot be known, `null` if there is no such process. */
export function processStart(pid: number): string | null {
  if (process.platform === 'linux') {
    try {
      const fields = statFields(readFileSync(`/proc/${pid}/stat`, 'latin1'));
      // A zombie has ended; only its parent does not know yet.
      if (fields[0] === 'Z' || fields[0] === 'X') return null;
      return fields[19] ?? '';
    } catch {
      return null;
    }
  }
  try {
    process.kill(pid, 0);
    return '';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? '' : null;
  }
}

/** The fields of `/proc/<pid>/stat` after the program's name, which may itself hold spaces and brackets. */
export function statFields(text: string): string[] {
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

function readOr(path: string, other: () => string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return other();
  }
}
