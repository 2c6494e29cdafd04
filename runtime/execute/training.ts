/** Runs a training or an evaluation in a worker process of its own. */
import { fork } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EvaluateStep, Plan, TrainStep } from '../../grammar/plan/plan.ts';
import { tensorflowSettings } from '../engines/tensorflow/settings.ts';
import { VERSIONS } from '../engines/versions.ts';
import type { Retention } from '../environment/retained.ts';
import { MlpipeError } from '../errors.ts';
import type { Store } from '../store/store.ts';
import type { WorkerJob, WorkerMessage } from '../train/job.ts';
import { duration, size } from '../words.ts';
import { type Conditions, commandUnder } from './conditions.ts';
import { type LocatedInput, putSource } from './inputs.ts';
import { describeEnd, limitsOf, supervise } from './process.ts';

export type WorkerDone = Extract<WorkerMessage, { type: 'done' }>;

export interface WorkerHooks {
  onStart(pid: number): void;
  onMessage(message: Extract<WorkerMessage, { type: 'progress' | 'warning' }>): void;
  onOutput(stream: 'stdout' | 'stderr', text: string): void;
}

/** Lays the step's data where the worker can read it: where it is, or out of the store. */
export async function trainingJob(
  plan: Plan,
  step: TrainStep | EvaluateStep,
  inputs: readonly LocatedInput[],
  store: Store,
  folder: string,
  resume: boolean,
): Promise<WorkerJob> {
  const train = step.kind === 'train' ? step : plan.steps[step.train];
  if (train?.kind !== 'train') throw new MlpipeError(`${step.name} evaluates no training.`, { code: 'train-unknown' });
  const model = plan.models[train.model];
  if (!model) throw new MlpipeError(`There is no model ${train.model}.`, { code: 'model-unknown' });
  const data: WorkerJob['data'] = {};
  let modelPath = '';
  for (const input of inputs) {
    if (input.role === 'model' && input.source.kind === 'output') {
      modelPath = join(folder, 'model-in');
      if (!existsSync(modelPath)) await store.checkout(input.digest, modelPath);
      continue;
    }
    const name = dataOfRole(plan, step, input);
    const dataPlan = name === undefined ? undefined : plan.data[name];
    if (!dataPlan || name === undefined) continue;
    data[name] = { plan: dataPlan, path: await placeData(store, input, folder, name) };
  }
  const environment = plan.environments[step.environment ?? train.environment ?? ''];
  const engine: WorkerJob['engine'] = { ...(environment?.engine ?? { name: 'wasm', version: VERSIONS.wasm }) };
  if (engine.name === 'tensorflow') engine.settings = tensorflowSettings(environment, step.resources);
  const base = { folder, data, model, engine };
  return step.kind === 'train'
    ? { kind: 'train', step, resume, ...base }
    : { kind: 'evaluate', step, train, modelPath, ...base };
}

/**
 * Makes the engine of a job be there. Only what is provisioned by version needs this; the rest comes with mlpipe.
 *
 * @param onProgress what is being done, and how far it has got (0 … 1)
 * @throws MlpipeError as `provideTensorflow`
 */
export async function provideEngine(
  { engine }: WorkerJob,
  retention: Retention,
  onProgress: (phase: string, share: number) => void,
  signal: AbortSignal,
): Promise<void> {
  if (engine.name !== 'tensorflow') return;
  const { provideTensorflow } = await import('../engines/tensorflow/provide.ts');
  const phase = `installing TensorFlow ${engine.version}`;
  await provideTensorflow(engine.version, engine.settings?.distribution ?? 'cpu', {
    signal,
    retention,
    onProgress: (share) => onProgress(phase, share),
    onWait: () => onProgress(`waiting: another run installs TensorFlow ${engine.version}`, 0),
  });
}

/** Runs the job to its end. @throws MlpipeError with what the worker says, `cancelled`, `worker-died` */
export async function runWorker(
  job: WorkerJob,
  hooks: WorkerHooks,
  signal: AbortSignal,
  conditions?: Conditions,
): Promise<WorkerDone> {
  signal.throwIfAborted();
  mkdirSync(job.folder, { recursive: true });
  const jobFile = join(job.folder, 'job.json');
  writeFileSync(jobFile, JSON.stringify(job));
  const [program, ...before] = commandUnder(conditions, [process.execPath]);
  const child = fork(workerFile(), [jobFile], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    detached: process.platform !== 'win32',
    // Not a number survives here, which JSON has no word for.
    serialization: 'advanced',
    // An inspector or a hook of this process is not the worker's.
    execArgv: before,
    ...(program === undefined ? {} : { execPath: program }),
    env: { ...process.env, ...conditions?.variables },
  });
  let last: Extract<WorkerMessage, { type: 'done' | 'failed' }> | undefined;
  let words = '';
  // Only our own worker is at the other end of this channel.
  child.on('message', (raw) => {
    const message = raw as WorkerMessage;
    if (message.type === 'done' || message.type === 'failed') last = message;
    else hooks.onMessage(message);
  });
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]?.setEncoding('utf8').on('data', (text: string) => {
      words = (words + text).slice(-4000);
      hooks.onOutput(stream, text);
    });
  }
  if (child.pid !== undefined) hooks.onStart(child.pid);
  const limits = limitsOf(job.step);
  const end = await supervise(child, limits, signal);
  if (last?.type === 'done') return last;
  if (end.stopped === 'cancelled' || signal.aborted || last?.code === 'cancelled') {
    throw new MlpipeError('The step was cancelled.', { code: 'cancelled', exit: 130 });
  }
  if (last)
    throw new MlpipeError(last.message, { code: last.code, ...(last.todo === undefined ? {} : { todo: last.todo }) });
  const how = describeEnd(end, limits, { duration, size });
  throw new MlpipeError(
    `The worker ${how}.${words.trim() === '' ? '' : ` It said: ${words.trim().split('\n').at(-1)}`}`,
    {
      code: 'worker-died',
      todo: 'Run it again: a training goes on from its last checkpoint.',
    },
  );
}

/** Beside this file: as TypeScript when run from the sources, as a bundle in what ships. */
function workerFile(): string {
  const here = fileURLToPath(import.meta.url);
  return fileURLToPath(new URL(here.endsWith('.ts') ? '../train/worker.ts' : 'worker.cjs', import.meta.url));
}

function dataOfRole(plan: Plan, step: TrainStep | EvaluateStep, input: LocatedInput): string | undefined {
  if (input.source.kind === 'data') return input.source.data;
  if (input.role === 'on') return step.on.data;
  if (input.role === 'validate' && step.kind === 'train') return step.validate?.data;
  return step.kind === 'train' ? plan.models[step.model]?.data : undefined;
}

async function placeData(store: Store, input: LocatedInput, folder: string, name: string): Promise<string> {
  if (input.location !== undefined) {
    // What a run has read stays in the store: that is what it is reproduced from.
    const stored = await putSource(store, input.location);
    if (stored.digest !== input.digest) {
      throw new MlpipeError(`${input.path ?? name} changed while the run began.`, {
        code: 'data-changed',
        todo: 'Run again.',
      });
    }
    return input.location;
  }
  // The reader knows a format by the name's ending.
  const place = join(folder, 'data', name, basename(input.path ?? name));
  if (!existsSync(place)) await store.checkout(input.digest, place);
  return place;
}
