/** Which process works in a run folder: noted when it starts, so that what a killed owner left running can be ended. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { processStart } from '../processes.ts';
import { signalGroup, signalMarked } from './process.ts';
import { markOf } from './program.ts';

const PROCESS_FILE = 'process.json';

/** Notes which process works in a run folder, so that a later run can end what a killed one has left. */
export function notePid(folder: string, pid: number): void {
  writeFileSync(join(folder, PROCESS_FILE), JSON.stringify({ pid, start: processStart(pid) }));
}

/** Ends what an owner that died has left running in this run folder. The lease proves that the owner is dead. */
export function endOrphan(folder: string): void {
  const file = join(folder, PROCESS_FILE);
  if (!existsSync(file)) return;
  try {
    const { pid, start } = JSON.parse(readFileSync(file, 'utf8')) as { pid: number; start: string };
    if (start !== '' && processStart(pid) === start) signalGroup(pid, 'SIGKILL');
    signalMarked(markOf(folder), 'SIGKILL');
  } catch {
    // Half a note: its process was only just begun and has nothing worth keeping.
  }
  rmSync(file, { force: true });
}
