/**
 * A pack: many small objects in one file, written, synced and named once for all of them. `docs/store.md` has the format.
 */
import { createHash } from 'node:crypto';
import type { Bytes, Digest } from '../../../grammar/plan/plan.ts';
import { OBJECT_TIME } from '../content.ts';
import type { FileSystem } from '../filesystem.ts';
import type { Writes } from '../writes.ts';

const MAGIC = Buffer.from('mlpipe-pack/1\n\0\0');
/** Bytes of an entry of the index: a SHA-256, then offset and length as 64-bit numbers. */
export const ENTRY = 32 + 8 + 8;
/** How many entries, and the SHA-256 of all of them. */
const TRAILER = 8 + 32;
/** So much is written at once. */
const PIECE = 2 ** 20;

/** Larger objects are files of their own, which a disk can link and share. */
export const LARGEST_PACKED: Bytes = 64 * 2 ** 10;
/** A pack that holds so much, or so many, is full. */
const FULL_BYTES = 64 * 2 ** 20;
const FULL_OBJECTS = 32_768;

/** A pack that waits for its name. */
export interface StagedPack {
  temporary: string;
  /** The SHA-256 of its index, in hexadecimal. */
  name: string;
  objects: number;
}

export class PackWriter {
  readonly #files: FileSystem;
  readonly #writes: Writes;
  readonly #temporary: string;
  readonly #file: number;
  readonly #entries = new Map<Digest, { offset: Bytes; bytes: Bytes }>();
  readonly #piece = Buffer.allocUnsafe(PIECE);
  #filled = 0;
  #offset: Bytes = 0;

  constructor(files: FileSystem, writes: Writes, temporary: string) {
    this.#files = files;
    this.#writes = writes;
    this.#temporary = temporary;
    writes.begin(temporary);
    this.#file = writes.attempt(() => files.create(temporary));
    this.#write(MAGIC);
  }

  get isFull(): boolean {
    return this.#offset >= FULL_BYTES || this.#entries.size >= FULL_OBJECTS;
  }

  has(digest: Digest): boolean {
    return this.#entries.has(digest);
  }

  /** @param content whose digest this is */
  add(digest: Digest, content: Uint8Array): void {
    if (this.#entries.has(digest)) return;
    this.#entries.set(digest, { offset: this.#offset, bytes: content.length });
    this.#write(content);
  }

  /** Writes the index. The pack is on the disk when this returns, all but its name. */
  finish(): StagedPack {
    const index = Buffer.allocUnsafe(this.#entries.size * ENTRY);
    let at = 0;
    for (const [digest, { offset, bytes }] of [...this.#entries].sort(([one], [other]) => (one < other ? -1 : 1))) {
      at += index.write(digest.slice('sha256:'.length), at, 'hex');
      at = index.writeBigUInt64LE(BigInt(offset), at);
      at = index.writeBigUInt64LE(BigInt(bytes), at);
    }
    const checksum = createHash('sha256').update(index).digest();
    const count = Buffer.alloc(8);
    count.writeBigUInt64LE(BigInt(this.#entries.size));
    for (const part of [index, count, checksum]) this.#write(part);
    this.#flush();
    this.#writes.attempt(() => this.#files.setModified(this.#file, OBJECT_TIME));
    this.#writes.sync(() => this.#files.sync(this.#file));
    this.#writes.attempt(() => this.#files.close(this.#file));
    return { temporary: this.#temporary, name: checksum.toString('hex'), objects: this.#entries.size };
  }

  /** Lets go of a pack that is not to be. The file is for the caller to take away. */
  abandon(): string {
    this.#files.close(this.#file);
    return this.#temporary;
  }

  #write(bytes: Uint8Array): void {
    this.#offset += bytes.length;
    if (bytes.length > PIECE - this.#filled) this.#flush();
    if (bytes.length > PIECE) {
      this.#writes.attempt(() => this.#files.write(this.#file, bytes));
      return;
    }
    this.#piece.set(bytes, this.#filled);
    this.#filled += bytes.length;
  }

  #flush(): void {
    const filled = this.#filled;
    this.#filled = 0;
    if (filled > 0) this.#writes.attempt(() => this.#files.write(this.#file, this.#piece.subarray(0, filled)));
  }
}

export interface PackEntry {
  digest: Digest;
  offset: Bytes;
  bytes: Bytes;
}

/** What a pack holds, in the order of the digests. */
export class PackIndex {
  readonly #index: Buffer;
  readonly count: number;

  constructor(index: Buffer) {
    this.#index = index;
    this.count = index.length / ENTRY;
  }

  /** @param wanted the 32 bytes of a digest */
  find(wanted: Buffer): { offset: Bytes; bytes: Bytes } | undefined {
    let [low, high] = [0, this.count - 1];
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const order = this.#compare(middle, wanted);
      if (order === 0) return this.placeAt(middle);
      if (order < 0) low = middle + 1;
      else high = middle - 1;
    }
    return undefined;
  }

  *entries(): Generator<PackEntry> {
    for (let number = 0; number < this.count; number += 1) {
      const at = number * ENTRY;
      yield { digest: `sha256:${this.#index.toString('hex', at, at + 32)}`, ...this.placeAt(number) };
    }
  }

  isAt(number: number, wanted: Buffer): boolean {
    return this.#compare(number, wanted) === 0;
  }

  /** The first 32 bits of the digest. */
  headAt(number: number): number {
    return this.#index.readInt32LE(number * ENTRY);
  }

  placeAt(number: number): { offset: Bytes; bytes: Bytes } {
    const at = number * ENTRY;
    return {
      offset: Number(this.#index.readBigUInt64LE(at + 32)),
      bytes: Number(this.#index.readBigUInt64LE(at + 40)),
    };
  }

  /** Negative where the digest of that number comes before. */
  #compare(number: number, wanted: Buffer): number {
    const at = number * ENTRY;
    return this.#index.compare(wanted, 0, 32, at, at + 32);
  }
}

/**
 * The index of a pack, or nothing where the file is damaged: its name is the checksum of its index, and no object lies
 * outside of what comes before.
 */
export function readIndex(files: FileSystem, path: string, name: string): PackIndex | undefined {
  const size = files.status(path)?.bytes;
  if (size === undefined || size < MAGIC.length + TRAILER) return undefined;
  const trailer = files.readPart(path, size - TRAILER, TRAILER);
  if (trailer.length < TRAILER) return undefined;
  const count = Number(trailer.readBigUInt64LE(0));
  const begin = size - TRAILER - count * ENTRY;
  if (!Number.isSafeInteger(begin) || begin < MAGIC.length) return undefined;
  const index = files.readPart(path, begin, count * ENTRY);
  const checksum = createHash('sha256').update(index).digest();
  if (!checksum.equals(trailer.subarray(8)) || checksum.toString('hex') !== name) return undefined;
  const found = new PackIndex(index);
  for (let number = 0; number < found.count; number += 1) {
    const { offset, bytes } = found.placeAt(number);
    if (offset < MAGIC.length || offset + bytes > begin) return undefined;
  }
  return found;
}
