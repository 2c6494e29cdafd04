/**
 * The index of the records: SQLite, rebuilt from the records whenever it is missing, older or broken. Nothing is known
 * here that is not in a record.
 */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type Sqlite from 'better-sqlite3';
import { MemoryIndex } from './index-memory.ts';
import type { RecordIndex } from './index-rows.ts';
import { SCHEMA, SqliteIndex, VERSION } from './index-sqlite.ts';

/**
 * Opens the index of a store, or one in memory where SQLite cannot be had here.
 *
 * @param warn is told why, once
 */
export function openIndex(folder: string, warn: (message: string) => void): RecordIndex {
  const Database = loadSqlite(warn);
  if (!Database) return new MemoryIndex();
  const path = join(folder, 'index.sqlite');
  for (let attempt = 0; attempt < 2; attempt += 1) {
    try {
      const isNew = !fs.existsSync(path);
      return new SqliteIndex(openDatabase(Database, path, warn), path, isNew);
    } catch (error) {
      if (attempt > 0) {
        warn(`The index ${path} cannot be used (${messageOf(error)}); records are read one by one.`);
        break;
      }
      // Not a database, or torn: the records are the truth, so it goes and is made again.
      warn(`The index of the records could not be used (${messageOf(error)}) and is made again.`);
      removeDatabase(path);
    }
  }
  return new MemoryIndex();
}

/** Throws an index away and opens another, which knows nothing yet. */
export function renewIndex(folder: string, warn: (message: string) => void): RecordIndex {
  removeDatabase(join(folder, 'index.sqlite'));
  return openIndex(folder, warn);
}

export function memoryIndex(): RecordIndex {
  return new MemoryIndex();
}

function removeDatabase(path: string): void {
  for (const suffix of ['', '-wal', '-shm', '-journal']) fs.rmSync(path + suffix, { force: true });
}

function loadSqlite(warn: (message: string) => void): typeof Sqlite | undefined {
  try {
    // A native module: required when it is needed, so that its absence is an answer and not a crash at start.
    return createRequire(import.meta.url)('better-sqlite3') as typeof Sqlite;
  } catch (error) {
    warn(`SQLite cannot be loaded here (${messageOf(error).split('\n')[0]}); records are read one by one.`);
    return undefined;
  }
}

function openDatabase(Database: typeof Sqlite, path: string, warn: (message: string) => void): Sqlite.Database {
  const isNew = !fs.existsSync(path);
  const mode = isNew ? journalMode(Database, path) : undefined;
  if (mode === 'DELETE') {
    warn(`The disk of ${path} does not do SQLite's write-ahead log; the index uses a rollback journal and is slower.`);
  }
  const database = new Database(path, { timeout: 10_000 });
  try {
    if (mode) database.pragma(`journal_mode = ${mode}`);
    // An index that a crash has torn is made again; what it costs to rule that out is not worth paying.
    database.pragma('synchronous = NORMAL');
    // Digests come in no order: a large index that is made anew would else be read from the disk over and over, and
    // synced after every few records.
    database.pragma('cache_size = -65536');
    database.pragma('wal_autocheckpoint = 10000');
    const version = database.pragma('user_version', { simple: true });
    if (version !== VERSION) {
      if (version !== 0) throw new Error(`the index has version ${String(version)}`);
      database
        .transaction(() => {
          // Another process may have made the tables since.
          if (database.pragma('user_version', { simple: true }) === 0) database.exec(SCHEMA);
        })
        .immediate();
    }
    database.prepare('SELECT count(*) FROM record').get();
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Whether WAL works on this disk is seen by writing: some file systems accept the mode and fail at the first write. */
function journalMode(Database: typeof Sqlite, path: string): 'WAL' | 'DELETE' {
  const probe = `${path}.probe-${process.pid}`;
  if (isOnNetwork(path)) return 'DELETE';
  try {
    const database = new Database(probe);
    const mode = database.pragma('journal_mode = WAL', { simple: true });
    database.exec('CREATE TABLE t (x); INSERT INTO t VALUES (1);');
    database.close();
    return mode === 'wal' ? 'WAL' : 'DELETE';
  } catch {
    return 'DELETE';
  } finally {
    for (const suffix of ['', '-wal', '-shm', '-journal']) fs.rmSync(probe + suffix, { force: true });
  }
}

/** The log is shared through memory, which machines that share a disk do not. Types of Linux's statfs(2). */
const NETWORK = new Set([
  0x6969, 0xff534d42, 0xfe534d42, 0x517b, 0x01021997, 0x0bd00bd0, 0x47504653, 0x00c36400, 0x5346414f,
]);

function isOnNetwork(path: string): boolean {
  return process.platform === 'linux' && NETWORK.has(fs.statfsSync(dirname(path)).type);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
