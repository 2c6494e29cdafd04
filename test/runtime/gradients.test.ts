import assert from 'node:assert/strict';
import type { CallPlan } from '../../grammar/plan/plan.ts';
import type { Engine, NamedArray } from '../../runtime/engines/engine.ts';
import { openEngine } from '../../runtime/engines/index.ts';
import { BUILT_LAYERS } from '../../runtime/engines/tfjs/layers.ts';
import { BUILT_LOSSES } from '../../runtime/engines/tfjs/losses.ts';
import { BUILT_OPTIMIZERS } from '../../runtime/engines/tfjs/optimizers.ts';
import { LAYER_NETS } from './layer-nets.ts';
import { type LayerWord, LOSSES, modelPlan, numbers, OPTIMIZERS, product } from './models.ts';

/**
 * One step of plain gradient descent tells the gradient: (before − after) / rate. It must be the slope of the loss that
 * `losses` reports, found by moving single weights up and down.
 */
async function checkGradients(
  engine: Engine,
  inputShape: number[],
  layers: LayerWord[],
  loss = { name: 'meanSquaredError', arguments: {} as Record<string, number> },
  options: { inputs?: Float32Array; tolerance?: number; targets?: Float32Array } = {},
): Promise<void> {
  const rows = 3;
  const plan = modelPlan(inputShape, layers);
  const width = product(plan.outputShape);
  const inputs = options.inputs ?? numbers(rows * product(inputShape), 5);
  const targets = options.targets ?? numbers(rows * width, 9);
  const rate = 1;
  const optimizer = { name: 'sgd', arguments: { rate, momentum: 0, nesterov: false } };
  const model = await engine.build(plan, { seed: 3, loss, optimizer, targetWidth: width });
  try {
    const start = await model.state();
    const lossAt = async (weights: NamedArray[]): Promise<number> => {
      await model.restore({ ...start, weights });
      model.step(inputs, targets, rows);
      return (await model.losses())[0] ?? Number.NaN;
    };
    await lossAt(start.weights);
    const after = (await model.state()).weights;
    let compared = 0;
    for (const [index, array] of start.weights.entries()) {
      if (/moving_/.test(array.name)) continue;
      const count = array.values.length;
      for (let n = 0; n < Math.min(count, 6); n++) {
        const at = Math.floor((n * count) / Math.min(count, 6));
        const moved = async (by: number): Promise<number> => {
          const values = array.values.slice();
          values[at] = (values[at] ?? 0) + by;
          return lossAt(start.weights.map((other, i) => (i === index ? { ...array, values } : other)));
        };
        // Small, so that no maximum changes its place on the way.
        const step = 1e-3;
        const slope = ((await moved(step)) - (await moved(-step))) / (2 * step);
        const gradient = ((array.values[at] ?? 0) - (after[index]?.values[at] ?? Number.NaN)) / rate;
        const error = Math.abs(gradient - slope) / (0.1 + Math.abs(slope));
        assert.ok(error < (options.tolerance ?? 0.03), `${array.name}[${at}]: gradient ${gradient}, slope ${slope}`);
        compared++;
      }
    }
    assert.ok(compared > 0, 'no weight was compared');
  } finally {
    model.dispose();
  }
}

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

  for (const [layer, cases] of Object.entries(LAYER_NETS)) {
    for (const [index, [shape, layers]] of cases.entries()) {
      it(`of ${layer} are the slopes of the loss (${index + 1})`, () => checkGradients(engine, shape, layers));
    }
  }

  it('of embedding are the slopes of the loss, for words that occur twice too', () =>
    checkGradients(
      engine,
      [4],
      [['embedding', { vocabulary: 5, units: 3 }], ['flatten'], ['dense', { units: 2 }]],
      undefined,
      {
        inputs: Float32Array.of(0, 1, 2, 2, 3, 3, 3, 1, 4, 0, 0, 0),
      },
    ));

  for (const [name, values] of Object.entries(LOSSES)) {
    it(`of ${name} are the slopes of the loss, from the output and from the logits`, async () => {
      const single = ['binaryCrossEntropy', 'hinge', 'squaredHinge'].includes(name);
      const classes = single ? 1 : 3;
      const oneHot = single ? Float32Array.of(0, 1, 1) : Float32Array.of(1, 0, 0, 0, 0, 1, 0, 1, 0);
      const isClass = !['meanSquaredError', 'meanAbsoluteError', 'huber', 'logCosh', 'poisson'].includes(name);
      const targets = isClass ? oneHot : Float32Array.of(2, 1, 3, 0, 1, 2, 4, 1, 2);
      const ends: LayerWord[][] =
        name === 'crossEntropy' || name === 'klDivergence'
          ? [
              [['dense', { units: classes, activation: 'softmax' }]],
              [['dense', { units: classes, activation: 'sigmoid' }]],
              [
                ['dense', { units: classes }],
                ['activation', { function: 'softmax' }],
              ],
            ]
          : name === 'binaryCrossEntropy'
            ? [[['dense', { units: classes, activation: 'sigmoid' }]]]
            : [[['dense', { units: classes, activation: name === 'poisson' ? 'softplus' : 'linear' }]]];
      for (const end of ends) {
        await checkGradients(
          engine,
          [5],
          [['dense', { units: 4, activation: 'tanh' }], ...end],
          { name, arguments: values as Record<string, number> },
          { targets },
        );
      }
    });
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
