/**
 * What one optimisation step costs on wasm with mlpipe's kernels, beside TensorFlow.js in plain JavaScript: an MLP and a
 * CNN on pictures of 28 × 28, 32 rows a step. Started directly, it prints its metrics.
 */
import { fileURLToPath } from 'node:url';
import type { Engine } from '../../runtime/engines/engine.ts';
import { openEngine } from '../../runtime/engines/index.ts';
import { tfjsEngine } from '../../runtime/engines/tfjs/engine.ts';
import { loadLibrary } from '../../runtime/engines/tfjs/library.ts';
import { type LayerWord, modelPlan, numbers } from '../runtime/models.ts';

const ROWS = 32;
const CLASSES = 10;
/** Of plain JavaScript, which takes a second a step. */
const FEW_STEPS = 5;
const MANY_STEPS = 100;

const NETS: Record<string, LayerWord[]> = {
  mlp: [
    ['flatten'],
    ['dense', { units: 128, activation: 'relu' }],
    ['dense', { units: 64, activation: 'relu' }],
    ['dense', { units: CLASSES, activation: 'softmax' }],
  ],
  cnn: [
    ['conv2d', { filters: 8, kernel: [3, 3], activation: 'relu' }],
    ['maxPool2d'],
    ['conv2d', { filters: 16, kernel: [3, 3], activation: 'relu' }],
    ['maxPool2d'],
    ['flatten'],
    ['dense', { units: CLASSES, activation: 'softmax' }],
  ],
};

export interface KernelMetric {
  name: string;
  value: number;
  unit: string;
}

export async function bench(): Promise<KernelMetric[]> {
  const wasm = await openEngine('wasm', '4.22.0');
  await import('@tensorflow/tfjs-backend-cpu');
  const plain = tfjsEngine('wasm', '4.22.0', await loadLibrary(), { identity: {}, evidence: {} }, 'cpu');
  const metrics: KernelMetric[] = [];
  for (const [name, layers] of Object.entries(NETS)) {
    const own = await millisecondsAStep(wasm, layers, MANY_STEPS);
    const slow = await millisecondsAStep(plain, layers, FEW_STEPS);
    metrics.push({ name: `kernels_${name}_wasm`, value: own, unit: 'ms/step' });
    metrics.push({ name: `kernels_${name}_plain_javascript`, value: slow, unit: 'ms/step' });
    metrics.push({ name: `kernels_${name}_times_faster`, value: slow / own, unit: 'x' });
  }
  return metrics;
}

/** The median, as the machine is shared. */
async function millisecondsAStep(engine: Engine, layers: LayerWord[], steps: number): Promise<number> {
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
  for (let step = 0; step < steps; step++) {
    const started = performance.now();
    model.step(inputs, targets, ROWS);
    await model.losses();
    times.push(performance.now() - started);
  }
  model.dispose();
  return times.sort((a, b) => a - b)[Math.floor(steps / 2)] ?? Number.NaN;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const { name, value, unit } of await bench()) console.log(`METRIC:${name}:${Number(value.toFixed(3))}:${unit}`);
}
