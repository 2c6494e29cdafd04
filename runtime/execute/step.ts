/** Runs one step and keeps what came of it: outputs into the store, then the record, then the lock. */
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { canonicalJson } from '../../grammar/plan/canonical.ts';
import type { Digest, EnvironmentPlan, Plan, ProgramStep, StepPlan } from '../../grammar/plan/plan.ts';
import { provideLanguages } from '../environment/languages/provide.ts';
import { Retention } from '../environment/retained.ts';
import { userCache } from '../environment/user-cache.ts';
import { EXIT, MlpipeError } from '../errors.ts';
import type { RunEvent, StepResult } from '../events.ts';
import { where } from '../ledger/provenance.ts';
import { RECORD_FORMAT, type RecordedGate, type RecordedOutput, type RunRecord } from '../ledger/record.ts';
import { processStart } from '../processes.ts';
import { duration, metric, metricValue, size } from '../words.ts';
import type { Assessment } from './assess.ts';
import { pipelinePath } from './assess.ts';
import { pathInRun } from './command-line.ts';
import type { Conditions } from './conditions.ts';
import { openImage, RUNTIME_FAILED, readOnlyInputs } from './container.ts';
import { filesOf, placeOf, putSource, rowsOf } from './inputs.ts';
import { layOutputs, safeName } from './outputs.ts';
import { describeEnd, limitsOf, signalGroup, signalMarked } from './process.ts';
import { markOf, runProgram } from './program.ts';
import { provideEngine, runWorker, trainingJob } from './training.ts';
import type { PipelineContext } from './world.ts';

/** Who runs, and on which state of the code. */
export type Provenance = Pick<RunRecord, 'code' | 'who'>;

export interface StepContext extends PipelineContext {
  run: string;
  /** The same for all steps of a run. */
  provenance: () => Promise<Provenance>;
  /** Whether nobody has been told in this run. */
  tellOnce: (message: string) => boolean;
  /** Begins a training anew instead of going on from a checkpoint. */
  fresh: boolean;
  conditions?: Conditions;
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
  /** Not the step has failed: the environment cannot do it. */
  cannot?: boolean;
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
  // Looked at as the step begins, while it works.
  const provenance = context.provenance();
  // Awaited only when the step has ended; until then a failure is nobody's.
  provenance.catch(() => undefined);
  const folder = join(world.store.folder, 'runs', `${safeName(step.name)}-${key.slice(7, 23)}`);
  if (context.fresh) rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  endOrphan(folder);
  for (const input of inputs) {
    if (input.source.kind !== 'data' || input.rows !== undefined) continue;
    const rows = await rowsOf(plan.data[input.source.data], input.location);
    if (rows !== undefined) input.rows = rows;
  }
  for (const message of environment.warnings) context.emit({ type: 'step-warning', step: step.name, message });

  const retention = new Retention(world.retained, {
    wanted: environmentOf(plan, step)?.retain === true,
    scratch: join(folder, 'retain'),
    signal: context.signal,
    warn: (message) => context.emit({ type: 'step-warning', step: step.name, message }),
  });
  let outcome: Outcome;
  try {
    outcome =
      step.kind === 'program'
        ? await program(context, assessment, step, folder, retention)
        : await training(context, assessment, folder, retention);
  } catch (error) {
    outcome = {
      ...NOTHING,
      exit: failure(error),
      ...(error instanceof MlpipeError && error.todo ? { todo: error.todo } : {}),
      ...(error instanceof MlpipeError && error.exit === EXIT.usage ? { cannot: true } : {}),
    };
  }
  const ended = new Date();
  const { code, who } = await provenance;
  const retained = retention.recorded();
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
    who,
    where: where(),
    when: {
      started: started.toISOString(),
      ended: ended.toISOString(),
      seconds: (ended.getTime() - started.getTime()) / 1000,
    },
    code,
    inputs: onceByName(inputs).map(({ name, digest, bytes, path, rows, record: from }) => ({
      name,
      digest,
      bytes,
      ...(path === undefined ? {} : { path }),
      ...(rows === undefined ? {} : { rows }),
      ...(from === undefined ? {} : { record: from }),
    })),
    parameters: plan.parameters,
    environment: {
      ...environment.recorded,
      evidence: { ...environment.recorded.evidence, ...outcome.evidence },
      ...(retained === undefined ? {} : { retained }),
    },
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
    await putInPlace(context, step, record.outputs);
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
            ...(outcome.cannot ? { exit: EXIT.usage } : {}),
            ...locationOf(context, step.block),
          },
        }),
  };
}

// ---------------------------------------------------------------- training, evaluation

async function training(
  context: StepContext,
  { step, inputs, reason }: Assessment,
  folder: string,
  retention: Retention,
): Promise<Outcome> {
  if (step.kind === 'program') throw new TypeError('A program is not trained.');
  const { store } = context.world;
  context.emit({ type: 'step-progress', step: step.name, phase: 'reading data', share: 0 });
  const job = await trainingJob(context.plan, step, inputs, store, folder, !context.fresh);
  await provideEngine(
    job,
    retention,
    (phase, share) => context.emit({ type: 'step-progress', step: step.name, phase, share }),
    context.signal,
  );
  const done = await runWorker(
    job,
    {
      onStart: (pid) => context.emit({ type: 'step-started', step: step.name, reason, pid }),
      onMessage: (message) =>
        context.emit(
          message.type === 'warning'
            ? { type: 'step-warning', step: step.name, message: message.message }
            : { ...message, type: 'step-progress', step: step.name },
        ),
      onOutput: (stream, text) => context.emit({ type: 'step-output', step: step.name, stream, text }),
    },
    context.signal,
    context.conditions,
  );
  const outputs: Outcome['outputs'] = {};
  for (const [name, path] of Object.entries(done.outputs)) {
    const { digest, bytes } = await store.put(join(folder, path));
    outputs[name] = { digest, bytes };
  }
  const missed = step.replicateOf === undefined ? done.gates.filter(({ ok }) => !ok) : [];
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
    ...(missed.length === 0 ? {} : { todo: TODO_GATE }),
  };
}

/** What to do where a gate is not passed. */
export const TODO_GATE = 'Better the model, or change the gate if it asks for what is not needed.';

function gateText({ metric: plain, class: label, operator, threshold, value }: RecordedGate): string {
  const name = label === undefined ? plain : `${plain}(class: ${label})`;
  return `${metric(name, value)}, not ${operator} ${metricValue(name, threshold)}`;
}

// ---------------------------------------------------------------- programs

async function program(
  context: StepContext,
  { inputs, environment, reason }: Assessment,
  step: ProgramStep,
  folder: string,
  retention: Retention,
): Promise<Outcome> {
  const { world, plan } = context;
  const pipelineFolder = dirname(context.file);
  // The run folder mirrors the project, so that `../shared.py` leads where it leads in the project.
  const top = join(folder, 'work');
  const work = join(top, relative(world.root, pipelineFolder));
  rmSync(top, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  const image = environmentOf(plan, step)?.image;
  const inImage =
    image &&
    (await openImage(image, context.signal, () =>
      context.emit({ type: 'step-progress', step: step.name, phase: `fetching the image ${image.name}`, share: 0 }),
    ));
  if (inImage && (step.resources.gpus ?? 0) > 0) {
    const message = 'No graphics processor is passed on to an image in this version: its programs see none.';
    context.emit({ type: 'step-warning', step: step.name, message });
  }
  const provided = await provideLanguages(environment.languages, {
    retention,
    signal: context.signal,
    onStart: (phase) => context.emit({ type: 'step-progress', step: step.name, phase, share: 0 }),
    onWait: () =>
      context.emit({
        type: 'step-progress',
        step: step.name,
        phase: 'waiting: another run provides the same',
        share: 0,
      }),
  });
  // An image brings its own.
  if (!inImage) linkModules(provided.modules ?? join(pipelineFolder, 'node_modules'), work);
  const laid: string[] = [];
  const files: Record<string, string[]> = {};
  for (const input of inputs) {
    const { source } = input;
    if (source.kind === 'output') {
      const place = join(work, pathInRun(plan, source.step, source.output));
      await world.store.checkout(input.digest, place);
      laid.push(place);
      continue;
    }
    const path = input.path ?? '';
    if (input.location !== undefined) {
      const stored = await putSource(world.store, input.location);
      if (stored.digest !== input.digest) {
        throw new MlpipeError(`${path} changed while the run began.`, { code: 'data-changed', todo: 'Run again.' });
      }
    }
    const place = inside(top, work, placeOf(path, input.location), step);
    await world.store.checkout(input.digest, place);
    laid.push(place);
    if (source.kind === 'data') files[source.data] = await filesOf(path, pipelineFolder);
  }
  context.conditions?.onLaid?.(work);
  const written = step.writes.map(({ path }) => inside(top, work, path, step));
  const end = await runProgram(
    {
      plan,
      step,
      folder,
      scope: { work, folder: pipelineFolder, root: world.root, provided: userCache() },
      files,
      searchPath: provided.searchPath,
      environment: { ...process.env },
      variables: provided.variables,
      ...(inImage ? { container: { ...inImage.container, readOnly: readOnlyInputs(laid, written) } } : {}),
      ...(context.conditions === undefined ? {} : { conditions: context.conditions }),
    },
    {
      onStart: (pid) => {
        notePid(folder, pid);
        context.emit({ type: 'step-started', step: step.name, reason, pid });
      },
      onOutput: (stream, text) => context.emit({ type: 'step-output', step: step.name, stream, text }),
    },
    context.signal,
  );
  const log = (await world.store.put(end.logFile)).digest;
  const evidence = { ...languageEvidence(provided.evidence), ...(inImage ? { image: inImage.evidence } : {}) };
  const base = { ...NOTHING, undeclaredReads: end.undeclared, log, evidence };
  if (end.untraced !== null && context.tellOnce(end.untraced))
    context.emit({ type: 'step-warning', step: step.name, message: end.untraced });
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
    const how = describeEnd(end.end, limitsOf(step), { duration, size });
    if (inImage && code === RUNTIME_FAILED) {
      const { runtime, image: reference } = inImage.container;
      return {
        ...base,
        exit: { status: 'failed', code, message: `${runtime.name} could not run ${reference}.` },
        todo: 'Its output above says why.',
        cannot: true,
      };
    }
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
    const place = inside(top, work, path, step);
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
  return { ...base, outputs, exit: { status: 'ok', code: 0 } };
}

/** A path inside the run folder, or an error: nothing is laid out or taken from anywhere else. */
function inside(top: string, work: string, path: string, step: ProgramStep): string {
  const place = resolve(work, path);
  const way = relative(top, place);
  if (!way.startsWith('..') && !isAbsolute(way)) return place;
  throw new MlpipeError(`${step.name} names ${path}, which lies outside the project.`, {
    code: 'path-outside',
    todo: 'Move it into the project, and name it there.',
  });
}

/** An evaluation that names none computes in that of its training. */
export function environmentOf(plan: Plan, step: StepPlan): EnvironmentPlan | undefined {
  const train = step.kind === 'evaluate' ? plan.steps[step.train] : undefined;
  return plan.environments[step.environment ?? train?.environment ?? ''];
}

/** What was provided, where anything was pinned. */
function languageEvidence(provided: Record<string, unknown>): Record<string, unknown> {
  return Object.keys(provided).length === 0 ? {} : { languages: provided };
}

/** Packages are found beside the program: those of the lock file, or without one those beside the pipeline. */
function linkModules(modules: string, work: string): void {
  if (existsSync(modules)) symlinkSync(modules, join(work, 'node_modules'), 'junction');
}

const PROCESS_FILE = 'process.json';

/** Notes which process works in a run folder, so that a later run can end what a killed one has left. */
function notePid(folder: string, pid: number): void {
  writeFileSync(join(folder, PROCESS_FILE), JSON.stringify({ pid, start: processStart(pid) }));
}

/** Ends what an owner that died has left running in this run folder. The lease proves that the owner is dead. */
function endOrphan(folder: string): void {
  const file = join(folder, PROCESS_FILE);
  if (!existsSync(file)) return;
  try {
    const { pid, start } = JSON.parse(readFileSync(file, 'utf8')) as { pid: number; start: string };
    if (start !== '' && processStart(pid) === start) signalGroup(pid, 'SIGKILL');
    signalMarked(markOf(folder), 'SIGKILL');
  } catch {
    // Half a note: its process was only just begun and has nothing worth keeping.
  }
  rmSync(file, { force: true });
}

/** Puts outputs where they belong, and says what had to make room. */
export async function putInPlace(
  context: StepContext,
  step: StepPlan,
  outputs: Readonly<Record<string, RecordedOutput>>,
): Promise<void> {
  for (const { path, digest } of await layOutputs(context, step, outputs)) {
    context.emit({
      type: 'step-warning',
      step: step.name,
      message: `${path} held something else, which is now kept in the store as ${digest}.`,
    });
  }
}

/** A data set that plays two parts is one input. */
function onceByName<Input extends { name: string }>(inputs: readonly Input[]): Input[] {
  return [...new Map(inputs.map((input) => [input.name, input])).values()];
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

/** Where a block stands, for what went wrong in it. */
export function locationOf(
  context: PipelineContext,
  block: string,
): { where?: NonNullable<NonNullable<StepResult['error']>['where']> } {
  const where = context.plan.locations[block];
  return where === undefined ? {} : { where };
}
