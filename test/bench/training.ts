/**
 * A whole training through mlpipe — reading, shuffling, schedule, history, the saved model — beside the same loop written
 * bare with TensorFlow.js on arrays that lie ready, on the same back end with the same kernels. Started directly, it
 * prints its metrics; the two take turns, and time on the processor counts, as noise of the machine comes and goes.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Scalar, Tensor } from '@tensorflow/tfjs-core';
import { openEngine } from '../../runtime/engines/index.ts';
import { loadLibrary } from '../../runtime/engines/tfjs/library.ts';
import { orderOf } from '../../runtime/train/loop.ts';
import { runTraining } from '../../runtime/train/training.ts';
import { classificationJob } from '../runtime/classification-job.ts';
import { type LayerWord, modelPlan, numbers } from '../runtime/models.ts';

const ROWS = 2000;
const BATCH = 32;
const CLASSES = 10;
const TURNS = 3;
const RATE = 1e-3;

export interface TrainingMetric {
  name: string;
  value: number;
  unit: string;
}

interface Course {
  epochs: number;
  layers: LayerWord[];
}

/** Together about a minute. */
const COURSES: Record<string, Course> = {
  mlp: {
    epochs: 25,
    layers: [
      ['flatten'],
      ['dense', { units: 128, activation: 'relu' }],
      ['dense', { units: 64, activation: 'relu' }],
      ['dense', { units: CLASSES, activation: 'softmax' }],
    ],
  },
  cnn: {
    epochs: 4,
    layers: [
      ['conv2d', { filters: 16, kernel: [3, 3], padding: 'same', activation: 'relu' }],
      ['conv2d', { filters: 32, kernel: [3, 3], padding: 'same', activation: 'relu' }],
      ['maxPool2d'],
      ['flatten'],
      ['dense', { units: 64, activation: 'relu' }],
      ['dense', { units: CLASSES, activation: 'softmax' }],
    ],
  },
};

export async function bench(): Promise<TrainingMetric[]> {
  const folder = await mkdtemp(join(tmpdir(), 'mlpipe-bench-'));
  const inputs = numbers(ROWS * 64, 3);
  const metrics: TrainingMetric[] = [];
  try {
    await writeFile(join(folder, 'rows.csv'), table(inputs));
    await openEngine('wasm', '4.22.0');
    for (const [name, course] of Object.entries(COURSES)) {
      const own: number[] = [];
      const bare: number[] = [];
      const short = { ...course, epochs: 1 };
      await timed(() => throughMlpipe(short, folder));
      await timed(() => written(short, inputs));
      for (let turn = 0; turn < TURNS; turn++) {
        own.push(await timed(() => throughMlpipe(course, folder)));
        bare.push(await timed(() => written(course, inputs)));
      }
      const least = { own: Math.min(...own), bare: Math.min(...bare) };
      const steps = course.epochs * Math.ceil(ROWS / BATCH);
      metrics.push({ name: `training_${name}_mlpipe`, value: least.own / steps, unit: 'ms/step' });
      metrics.push({ name: `training_${name}_bare`, value: least.bare / steps, unit: 'ms/step' });
      metrics.push({ name: `training_${name}_overhead`, value: (least.own / least.bare - 1) * 100, unit: '%' });
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return metrics;
}

async function throughMlpipe({ epochs, layers }: Course, folder: string): Promise<void> {
  const model = modelPlan([8, 8, 1], layers);
  const job = classificationJob({
    folder,
    path: join(folder, 'rows.csv'),
    model,
    shape: [8, 8, 1],
    classes: CLASSES,
    resume: false,
    step: {
      optimizer: { name: 'adam', arguments: { rate: RATE, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 } },
      epochs,
      batch: BATCH,
      seed: 1,
    },
  });
  await runTraining(job, { send: () => {}, signal: new AbortController().signal });
}

/** What somebody writes who wants this one training and nothing else. */
async function written({ epochs, layers: words }: Course, inputs: Float32Array): Promise<void> {
  const { core, layers } = await loadLibrary();
  const model = layers.sequential();
  for (const [index, [layer, given]] of words.entries()) {
    const more = index === 0 ? { inputShape: [8, 8, 1] } : {};
    // The last activation is left out, as the loss takes the numbers before it; the other words are TensorFlow.js's own.
    const activation = (given?.activation === 'softmax' ? 'linear' : given?.activation) as 'relu';
    if (layer === 'flatten') model.add(layers.layers.flatten(more));
    if (layer === 'dense') model.add(layers.layers.dense({ units: given?.units as number, activation, ...more }));
    if (layer === 'maxPool2d') model.add(layers.layers.maxPooling2d({ poolSize: 2 }));
    if (layer === 'conv2d') {
      const filters = given?.filters as number;
      model.add(layers.layers.conv2d({ filters, kernelSize: 3, padding: 'same', activation, ...more }));
    }
  }
  const optimizer = core.train.adam(RATE);
  const x = new Float32Array(BATCH * 64);
  const y = new Float32Array(BATCH * CLASSES);
  for (let epoch = 0; epoch < epochs; epoch++) {
    const order = orderOf(ROWS, 1, epoch);
    let unread: Scalar[] = [];
    for (let first = 0; first < ROWS; first += BATCH) {
      const count = Math.min(BATCH, ROWS - first);
      y.fill(0);
      for (let index = 0; index < count; index++) {
        const row = order[first + index] ?? 0;
        x.set(inputs.subarray(row * 64, row * 64 + 64), index * 64);
        y[index * CLASSES + (row % CLASSES)] = 1;
      }
      const loss = core.tidy(() => {
        const batch = core.tensor4d(x.subarray(0, count * 64), [count, 8, 8, 1]);
        const truth = core.tensor2d(y.subarray(0, count * CLASSES), [count, CLASSES]);
        const lossOf = () => {
          const logits = model.apply(batch, { training: true }) as Tensor;
          return core.losses.softmaxCrossEntropy(truth, logits) as Scalar;
        };
        return optimizer.minimize(lossOf, true) as Scalar;
      });
      unread.push(loss);
      if (unread.length === 10) {
        for (const tensor of unread) await tensor.data();
        core.dispose(unread);
        unread = [];
      }
    }
    for (const tensor of unread) await tensor.data();
    core.dispose(unread);
  }
  optimizer.dispose();
  model.dispose();
}

/** Milliseconds of processor time: both compute on one core and wait for nothing. */
async function timed(work: () => Promise<void>): Promise<number> {
  const started = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(started);
  return (user + system) / 1000;
}

function table(inputs: Float32Array): string {
  const header = [...Array.from({ length: 64 }, (_, at) => `pixels${at + 1}`), 'label'].join(',');
  const lines = Array.from({ length: ROWS }, (_, row) =>
    [...inputs.subarray(row * 64, row * 64 + 64), row % CLASSES].join(','),
  );
  return `${[header, ...lines].join('\n')}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const { name, value, unit } of await bench()) console.log(`METRIC:${name}:${Number(value.toFixed(3))}:${unit}`);
}
