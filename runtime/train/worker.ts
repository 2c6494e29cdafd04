/**
 * The process that trains or evaluates. It is told its job by the path of a JSON file as its argument or by its first
 * message, says how it goes by `WorkerMessage`s, and ends. SIGTERM, a lost parent, or `{"type": "cancel"}` make it keep
 * a checkpoint and stop.
 */
import { readFile } from 'node:fs/promises';
import { MlpipeError } from '../errors.ts';
import { checkNode } from '../node-floor.cjs';
import { runEvaluation } from './evaluation.ts';
import type { WorkerJob, WorkerMessage } from './job.ts';
import { runTraining } from './training.ts';

/** Progress is for eyes: more of it than this is work for nobody. */
const PROGRESS_MILLISECONDS = 100;

/** Node takes `process.send` away with the channel, so whether there was one is asked at once. */
const hasParent = process.send !== undefined;

const cancelled = new AbortController();
let lastProgress = Number.NEGATIVE_INFINITY;
let lastPhase = '';

process.on('SIGTERM', () => cancelled.abort());
process.on('SIGINT', () => cancelled.abort());
// A parent that is gone can't take what is made here.
process.on('disconnect', () => cancelled.abort());
process.on('message', (message) => {
  if ((message as { type?: string } | null)?.type === 'cancel') cancelled.abort();
});

void (checkNode() ? main() : Promise.resolve(2)).then((code) => {
  process.exitCode = code;
  if (process.connected) process.disconnect();
});

async function main(): Promise<number> {
  try {
    const job = await readJob();
    const context = { send, signal: cancelled.signal };
    await deliver(job.kind === 'train' ? await runTraining(job, context) : await runEvaluation(job, context));
    return 0;
  } catch (error) {
    const failure = failureOf(error);
    await deliver(failure);
    return failure.code === 'cancelled' ? 130 : 1;
  }
}

async function readJob(): Promise<WorkerJob> {
  const path = process.argv[2];
  if (path !== undefined) return JSON.parse(await readFile(path, 'utf8')) as WorkerJob;
  if (!process.send) {
    throw new MlpipeError('This process is started by mlpipe, with a job.', { code: 'usage', exit: 2 });
  }
  return new Promise((resolve, reject) => {
    process.once('message', (message) => resolve(message as WorkerJob));
    cancelled.signal.addEventListener('abort', () => reject(new MlpipeError('Cancelled.', { code: 'cancelled' })));
  });
}

function send(message: WorkerMessage): void {
  if (message.type === 'progress') {
    const now = performance.now();
    // That something new has begun is told at once.
    if (message.phase === lastPhase && now - lastProgress < PROGRESS_MILLISECONDS) return;
    lastProgress = now;
    lastPhase = message.phase;
  }
  void deliver(message);
}

/** Over the channel, or as a line where the worker was started by hand. */
function deliver(message: WorkerMessage): Promise<void> {
  return new Promise((resolve) => {
    if (!hasParent) {
      process.stdout.write(`${JSON.stringify(message)}\n`, () => resolve());
      return;
    }
    // A closed channel has nobody left to tell.
    if (!process.send || !process.connected) return resolve();
    process.send(message, undefined, undefined, () => resolve());
  });
}

function failureOf(error: unknown): Extract<WorkerMessage, { type: 'failed' }> {
  if (cancelled.signal.aborted && !(error instanceof MlpipeError && error.code === 'cancelled')) {
    return { type: 'failed', code: 'cancelled', message: 'The step was cancelled.' };
  }
  if (error instanceof MlpipeError) {
    return { type: 'failed', code: error.code, message: error.message, ...(error.todo ? { todo: error.todo } : {}) };
  }
  const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined };
  if (stack) process.stderr.write(`${stack}\n`);
  return { type: 'failed', code: 'internal', message: `Unexpected: ${message}`, todo: 'Please report this.' };
}
