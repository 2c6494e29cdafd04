/** The job of a `train` block: from data to a model, its history and what is to be known of it. */
import { randomInt } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { canonicalJson, digestOfValue } from '../../grammar/plan/canonical.ts';
import type { Tensors } from '../data/dataset.ts';
import { featureStatistics } from '../data/tensors.ts';
import type { Engine } from '../engines/engine.ts';
import { openEngine } from '../engines/index.ts';
import { readCheckpoint, removeCheckpoint, writeCheckpoint } from './checkpoint.ts';
import { classWeights } from './class-weights.ts';
import { dataReader } from './data.ts';
import { historyTable } from './history.ts';
import type { TrainJob, WorkerMessage } from './job.ts';
import { trainEpochs } from './loop.ts';
import { epochMetrics, measureOne } from './measure.ts';
import { buildSchedule } from './schedule.ts';
import { encodeTargets, engineTargetWidth, type Task, taskOf } from './targets.ts';

export type Done = Extract<WorkerMessage, { type: 'done' }>;

export interface JobContext {
  send(message: WorkerMessage): void;
  signal: AbortSignal;
}

/** Without a word in the plan: rare enough to cost nothing, often enough that a kill does not hurt. */
const DEFAULT_CHECKPOINT = { seconds: 60 };

/** Of the whole step; the rest is training. */
const READING_SHARE = 0.05;

export async function runTraining(job: TrainJob, context: JobContext): Promise<Done> {
  const { step, model: plan, folder } = job;
  const { signal, send } = context;
  const engine = await openEngine(job.engine.name, job.engine.version, job.engine.settings);
  const reader = dataReader(job.data, plan, step.target, {
    signal,
    onProgress: (share) => send({ type: 'progress', phase: 'reading data', share: share * READING_SHARE }),
  });
  const training = await reader.read(step.on);
  const validation = step.validate ? await reader.read(step.validate) : undefined;
  const task = taskOf(plan, step.loss, step.target, training);
  const targets = encodeTargets(task, training.targets, step.target);
  const weights = classWeights(step.weights, task, training.targets);
  const normalised = plan.layers[0]?.layer === 'normalization';
  const statistics = normalised ? featureStatistics(training) : undefined;

  const jobDigest = digestOfJob(job);
  const found = job.resume ? await readCheckpoint(folder, jobDigest) : undefined;
  const seed = step.seed ?? found?.seed ?? randomInt(2 ** 31);
  const model = await engine.build(plan, {
    seed,
    loss: step.loss,
    optimizer: step.optimizer,
    targetWidth: engineTargetWidth(task),
    ...(statistics ? { statistics } : {}),
  });
  if (found) await model.restore(found.state);

  const names = new Set(['loss', ...epochMetrics(task), ...(step.stop ? [step.stop.metric] : [])]);
  // Without rows of its own, only a metric that `stop` asks for is worth a pass over the training part.
  const measured = validation ?? (step.stop && step.stop.metric !== 'loss' ? training : undefined);
  const measuredTargets = measured ? encodeTargets(task, measured.targets, step.target) : undefined;
  const stepsPerEpoch = Math.ceil(training.rows / step.batch);
  const result = await trainEpochs(
    {
      model,
      seed,
      rows: training.rows,
      inputs: training.inputs,
      targets,
      ...(weights ? { weights: training.targets.map((target) => weights[target] ?? 1) } : {}),
      epochs: step.epochs,
      batch: step.batch,
      optimizer: step.optimizer,
      schedule: buildSchedule(step.schedule, { epochs: step.epochs, stepsPerEpoch }),
      ...(step.stop ? { stop: step.stop } : {}),
      checkpoint: step.checkpoint ?? DEFAULT_CHECKPOINT,
      ...(found ? { from: found } : {}),
      signal,
    },
    {
      async validate() {
        if (!measured || !measuredTargets) return {};
        const predictions = await model.predict(measured.inputs, measured.rows);
        const loss = await engine.loss(step.loss, predictions, measuredTargets, measured.rows);
        return Object.fromEntries(
          [...names].map((name) => [name, measureOne(name, task, predictions, measured.targets, loss)]),
        );
      },
      save: (point) => writeCheckpoint(folder, { job: jobDigest, seed, ...point }),
      progress: (share, epoch, metrics) =>
        send({
          type: 'progress',
          phase: 'training',
          share: READING_SHARE + share * (1 - READING_SHARE),
          epoch,
          epochs: step.epochs,
          metrics,
        }),
    },
  );

  const modelFolder = join(folder, 'model');
  await mkdir(modelFolder, { recursive: true });
  await model.save(modelFolder);
  await writeFile(
    join(modelFolder, 'mlpipe.json'),
    `${canonicalJson(card(job, task, training, engine, statistics))}\n`,
  );
  await writeFile(join(folder, 'history.csv'), historyTable(result.history));
  await removeCheckpoint(folder);
  model.dispose();

  const end = result.history.find((epoch) => epoch.epoch === result.epoch);
  return {
    type: 'done',
    outputs: { model: 'model', history: 'history.csv' },
    metrics: finite({ ...end?.metrics, trainLoss: end?.trainLoss ?? Number.NaN }),
    gates: [],
    engine: { name: engine.name, version: engine.version, ...engine.describe },
    notes: {
      seed,
      ...(step.seed === undefined ? { seedDrawn: 'yes, because the training names none' } : {}),
      rows: training.rows,
      ...(validation ? { validationRows: validation.rows } : {}),
      epochs: result.history.length,
      modelOfEpoch: result.epoch,
      ...(result.stopped
        ? { stopped: `${step.stop?.metric} did not become better for ${step.stop?.patience} epochs` }
        : {}),
      ...(found ? { resumedAfterSteps: found.state.steps } : {}),
    },
  };
}

/** Everything that determines the weights: a checkpoint of another training is not gone on with. */
function digestOfJob({ step, model, engine, data }: TrainJob): string {
  const { on, validate, target, loss, optimizer, schedule, weights, epochs, batch, seed, stop } = step;
  const sources = [on.data, ...(validate ? [validate.data] : [])].map((name) => data[name]?.plan ?? null);
  return digestOfValue(
    JSON.parse(
      JSON.stringify({
        on,
        validate,
        target,
        loss,
        optimizer,
        schedule,
        weights,
        epochs,
        batch,
        seed,
        stop,
        model,
        engine,
        sources,
      }),
    ),
  );
}

/** What whoever uses the model must know of its inputs and outputs. */
function card(
  { step, model, data }: TrainJob,
  task: Task,
  training: Tensors,
  engine: Engine,
  statistics: ReturnType<typeof featureStatistics> | undefined,
) {
  const schema = data[step.on.data]?.plan.schema ?? [];
  return {
    format: 'mlpipe-model/1',
    name: model.name,
    inputs: model.inputs.map((name) => schema.find((column) => column.name === name) ?? { name }),
    inputShape: model.inputShape,
    outputShape: model.outputShape,
    target: step.target,
    task: task.kind,
    ...(task.kind === 'classes' ? { labels: task.labels, outputs: task.outputs } : {}),
    ...(task.kind === 'classes' && task.outputs === 'one' ? { threshold: task.threshold } : {}),
    loss: step.loss,
    trainedRows: training.rows,
    engine: { name: engine.name, version: engine.version },
    normalization: statistics
      ? { mean: [...statistics.mean], standardDeviation: [...statistics.standardDeviation] }
      : null,
  };
}

function finite(metrics: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(metrics).filter(([, value]) => Number.isFinite(value)));
}
