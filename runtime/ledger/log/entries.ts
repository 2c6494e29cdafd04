/**
 * The entries of one log: a file that only grows, 72 bytes an entry.
 *
 *     record    32 bytes   the record's digest: what the leaf of the Merkle tree is made of
 *     subtree   32 bytes   the hash of the largest complete subtree that this entry ends
 *     check      8 bytes   the beginning of SHA-256(number as 8 bytes, big-endian || record || subtree)
 *
 * Every complete subtree either is in a row or is one hash of two that are, so that roots and proofs take O(log² n)
 * reads. The check tells a row that was written whole from one that a loss of power has torn.
 */
import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import { MlpipeError } from '../../errors.ts';
import { writeFailure } from '../../store/errors.ts';
import type { FileSystem } from '../../store/filesystem.ts';
import type { Exclusive } from './exclusive.ts';
import { GrowingTree, type Hash, leafHash, nodeHash, rootOf, type Subtrees } from './merkle.ts';

const ROW = 72;

/** At most so many are written at once, and so at most so many can be torn. */
const BATCH = 1024;

export interface Row {
  record: Hash;
  subtree: Hash;
}

export class EntryFile {
  readonly path: string;
  readonly #files: FileSystem;
  readonly #exclusive: Exclusive;
  /** The tree as this process last saw it. */
  #tree = new GrowingTree();
  #looked = false;
  #failure: unknown;

  constructor(files: FileSystem, path: string, exclusive: Exclusive) {
    this.#files = files;
    this.path = path;
    this.#exclusive = exclusive;
  }

  /** How many rows the file has room for, whole or not. */
  get length(): number {
    return Math.floor((this.#files.status(this.path)?.bytes ?? 0) / ROW);
  }

  /**
   * Adds entries, durably when it returns. What is among the rows from `since` on already is not added again.
   *
   * @param atLeast how many entries the log is known to have had
   * @returns how many the log has
   * @throws MlpipeError `log-damaged` where acknowledged entries are gone; `log-busy`; what `writeFailure` says
   */
  append(records: readonly Hash[], since: number, atLeast: number): number {
    if (this.#failure !== undefined) throw writeFailure(this.path, this.#failure);
    return this.#exclusive.within(() => {
      const size = this.#catchUp();
      if (size < atLeast) throw damaged(this.path, `has ${size} entries and had ${atLeast}`);
      const present = new Set<string>();
      for (const { record } of this.rows(Math.min(since, size), size)) present.add(hex(record));
      const missing = records.filter((record) => !present.has(hex(record)));
      for (let from = 0; from < missing.length; from += BATCH) this.#write(missing.slice(from, from + BATCH));
      return this.#tree.size;
    });
  }

  /** How many entries are whole. What a crash has torn at the end does not count. */
  size(): number {
    const length = this.length;
    let size = length;
    while (size > 0 && this.#row(size - 1) === undefined) size -= 1;
    return size;
  }

  root(size: number): Hash {
    return rootOf(size, this.subtrees());
  }

  /** What proofs are made of. @throws MlpipeError `log-damaged` */
  subtrees(): Subtrees {
    const complete: Subtrees = (level, index) => {
      const end = (index + 1) * 2 ** level - 1;
      const row = this.#row(end);
      if (row === undefined) throw damaged(this.path, `lacks the entry ${end}`);
      // Of an entry's subtrees the row has the largest; the others are what the largest is made of.
      if (index % 2 === 0) return row.subtree;
      if (level === 0) return leafHash(row.record);
      return nodeHash(complete(level - 1, 2 * index), complete(level - 1, 2 * index + 1));
    };
    return complete;
  }

  /** Rows in order, whole ones only, in pieces that fit into memory. */
  *rows(from = 0, to = this.length): Generator<Row & { index: number }> {
    const piece = 4096;
    for (let start = from; start < to; start += piece) {
      const count = Math.min(piece, to - start);
      const bytes = this.#files.readPart(this.path, start * ROW, count * ROW);
      for (let each = 0; each < count; each += 1) {
        const row = parseRow(start + each, bytes.subarray(each * ROW, (each + 1) * ROW));
        if (row) yield { index: start + each, ...row };
      }
    }
  }

  #write(records: readonly Hash[]): void {
    const rows: Buffer[] = [];
    for (const record of records) {
      const index = this.#tree.size;
      rows.push(rowOf(index, record, this.#tree.add(leafHash(record))));
    }
    const isNew = this.#tree.size === records.length;
    // Whatever happens now, the next append looks at the file again.
    this.#looked = false;
    try {
      const file = this.#files.append(this.path);
      try {
        this.#files.write(file, Buffer.concat(rows));
        this.#files.sync(file);
      } finally {
        this.#files.close(file);
      }
      if (isNew) this.#files.syncFolder(dirname(this.path));
    } catch (error) {
      // After a failed fsync nothing can be said of the file any more.
      this.#failure = error;
      throw writeFailure(this.path, error);
    }
    this.#looked = true;
  }

  /** Makes the tree what the file says, and takes away what a crash has left half at the end. */
  #catchUp(): number {
    const bytes = this.#files.status(this.path)?.bytes ?? 0;
    if (this.#looked && bytes === this.#tree.size * ROW) return this.#tree.size;
    const size = this.size();
    if (this.length - size > BATCH) throw damaged(this.path, `has ${this.length - size} entries that are not whole`);
    if (bytes > size * ROW) this.#files.truncate(this.path, size * ROW);
    const tree = new GrowingTree();
    // The tree's right edge: for every bit of its size the subtree that ends there, which is what that row has.
    for (let level = Math.floor(Math.log2(Math.max(size, 1))); level >= 0; level -= 1) {
      if (Math.floor(size / 2 ** level) % 2 === 0) continue;
      const row = this.#row(tree.size + 2 ** level - 1);
      if (row === undefined) throw damaged(this.path, `lacks the entry ${tree.size + 2 ** level - 1}`);
      tree.restore(level, row.subtree);
    }
    this.#tree = tree;
    this.#looked = true;
    return size;
  }

  #row(index: number): Row | undefined {
    return parseRow(index, this.#files.readPart(this.path, index * ROW, ROW));
  }
}

export function rowOf(index: number, record: Hash, subtree: Hash): Buffer {
  return Buffer.concat([record, subtree, checkOf(index, record, subtree)]);
}

function parseRow(index: number, bytes: Buffer): Row | undefined {
  if (bytes.length < ROW) return undefined;
  const [record, subtree] = [bytes.subarray(0, 32), bytes.subarray(32, 64)];
  return checkOf(index, record, subtree).equals(bytes.subarray(64)) ? { record, subtree } : undefined;
}

function checkOf(index: number, record: Hash, subtree: Hash): Buffer {
  const number = Buffer.alloc(8);
  number.writeBigUInt64BE(BigInt(index));
  return createHash('sha256').update(number).update(record).update(subtree).digest().subarray(0, 8);
}

function hex(hash: Hash): string {
  return Buffer.from(hash).toString('hex');
}

function damaged(path: string, how: string): MlpipeError {
  return new MlpipeError(`The log ${path} ${how}.`, {
    code: 'log-damaged',
    todo: 'Run `mlpipe verify`, and bring the log back from a copy. Until then nothing is written to it.',
    exit: 1,
  });
}
