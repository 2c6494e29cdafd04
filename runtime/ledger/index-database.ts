/**
 * The index of the records: SQLite, rebuilt from the records whenever it is missing, older or broken. Nothing is known
 * here that is not in a record.
 */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type Sqlite from 'better-sqlite3';
import type { Digest } from '../../grammar/plan/plan.ts';
import type { StoredRecord } from './record.ts';

/** One line of the index: enough to choose records without reading them. */
export interface IndexRow {
  digest: Digest;
  run: string;
  file: string;
  step: string;
  kind: string;
  key: Digest;
  status: string;
  /** ISO 8601. */
  ended: string;
}

export interface RecordIndex {
  /** What the index is kept in, for `doctor`. */
  readonly description: string;
  digests(): Set<Digest>;
  add(records: readonly StoredRecord[]): void;
  remove(digests: readonly Digest[]): void;
  /** The newest first. */
  rows(filter: Partial<Pick<IndexRow, 'run' | 'file' | 'step' | 'key'>>): IndexRow[];
  /** Records that have this object among their inputs. */
  readers(object: Digest): Digest[];
  /** Records that have this object among their outputs. */
  writers(object: Digest): Digest[];
  /** Objects among the outputs of a record whose digest begins so. */
  written(beginning: string): Digest[];
  /** Objects that a record read or wrote, whose digest begins so. */
  named(beginning: string): Digest[];
  close(): void;
}

/** Raised when the tables change; an index of another number is made anew. */
const VERSION = 1;

const SCHEMA = `
  CREATE TABLE record (
    digest TEXT PRIMARY KEY, run TEXT NOT NULL, file TEXT NOT NULL, step TEXT NOT NULL, kind TEXT NOT NULL,
    key TEXT NOT NULL, status TEXT NOT NULL, ended TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX record_step ON record (file, step, ended);
  CREATE INDEX record_key ON record (key);
  CREATE INDEX record_run ON record (run);
  CREATE TABLE input (object TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (object, record)) WITHOUT ROWID;
  CREATE TABLE output (object TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (object, record)) WITHOUT ROWID;
  PRAGMA user_version = ${VERSION};
`;

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
      return new SqliteIndex(openDatabase(Database, path, warn), path);
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

class SqliteIndex implements RecordIndex {
  readonly description: string;
  readonly #database: Sqlite.Database;

  constructor(database: Sqlite.Database, path: string) {
    this.#database = database;
    this.description = `SQLite, journal ${String(database.pragma('journal_mode', { simple: true }))}, ${path}`;
  }

  digests(): Set<Digest> {
    return new Set(this.#database.prepare('SELECT digest FROM record').pluck().all() as Digest[]);
  }

  add(records: readonly StoredRecord[]): void {
    const record = this.#database.prepare('INSERT OR IGNORE INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?)');
    const input = this.#database.prepare('INSERT OR IGNORE INTO input VALUES (?, ?)');
    const output = this.#database.prepare('INSERT OR IGNORE INTO output VALUES (?, ?)');
    this.#database
      .transaction(() => {
        for (const stored of records) {
          const row = rowOf(stored);
          record.run(row.digest, row.run, row.file, row.step, row.kind, row.key, row.status, row.ended);
          for (const { digest } of stored.record.inputs) input.run(digest, stored.digest);
          for (const { digest } of Object.values(stored.record.outputs)) output.run(digest, stored.digest);
        }
      })
      .immediate();
  }

  remove(digests: readonly Digest[]): void {
    const statements = ['record WHERE digest', 'input WHERE record', 'output WHERE record'].map((what) =>
      this.#database.prepare(`DELETE FROM ${what} = ?`),
    );
    this.#database
      .transaction(() => {
        for (const digest of digests) for (const statement of statements) statement.run(digest);
      })
      .immediate();
  }

  rows(filter: Partial<Pick<IndexRow, 'run' | 'file' | 'step' | 'key'>>): IndexRow[] {
    const names = Object.keys(filter).filter((name) => filter[name as keyof typeof filter] !== undefined);
    const where = names.length === 0 ? '' : `WHERE ${names.map((name) => `${name} = @${name}`).join(' AND ')}`;
    return this.#database
      .prepare(`SELECT * FROM record ${where} ORDER BY ended DESC, digest`)
      .all(filter) as IndexRow[];
  }

  readers(object: Digest): Digest[] {
    return this.#database.prepare('SELECT record FROM input WHERE object = ?').pluck().all(object) as Digest[];
  }

  writers(object: Digest): Digest[] {
    return this.#database.prepare('SELECT record FROM output WHERE object = ?').pluck().all(object) as Digest[];
  }

  written(beginning: string): Digest[] {
    return this.#database
      .prepare('SELECT DISTINCT object FROM output WHERE object >= ? AND object < ?')
      .pluck()
      .all(beginning, `${beginning}~`) as Digest[];
  }

  named(beginning: string): Digest[] {
    const from = (table: string) => `SELECT object FROM ${table} WHERE object >= @from AND object < @to`;
    return this.#database
      .prepare(`${from('input')} UNION ${from('output')}`)
      .pluck()
      .all({ from: beginning, to: `${beginning}~` }) as Digest[];
  }

  close(): void {
    this.#database.close();
  }
}

/** The same, without SQLite: gone with the process. */
class MemoryIndex implements RecordIndex {
  readonly description = 'in memory';
  readonly #records = new Map<Digest, StoredRecord>();

  digests(): Set<Digest> {
    return new Set(this.#records.keys());
  }

  add(records: readonly StoredRecord[]): void {
    for (const stored of records) this.#records.set(stored.digest, stored);
  }

  remove(digests: readonly Digest[]): void {
    for (const digest of digests) this.#records.delete(digest);
  }

  rows(filter: Partial<Pick<IndexRow, 'run' | 'file' | 'step' | 'key'>>): IndexRow[] {
    return [...this.#records.values()]
      .map(rowOf)
      .filter((row) =>
        Object.entries(filter).every(([name, value]) => value === undefined || row[name as keyof IndexRow] === value),
      )
      .sort((one, other) =>
        one.ended === other.ended ? compare(one.digest, other.digest) : compare(other.ended, one.ended),
      );
  }

  readers(object: Digest): Digest[] {
    return this.#with(({ record }) => record.inputs.some(({ digest }) => digest === object));
  }

  writers(object: Digest): Digest[] {
    return this.#with(({ record }) => Object.values(record.outputs).some(({ digest }) => digest === object));
  }

  written(beginning: string): Digest[] {
    const objects = [...this.#records.values()].flatMap(({ record }) => Object.values(record.outputs));
    return [...new Set(objects.map(({ digest }) => digest).filter((digest) => digest.startsWith(beginning)))];
  }

  named(beginning: string): Digest[] {
    const read = [...this.#records.values()].flatMap(({ record }) => record.inputs.map(({ digest }) => digest));
    return [...new Set([...read.filter((digest) => digest.startsWith(beginning)), ...this.written(beginning)])];
  }

  close(): void {
    this.#records.clear();
  }

  #with(fits: (stored: StoredRecord) => boolean): Digest[] {
    return [...this.#records.values()].filter(fits).map(({ digest }) => digest);
  }
}

function rowOf({ digest, record }: StoredRecord): IndexRow {
  return {
    digest,
    run: record.run,
    file: record.pipeline.file,
    step: record.step,
    kind: record.kind,
    key: record.key,
    status: record.exit.status,
    ended: record.when.ended,
  };
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
