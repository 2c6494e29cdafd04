/** Whether a step has to run, and why or why not, in one line. */
import { existsSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { Digest, Plan, StepPlan } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import type { StoredRecord } from '../ledger/record.ts';
import { type LocatedInput, locate, rowsOf, type UpstreamResult } from './inputs.ts';
import { inputsOf, type KeyParts, keyOf, keyParts, needsOf } from './keys.ts';
import { changesSince, failedLastTime, unchangedSince } from './reasons.ts';
import type { PipelineContext, ResolvedEnvironment } from './world.ts';

/** A step whose inputs are all known. */
export interface Assessment {
  step: StepPlan;
  state: 'up-to-date' | 'stale' | 'never-ran' | 'failed';
  reason: string;
  key: Digest;
  parts: KeyParts;
  inputs: LocatedInput[];
  environment: ResolvedEnvironment;
  /** An earlier run with the same key, whole in the store. */
  cached?: StoredRecord;
}

/**
 * Looks at a step whose upstream steps all have results.
 *
 * @throws MlpipeError where an input is missing or the machine has not what the environment pins
 */
export async function assess(
  context: PipelineContext,
  step: StepPlan,
  upstream: ReadonlyMap<string, UpstreamResult>,
): Promise<Assessment> {
  const { plan, world } = context;
  const inputs: LocatedInput[] = [];
  for (const source of inputsOf(plan, step)) {
    const located = await locate(context, source, upstream);
    if (located.source.kind === 'data') {
      const rows = await rowsOf(plan.data[located.source.data], located.location);
      if (rows !== undefined) located.rows = rows;
    }
    inputs.push(located);
  }
  const environment = await world.environment(plan, step.environment, dirname(context.file));
  const parts = keyParts(plan, step, inputs, environment.recorded.identity);
  const key = keyOf(parts);
  const known = { step, key, parts, inputs, environment };

  const cached = world.ledger.withKey(key).find((stored) => isWhole(context, stored));
  const file = pipelinePath(context);
  const last = lastRecord(context, file, step.name);
  if (cached) {
    const elsewhere = last !== undefined && last.record.key !== key;
    const reason = elsewhere
      ? `the same as in ${cached.record.run}; ${unchangedSince(cached.record)}`
      : unchangedSince(cached.record);
    return { ...known, state: 'up-to-date', reason, cached };
  }
  if (!last) return { ...known, state: 'never-ran', reason: 'has never run' };
  if (last.record.key === key) {
    if (last.record.exit.status !== 'ok') return { ...known, state: 'failed', reason: failedLastTime(last.record) };
    const gone = Object.entries(last.record.outputs).find(([, { digest }]) => !world.store.has(digest));
    return { ...known, state: 'stale', reason: `its output ${gone?.[0] ?? ''} is no longer in the store` };
  }
  const changes = changesSince(
    { record: last.record, parts: await partsOf(context, last.record.keyParts) },
    { parts, inputs, parameters: plan.parameters },
  );
  return {
    ...known,
    state: 'stale',
    reason: changes === '' ? `something has changed since ${last.record.run}` : changes,
  };
}

/** The steps in an order in which each comes after what it needs. @throws MlpipeError `cycle` */
export function inOrder(plan: Plan): StepPlan[] {
  const ordered: StepPlan[] = [];
  const state = new Map<string, 'open' | 'done'>();
  const visit = (name: string, path: string[]): void => {
    const step = plan.steps[name];
    if (!step || state.get(name) === 'done') return;
    if (state.get(name) === 'open') {
      throw new MlpipeError(`Steps need each other: ${[...path, name].join(' → ')}.`, {
        code: 'cycle',
        todo: 'Take one of these references out.',
      });
    }
    state.set(name, 'open');
    for (const need of needsOf(plan, step)) visit(need, [...path, name]);
    state.set(name, 'done');
    ordered.push(step);
  };
  for (const name of Object.keys(plan.steps)) visit(name, []);
  return ordered;
}

/** Relative to the root, with forward slashes: how records name the pipeline. */
export function pipelinePath(context: PipelineContext): string {
  return relative(context.world.root, context.file).replaceAll('\\', '/');
}

/** Puts what a cached program step wrote where the project expects it. */
export async function restoreOutputs(context: PipelineContext, step: StepPlan, cached: StoredRecord): Promise<void> {
  if (step.kind !== 'program') return;
  const { store } = context.world;
  for (const { name, path } of step.writes) {
    const output = cached.record.outputs[name];
    const place = join(dirname(context.file), path);
    if (!output || (existsSync(place) && (await store.digest(place)).digest === output.digest)) continue;
    await store.checkout(output.digest, place, { writable: true });
  }
}

function isWhole(context: PipelineContext, { record }: StoredRecord): boolean {
  return (
    record.exit.status === 'ok' && Object.values(record.outputs).every(({ digest }) => context.world.store.has(digest))
  );
}

/** This machine's newest record of the step, or the one that the committed lock names. */
function lastRecord(context: PipelineContext, file: string, step: string): StoredRecord | undefined {
  const { ledger } = context.world;
  const newest = ledger.last(file, step);
  if (newest) return newest;
  const locked = ledger.locked(context.file, step);
  return locked === undefined ? undefined : ledger.get(locked);
}

async function partsOf(context: PipelineContext, digest: Digest): Promise<KeyParts | null> {
  try {
    // Written by `runStep` as canonical JSON of key parts; the store has checked the digest.
    return JSON.parse((await context.world.store.read(digest)).toString('utf8')) as KeyParts;
  } catch {
    // The reason then says that it is gone.
    return null;
  }
}
