/** Runs a training or an evaluation in a worker process of its own. */
import { fork } from 'node:child_process';
import { createWriteStream, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { finished } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import type { EngineName } from '../../grammar/plan/plan.ts';
import type { RunRecord } from '../ledger/record.ts';
import type { WorkerJob, WorkerMessage } from '../train/job.ts';
import type { Outcome, StepHooks } from './outcome.ts';
import { describeEnd, type Limits, supervise } from './process.ts';
import { lineBuffer } from './secrets.ts';
import { duration, size } from './words.ts';

/** Runs a job to its end. A failure is an answer, never thrown. */
export async function runWorker(
  job: WorkerJob,
  limits: Limits,
  hooks: StepHooks,
  signal: AbortSignal,
): Promise<Outcome> {
  const jobFile = join(job.folder, 'job.json');
  writeFileSync(jobFile, JSON.stringify(job, undefined, 2));
  const child = fork(workerEntry(), [jobFile], {
    // Not a number survives here, which JSON has no word for.
    serialization: 'advanced',
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    detached: process.platform !== 'win32',
    // Options of this process (an inspector's port, a hook) are not the worker's.
    execArgv: [],
  });
  let last: Extract<WorkerMessage, { type: 'done' | 'failed' }> | undefined;
  child.on('message', (message) => {
    // The channel carries what the worker sends and nothing else.
    const told = message as WorkerMessage;
    if (told.type === 'progress') hooks.onProgress(told);
    else if (told.type === 'warning') hooks.onWarning(told.message);
    else last = told;
  });
  const ended = supervise(child, limits, signal);
  if (child.pid !== undefined) hooks.onStart(child.pid);

  const logFile = join(job.folder, 'log.txt');
  const log = createWriteStream(logFile, { flags: 'a' });
  const take = (stream: 'stdout' | 'stderr') =>
    lineBuffer((line) => {
      log.write(line);
      hooks.onOutput(stream, line);
    });
  const out = take('stdout');
  const err = take('stderr');
  child.stdout?.setEncoding('utf8').on('data', out);
  child.stderr?.setEncoding('utf8').on('data', err);
  const end = await ended;
  out();
  err();
  log.end();
  await finished(log);

  const nothing = { outputs: {}, metrics: {}, gates: [], engine: null, evidence: {}, undeclaredReads: [], logFile };
  if (last?.type === 'done') {
    return {
      ...nothing,
      exit: { status: 'ok' },
      outputs: Object.fromEntries(
        Object.entries(last.outputs).map(([name, path]) => [name, { location: join(job.folder, path) }]),
      ),
      metrics: last.metrics,
      gates: last.gates,
      // The job named it, and a plan knows no other engines.
      engine: { name: last.engine.name as EngineName, version: last.engine.version },
      evidence: { ...last.engine.identity, ...last.engine.evidence, ...last.notes },
    };
  }
  if (end.stopped === 'cancelled' || (last?.type === 'failed' && last.code === 'cancelled' && signal.aborted)) {
    return { ...nothing, exit: { status: 'cancelled', message: 'it was cancelled' } };
  }
  const exit: RunRecord['exit'] = { status: 'failed' };
  if (end.code !== null) exit.code = end.code;
  if (end.signal !== null) exit.signal = end.signal;
  if (end.stopped === undefined && last?.type === 'failed') {
    return {
      ...nothing,
      exit: { ...exit, message: last.message },
      ...(last.todo === undefined ? {} : { todo: last.todo }),
    };
  }
  return {
    ...nothing,
    exit: { ...exit, message: `The training process ${describeEnd(end, limits, { duration, size })}.` },
    todo: 'Run it again: it goes on from its last checkpoint.',
  };
}

/** Beside the bundle, or the source itself. */
function workerEntry(): string {
  const here = fileURLToPath(import.meta.url);
  return here.endsWith('.ts') ? join(dirname(here), '..', 'train', 'worker.ts') : join(dirname(here), 'worker.cjs');
}
