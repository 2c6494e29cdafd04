/** Runs what is not up to date, in order, side by side where the machine allows, and says why for each step. */
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Digest, StepPlan } from '../../grammar/plan/plan.ts';
import { probe } from '../environment/probe.ts';
import { EXIT, MlpipeError } from '../errors.ts';
import type { RunEvent, StepResult, StepStatus } from '../events.ts';
import { acquireLease } from '../lease.ts';
import type { StoredRecord } from '../ledger/record.ts';
import type { RunAnswer } from '../rpc/protocol.ts';
import { size } from '../words.ts';
import { type Assessment, assess, inOrder, missesGate, wholeResult } from './assess.ts';
import { closure, namedSteps } from './chosen.ts';
import type { Conditions } from './conditions.ts';
import type { UpstreamResult } from './inputs.ts';
import { needsOf } from './keys.ts';
import { putInPlace } from './outputs.ts';
import { type Slots, schedule } from './scheduler.ts';
import { runStep } from './step.ts';
import { environmentOf, locationOf, type Provenance, type StepContext } from './step-context.ts';
import { TODO_GATE } from './training-step.ts';
import type { PipelineContext } from './world.ts';

export interface RunOptions {
  /** Names of steps or of blocks; none means all. What they need comes along. */
  steps?: readonly string[];
  /** Also what depends on the named steps. */
  downstream?: boolean;
  /** Runs the named steps (all, where none is named) although they are up to date, and trains from the beginning. */
  force?: boolean;
  /** Takes no result of an earlier run. */
  noCache?: boolean;
  /** Steps at once; by default as many as there are cores. */
  jobs?: number;
  keepGoing?: boolean;
  /** Under what the steps run; a test of what a result depends on sets them. */
  conditions?: Conditions;
  signal?: AbortSignal;
  onEvent?: (event: RunEvent) => void;
}

/**
 * Runs a pipeline.
 *
 * @throws MlpipeError `step-unknown`, `cycle`; what a step does wrong is in the answer
 */
export async function runPipeline(context: PipelineContext, options: RunOptions = {}): Promise<RunAnswer> {
  const { plan, world } = context;
  const began = performance.now();
  const emit = options.onEvent ?? (() => undefined);
  const signal = options.signal ?? new AbortController().signal;
  const order = inOrder(plan);
  if (order.length === 0) {
    throw new MlpipeError(`${plan.pipeline} has no steps: there is nothing to run.`, {
      code: 'no-steps',
      todo: 'Write a `train` or a `step` block, or name the file that has them.',
      exit: EXIT.usage,
    });
  }
  const named = namedSteps(plan, options.steps ?? []);
  const chosen = closure(plan, order, named, options.downstream ?? false);
  const forced =
    options.force === true ? (named.size > 0 ? named : new Set(chosen.map(({ name }) => name))) : new Set<string>();
  const run = world.ledger.newRunName();
  const told = new Set<string>();
  const tellOnce = (message: string) => {
    if (told.has(message)) return false;
    told.add(message);
    return true;
  };
  // Git may take seconds over a large work tree, so it is asked when the first step really runs.
  let asked: Promise<Provenance> | undefined;
  const provenance = () => {
    asked ??= Promise.all([world.code(), world.who()]).then(([code, who]) => ({ code, who }));
    return asked;
  };
  emit({ type: 'run-started', run, pipeline: plan.pipeline, steps: chosen.map(({ name }) => name) });

  const results = new Map<string, StepResult>();
  const upstream = new Map<string, UpstreamResult>();
  const finish = (result: StepResult) => {
    results.set(result.step, result);
    emit(result);
  };
  const machine = slotsOfMachine((await probe({ execute: false })).gpus.length);
  await schedule(
    chosen.map((step) => ({ name: step.name, needs: needsOf(plan, step), slots: slotsOf(step) })),
    {
      jobs: options.jobs ?? availableParallelism(),
      available: machine,
      keepGoing: options.keepGoing ?? false,
      signal,
      skip: (task, status, reason) => finish(unfinished(task.name, status, reason)),
      run: async ({ name }) => {
        const step = plan.steps[name];
        if (!step) return 'failed';
        const stepContext: StepContext = {
          ...context,
          run,
          provenance,
          tellOnce,
          fresh: forced.has(name),
          ...(options.conditions === undefined ? {} : { conditions: options.conditions }),
          emit,
          signal,
        };
        const result = await oneStep(stepContext, step, upstream, options.noCache === true);
        if (result.status === 'ran' || result.status === 'cached') {
          const stored = result.record === null ? undefined : world.ledger.get(result.record);
          if (stored) upstream.set(name, { record: stored.digest, outputs: stored.record.outputs });
        }
        finish(result);
        return result.status === 'ran' || result.status === 'cached'
          ? 'done'
          : result.status === 'cancelled'
            ? 'cancelled'
            : 'failed';
      },
    },
  );
  const seconds = (performance.now() - began) / 1000;
  const steps = chosen.flatMap(({ name }) => results.get(name) ?? []);
  const ok = steps.every(({ status }) => status === 'ran' || status === 'cached');
  emit({ type: 'run-finished', run, ok, cancelled: signal.aborted, seconds });
  return { run, pipeline: plan.pipeline, ok, seconds, steps: steps.map(({ type: _, ...step }) => step) };
}

async function oneStep(
  context: StepContext,
  step: StepPlan,
  upstream: ReadonlyMap<string, UpstreamResult>,
  noCache: boolean,
): Promise<StepResult> {
  const { world } = context;
  try {
    refuseWhatIsNotHere(step);
    let assessment = await assess(context, step, upstream);
    const anew = context.fresh || noCache;
    if (!assessment.cached && !anew && (await supplyResult(context, assessment.key))) {
      assessment = await assess(context, step, upstream);
    }
    if (assessment.cached && !anew) return await fromCache(context, assessment, assessment.cached);
    if (anew) assessment = { ...assessment, reason: context.fresh ? 'forced' : 'no cached result is taken' };
    const lease = await acquireLease(
      join(world.store.folder, 'leases'),
      assessment.key,
      { run: context.run, step: step.name },
      {
        signal: context.signal,
        onWait: (owner) =>
          context.emit({
            type: 'step-waiting',
            step: step.name,
            reason: owner ? `${owner.run} computes the same (process ${owner.pid})` : 'another run computes the same',
          }),
      },
    );
    try {
      // Whoever held the lease may have left what was wanted.
      const meanwhile = anew ? undefined : wholeResult(context, assessment.key);
      if (meanwhile) {
        return await fromCache(
          context,
          { ...assessment, reason: `computed meanwhile by ${meanwhile.record.run}` },
          meanwhile,
        );
      }
      return await runStep(context, assessment);
    } finally {
      lease.release();
    }
  } catch (error) {
    if (context.signal.aborted) return unfinished(step.name, 'cancelled', 'the run was cancelled');
    const where = (error instanceof MlpipeError ? error.where : undefined) ?? context.plan.locations[step.block];
    return {
      ...unfinished(step.name, 'failed', error instanceof Error ? error.message : String(error)),
      error: {
        message: error instanceof Error ? error.message : String(error),
        ...(error instanceof MlpipeError && error.todo !== undefined ? { todo: error.todo } : {}),
        ...(error instanceof MlpipeError && error.exit === EXIT.usage ? { exit: EXIT.usage } : {}),
        ...(where === undefined ? {} : { where }),
      },
    };
  }
}

/** A result that is recorded and whose content lies elsewhere is fetched sooner than made again. */
async function supplyResult({ world, signal, emit }: StepContext, key: Digest): Promise<boolean> {
  const known = world.ledger.withKey(key).find(({ record }) => record.exit.status === 'ok');
  if (world.supply === undefined || known === undefined) return false;
  try {
    await world.supply(
      Object.values(known.record.outputs).map(({ digest }) => digest),
      signal,
    );
    return true;
  } catch (error) {
    if (signal.aborted || !(error instanceof MlpipeError)) throw error;
    // It can still be computed.
    emit({ type: 'step-warning', step: known.record.step, message: error.message });
    return false;
  }
}

async function fromCache(
  context: StepContext,
  assessment: Assessment,
  { digest, record }: StoredRecord,
): Promise<StepResult> {
  const { world } = context;
  const missed = missesGate(record);
  if (!missed) {
    await putInPlace(context, assessment.step, record.outputs);
    let locked: string | undefined;
    try {
      locked = world.ledger.locked(context.file, assessment.step.name);
    } catch {
      // A damaged lock is mended by writing what is true.
    }
    if (locked !== digest)
      await world.ledger.lock(context.file, { digest, record: { ...record, step: assessment.step.name } });
  }
  if (environmentOf(context.plan, assessment.step)?.retain && record.environment.retained === undefined) {
    context.emit({
      type: 'step-warning',
      step: assessment.step.name,
      message: `The result that is taken was made before its environment said \`retain\`: nothing of it is kept. \`mlpipe run --force ${assessment.step.name}\` does so.`,
    });
  }
  return {
    type: 'step-finished',
    step: assessment.step.name,
    status: missed ? 'failed' : 'cached',
    reason: assessment.reason,
    key: assessment.key,
    seconds: 0,
    record: digest,
    outputs: Object.fromEntries(
      Object.entries(record.outputs).map(([name, output]) => [name, { digest: output.digest, bytes: output.bytes }]),
    ),
    metrics: record.metrics,
    engine: record.engine,
    ...(missed
      ? {
          error: {
            message: record.exit.message ?? assessment.reason,
            todo: TODO_GATE,
            ...locationOf(context, assessment.step.block),
          },
        }
      : {}),
  };
}

// ---------------------------------------------------------------- what a step may use

/** What may be used side by side. A container's limit counts, not the machine around it. */
function slotsOfMachine(gpus: number): Slots {
  return { cpus: availableParallelism(), memory: memoryHere(), gpus };
}

function memoryHere(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

/** More cores than there are only take longer; memory that is not there would end the step half-way. */
function refuseWhatIsNotHere(step: StepPlan): void {
  const asked = step.resources.memory ?? 0;
  if (asked <= memoryHere()) return;
  throw new MlpipeError(`${step.name} asks for ${size(asked)} of memory; this machine has ${size(memoryHere())}.`, {
    code: 'memory-missing',
    todo: 'Ask for less in `resources`, or run it on a larger machine.',
    exit: 2,
  });
}

function slotsOf(step: StepPlan): Slots {
  const { cpus, memory, gpus } = step.resources;
  return { cpus: cpus ?? 1, memory: memory ?? 0, gpus: gpus ?? 0 };
}

function unfinished(step: string, status: StepStatus, reason: string): StepResult {
  return {
    type: 'step-finished',
    step,
    status,
    reason,
    key: null,
    seconds: 0,
    record: null,
    outputs: {},
    metrics: {},
    engine: null,
  };
}
