import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { SplitPlan } from '../../grammar/plan/plan.ts';
import type { Dataset } from '../../runtime/data/dataset.ts';
import { Random } from '../../runtime/data/random.ts';
import { largestRemainder, type Parts, split } from '../../runtime/data/split.ts';

const parts = (...shares: number[]): SplitPlan['parts'] =>
  shares.map((share, index) => ({ name: `part${index}`, share }));

/** A data set of one class column and one group column. */
function dataset(labels: number[], groups: string[] = []): Dataset {
  return {
    rows: labels.length,
    columns: {
      label: {
        plan: { name: 'label', type: { kind: 'class', count: 100 } },
        values: Float32Array.from(labels),
        labels: Array.from({ length: 100 }, (_, index) => String(index)),
      },
      group: { plan: { name: 'group', type: { kind: 'text' } }, values: new Float32Array(0), texts: groups },
    },
  };
}

const plain = (rows: number): Dataset => dataset(new Array<number>(rows).fill(0));
const sizes = (split: Parts): number[] => Object.values(split).map((rows) => rows.length);

const shares = fc
  .array(fc.integer({ min: 5, max: 100 }), { minLength: 2, maxLength: 5 })
  .map((weights) => weights.map((weight) => weight / weights.reduce((sum, one) => sum + one, 0)));

describe('splitting', () => {
  it('gives the same parts on every platform and with every version', () => {
    const { part0, part1 } = split(plain(20), { parts: parts(0.7, 0.3), seed: 7 });
    assert.deepEqual([...(part1 ?? [])], GOLDEN_PART);
    assert.equal(part0?.length, 14);
    const random = new Random(42);
    assert.deepEqual([random.bits(), random.bits(), random.bits()], GOLDEN_BITS);
  });

  it('puts every row into just one part, in ascending order', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(4), { minLength: 200, maxLength: 400 }), shares, fc.nat(), (labels, share, seed) => {
        const split_ = split(dataset(labels), { parts: parts(...share), stratify: 'label', seed });
        const all = Object.values(split_).flatMap((rows) => [...rows]);
        assert.deepEqual(
          [...all].sort((a, b) => a - b),
          labels.map((_, row) => row),
        );
        for (const rows of Object.values(split_))
          assert.deepEqual(
            [...rows],
            [...rows].sort((a, b) => a - b),
          );
      }),
    );
  });

  it('gives each part its count by largest remainder, stratified or not', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(12), { minLength: 200, maxLength: 400 }), shares, fc.nat(), (labels, share, seed) => {
        const expected = largestRemainder(labels.length, share);
        const stratified = split(dataset(labels), { parts: parts(...share), stratify: 'label', seed });
        const free = split(dataset(labels), { parts: parts(...share), seed });
        assert.deepEqual(sizes(free), expected);
        for (const [index, size] of sizes(stratified).entries())
          assert.ok(Math.abs(size - (expected[index] ?? 0)) <= 1, `${size} rather than ${expected[index]}`);
      }),
    );
  });

  it('gives each class its quota in each part, rounded up or down', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(6), { minLength: 200, maxLength: 400 }), shares, fc.nat(), (labels, share, seed) => {
        const split_ = split(dataset(labels), { parts: parts(...share), stratify: 'label', seed });
        for (const label of new Set(labels)) {
          const total = labels.filter((one) => one === label).length;
          for (const [index, rows] of Object.values(split_).entries()) {
            const count = [...rows].filter((row) => labels[row] === label).length;
            assert.ok(
              Math.abs(count - total * (share[index] ?? 0)) < 1 + 1e-9,
              `${count} of ${total} × ${share[index]}`,
            );
          }
        }
      }),
    );
  });

  it('never tears a group, and keeps near the shares', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(60), { minLength: 300, maxLength: 500 }), fc.nat(), (groups, seed) => {
        const names = groups.map((group) => `patient ${group}`);
        const split_ = split(
          dataset(
            groups.map(() => 0),
            names,
          ),
          {
            parts: parts(0.7, 0.15, 0.15),
            group: 'group',
            seed,
          },
        );
        const seen = new Map<string, string>();
        for (const [part, rows] of Object.entries(split_))
          for (const row of rows) {
            const group = names[row] ?? '';
            assert.equal(seen.get(group) ?? part, part);
            seen.set(group, part);
          }
        const largest = Math.max(
          ...Object.values(Object.groupBy(names, (name) => name)).map((rows) => rows?.length ?? 0),
        );
        for (const [index, size] of sizes(split_).entries())
          assert.ok(Math.abs(size - groups.length * ([0.7, 0.15, 0.15][index] ?? 0)) <= largest);
      }),
    );
  });

  it('leaves rows unused where the shares do not add up to the whole', () => {
    assert.deepEqual(sizes(split(plain(1000), { parts: parts(0.5, 0.2), seed: 1 })), [500, 200]);
  });

  it('follows the seed, and nothing but the columns that it names', () => {
    const labels = Array.from({ length: 300 }, (_, row) => row % 3);
    const one = split(dataset(labels), { parts: parts(0.8, 0.2), stratify: 'label', seed: 1 });
    const other = dataset(
      labels.map((label) => (label + 5) * 2),
      labels.map(String),
    );
    assert.deepEqual(split(other, { parts: parts(0.8, 0.2), stratify: 'label', seed: 1 }), one);
    assert.notDeepEqual(split(other, { parts: parts(0.8, 0.2), stratify: 'label', seed: 2 }), one);
  });

  it('refuses a part that would have no row', () => {
    assert.throws(() => split(plain(3), { parts: parts(0.9, 0.1), seed: 1 }), { code: 'split-empty' });
  });

  it('says which column was not read', () => {
    assert.throws(() => split(plain(30), { parts: parts(0.5, 0.5), stratify: 'no', seed: 1 }), {
      code: 'split-column',
    });
  });

  it('counts decimal shares as they are written', () => {
    assert.deepEqual(largestRemainder(30, [0.7, 0.1, 0.2]), [21, 3, 6]);
    assert.deepEqual(largestRemainder(1797, [0.8, 0.1, 0.1]), [1437, 180, 180]);
    assert.deepEqual(largestRemainder(10, [1 / 3, 1 / 3, 1 / 3]), [4, 3, 3]);
  });
});

const GOLDEN_PART = [0, 3, 6, 7, 12, 14];
/** Computed by another implementation of the two published generators. */
const GOLDEN_BITS = [660444221, 3652823732, 77672526];
