/**
 * The Merkle tree of RFC 6962, section 2.1 (checked by the algorithms of RFC 9162, sections 2.1.3.2 and 2.1.4.2): one
 * hash stands for a whole list, a few hashes prove that an entry is in it, and a few that an older list is its beginning.
 *
 * Nothing here holds a tree. Whoever asks gives a function that answers the hash of a complete subtree.
 */
import { createHash } from 'node:crypto';

/** 32 bytes. */
export type Hash = Uint8Array;

/** The hash of the 2^`level` entries that begin with entry `index`·2^`level`. */
export type Subtrees = (level: number, index: number) => Hash;

/** RFC 6962: `SHA-256(0x00 || entry)`. */
export function leafHash(entry: Uint8Array): Hash {
  return createHash('sha256').update(LEAF).update(entry).digest();
}

/** RFC 6962: `SHA-256(0x01 || left || right)`. */
export function nodeHash(left: Hash, right: Hash): Hash {
  return createHash('sha256').update(NODE).update(left).update(right).digest();
}

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

/** The root of a tree without entries: `SHA-256()`. */
export const EMPTY_ROOT: Hash = createHash('sha256').digest();

/** RFC 6962, 2.1: `MTH(D[size])`. */
export function rootOf(size: number, subtrees: Subtrees): Hash {
  return size === 0 ? EMPTY_ROOT : hashOfRange(0, size, subtrees);
}

/** RFC 6962, 2.1.1: `PATH(index, D[size])`, from the leaf upward. @throws RangeError where there is no such entry */
export function inclusionProof(index: number, size: number, subtrees: Subtrees): Hash[] {
  if (!(index >= 0 && index < size)) throw new RangeError(`There is no entry ${index} in a log of ${size}.`);
  const proof: Hash[] = [];
  let [from, to] = [0, size];
  while (to - from > 1) {
    const middle = from + powerBelow(to - from);
    if (index < middle) {
      proof.push(hashOfRange(middle, to, subtrees));
      to = middle;
    } else {
      proof.push(hashOfRange(from, middle, subtrees));
      from = middle;
    }
  }
  return proof.reverse();
}

/** RFC 6962, 2.1.2: `PROOF(first, D[size])`. @throws RangeError where the first is not the smaller one */
export function consistencyProof(first: number, size: number, subtrees: Subtrees): Hash[] {
  if (!(first >= 0 && first <= size)) throw new RangeError(`A log of ${size} does not begin with one of ${first}.`);
  if (first === 0 || first === size) return [];
  const proof: Hash[] = [];
  let [from, to] = [0, size];
  // Whether the part that is left is a whole one of the older tree, whose hash the checker has already.
  let known = true;
  while (first !== to) {
    const middle = from + powerBelow(to - from);
    if (first <= middle) {
      proof.push(hashOfRange(middle, to, subtrees));
      to = middle;
    } else {
      proof.push(hashOfRange(from, middle, subtrees));
      from = middle;
      known = false;
    }
  }
  if (!known) proof.push(hashOfRange(from, to, subtrees));
  return proof.reverse();
}

/** The root that an inclusion proof leads to, or nothing where it can lead to none (RFC 9162, 2.1.3.2). */
export function rootFromInclusion(index: number, size: number, leaf: Hash, proof: readonly Hash[]): Hash | undefined {
  if (!(index >= 0 && index < size)) return undefined;
  let [node, last] = [index, size - 1];
  let hash = leaf;
  for (const sibling of proof) {
    if (last === 0) return undefined;
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(sibling, hash);
      while (node % 2 === 0 && node !== 0) {
        node = Math.floor(node / 2);
        last = Math.floor(last / 2);
      }
    } else {
      hash = nodeHash(hash, sibling);
    }
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 ? hash : undefined;
}

/** Whether a proof shows that the tree of `size` begins with that of `first` (RFC 9162, 2.1.4.2). */
export function isConsistent(
  first: { size: number; root: Hash },
  second: { size: number; root: Hash },
  proof: readonly Hash[],
): boolean {
  if (first.size > second.size) return false;
  if (first.size === second.size) return proof.length === 0 && equal(first.root, second.root);
  if (first.size === 0) return proof.length === 0 && equal(first.root, EMPTY_ROOT);
  const path = isPowerOfTwo(first.size) ? [first.root, ...proof] : [...proof];
  const start = path.shift();
  if (start === undefined) return false;
  let [node, last] = [first.size - 1, second.size - 1];
  while (node % 2 === 1) {
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  let [older, newer] = [start, start];
  for (const sibling of path) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      older = nodeHash(sibling, older);
      newer = nodeHash(sibling, newer);
      while (node % 2 === 0 && node !== 0) {
        node = Math.floor(node / 2);
        last = Math.floor(last / 2);
      }
    } else {
      newer = nodeHash(newer, sibling);
    }
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && equal(older, first.root) && equal(newer, second.root);
}

export function equal(one: Hash, other: Hash): boolean {
  return Buffer.compare(one, other) === 0;
}

/** The tree of a list that only grows, of which nothing but the right edge is kept. */
export class GrowingTree {
  /** By level: the complete subtrees that make up the tree, where there is one. */
  readonly #edge: (Hash | undefined)[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Takes a complete subtree up as the next; `level` must not be higher than the last one's. */
  restore(level: number, hash: Hash): void {
    this.#edge[level] = hash;
    this.#size += 2 ** level;
  }

  /** Adds an entry; answers the hash of the largest complete subtree that it ends. */
  add(leaf: Hash): Hash {
    let hash = leaf;
    let level = 0;
    for (; ; level += 1) {
      const left = this.#edge[level];
      if (left === undefined) break;
      hash = nodeHash(left, hash);
      this.#edge[level] = undefined;
    }
    this.#edge[level] = hash;
    this.#size += 1;
    return hash;
  }

  root(): Hash {
    let root: Hash | undefined;
    for (const hash of this.#edge) if (hash !== undefined) root = root === undefined ? hash : nodeHash(hash, root);
    return root ?? EMPTY_ROOT;
  }
}

/** Entries `from` to below `to`; `from` is a multiple of the largest power of two that is not above their number. */
function hashOfRange(from: number, to: number, subtrees: Subtrees): Hash {
  const count = to - from;
  if (isPowerOfTwo(count)) return subtrees(Math.log2(count), from / count);
  const middle = from + powerBelow(count);
  return nodeHash(hashOfRange(from, middle, subtrees), hashOfRange(middle, to, subtrees));
}

/** The largest power of two below a number above 1. */
function powerBelow(count: number): number {
  const power = 2 ** Math.floor(Math.log2(count));
  return power === count ? count / 2 : power;
}

function isPowerOfTwo(count: number): boolean {
  return 2 ** Math.round(Math.log2(count)) === count;
}
