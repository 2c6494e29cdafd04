/** Losses and optimizers beside Keras, an implementation that shares nothing with ours. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { CallPlan } from '../../grammar/plan/plan.ts';
import type { Engine } from '../../runtime/engines/engine.ts';
import { openEngine } from '../../runtime/engines/index.ts';
import { BUILT_LOSSES } from '../../runtime/engines/tfjs/losses.ts';
import { BUILT_OPTIMIZERS } from '../../runtime/engines/tfjs/optimizers.ts';
import { modelPlan } from './models.ts';

interface Golden {
  madeWith: { keras: string };
  losses: (CallPlan & { rows: number; truth: number[]; predicted: number[]; value: number })[];
  training: {
    inputs: number[];
    targets: number[];
    rows: number;
    start: number[][];
    optimizers: (CallPlan & { losses: number[]; weights: number[][] })[];
  };
}

// Written by make-keras.py beside it.
const golden = JSON.parse(readFileSync(new URL('../golden/keras.json', import.meta.url), 'utf8')) as Golden;

function near(found: number | undefined, expected: number, tolerance: number, what: string): void {
  assert.ok(
    found !== undefined && Math.abs(found - expected) <= tolerance * (1 + Math.abs(expected)),
    `${what}: ${found} is not ${expected}`,
  );
}

describe(`beside Keras ${golden.madeWith.keras}`, () => {
  let engine: Engine;
  before(async () => {
    engine = await openEngine('wasm', '4.22.0');
  });

  it('every loss and every optimizer is compared', () => {
    const names = (calls: readonly CallPlan[]) => [...new Set(calls.map(({ name }) => name))].sort();
    assert.deepEqual(names(golden.losses), [...BUILT_LOSSES].sort());
    assert.deepEqual(names(golden.training.optimizers), [...BUILT_OPTIMIZERS].sort());
  });

  for (const { name, arguments: given, rows, truth, predicted, value } of golden.losses) {
    it(`the loss ${name} ${JSON.stringify(given)} has the same value`, async () => {
      const plan = { name, arguments: given };
      const found = await engine.loss(plan, Float32Array.from(predicted), Float32Array.from(truth), rows);
      near(found, value, 2e-6, name);
    });
  }

  for (const { name, arguments: given, losses, weights } of golden.training.optimizers) {
    it(`the optimizer ${name} ${JSON.stringify(given)} goes the same way`, async () => {
      const { inputs, targets, rows, start } = golden.training;
      const plan = modelPlan(
        [3],
        [
          ['dense', { units: 4, activation: 'tanh' }],
          ['dense', { units: 2 }],
        ],
      );
      const model = await engine.build(plan, {
        seed: 1,
        loss: { name: 'meanSquaredError', arguments: {} },
        optimizer: { name, arguments: given },
        targetWidth: 2,
      });
      try {
        const state = await model.state();
        await model.restore({
          ...state,
          weights: state.weights.map((array, index) => ({ ...array, values: Float32Array.from(start[index] ?? []) })),
        });
        for (const _ of losses) model.step(Float32Array.from(inputs), Float32Array.from(targets), rows);
        const found = await model.losses();
        for (const [step, loss] of losses.entries()) near(found[step], loss, 1e-5, `the loss of step ${step + 1}`);
        const after = (await model.state()).weights;
        for (const [index, values] of weights.entries()) {
          for (const [at, value] of values.entries())
            near(after[index]?.values[at], value, 1e-5, `weight ${index}[${at}]`);
        }
      } finally {
        model.dispose();
      }
    });
  }
});
