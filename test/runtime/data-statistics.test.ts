import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { ColumnPlan } from '../../grammar/plan/plan.ts';
import type { Dataset } from '../../runtime/data/dataset.ts';
import { NumberSummary, statistics } from '../../runtime/data/statistics.ts';
import { allRows, featureStatistics, tensors } from '../../runtime/data/tensors.ts';

const float = (name: string, ...shape: number[]): ColumnPlan => ({ name, type: { kind: 'float', shape } });

const dataset: Dataset = {
  rows: 3,
  columns: {
    size: { plan: float('size'), values: Float32Array.of(1, 2, 3) },
    pixels: { plan: float('pixels', 2, 2), values: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12) },
    colour: {
      plan: { name: 'colour', type: { kind: 'class', labels: ['red', 'green'] } },
      values: Float32Array.of(1, 0, 1),
      labels: ['red', 'green'],
    },
    name: { plan: { name: 'name', type: { kind: 'text' } }, values: new Float32Array(0), texts: ['a', '', 'c'] },
  },
};

describe('statistics of a column', () => {
  it('agree with the two-pass formulas, however far the mean lies from zero', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -1000, max: 1000, noNaN: true }), { minLength: 2 }),
        fc.constantFrom(0, 1e6, -1e9),
        (numbers, shift) => {
          const shifted = numbers.map((number) => number + shift);
          const summary = new NumberSummary();
          summary.add(shifted);
          const mean = shifted.reduce((sum, number) => sum + (number - shift), 0) / shifted.length + shift;
          const squares = shifted.reduce((sum, number) => sum + (number - mean) ** 2, 0);
          const deviation = Math.sqrt(squares / (shifted.length - 1));
          assert.ok(Math.abs(summary.mean - mean) <= 1e-12 * Math.max(1, Math.abs(shift), 1000));
          assert.ok(Math.abs(summary.standardDeviation - deviation) <= 1e-6 * Math.max(1, deviation));
          assert.equal(summary.minimum, Math.min(...shifted));
          assert.equal(summary.maximum, Math.max(...shifted));
        },
      ),
    );
  });

  it('count classes, the most frequent first', () => {
    assert.deepEqual(dataset.columns.colour && statistics(dataset.columns.colour), {
      count: 3,
      missing: 0,
      classes: [
        { label: 'green', count: 2 },
        { label: 'red', count: 1 },
      ],
    });
  });

  it('count texts that are there', () => {
    assert.deepEqual(dataset.columns.name && statistics(dataset.columns.name), { count: 2, missing: 1 });
  });

  it('pass over what is no number', () => {
    const found = statistics({ plan: float('x'), values: Float32Array.of(1, Number.NaN, 3) });
    assert.deepEqual([found.count, found.missing, found.mean], [2, 1, 2]);
  });
});

describe('tensors', () => {
  it('stand the inputs side by side, classes one-hot, in the order of the rows that are asked for', () => {
    const made = tensors(dataset, Uint32Array.of(2, 0), ['size', 'colour', 'pixels'], 'size', [7]);
    assert.deepEqual([...made.inputs], [3, 0, 1, 9, 10, 11, 12, 1, 0, 1, 1, 2, 3, 4]);
    assert.deepEqual([...made.targets], [3, 1]);
    assert.deepEqual([made.rows, made.targetWidth, made.labels], [2, 1, undefined]);
  });

  it('give classes to predict as indices with their labels', () => {
    const made = tensors(dataset, allRows(dataset), ['pixels'], 'colour', [2, 2]);
    assert.deepEqual([...made.targets], [1, 0, 1]);
    assert.deepEqual(made.labels, ['red', 'green']);
    assert.deepEqual(made.inputShape, [2, 2]);
  });

  it('give several numbers to predict', () => {
    const made = tensors(dataset, Uint32Array.of(1), ['size'], 'pixels', [1]);
    assert.deepEqual([...made.targets], [5, 6, 7, 8]);
    assert.equal(made.targetWidth, 4);
  });

  it('refuse a shape that the columns do not have, text, and a column that was not read', () => {
    assert.throws(() => tensors(dataset, Uint32Array.of(0), ['pixels'], 'size', [3, 2]), { code: 'data-shape' });
    assert.throws(() => tensors(dataset, Uint32Array.of(0), ['name'], 'size', [1]), { code: 'data-column' });
    assert.throws(() => tensors(dataset, Uint32Array.of(0), ['no'], 'size', [1]), { code: 'data-column' });
  });

  it('have a mean and a deviation for each number of a row', () => {
    const made = tensors(dataset, allRows(dataset), ['size', 'colour'], 'size', [3]);
    const { mean, standardDeviation } = featureStatistics(made);
    assert.deepEqual([...mean], [2, 1 / 3, 2 / 3].map(Math.fround));
    assert.deepEqual([...standardDeviation], [1, Math.sqrt(1 / 3), Math.sqrt(1 / 3)].map(Math.fround));
  });
});
