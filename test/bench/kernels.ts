/**
 * What one optimisation step costs on wasm with mlpipe's kernels, beside TensorFlow.js in plain JavaScript: an MLP and a
 * CNN on pictures of 28 × 28, 32 rows a step. Plain JavaScript is the only other back end on which both can be trained
 * without more than a package: TensorFlow.js's own WebAssembly lacks the gradient of a convolution. Both do the same
 * steps from the same first weights, and each loss is read; that their losses agree is proven before anything counts.
 */
import type { Engine } from '../../runtime/engines/engine.ts';
import { openEngine } from '../../runtime/engines/index.ts';
import { tfjsEngine } from '../../runtime/engines/tfjs/engine.ts';
import { loadLibrary } from '../../runtime/engines/tfjs/library.ts';
import { type LayerWord, modelPlan, numbers } from '../runtime/models.ts';
import { ownPeer } from './peers.ts';
import { median, metric } from './report.ts';

const ROWS = 32;
const CLASSES = 10;
/** Of plain JavaScript, which takes a second a step. */
const FEW_STEPS = 5;
const MANY_STEPS = 100;

const NETS: Record<string, LayerWord[]> = {
  MLP: [
    ['flatten'],
    ['dense', { units: 128, activation: 'relu' }],
    ['dense', { units: 64, activation: 'relu' }],
    ['dense', { units: CLASSES, activation: 'softmax' }],
  ],
  CNN: [
    ['conv2d', { filters: 8, kernel: [3, 3], activation: 'relu' }],
    ['maxPool2d'],
    ['conv2d', { filters: 16, kernel: [3, 3], activation: 'relu' }],
    ['maxPool2d'],
    ['flatten'],
    ['dense', { units: CLASSES, activation: 'softmax' }],
  ],
};

async function bench(): Promise<void> {
  ownPeer('@tensorflow/tfjs-backend-cpu');
  const wasm = await openEngine('wasm', '4.22.0');
  await import('@tensorflow/tfjs-backend-cpu');
  const plain = tfjsEngine('wasm', '4.22.0', await loadLibrary(), { identity: {}, evidence: {} }, 'cpu');
  for (const [name, layers] of Object.entries(NETS)) {
    const own = await train(wasm, layers, MANY_STEPS);
    const slow = await train(plain, layers, FEW_STEPS);
    for (const [step, loss] of slow.losses.entries()) {
      const other = own.losses[step] ?? Number.NaN;
      if (!(Math.abs(loss - other) < 1e-3)) throw new Error(`Step ${step} of ${name} loses ${other}, not ${loss}.`);
    }
    metric(`${name}, WebAssembly with mlpipe's kernels`, own.milliseconds, 'ms/step');
    metric(`${name}, plain JavaScript`, slow.milliseconds, 'ms/step');
    metric(`${name}, times faster`, slow.milliseconds / own.milliseconds, 'x');
  }
}

/** The median of a step's time, as the machine is shared. */
async function train(
  engine: Engine,
  layers: LayerWord[],
  steps: number,
): Promise<{ milliseconds: number; losses: number[] }> {
  const model = await engine.build(modelPlan([28, 28, 1], layers), {
    seed: 1,
    loss: { name: 'crossEntropy', arguments: { labelSmoothing: 0 } },
    optimizer: { name: 'adam', arguments: { rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 } },
    targetWidth: CLASSES,
  });
  const inputs = numbers(ROWS * 784);
  const targets = Float32Array.from({ length: ROWS * CLASSES }, (_, at) =>
    at % CLASSES === Math.floor(at / CLASSES) % CLASSES ? 1 : 0,
  );
  const times: number[] = [];
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const started = performance.now();
    model.step(inputs, targets, ROWS);
    losses.push(...(await model.losses()));
    times.push(performance.now() - started);
  }
  model.dispose();
  return { milliseconds: median(times), losses };
}

if (import.meta.main) await bench();
