import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import {
  consistencyProof,
  EMPTY_ROOT,
  GrowingTree,
  type Hash,
  inclusionProof,
  isConsistent,
  leafHash,
  nodeHash,
  rootFromInclusion,
  rootOf,
  type Subtrees,
} from '../../runtime/ledger/log/merkle.ts';

/** The entries that the implementations of RFC 6962 test with, and the roots of their first 0 to 8. */
const ENTRIES = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
].map((text) => Buffer.from(text, 'hex'));
const ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

/** RFC 6962, 2.1, word for word. */
function naiveRoot(entries: readonly Uint8Array[]): Hash {
  const [only] = entries;
  if (only === undefined) return EMPTY_ROOT;
  if (entries.length === 1) return leafHash(only);
  const middle = split(entries.length);
  return nodeHash(naiveRoot(entries.slice(0, middle)), naiveRoot(entries.slice(middle)));
}

function naivePath(index: number, entries: readonly Uint8Array[]): Hash[] {
  if (entries.length <= 1) return [];
  const middle = split(entries.length);
  return index < middle
    ? [...naivePath(index, entries.slice(0, middle)), naiveRoot(entries.slice(middle))]
    : [...naivePath(index - middle, entries.slice(middle)), naiveRoot(entries.slice(0, middle))];
}

function naiveProof(first: number, entries: readonly Uint8Array[], known = true): Hash[] {
  if (first === entries.length) return known ? [] : [naiveRoot(entries)];
  const middle = split(entries.length);
  return first <= middle
    ? [...naiveProof(first, entries.slice(0, middle), known), naiveRoot(entries.slice(middle))]
    : [...naiveProof(first - middle, entries.slice(middle), false), naiveRoot(entries.slice(0, middle))];
}

function split(count: number): number {
  let power = 1;
  while (power * 2 < count) power *= 2;
  return power;
}

function subtreesOf(entries: readonly Uint8Array[]): Subtrees {
  return (level, index) => naiveRoot(entries.slice(index * 2 ** level, (index + 1) * 2 ** level));
}

const hex = (hash: Hash | undefined) => hash && Buffer.from(hash).toString('hex');
const numbered = (count: number) => Array.from({ length: count }, (_, index) => Buffer.from(`entry ${index}`));

describe('the Merkle tree', () => {
  it('has the roots of RFC 6962', () => {
    const tree = new GrowingTree();
    ROOTS.forEach((root, size) => {
      const entry = ENTRIES[size - 1];
      if (entry !== undefined) tree.add(leafHash(entry));
      assert.equal(hex(tree.root()), root);
      assert.equal(hex(rootOf(size, subtreesOf(ENTRIES.slice(0, size)))), root);
    });
  });

  it('has the proofs of RFC 6962', () => {
    const subtrees = subtreesOf(ENTRIES);
    assert.deepEqual(inclusionProof(0, 8, subtrees).map(hex), [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ]);
    assert.deepEqual(inclusionProof(2, 3, subtrees).map(hex), [ROOTS[2]]);
    assert.deepEqual(consistencyProof(6, 8, subtrees).map(hex), [
      '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ]);
    assert.deepEqual(consistencyProof(1, 1, subtrees), []);
  });

  it('is what the definition says at every size from 1 to 130, for every entry and every older size', () => {
    const all = numbered(130);
    const tree = new GrowingTree();
    const cache = new Map<string, Hash>();
    const subtrees: Subtrees = (level, index) => {
      const name = `${level} ${index}`;
      const hash = cache.get(name) ?? subtreesOf(all)(level, index);
      cache.set(name, hash);
      return hash;
    };
    const roots: Hash[] = [EMPTY_ROOT];
    for (let size = 1; size <= 130; size += 1) {
      const entries = all.slice(0, size);
      const root = naiveRoot(entries);
      roots.push(root);
      tree.add(leafHash(all[size - 1] ?? Buffer.alloc(0)));
      assert.equal(hex(tree.root()), hex(root));
      assert.equal(hex(rootOf(size, subtrees)), hex(root));
      for (let index = 0; index < size; index += 1) {
        const proof = inclusionProof(index, size, subtrees);
        if (size % 13 === 0 || size < 18) assert.deepEqual(proof.map(hex), naivePath(index, entries).map(hex));
        assert.ok(proof.length <= Math.ceil(Math.log2(size)));
        assert.equal(hex(rootFromInclusion(index, size, leafHash(entries[index] ?? root), proof)), hex(root));
      }
      for (let first = 1; first <= size; first += 1) {
        const proof = consistencyProof(first, size, subtrees);
        if (size % 13 === 0 || size < 18) assert.deepEqual(proof.map(hex), naiveProof(first, entries).map(hex));
        assert.ok(isConsistent({ size: first, root: roots[first] ?? root }, { size, root }, proof));
      }
    }
  });

  it('accepts no proof of anything else', () => {
    const entries = numbered(130);
    const subtrees = subtreesOf(entries);
    const other: Hash = createHash('sha256').update('other').digest();
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 130 }), fc.nat(), fc.nat(), fc.nat(), (size, at, place, bit) => {
        const root = naiveRoot(entries.slice(0, size));
        const index = at % size;
        const leaf = leafHash(entries[index] ?? root);
        const proof = inclusionProof(index, size, subtrees);
        const flipped = proof.map((hash) => Buffer.from(hash));
        const target = flipped[place % flipped.length];
        if (target) target[bit % 32] = (target[bit % 32] ?? 0) ^ (1 << (bit % 8));
        assert.notEqual(hex(rootFromInclusion(index, size, leaf, flipped)), hex(root));
        assert.notEqual(hex(rootFromInclusion(index, size, other, proof)), hex(root));
        assert.notEqual(hex(rootFromInclusion(index, size, leaf, proof.slice(1))), hex(root));
        assert.notEqual(hex(rootFromInclusion(index, size, leaf, [...proof, other])), hex(root));
        const elsewhere = (index + 1) % size;
        assert.notEqual(hex(rootFromInclusion(elsewhere, size, leaf, proof)), hex(root));

        const first = 1 + (at % (size - 1));
        const older = { size: first, root: naiveRoot(entries.slice(0, first)) };
        const consistency = consistencyProof(first, size, subtrees);
        assert.ok(isConsistent(older, { size, root }, consistency));
        assert.ok(!isConsistent({ ...older, root: other }, { size, root }, consistency));
        assert.ok(!isConsistent(older, { size, root: other }, consistency));
        assert.ok(!isConsistent(older, { size, root }, consistency.slice(1)));
        assert.ok(!isConsistent(older, { size, root }, [...consistency, other]));
        const bent = consistency.map((hash) => Buffer.from(hash));
        const broken = bent[place % bent.length];
        if (broken) broken[bit % 32] = (broken[bit % 32] ?? 0) ^ (1 << (bit % 8));
        assert.ok(!isConsistent(older, { size, root }, bent));
      }),
      { numRuns: 300 },
    );
  });

  it('refuses to prove what is not there', () => {
    const subtrees = subtreesOf(ENTRIES);
    assert.throws(() => inclusionProof(8, 8, subtrees), RangeError);
    assert.throws(() => consistencyProof(9, 8, subtrees), RangeError);
    assert.equal(rootFromInclusion(8, 8, EMPTY_ROOT, []), undefined);
    assert.ok(!isConsistent({ size: 9, root: EMPTY_ROOT }, { size: 8, root: EMPTY_ROOT }, []));
    assert.ok(isConsistent({ size: 0, root: EMPTY_ROOT }, { size: 8, root: rootOf(8, subtrees) }, []));
  });
});
