/** Gradients of every layer and loss, compared with the slopes of the loss: on any engine. */
import assert from 'node:assert/strict';
import type { Engine, NamedArray } from '../../runtime/engines/engine.ts';
import { LAYER_NETS } from './layer-nets.ts';
import { type LayerWord, LOSSES, modelPlan, numbers, product } from './models.ts';

export interface GradientCase {
  /** What it is the gradient of. */
  name: string;
  /** @throws AssertionError where a gradient is not the slope */
  check(engine: Engine): Promise<void>;
}

export const GRADIENT_CASES: readonly GradientCase[] = [
  ...Object.entries(LAYER_NETS).flatMap(([layer, cases]) =>
    cases.map(([shape, layers], index) => ({
      name: `${layer} ${index + 1}`,
      check: (engine: Engine) => checkGradients(engine, shape, layers),
    })),
  ),
  {
    name: 'embedding, for words that occur twice too',
    check: (engine) =>
      checkGradients(
        engine,
        [4],
        [['embedding', { vocabulary: 5, units: 3 }], ['flatten'], ['dense', { units: 2 }]],
        undefined,
        { inputs: Float32Array.of(0, 1, 2, 2, 3, 3, 3, 1, 4, 0, 0, 0) },
      ),
  },
  ...Object.entries(LOSSES).map(([name, values]) => ({
    name: `${name}, from the output and from the logits`,
    check: (engine: Engine) => checkLoss(engine, name, values as Record<string, number>), // losses take numbers alone
  })),
];

async function checkLoss(engine: Engine, name: string, values: Record<string, number>): Promise<void> {
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
      { name, arguments: values },
      { targets },
    );
  }
}

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
