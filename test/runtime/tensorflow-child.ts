/**
 * Works with one TensorFlow in a process of its own, as there can be but one a process, and says what came of it:
 * `tensorflow-child.ts VERSION SETTINGS TASK`.
 */
import { createHash } from 'node:crypto';
import type { Engine } from '../../runtime/engines/engine.ts';
import { openEngine } from '../../runtime/engines/index.ts';
import type { TensorflowSettings } from '../../runtime/engines/tensorflow/settings.ts';
import { MlpipeError } from '../../runtime/errors.ts';
import { NETS, type Trained, trainThreeSteps } from './layer-nets.ts';
import { type LayerWord, modelPlan, numbers } from './models.ts';
import { GRADIENT_CASES } from './slopes.ts';

export type Task = 'open' | 'nets' | 'gradients' | 'bits' | 'memory' | 'open another';

export type FromTensorflow =
  | { kind: 'opened'; node: string; describe: Engine['describe'] }
  | { kind: 'refused'; code: string; message: string; todo?: string }
  | { kind: 'trained'; net: string; result: Trained }
  | { kind: 'failed'; name: string; message: string }
  | { kind: 'checked'; name: string }
  | { kind: 'bits'; digest: string }
  | {
      kind: 'memory';
      steps: number /** Bytes resident, V8's heap apart. */;
      native: number;
      heap: number;
      tensors: number;
    };

/** A picture net with everything that sums in parallel: convolutions, products, normalisation, dropout. */
const BITS_NET: LayerWord[] = [
  ['conv2d', { filters: 8, kernel: [3, 3], padding: 'same', activation: 'relu' }],
  ['maxPool2d'],
  ['conv2d', { filters: 16, kernel: [3, 3], padding: 'same', activation: 'relu' }],
  ['batchNormalization'],
  ['dropout', { rate: 0.25 }],
  ['flatten'],
  ['dense', { units: 32, activation: 'relu' }],
  ['dense', { units: 10, activation: 'softmax' }],
];
const ADAM = { name: 'adam', arguments: { rate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 } };
const CROSS_ENTROPY = { name: 'crossEntropy', arguments: { labelSmoothing: 0 } };

const BITS_STEPS = 25;
const MEMORY_STEPS = 5000;
const MEMORY_EVERY = 1000;

const say = (message: FromTensorflow): void => console.log(JSON.stringify(message));
const [version = '', words = '', task = ''] = process.argv.slice(2);
// The tests write them.
const settings = JSON.parse(words) as TensorflowSettings;

try {
  const engine = await openEngine('tensorflow', version, settings);
  say({ kind: 'opened', node: process.versions.node, describe: engine.describe });
  await work(engine, task as Task);
} catch (error) {
  const { code, todo } = error instanceof MlpipeError ? error : { code: 'internal', todo: undefined };
  say({ kind: 'refused', code, message: (error as Error).message, ...(todo === undefined ? {} : { todo }) });
}

async function work(engine: Engine, task: Task): Promise<void> {
  switch (task) {
    case 'open':
      return;
    case 'nets':
      for (const net of NETS) {
        await attempt(net.name, async () =>
          say({ kind: 'trained', net: net.name, result: await trainThreeSteps(engine, net) }),
        );
      }
      return;
    case 'gradients':
      for (const { name, check } of GRADIENT_CASES) {
        await attempt(name, async () => {
          await check(engine);
          say({ kind: 'checked', name });
        });
      }
      return;
    case 'bits':
      return bits(engine);
    case 'memory':
      return memory(engine);
    case 'open another':
      await openEngine('tensorflow', version, { ...settings, threads: settings.threads + 1 });
  }
}

async function bits(engine: Engine): Promise<void> {
  const rows = 64;
  const plan = modelPlan([16, 16, 1], BITS_NET);
  const model = await engine.build(plan, { seed: 3, loss: CROSS_ENTROPY, optimizer: ADAM, targetWidth: 10 });
  const inputs = numbers(rows * 256, 5);
  const targets = Float32Array.from({ length: rows * 10 }, (_, at) => (at % 10 === Math.floor(at / 10) % 10 ? 1 : 0));
  for (let step = 0; step < BITS_STEPS; step++) model.step(inputs, targets, rows);
  const hash = createHash('sha256').update(new Uint8Array((await model.losses()).buffer));
  for (const { values } of (await model.state()).weights) hash.update(new Uint8Array(values.buffer));
  hash.update(new Uint8Array((await model.predict(inputs, rows)).buffer));
  say({ kind: 'bits', digest: hash.digest('hex') });
}

async function memory(engine: Engine): Promise<void> {
  const plan = modelPlan(
    [8, 8, 1],
    [
      ['conv2d', { filters: 4, kernel: [3, 3], activation: 'relu' }],
      ['dropout', { rate: 0.2 }],
      ['flatten'],
      ['dense', { units: 10, activation: 'softmax' }],
    ],
  );
  const model = await engine.build(plan, { seed: 3, loss: CROSS_ENTROPY, optimizer: ADAM, targetWidth: 10 });
  const rows = 32;
  const inputs = numbers(rows * 64, 5);
  const targets = Float32Array.from({ length: rows * 10 }, (_, at) => (at % 10 === 0 ? 1 : 0));
  for (let step = 1; step <= MEMORY_STEPS; step++) {
    model.step(inputs, targets, rows);
    if (step % 50 === 0) await model.losses();
    if (step % MEMORY_EVERY === 0) {
      const { rss, heapTotal, heapUsed } = process.memoryUsage();
      say({ kind: 'memory', steps: step, native: rss - heapTotal, heap: heapUsed, tensors: model.tensorCount() });
    }
  }
}

async function attempt(name: string, act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    say({ kind: 'failed', name, message: (error as Error).message });
  }
}
