/** Which pack holds what, for millions of digests: some 50 bytes each, where a map of strings would take 200. */
import type { Bytes, Digest } from '../../../grammar/plan/plan.ts';
import { ENTRY, type PackIndex } from './pack-format.ts';

/** A pack's index in use. */
export interface KnownPack {
  index: PackIndex;
  /** The digest of the index. */
  digest: Digest;
  /** Is passed over from now on: the pack is not what it should be. */
  gone: boolean;
}

/** Where a blob lies. */
export interface Place {
  in: KnownPack;
  offset: Bytes;
  bytes: Bytes;
}

interface Row extends KnownPack {
  /** The number of its first blob among all. */
  first: number;
  offsets: Uint32Array;
}

const DIGEST_BYTES = 32;

/** Open addressing over the first 32 bits of a digest; a slot holds a blob's number and one. */
export class DigestTable {
  readonly #rows: Row[] = [];
  #slots = new Int32Array(1024);
  #count = 0;

  add(index: PackIndex, digest: Digest): KnownPack {
    const count = index.entries.length / ENTRY;
    const offsets = new Uint32Array(count);
    let offset = 0;
    for (let number = 0; number < count; number += 1) {
      offsets[number] = offset;
      offset += index.entries.readUInt32BE(number * ENTRY + DIGEST_BYTES);
    }
    const row: Row = { index, digest, gone: false, first: this.#count, offsets };
    this.#rows.push(row);
    this.#count += count;
    if (this.#count * 2 > this.#slots.length) this.#grow();
    else this.#enter(row);
    return row;
  }

  find(digest: Digest): Place | undefined {
    const wanted = Buffer.from(digest.slice('sha256:'.length), 'hex');
    const mask = this.#slots.length - 1;
    for (let slot = wanted.readUInt32LE(0) & mask; ; slot = (slot + 1) & mask) {
      const held = this.#slots[slot] ?? 0;
      if (held === 0) return undefined;
      const row = this.#rowOf(held - 1);
      if (row === undefined || row.gone) continue;
      const number = held - 1 - row.first;
      const { entries } = row.index;
      if (entries.compare(wanted, 0, DIGEST_BYTES, number * ENTRY, number * ENTRY + DIGEST_BYTES) !== 0) continue;
      return { in: row, offset: row.offsets[number] ?? 0, bytes: entries.readUInt32BE(number * ENTRY + DIGEST_BYTES) };
    }
  }

  #grow(): void {
    let size = this.#slots.length;
    while (this.#count * 2 > size) size *= 2;
    this.#slots = new Int32Array(size);
    for (const row of this.#rows) this.#enter(row);
  }

  #enter({ index: { entries }, first, offsets }: Row): void {
    const mask = this.#slots.length - 1;
    for (let number = 0; number < offsets.length; number += 1) {
      let slot = entries.readUInt32LE(number * ENTRY) & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = first + number + 1;
    }
  }

  /** By bisection, as rows are in the order of their first blobs. */
  #rowOf(number: number): Row | undefined {
    let [low, high] = [0, this.#rows.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#rows[middle]?.first ?? 0) <= number) low = middle;
      else high = middle - 1;
    }
    return this.#rows[low];
  }
}
