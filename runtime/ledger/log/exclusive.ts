/**
 * One process of this machine at a time. The lock is the kernel's (taken through SQLite, because Node has no way of its
 * own), so that it goes with the process that holds it, however that ends; where SQLite cannot be loaded it is a file.
 */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import type Sqlite from 'better-sqlite3';
import { MlpipeError } from '../../errors.ts';
import { isRunning } from '../../processes.ts';
import { hasCode } from '../../store/filesystem.ts';

export interface Exclusive {
  /** Waits its turn, and works while nobody else does. @throws MlpipeError `log-busy` */
  within<Result>(work: () => Result): Result;
  close(): void;
}

/** Nobody else is there: for tests on a disk in memory. */
export const alone: Exclusive = { within: (work) => work(), close: () => undefined };

/** An append takes a few fsyncs; a disk that is busy takes seconds for one. */
const PATIENCE = 60_000;

/** @param path a file that is the lock's own */
export function exclusive(path: string): Exclusive {
  let database: Sqlite.Database | undefined;
  try {
    // A native module: required when it is needed, so that its absence is an answer and not a crash at start.
    const Database = createRequire(import.meta.url)('better-sqlite3') as typeof Sqlite;
    database = new Database(`${path}.sqlite`, { timeout: PATIENCE });
    database.pragma('synchronous = OFF');
    // A database with nothing in it would write its first page whenever it is locked.
    database.exec('CREATE TABLE IF NOT EXISTS lock (held)');
    return kernelLock(database, path);
  } catch (error) {
    database?.close();
    if (hasCode(error, 'SQLITE_BUSY')) throw busy(path);
    return fileLock(path);
  }
}

function kernelLock(database: Sqlite.Database, path: string): Exclusive {
  const [begin, end] = [database.prepare('BEGIN IMMEDIATE'), database.prepare('COMMIT')];
  return {
    within(work) {
      try {
        begin.run();
      } catch (error) {
        if (hasCode(error, 'SQLITE_BUSY')) throw busy(path);
        throw error;
      }
      try {
        return work();
      } finally {
        end.run();
      }
    },
    close: () => void database.close(),
  };
}

/** A file that must not be there yet, with the process that made it. What a dead one has left is taken away. */
export function fileLock(path: string): Exclusive {
  const take = (): boolean => {
    try {
      fs.writeFileSync(path, String(process.pid), { flag: 'wx' });
      return true;
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error;
      const owner = ownerOf(path);
      if (owner > 0 && !isRunning(owner)) {
        // Under a name of its own: had another process taken the lock since, it would be taken back.
        const grave = `${path}.${process.pid}`;
        try {
          fs.renameSync(path, grave);
        } catch (problem) {
          if (hasCode(problem, 'ENOENT')) return false;
          throw problem;
        }
        if (ownerOf(grave) === owner) fs.rmSync(grave);
        else fs.renameSync(grave, path);
      }
      return false;
    }
  };
  return {
    within(work) {
      for (const end = Date.now() + PATIENCE; !take(); ) {
        if (Date.now() > end) throw busy(path);
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
      }
      try {
        return work();
      } finally {
        fs.rmSync(path, { force: true });
      }
    },
    close: () => undefined,
  };
}

/** The process that has made the lock; 0 where it is given back, or is only just being made. */
function ownerOf(path: string): number {
  try {
    return Number(fs.readFileSync(path, 'utf8'));
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return 0;
    throw error;
  }
}

function busy(path: string): MlpipeError {
  return new MlpipeError(`Another process holds ${path} for longer than a minute.`, {
    code: 'log-busy',
    todo: 'End it, or wait for it; then run again: what was computed is in the store.',
    exit: 2,
  });
}
