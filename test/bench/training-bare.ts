/**
 * What somebody writes who wants this one training and nothing else: `training-bare.ts TABLE` trains and prints the mean
 * loss of the last epoch. It takes mlpipe's kernels, as without them this back end cannot train a convolution at all.
 */
import { readFile } from 'node:fs/promises';
import type { Scalar, Tensor } from '@tensorflow/tfjs-core';
import { openEngine } from '../../runtime/engines/index.ts';
import { loadLibrary } from '../../runtime/engines/tfjs/library.ts';
import { orderOf } from '../../runtime/train/loop.ts';

export const ROWS = 2000;
export const BATCH = 32;
export const CLASSES = 10;
export const EPOCHS = 80;

async function train(path: string): Promise<number> {
  const { inputs, labels } = await read(path);
  await openEngine('wasm', '4.22.0');
  const { core, layers } = await loadLibrary();
  const { conv2d, maxPooling2d, flatten, dense } = layers.layers;
  const model = layers.sequential();
  const picture = { kernelSize: 3, padding: 'same', activation: 'relu' } as const;
  model.add(conv2d({ filters: 16, inputShape: [8, 8, 1], ...picture }));
  model.add(conv2d({ filters: 32, ...picture }));
  model.add(maxPooling2d({ poolSize: 2 }));
  model.add(flatten());
  model.add(dense({ units: 64, activation: 'relu' }));
  // The last activation is left out, as the loss takes the numbers before it.
  model.add(dense({ units: CLASSES }));
  const optimizer = core.train.adam(1e-3);
  const x = new Float32Array(BATCH * 64);
  const y = new Float32Array(BATCH * CLASSES);
  let sum = 0;
  for (let epoch = 0; epoch < EPOCHS; epoch++) {
    const order = orderOf(ROWS, 1, epoch);
    sum = 0;
    for (let first = 0; first < ROWS; first += BATCH) {
      const count = Math.min(BATCH, ROWS - first);
      y.fill(0);
      for (let index = 0; index < count; index++) {
        const row = order[first + index] ?? 0;
        x.set(inputs.subarray(row * 64, row * 64 + 64), index * 64);
        y[index * CLASSES + (labels[row] ?? 0)] = 1;
      }
      const loss = core.tidy(() => {
        const batch = core.tensor4d(x.subarray(0, count * 64), [count, 8, 8, 1]);
        const truth = core.tensor2d(y.subarray(0, count * CLASSES), [count, CLASSES]);
        const lossOf = () => {
          const logits = model.apply(batch, { training: true }) as Tensor; // one input, so one tensor
          return core.losses.softmaxCrossEntropy(truth, logits) as Scalar; // a mean over the batch
        };
        return optimizer.minimize(lossOf, true) as Scalar; // it was told to return the cost
      });
      sum += ((await loss.data())[0] ?? Number.NaN) * count;
      loss.dispose();
    }
  }
  return sum / ROWS;
}

async function read(path: string): Promise<{ inputs: Float32Array; labels: Uint8Array }> {
  const lines = (await readFile(path, 'utf8')).trim().split('\n').slice(1);
  const inputs = new Float32Array(lines.length * 64);
  const labels = new Uint8Array(lines.length);
  for (const [row, line] of lines.entries()) {
    const fields = line.split(',').map(Number);
    inputs.set(fields.slice(0, 64), row * 64);
    labels[row] = fields[64] ?? 0;
  }
  return { inputs, labels };
}

if (import.meta.main) process.stdout.write(String(await train(process.argv[2] ?? '')));
