/** Which of many packs holds an object, in one look: some 8 bytes for each object beside the packs' own indexes. */
import type { PackIndex } from './pack.ts';

export interface Row {
  /** The pack's. */
  name: string;
  index: PackIndex;
}

interface Placed extends Row {
  /** The number of its first object among all. */
  first: number;
}

/** Open addressing over the first 32 bits of a digest; a slot holds an object's number and one. */
export class PackTable {
  readonly #rows: Placed[] = [];
  #slots = new Int32Array(1024);
  #count = 0;

  add(row: Row): void {
    const placed = { ...row, first: this.#count };
    this.#rows.push(placed);
    this.#count += row.index.count;
    if (this.#count * 2 <= this.#slots.length) {
      this.#enter(placed);
      return;
    }
    let size = this.#slots.length;
    while (this.#count * 2 > size) size *= 2;
    this.#slots = new Int32Array(size);
    for (const each of this.#rows) this.#enter(each);
  }

  /** @param wanted the 32 bytes of a digest */
  find(wanted: Buffer): { row: Row; number: number } | undefined {
    const mask = this.#slots.length - 1;
    for (let slot = wanted.readInt32LE(0) & mask; ; slot = (slot + 1) & mask) {
      const held = this.#slots[slot] ?? 0;
      if (held === 0) return undefined;
      const row = this.#rowOf(held - 1);
      const number = held - 1 - row.first;
      if (row.index.isAt(number, wanted)) return { row, number };
    }
  }

  #enter({ index, first }: Placed): void {
    const mask = this.#slots.length - 1;
    for (let number = 0; number < index.count; number += 1) {
      let slot = index.headAt(number) & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = first + number + 1;
    }
  }

  /** By bisection, as rows are in the order of their first objects. */
  #rowOf(number: number): Placed {
    let [low, high] = [0, this.#rows.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#rows[middle]?.first ?? 0) <= number) low = middle;
      else high = middle - 1;
    }
    const row = this.#rows[low];
    if (row === undefined) throw new RangeError(`There is no object ${number}.`);
    return row;
  }
}
