/** Runs one step and keeps what came of it: outputs into the store, then the record, then the lock. */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { canonicalJson } from '../../grammar/plan/canonical.ts';
import type { Digest, ProgramStep } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import type { RunEvent, StepResult } from '../events.ts';
import { where } from '../ledger/provenance.ts';
import { RECORD_FORMAT, type RecordedGate, type RecordedOutput, type RunRecord } from '../ledger/record.ts';
import type { Assessment } from './assess.ts';
import { pipelinePath } from './assess.ts';
import { filesOf, placeOf, putSource } from './inputs.ts';
import { describeEnd } from './process.ts';
import { limitsOf, pathInRun, runProgram } from './program.ts';
import { runWorker, trainingJob } from './training.ts';
import { size } from './words.ts';
import type { PipelineContext } from './world.ts';

export interface StepContext extends PipelineContext {
  run: string;
  code: RunRecord['code'];
  who: RunRecord['who'];
  /** Begins a training anew instead of going on from a checkpoint. */
  fresh: boolean;
  emit: (event: RunEvent) => void;
  signal: AbortSignal;
}

/** What an execution gave, before it is recorded. */
interface Outcome {
  outputs: Record<string, RecordedOutput>;
  metrics: Record<string, number>;
  gates: RecordedGate[];
  engine: RunRecord['engine'];
  evidence: Record<string, unknown>;
  undeclaredReads: string[];
  log?: Digest;
  exit: RunRecord['exit'];
  todo?: string;
}

const NOTHING: Omit<Outcome, 'exit'> = {
  outputs: {},
  metrics: {},
  gates: [],
  engine: null,
  evidence: {},
  undeclaredReads: [],
};

/** Runs the step whatever its state, records it, and answers how it ended. Never throws for what the step does. */
export async function runStep(context: StepContext, assessment: Assessment): Promise<StepResult> {
  const { world, plan } = context;
  const { step, key, parts, inputs, environment } = assessment;
  const started = new Date();
  const folder = join(world.store.folder, 'runs', `${safe(step.name)}-${key.slice(7, 23)}`);
  if (context.fresh) rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const message of environment.warnings) context.emit({ type: 'step-warning', step: step.name, message });

  let outcome: Outcome;
  try {
    outcome =
      step.kind === 'program'
        ? await program(context, assessment, step, folder)
        : await training(context, assessment, folder);
  } catch (error) {
    outcome = {
      ...NOTHING,
      exit: failure(error),
      ...(error instanceof MlpipeError && error.todo ? { todo: error.todo } : {}),
    };
  }
  const ended = new Date();
  const record: RunRecord = {
    format: RECORD_FORMAT,
    run: context.run,
    step: step.name,
    kind: step.kind,
    pipeline: { name: plan.pipeline, file: pipelinePath(context), digest: context.digest },
    key,
    keyParts: (await world.store.putBytes(canonicalJson(parts))).digest,
    reason: assessment.reason,
    plan: (await world.store.putBytes(canonicalJson(plan))).digest,
    who: context.who,
    where: where(),
    when: {
      started: started.toISOString(),
      ended: ended.toISOString(),
      seconds: (ended.getTime() - started.getTime()) / 1000,
    },
    code: context.code,
    inputs: inputs.map(({ name, digest, bytes, path, rows, record: from }) => ({
      name,
      digest,
      bytes,
      ...(path === undefined ? {} : { path }),
      ...(rows === undefined ? {} : { rows }),
      ...(from === undefined ? {} : { record: from }),
    })),
    parameters: plan.parameters,
    environment: { ...environment.recorded, evidence: { ...environment.recorded.evidence, ...outcome.evidence } },
    engine: outcome.engine,
    outputs: outcome.outputs,
    metrics: outcome.metrics,
    gates: outcome.gates,
    exit: outcome.exit,
    undeclaredReads: outcome.undeclaredReads,
    ...(outcome.log === undefined ? {} : { log: outcome.log }),
  };
  const digest = await world.ledger.append(record);
  const ok = record.exit.status === 'ok';
  if (ok) {
    await world.ledger.lock(context.file, { digest, record });
    rmSync(folder, { recursive: true, force: true });
  }
  return {
    type: 'step-finished',
    step: step.name,
    status: ok ? 'ran' : record.exit.status === 'cancelled' ? 'cancelled' : 'failed',
    reason: assessment.reason,
    key,
    seconds: record.when.seconds,
    record: digest,
    outputs: Object.fromEntries(
      Object.entries(record.outputs).map(([name, { digest: object, bytes }]) => [name, { digest: object, bytes }]),
    ),
    metrics: record.metrics,
    engine: record.engine,
    ...(ok
      ? {}
      : {
          error: {
            message: record.exit.message ?? 'It failed.',
            ...(outcome.todo ? { todo: outcome.todo } : {}),
            ...locationOf(context, step.block),
          },
        }),
  };
}

// ---------------------------------------------------------------- training, evaluation

async function training(context: StepContext, { step, inputs }: Assessment, folder: string): Promise<Outcome> {
  if (step.kind === 'program') throw new TypeError('A program is not trained.');
  const { store } = context.world;
  context.emit({ type: 'step-progress', step: step.name, phase: 'reading data', share: 0 });
  const job = await trainingJob(context.plan, step, inputs, store, folder, !context.fresh);
  const done = await runWorker(
    job,
    {
      onStart: (pid) => context.emit({ type: 'step-started', step: step.name, reason: '', pid }),
      onMessage: (message) =>
        context.emit(
          message.type === 'warning'
            ? { type: 'step-warning', step: step.name, message: message.message }
            : { ...message, type: 'step-progress', step: step.name },
        ),
      onOutput: (stream, text) => context.emit({ type: 'step-output', step: step.name, stream, text }),
    },
    context.signal,
  );
  const outputs: Outcome['outputs'] = {};
  for (const [name, path] of Object.entries(done.outputs)) {
    const { digest, bytes } = await store.put(join(folder, path));
    outputs[name] = { digest, bytes };
  }
  const missed = done.gates.filter(({ ok }) => !ok);
  return {
    outputs,
    metrics: done.metrics,
    gates: done.gates,
    engine: {
      name: job.engine.name === 'tensorflow' || job.engine.name === 'webgpu' ? job.engine.name : 'wasm',
      version: done.engine.version,
    },
    evidence: { engine: { ...done.engine.identity, ...done.engine.evidence }, ...done.notes },
    undeclaredReads: [],
    exit:
      missed.length === 0
        ? { status: 'ok', code: 0 }
        : { status: 'failed', code: 1, message: `The gate is not passed: ${missed.map(gateText).join(', ')}.` },
    ...(missed.length === 0 ? {} : { todo: 'Better the model, or change the gate if it asks for what is not needed.' }),
  };
}

function gateText({ metric, class: name, operator, threshold, value }: RecordedGate): string {
  return `${metric}${name === undefined ? '' : `(class: ${name})`} is ${Number(value.toPrecision(4))}, not ${operator} ${threshold}`;
}

// ---------------------------------------------------------------- programs

async function program(
  context: StepContext,
  { inputs, environment }: Assessment,
  step: ProgramStep,
  folder: string,
): Promise<Outcome> {
  const { world, plan } = context;
  const pipelineFolder = dirname(context.file);
  const work = join(folder, 'work');
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  const files: Record<string, string[]> = {};
  for (const input of inputs) {
    const { source } = input;
    if (source.kind === 'output') {
      await world.store.checkout(input.digest, join(work, pathInRun(plan, source.step, source.output)));
      continue;
    }
    const path = input.path ?? '';
    if (input.location !== undefined) {
      const stored = await putSource(world.store, input.location);
      if (stored.digest !== input.digest) {
        throw new MlpipeError(`${path} changed while the run began.`, { code: 'data-changed', todo: 'Run again.' });
      }
    }
    await world.store.checkout(input.digest, inside(work, placeOf(path, input.location), step));
    if (source.kind === 'data') files[source.data] = await filesOf(path, pipelineFolder);
  }
  const end = await runProgram(
    {
      plan,
      step,
      folder,
      scope: { work, folder: pipelineFolder, root: world.root },
      files,
      searchPath: environment.searchPath,
      environment: process.env,
    },
    {
      onStart: (pid) => context.emit({ type: 'step-started', step: step.name, reason: '', pid }),
      onOutput: (stream, text) => context.emit({ type: 'step-output', step: step.name, stream, text }),
    },
    context.signal,
  );
  const log = (await world.store.put(end.logFile)).digest;
  const base = { ...NOTHING, undeclaredReads: end.undeclared, log };
  if (end.untraced !== null) context.emit({ type: 'step-warning', step: step.name, message: end.untraced });
  if (end.undeclared.length > 0) {
    context.emit({
      type: 'step-warning',
      step: step.name,
      message: `It reads ${end.undeclared.join(', ')}, which \`reads\` does not name: a change there would rerun nothing.`,
      ...locationOf(context, step.block),
    });
  }
  const { code, signal, stopped } = end.end;
  if (stopped === 'cancelled' || context.signal.aborted)
    return { ...base, exit: { status: 'cancelled', message: 'It was cancelled.' } };
  if (code !== 0 || signal !== null) {
    const how = describeEnd(end.end, limitsOf(step), { duration: (seconds) => `${seconds} s`, size });
    const lacks = end.named.length === 0 ? '' : ` It names ${end.named.join(', ')}, which \`reads\` does not.`;
    return {
      ...base,
      exit: {
        status: 'failed',
        ...(code === null ? {} : { code }),
        ...(signal === null ? {} : { signal }),
        message: `The program ${how}.${lacks}`,
      },
      todo:
        end.named.length > 0
          ? `Add \`reads ${end.named.map((name) => `"${name}"`).join(', ')}\`.`
          : 'Its output above says why.',
    };
  }
  const outputs: Outcome['outputs'] = {};
  for (const { name, path } of step.writes) {
    const place = inside(work, path, step);
    if (!existsSync(place)) {
      return {
        ...base,
        exit: { status: 'failed', code, message: `The program ended well but did not write ${path}.` },
        todo: `Write to \${${name}} in the command, or correct the path after \`writes ${name}\`.`,
      };
    }
    const { digest, bytes } = await world.store.put(place);
    outputs[name] = { digest, bytes, path };
  }
  for (const { digest, path } of Object.values(outputs)) {
    await world.store.checkout(digest, resolve(pipelineFolder, path ?? ''), { writable: true });
  }
  return { ...base, outputs, exit: { status: 'ok', code: 0 } };
}

/** A path inside the run folder, or an error: nothing is laid out or taken from anywhere else. */
function inside(work: string, path: string, step: ProgramStep): string {
  const place = resolve(work, path);
  const way = relative(work, place);
  if (way === '' || (!way.startsWith('..') && resolve(work, way) === place)) return place;
  throw new MlpipeError(`${step.name} names ${path}, which lies outside the pipeline's folder.`, {
    code: 'path-outside',
    todo: 'Move it into the folder, or pin it as data.',
  });
}

// ---------------------------------------------------------------- small things

function failure(error: unknown): RunRecord['exit'] {
  if (error instanceof MlpipeError) {
    return { status: error.code === 'cancelled' ? 'cancelled' : 'failed', message: error.message };
  }
  if (error instanceof Error && error.name === 'AbortError')
    return { status: 'cancelled', message: 'It was cancelled.' };
  return { status: 'failed', message: error instanceof Error ? error.message : String(error) };
}

function locationOf(
  context: StepContext,
  block: string,
): { where?: NonNullable<NonNullable<StepResult['error']>['where']> } {
  const where = context.plan.locations[block];
  return where === undefined ? {} : { where };
}

function safe(name: string): string {
  return name.replace(/[^A-Za-z0-9@=.,_+-]/g, '_');
}
