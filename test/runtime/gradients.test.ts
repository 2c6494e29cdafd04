import assert from 'node:assert/strict';
import type { CallPlan } from '../../grammar/plan/plan.ts';
import type { Engine } from '../../runtime/engines/engine.ts';
import { openEngine } from '../../runtime/engines/index.ts';
import { BUILT_LAYERS } from '../../runtime/engines/tfjs/layers.ts';
import { BUILT_LOSSES } from '../../runtime/engines/tfjs/losses.ts';
import { BUILT_OPTIMIZERS } from '../../runtime/engines/tfjs/optimizers.ts';
import { LAYER_NETS } from './layer-nets.ts';
import { LOSSES, modelPlan, numbers, OPTIMIZERS } from './models.ts';
import { GRADIENT_CASES } from './slopes.ts';

/** Random while training: what they do is checked in `training.test.ts`. */
const RANDOM = ['dropout', 'gaussianNoise'];

describe('gradients on wasm', () => {
  let engine: Engine;
  before(async () => {
    engine = await openEngine('wasm', '4.22.0');
  });

  it('are checked for every layer that can be built', () => {
    assert.deepEqual([...Object.keys(LAYER_NETS), ...RANDOM, 'embedding'].sort(), [...BUILT_LAYERS].sort());
  });

  for (const { name, check } of GRADIENT_CASES) {
    it(`of ${name} are the slopes of the loss`, () => check(engine));
  }

  it('of binaryCrossEntropy see the sigmoid within the steps of a recurrent layer', async () => {
    const plan = modelPlan([4, 2], [['simpleRnn', { units: 1, activation: 'sigmoid' }]]);
    const optimizer = { name: 'sgd', arguments: { rate: 0, momentum: 0, nesterov: false } };
    const options = { seed: 3, optimizer, targetWidth: 1 };
    const inputs = numbers(16, 5);
    const losses: CallPlan[] = [
      { name: 'binaryCrossEntropy', arguments: { labelSmoothing: 0 } },
      { name: 'hinge', arguments: {} },
    ];
    const outputs: number[][] = [];
    for (const loss of losses) {
      const model = await engine.build(plan, { ...options, loss });
      outputs.push([...(await model.predict(inputs, 2))]);
      model.dispose();
    }
    assert.deepEqual(outputs[0], outputs[1]);
  });

  it('are checked for every loss', () => {
    assert.deepEqual(Object.keys(LOSSES).sort(), [...BUILT_LOSSES].sort());
  });

  it('lead every optimizer to a smaller loss', async () => {
    assert.deepEqual(Object.keys(OPTIMIZERS).sort(), [...BUILT_OPTIMIZERS].sort());
    const plan = modelPlan(
      [4],
      [
        ['dense', { units: 8, activation: 'tanh' }],
        ['dense', { units: 1 }],
      ],
    );
    for (const [name, variants] of Object.entries(OPTIMIZERS)) {
      for (const values of variants) {
        const model = await engine.build(plan, {
          seed: 1,
          loss: { name: 'meanSquaredError', arguments: {} },
          optimizer: { name, arguments: values },
          targetWidth: 1,
        });
        const inputs = numbers(64, 2);
        const targets = Float32Array.from({ length: 16 }, (_, row) => (inputs[row * 4] ?? 0) * 0.5 + 0.2);
        for (let step = 0; step < 60; step++) model.step(inputs, targets, 16);
        const losses = await model.losses();
        assert.ok(
          (losses.at(-1) ?? Number.NaN) < (losses[0] ?? 0) * 0.6,
          `${name} ${JSON.stringify(values)}: ${losses[0]} → ${losses.at(-1)}`,
        );
        model.dispose();
      }
    }
  });
});
