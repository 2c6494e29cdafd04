/** Whether a step has to run, and why or why not, in one line. */
import { existsSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import type { Digest, Plan, StepPlan } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import type { StepState } from '../events.ts';
import type { RunRecord, StoredRecord } from '../ledger/record.ts';
import { type LocatedInput, locate, rowsOf, type UpstreamResult } from './inputs.ts';
import { inputsOf, type KeyParts, keyOf, keyParts, needsOf } from './keys.ts';
import { changesSince, failedLastTime, missedBefore, unchangedSince } from './reasons.ts';
import type { PipelineContext, ResolvedEnvironment } from './world.ts';

/** A step whose inputs are all known. */
export interface Assessment {
  step: StepPlan;
  /** `blocked`: evaluated before, and a gate was not passed; doing it again would measure the same. */
  state: StepState;
  reason: string;
  key: Digest;
  parts: KeyParts;
  inputs: LocatedInput[];
  environment: ResolvedEnvironment;
  /** An earlier run with the same key, whole in the store. With the state `blocked`, what was measured. */
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
    inputs.push(await locate(context, source, upstream));
  }
  const environment = await world.environment(plan, step.environment, dirname(context.file), step.resources);
  const parts = keyParts(plan, step, inputs, environment.recorded.identity);
  const key = keyOf(parts);
  const known = { step, key, parts, inputs, environment };

  const cached = wholeResult(context, key);
  const file = pipelinePath(context);
  const lock = lookAtLock(context, step.name);
  // This machine's newest record of the step, or the one that the committed lock names.
  const last = world.ledger.last(file, step.name) ?? (lock.record && world.ledger.get(lock.record));
  if (cached && missesGate(cached.record)) {
    return { ...known, state: 'blocked', reason: missedBefore(cached.record), cached };
  }
  if (cached) {
    const elsewhere = last !== undefined && last.record.key !== key;
    const displaced = await displacedOutput(context, step, cached);
    if (displaced !== undefined) {
      return { ...known, state: 'stale', reason: `${displaced}; it comes back from the store`, cached };
    }
    if (lock.damage !== undefined) {
      return { ...known, state: 'stale', reason: `${lock.damage}; a run writes it anew`, cached };
    }
    const reason = elsewhere
      ? `the same as in ${cached.record.run}; ${unchangedSince(cached.record)}`
      : unchangedSince(cached.record);
    return { ...known, state: 'up-to-date', reason, cached };
  }
  if (!last) {
    return lock.damage === undefined
      ? { ...known, state: 'never-ran', reason: 'has never run' }
      : { ...known, state: 'stale', reason: `${lock.damage}, and no run is known here` };
  }
  if (last.record.key === key) {
    if (last.record.exit.status !== 'ok') return { ...known, state: 'failed', reason: failedLastTime(last.record) };
    const gone = Object.entries(last.record.outputs).find(([, { digest }]) => !world.store.has(digest));
    return { ...known, state: 'stale', reason: `its output ${gone?.[0] ?? ''} is no longer in the store` };
  }
  await countRows(context, last, inputs);
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

/** A result with this key, of whatever run, that is whole in the store: that a gate is not passed is a result, too. */
export function wholeResult(context: PipelineContext, key: Digest): StoredRecord | undefined {
  return context.world.ledger
    .withKey(key)
    .find(
      ({ record }) =>
        (record.exit.status === 'ok' || missesGate(record)) &&
        Object.values(record.outputs).every(({ digest }) => context.world.store.has(digest)),
    );
}

/** Whether an evaluation came to its end and a gate was not passed. */
export function missesGate(record: RunRecord): boolean {
  return record.kind === 'evaluate' && record.exit.status === 'failed' && record.gates.some(({ ok }) => !ok);
}

/** What a program wrote and does not lie in the project any more as it was written. */
async function displacedOutput(
  context: PipelineContext,
  step: StepPlan,
  cached: StoredRecord,
): Promise<string | undefined> {
  if (step.kind !== 'program') return undefined;
  for (const { name, path } of step.writes) {
    const place = join(dirname(context.file), path);
    if (!existsSync(place)) return `${path} is not there`;
    const output = cached.record.outputs[name];
    if (output && (await context.world.store.digest(place)).digest !== output.digest) {
      return `${path} was changed since it was written`;
    }
  }
  return undefined;
}

/** Rows cost a reading of the whole file, so they are counted only where they say what has changed. */
async function countRows(context: PipelineContext, last: StoredRecord, inputs: LocatedInput[]): Promise<void> {
  for (const input of inputs) {
    if (input.source.kind !== 'data') continue;
    const old = last.record.inputs.find(({ name }) => name === input.name);
    if (old?.rows === undefined || old.digest === input.digest) continue;
    const rows = await rowsOf(context.plan.data[input.source.data], input.location);
    if (rows !== undefined) input.rows = rows;
  }
}

/** What the lock file of a step names, or what is wrong with it: that must not stop the run which mends it. */
function lookAtLock(context: PipelineContext, step: string): { record?: Digest; damage?: string } {
  const { ledger, root } = context.world;
  try {
    const record = ledger.locked(context.file, step);
    return record === undefined ? {} : { record };
  } catch (error) {
    if (!(error instanceof MlpipeError) || error.code !== 'lock-damaged') throw error;
    const damage = error.message.replace(/\.$/, '').replaceAll(root + sep, '');
    return { damage: damage.charAt(0).toLowerCase() + damage.slice(1) };
  }
}

/** What a key was computed from; nothing where that is gone. */
export async function partsOf(context: PipelineContext, digest: Digest): Promise<KeyParts | null> {
  try {
    // Written by `runStep` as canonical JSON of key parts; the store has checked the digest.
    return JSON.parse((await context.world.store.read(digest)).toString('utf8')) as KeyParts;
  } catch {
    // The reason then says that it is gone.
    return null;
  }
}
