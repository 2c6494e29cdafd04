/** The index in SQLite. Digests are kept as their 32 bytes: a million records then take half of the room. */
import type Sqlite from 'better-sqlite3';
import type { Digest } from '../../grammar/plan/plan.ts';
import { entryOf, type IndexedRecord, type IndexRow, placeOf, type RecordIndex, type RowFilter } from './index-rows.ts';

/** Raised when the tables change; an index of another number is made anew. */
export const VERSION = 2;

export const SCHEMA = `
  CREATE TABLE record (
    id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, run TEXT NOT NULL, file TEXT NOT NULL, step TEXT NOT NULL,
    block TEXT NOT NULL, kind TEXT NOT NULL, key BLOB NOT NULL, status TEXT NOT NULL, ended TEXT NOT NULL,
    who TEXT NOT NULL
  );
  CREATE INDEX record_file ON record (file, step, ended);
  CREATE INDEX record_block ON record (block, ended);
  CREATE INDEX record_key ON record (key);
  CREATE INDEX record_run ON record (run);
  CREATE INDEX record_ended ON record (ended);
  CREATE TABLE signature (record BLOB NOT NULL, suffix TEXT NOT NULL, PRIMARY KEY (record, suffix)) WITHOUT ROWID;
  CREATE TABLE input (
    object BLOB NOT NULL, record INTEGER NOT NULL, path TEXT NOT NULL, PRIMARY KEY (object, record, path)
  ) WITHOUT ROWID;
  CREATE INDEX input_path ON input (path) WHERE path <> '';
  CREATE TABLE output (object BLOB NOT NULL, record INTEGER NOT NULL, PRIMARY KEY (object, record)) WITHOUT ROWID;
  CREATE TABLE shard (name TEXT PRIMARY KEY, changed TEXT NOT NULL) WITHOUT ROWID;
  PRAGMA user_version = ${VERSION};
`;

type Columns = Omit<IndexRow, 'digest' | 'key'> & { digest: Buffer; key: Buffer };

export class SqliteIndex implements RecordIndex {
  readonly description: string;
  readonly isNew: boolean;
  readonly #database: Sqlite.Database;
  readonly #statements = new Map<string, Sqlite.Statement>();

  constructor(database: Sqlite.Database, path: string, isNew: boolean) {
    this.#database = database;
    this.isNew = isNew;
    this.description = `SQLite, journal ${String(database.pragma('journal_mode', { simple: true }))}, ${path}`;
  }

  inShard(shard: string): Map<Digest, Set<string>> {
    const [from, to] = rangeOf(`sha256:${shard}`);
    const found = new Map<Digest, Set<string>>();
    // One row a signature; a record without one has a row with nothing.
    const rows = this.#prepare(
      `SELECT r.digest, s.suffix FROM record r LEFT JOIN signature s ON s.record = r.digest
       WHERE r.digest BETWEEN ? AND ?`,
    ).all(from, to) as { digest: Buffer; suffix: string | null }[];
    for (const { digest, suffix } of rows) {
      const name = digestIn(digest);
      const suffixes = found.get(name) ?? new Set();
      if (suffix !== null) suffixes.add(suffix);
      found.set(name, suffixes);
    }
    return found;
  }

  shards(): Map<string, bigint> {
    const rows = this.#prepare('SELECT name, changed FROM shard').all() as { name: string; changed: string }[];
    return new Map(rows.map(({ name, changed }) => [name, BigInt(changed)]));
  }

  update({ added, gone, shards = new Map() }: Parameters<RecordIndex['update']>[0]): void {
    this.#database
      .transaction(() => {
        for (const each of added) this.#add(each);
        if (gone.length > 0) this.#remove(gone);
        const shard = this.#prepare('INSERT OR REPLACE INTO shard VALUES (?, ?)');
        for (const [name, changed] of shards) shard.run(name, String(changed));
      })
      .immediate();
  }

  rows(filter: RowFilter, limit = -1, offset = 0): IndexRow[] {
    const { key, by, since, ...equal } = filter;
    const given = Object.entries(equal).filter(([, value]) => value !== undefined);
    const where = given.map(([name]) => `${name} = @${name}`);
    if (key !== undefined) where.push('key = @key');
    if (by !== undefined) where.push('instr(who, @by) > 0');
    if (since !== undefined) where.push('ended >= @since');
    const rows = this.#prepare(
      `SELECT digest, run, file, step, kind, key, status, ended FROM record
       ${where.length === 0 ? '' : `WHERE ${where.join(' AND ')}`} ORDER BY ended DESC, digest LIMIT @limit OFFSET @offset`,
    ).all({
      ...Object.fromEntries(given),
      ...(key === undefined ? {} : { key: bytesOf(key) }),
      ...(by === undefined ? {} : { by: by.toLowerCase() }),
      ...(since === undefined ? {} : { since }),
      limit: Number.isFinite(limit) ? limit : -1,
      offset,
    }) as Columns[];
    return rows.map((row) => ({ ...row, digest: digestIn(row.digest), key: digestIn(row.key) }));
  }

  beginning(beginning: string, limit: number): Digest[] {
    const [from, to] = rangeOf(beginning);
    return this.#digests(
      'SELECT digest FROM record WHERE digest BETWEEN ? AND ? ORDER BY digest LIMIT ?',
      from,
      to,
      limit,
    );
  }

  signatures(record: Digest): string[] {
    const statement = this.#prepare('SELECT suffix FROM signature WHERE record = ? ORDER BY suffix').pluck();
    return statement.all(bytesOf(record)) as string[];
  }

  readers(object: Digest): Digest[] {
    const from = `SELECT digest FROM record WHERE id IN (SELECT record FROM input WHERE object = ?)
       ORDER BY ended DESC`;
    return this.#digests(from, bytesOf(object));
  }

  writers(object: Digest): Digest[] {
    const from =
      'SELECT r.digest FROM output o JOIN record r ON r.id = o.record WHERE o.object = ? ORDER BY r.ended DESC';
    return this.#digests(from, bytesOf(object));
  }

  written(beginning: string): Digest[] {
    const [from, to] = rangeOf(beginning);
    return this.#digests('SELECT DISTINCT object FROM output WHERE object BETWEEN ? AND ?', from, to);
  }

  named(beginning: string): Digest[] {
    const [from, to] = rangeOf(beginning);
    const select = (table: string) => `SELECT object FROM ${table} WHERE object BETWEEN ? AND ?`;
    return this.#digests(`${select('input')} UNION ${select('output')}`, from, to, from, to);
  }

  readFrom(path: string): Digest | undefined {
    return this.#digests(
      `SELECT i.object FROM input i JOIN record r ON r.id = i.record
       WHERE i.path = ? AND i.path <> '' ORDER BY r.ended DESC LIMIT 1`,
      path,
    )[0];
  }

  close(): void {
    this.#database.close();
  }

  #add({ signatures, ...stored }: IndexedRecord): void {
    const { record } = stored;
    const row = entryOf(stored);
    const digest = bytesOf(stored.digest);
    const { changes, lastInsertRowid } = this.#prepare(
      `INSERT OR IGNORE INTO record (digest, run, file, step, block, kind, key, status, ended, who)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ).run(
      digest,
      row.run,
      row.file,
      row.step,
      row.block,
      row.kind,
      bytesOf(row.key),
      row.status,
      row.ended,
      `\n${row.names.join('\n')}\n`,
    );
    const signature = this.#prepare('INSERT OR IGNORE INTO signature VALUES (?, ?)');
    for (const suffix of signatures) signature.run(digest, suffix);
    // It was there already, with all that it names.
    if (changes === 0) return;
    const input = this.#prepare('INSERT OR IGNORE INTO input VALUES (?, ?, ?)');
    const output = this.#prepare('INSERT OR IGNORE INTO output VALUES (?, ?)');
    for (const { digest: object, path } of record.inputs)
      input.run(bytesOf(object), lastInsertRowid, path === undefined ? '' : placeOf(record, path));
    for (const { digest: object } of Object.values(record.outputs)) output.run(bytesOf(object), lastInsertRowid);
  }

  /** By one look through the tables, however many have gone. */
  #remove(gone: readonly Digest[]): void {
    this.#database.exec('CREATE TEMP TABLE IF NOT EXISTS gone (digest BLOB PRIMARY KEY, id INTEGER); DELETE FROM gone');
    const note = this.#prepare('INSERT OR IGNORE INTO gone SELECT digest, id FROM record WHERE digest = ?');
    for (const digest of gone) note.run(bytesOf(digest));
    this.#database.exec(`
      DELETE FROM input WHERE record IN (SELECT id FROM gone);
      DELETE FROM output WHERE record IN (SELECT id FROM gone);
      DELETE FROM signature WHERE record IN (SELECT digest FROM gone);
      DELETE FROM record WHERE id IN (SELECT id FROM gone);
    `);
  }

  #digests(sql: string, ...parameters: (Buffer | string | number)[]): Digest[] {
    const found = this.#prepare(sql)
      .pluck()
      .all(...parameters) as Buffer[];
    return found.map(digestIn);
  }

  #prepare(sql: string): Sqlite.Statement {
    const known = this.#statements.get(sql) ?? this.#database.prepare(sql);
    this.#statements.set(sql, known);
    return known;
  }
}

function bytesOf(digest: Digest): Buffer {
  return Buffer.from(digest.slice('sha256:'.length), 'hex');
}

function digestIn(bytes: Buffer): Digest {
  return `sha256:${bytes.toString('hex')}`;
}

/** The least and the greatest digest that begin so. */
function rangeOf(beginning: string): [Buffer, Buffer] {
  const digits = beginning.slice('sha256:'.length);
  return [Buffer.from(digits.padEnd(64, '0'), 'hex'), Buffer.from(digits.padEnd(64, 'f'), 'hex')];
}
