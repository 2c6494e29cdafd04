/**
 * Remembers digests of files by what a look at them tells, so that unchanged files are not read again.
 *
 * One small binary file for each folder that was asked about, read whole and replaced whole. Not SQLite: 10,000
 * look-ups cost more there than reading this file does, no native module need be loaded to answer `status`, and
 * processes that write at once cannot wait for each other; the last one wins, and what is lost is hashed again.
 * A file that is torn, or from another version, fails its checksum and counts as empty.
 */
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { dirname, join } from 'node:path';
import type { Digest } from '../../grammar/plan/plan.ts';
import { type FileIdentity, sameIdentity } from './identity.ts';

const FORMAT = Buffer.from('mlpipe-stat/1\0\0\0');
const CHECKSUM = 32;
/** Five 64-bit numbers and a SHA-256. */
const RECORD = 5 * 8 + 32;

interface Remembered {
  identity: FileIdentity;
  digest: Digest;
}

export class StatCache {
  readonly #path: string;
  #entries: Map<bigint, Remembered> | undefined;
  #changed = false;

  /**
   * @param folder where the store keeps its caches
   * @param subject the absolute path that this cache is about
   */
  constructor(folder: string, subject: string) {
    this.#path = join(folder, `${createHash('sha256').update(subject).digest('hex').slice(0, 24)}.bin`);
  }

  get(identity: FileIdentity): Digest | undefined {
    this.#entries ??= this.#load();
    const remembered = this.#entries.get(identity.inode);
    return remembered && sameIdentity(remembered.identity, identity) ? remembered.digest : undefined;
  }

  /** Only for a file that is settled (see `isSettled`). */
  set(identity: FileIdentity, digest: Digest): void {
    this.#entries ??= this.#load();
    this.#entries.set(identity.inode, { identity, digest });
    this.#changed = true;
  }

  /** Forgets every file but these, so that the cache is no larger than its folder. */
  keep(inodes: ReadonlySet<bigint>): void {
    this.#entries ??= this.#load();
    if (this.#entries.size <= inodes.size) return;
    for (const inode of this.#entries.keys()) {
      if (!inodes.has(inode)) this.#entries.delete(inode);
    }
    this.#changed = true;
  }

  /** Writes what has changed. A cache that cannot be written costs time and nothing else. */
  save(): void {
    if (!this.#changed || !this.#entries) return;
    const body = Buffer.allocUnsafe(this.#entries.size * RECORD);
    let offset = 0;
    for (const { identity, digest } of this.#entries.values()) {
      for (const value of [identity.device, identity.inode, identity.modified, identity.changed, identity.bytes]) {
        body.writeBigUInt64LE(BigInt.asUintN(64, value), offset);
        offset += 8;
      }
      offset += body.write(digest.slice('sha256:'.length), offset, 'hex');
    }
    const temporary = `${this.#path}.${process.pid}-${randomBytes(4).toString('hex')}`;
    try {
      fs.mkdirSync(dirname(this.#path), { recursive: true });
      fs.writeFileSync(temporary, Buffer.concat([FORMAT, checksum(body), body]));
      fs.renameSync(temporary, this.#path);
      this.#changed = false;
    } catch {
      // A full or read-only disk must not fail a question.
      fs.rmSync(temporary, { force: true });
    }
  }

  #load(): Map<bigint, Remembered> {
    const entries = new Map<bigint, Remembered>();
    let content: Buffer;
    try {
      content = fs.readFileSync(this.#path);
    } catch {
      // Never written yet, or not readable: everything is hashed.
      return entries;
    }
    const body = content.subarray(FORMAT.length + CHECKSUM);
    const whole =
      content.subarray(0, FORMAT.length).equals(FORMAT) &&
      body.length % RECORD === 0 &&
      checksum(body).equals(content.subarray(FORMAT.length, FORMAT.length + CHECKSUM));
    if (!whole) return entries;
    for (let offset = 0; offset < body.length; offset += RECORD) {
      const identity: FileIdentity = {
        device: body.readBigUInt64LE(offset),
        inode: body.readBigUInt64LE(offset + 8),
        modified: body.readBigInt64LE(offset + 16),
        changed: body.readBigInt64LE(offset + 24),
        bytes: body.readBigUInt64LE(offset + 32),
      };
      const digest: Digest = `sha256:${body.toString('hex', offset + 40, offset + RECORD)}`;
      entries.set(identity.inode, { identity, digest });
    }
    return entries;
  }
}

function checksum(body: Buffer): Buffer {
  return createHash('sha256').update(body).digest();
}
