/** The epoch loop: shuffled batches, schedule, validation, early stop, checkpoints, cancellation. */
import type { CallPlan } from '../../grammar/plan/plan.ts';
import type { ModelState, TrainableModel } from '../engines/engine.ts';
import { shuffle, streamFor } from '../engines/random.ts';
import { MlpipeError } from '../errors.ts';
import type { Best, Position } from './checkpoint.ts';
import type { EpochResult } from './history.ts';
import { isBetter } from './measure.ts';
import type { Schedule } from './schedule.ts';

export interface LoopInput {
  model: TrainableModel;
  seed: number;
  rows: number;
  inputs: Float32Array;
  /** rows × targetWidth, as the engine takes them. */
  targets: Float32Array;
  /** One a row. */
  weights?: Float32Array;
  epochs: number;
  batch: number;
  optimizer: CallPlan;
  schedule: Schedule;
  stop?: { metric: string; patience: number };
  checkpoint: { epochs: number } | { seconds: number };
  /** Where a broken training goes on. The model has been restored already. */
  from?: { position: Position; history: EpochResult[]; best?: Best };
  signal: AbortSignal;
}

export interface LoopHooks {
  /** What the model is worth now; called after each epoch. */
  validate(): Promise<Record<string, number>>;
  save(point: LoopPoint): Promise<void>;
  /** At most some ten times a second. `share` is 0 … 1 of the training. */
  progress(share: number, epoch: number, metrics: Record<string, number>): void;
}

export interface LoopPoint {
  position: Position;
  history: EpochResult[];
  best?: Best;
  state: ModelState;
}

export interface LoopResult {
  history: EpochResult[];
  /** The epoch whose weights the model has now, counted from 1. */
  epoch: number;
  /** It ended before its last epoch, because the metric no longer became better. */
  stopped: boolean;
}

/** How long the loop computes before it lets the process hear of signals and messages. */
const YIELD_MILLISECONDS = 50;

const PROGRESS_MILLISECONDS = 110;

/** Reading a loss makes a graphics processor wait; a NaN is found this many steps late at most. */
const READ_EVERY = 10;

/**
 * @throws MlpipeError `cancelled` after a last checkpoint when the signal is given, `loss-not-finite`, `stop-metric`
 */
export async function trainEpochs(input: LoopInput, hooks: LoopHooks): Promise<LoopResult> {
  const { model, rows, epochs, stop, signal } = input;
  const batch = Math.min(input.batch, rows);
  const batches = Math.ceil(rows / batch);
  const baseRate = input.optimizer.arguments.rate as number; // every optimizer of the language has a rate
  const filler = batchFiller(input, batch);
  const history = [...(input.from?.history ?? [])];
  const position: Position = { ...(input.from?.position ?? { epoch: 0, batch: 0, lossSum: 0 }) };
  let best = input.from?.best;
  let stopped = false;
  let lastYield = performance.now();
  let lastProgress = 0;
  let lastSave = performance.now();

  const save = async (): Promise<void> => {
    await hooks.save({
      position: { ...position },
      history,
      ...(best ? { best } : {}),
      state: await model.state(),
    });
    lastSave = performance.now();
  };

  const giveUp = async (): Promise<never> => {
    await save();
    throw new MlpipeError('The training was cancelled.', {
      code: 'cancelled',
      todo: 'Run it again: it goes on where it was.',
      exit: 130,
    });
  };

  while (position.epoch < epochs && !hasStalled(stop, best, history)) {
    const order = orderOf(rows, input.seed, position.epoch);
    let rate = baseRate;
    let unread: number[] = [];

    const readLosses = async (): Promise<void> => {
      const losses = await model.losses();
      for (const [index, loss] of losses.entries()) {
        if (!Number.isFinite(loss)) {
          throw lossNotFinite(loss, position.epoch + 1, position.batch - losses.length + index + 1, baseRate);
        }
        position.lossSum += loss * (unread[index] ?? 0);
      }
      unread = [];
    };

    while (position.batch < batches) {
      const first = position.batch * batch;
      const count = Math.min(batch, rows - first);
      rate = baseRate * input.schedule(position.epoch * batches + position.batch);
      model.setRate(rate);
      const filled = filler(order, first, count);
      model.step(filled.inputs, filled.targets, count, filled.weights);
      unread.push(count);
      position.batch += 1;
      if (unread.length >= READ_EVERY || position.batch === batches) await readLosses();
      const now = performance.now();
      if (now - lastYield < YIELD_MILLISECONDS) continue;
      await new Promise(setImmediate);
      lastYield = performance.now();
      const due = 'seconds' in input.checkpoint && now - lastSave > input.checkpoint.seconds * 1000;
      if (signal.aborted || due) {
        await readLosses();
        if (signal.aborted) await giveUp();
        await save();
      }
      if (now - lastProgress > PROGRESS_MILLISECONDS) {
        lastProgress = now;
        const done = position.epoch + position.batch / batches;
        hooks.progress(done / epochs, position.epoch + 1, history.at(-1)?.metrics ?? {});
      }
    }

    const metrics = await hooks.validate();
    const trainLoss = position.lossSum / rows;
    history.push({ epoch: position.epoch + 1, rate, trainLoss, metrics });
    position.epoch += 1;
    position.batch = 0;
    position.lossSum = 0;
    if (stop) {
      const value = watched(stop.metric, metrics, trainLoss);
      if (!best || isBetter(stop.metric, value, best.value)) {
        best = { epoch: position.epoch, value, weights: (await model.state()).weights };
      }
    }
    hooks.progress(position.epoch / epochs, position.epoch, metrics);
    const whole = 'epochs' in input.checkpoint && position.epoch % input.checkpoint.epochs === 0;
    if (whole && position.epoch < epochs) await save();
    await new Promise(setImmediate);
    if (signal.aborted) await giveUp();
  }

  stopped = position.epoch < epochs;
  if (best && best.epoch !== position.epoch) {
    await model.restore({ ...(await model.state()), weights: best.weights });
  }
  return { history, epoch: best?.epoch ?? position.epoch, stopped };
}

/** Row numbers in the order of an epoch. It follows from seed and epoch alone, so a checkpoint needs not keep it. */
export function orderOf(rows: number, seed: number, epoch: number): Uint32Array {
  const order = Uint32Array.from({ length: rows }, (_, row) => row);
  shuffle(order, streamFor(seed, `shuffle ${epoch}`));
  return order;
}

/** Lays the rows of a batch side by side, each time in the same memory. */
function batchFiller({ inputs, targets, weights, rows }: LoopInput, batch: number) {
  const inputWidth = inputs.length / rows;
  const targetWidth = targets.length / rows;
  const batchInputs = new Float32Array(batch * inputWidth);
  const batchTargets = new Float32Array(batch * targetWidth);
  const batchWeights = weights ? new Float32Array(batch) : undefined;
  return (order: Uint32Array, first: number, count: number) => {
    for (let index = 0; index < count; index++) {
      const row = order[first + index] as number; // first + count ≤ rows
      copyRow(inputs, row, inputWidth, batchInputs, index);
      copyRow(targets, row, targetWidth, batchTargets, index);
      if (weights && batchWeights) batchWeights[index] = weights[row] as number; // one a row
    }
    return {
      inputs: batchInputs.subarray(0, count * inputWidth),
      targets: batchTargets.subarray(0, count * targetWidth),
      ...(batchWeights ? { weights: batchWeights.subarray(0, count) } : {}),
    };
  };
}

function copyRow(from: Float32Array, row: number, width: number, to: Float32Array, index: number): void {
  if (width > 16) {
    to.set(from.subarray(row * width, (row + 1) * width), index * width);
    return;
  }
  // A view costs more than a few numbers do.
  for (let at = 0; at < width; at++) to[index * width + at] = from[row * width + at] as number; // inside the row
}

function hasStalled(stop: LoopInput['stop'], best: Best | undefined, history: EpochResult[]): boolean {
  return stop !== undefined && best !== undefined && history.length - best.epoch >= stop.patience;
}

function watched(metric: string, metrics: Record<string, number>, trainLoss: number): number {
  const value = metrics[metric] ?? (metric === 'loss' ? trainLoss : undefined);
  if (value !== undefined && Number.isFinite(value)) return value;
  throw new MlpipeError(`The metric ${metric}, which \`stop\` watches, cannot be measured in this training.`, {
    code: 'stop-metric',
    todo: 'Watch `loss`, or a metric that fits what is predicted.',
  });
}

function lossNotFinite(loss: number, epoch: number, batch: number, rate: number): MlpipeError {
  return new MlpipeError(
    `The loss became ${Number.isNaN(loss) ? 'NaN (not a number)' : 'infinite'} in epoch ${epoch}, batch ${batch}.`,
    {
      code: 'loss-not-finite',
      todo: `The steps are too large: lower the learning rate (it is ${rate}), scale the inputs with \`normalization\`, or look for extreme values in the data.`,
    },
  );
}
