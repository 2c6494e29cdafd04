/** What each step is now: up to date, known from elsewhere, to be run, or impossible; each with its reason in one line. */
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Digest, StepPlan } from '../../grammar/plan/plan.ts';
import type { ResolvedEnvironment } from '../environment/resolve.ts';
import { MlpipeError } from '../errors.ts';
import type { RecordedGate, StoredRecord } from '../ledger/record.ts';
import { type LocatedInput, locate, rowsOf, type UpstreamResult } from './inputs.ts';
import { inputsOf, type KeyParts, keyOf, keyParts, needsOf } from './keys.ts';
import { changesSince, failedLastTime, unchangedSince } from './reasons.ts';
import { listed } from './words.ts';
import type { PipelineContext } from './world.ts';

export type StepState =
  /** Everything is as the lock file says. */
  | 'up-to-date'
  /** The result is known and stored, but does not lie where it belongs. */
  | 'restorable'
  | 'stale'
  | 'never-ran'
  /** It cannot run as things are. */
  | 'blocked'
  /** It ran as it is, and the answer was no. */
  | 'failed';

export interface Assessment {
  step: StepPlan;
  state: StepState;
  reason: string;
  /** `null` while an input is not there yet. */
  key: Digest | null;
  parts: KeyParts | null;
  inputs: LocatedInput[];
  environment: ResolvedEnvironment | null;
  /** The valid result, where there is one. */
  known?: StoredRecord;
  error?: MlpipeError;
}

export interface AssessOptions {
  force: boolean;
  /** Results of earlier runs may be taken. */
  cache: boolean;
}

/**
 * Looks at one step.
 *
 * @param upstream results of the steps that it needs; one that is missing will run first, or is impossible
 * @param before what was found out about those steps
 */
export async function assess(
  context: PipelineContext,
  step: StepPlan,
  upstream: ReadonlyMap<string, UpstreamResult>,
  before: ReadonlyMap<string, Assessment>,
  options: AssessOptions,
): Promise<Assessment> {
  const unknown = { step, key: null, parts: null, inputs: [], environment: null };
  const missing = needsOf(context.plan, step).filter((name) => !upstream.has(name));
  if (missing.length > 0) {
    const impossible = missing.filter((name) => before.get(name)?.state === 'blocked');
    if (impossible.length > 0) {
      return { ...unknown, state: 'blocked', reason: `${listed(impossible)} cannot run` };
    }
    return { ...unknown, state: 'stale', reason: `${listed(missing)} will run first` };
  }
  try {
    const inputs: LocatedInput[] = [];
    for (const source of inputsOf(context.plan, step)) inputs.push(await locate(context, source, upstream));
    const environment = await context.world.environment(context.plan, step.environment, dirname(context.file));
    const parts = keyParts(context.plan, step, inputs, environment.recorded.identity);
    const key = keyOf(parts);
    const found = { step, key, parts, inputs, environment };
    return { ...found, ...(await judge(context, found, options)) };
  } catch (error) {
    if (!(error instanceof MlpipeError)) throw error;
    return { ...unknown, state: 'blocked', reason: error.message, error };
  }
}

async function judge(
  context: PipelineContext,
  found: { step: StepPlan; key: Digest; parts: KeyParts; inputs: LocatedInput[] },
  options: AssessOptions,
): Promise<Pick<Assessment, 'state' | 'reason' | 'known'>> {
  const { ledger } = context.world;
  const { step, key } = found;
  const lockedDigest = ledger.locked(context.file, step.name);
  const locked = lockedDigest === undefined ? undefined : ledger.get(lockedDigest);
  if (options.force) return { state: 'stale', reason: 'forced' };

  const same = ledger.withKey(key);
  const good = same.filter(({ record }) => record.exit.status === 'ok');
  const whole = good.filter((stored) => lostOutputs(context, stored).length === 0);
  const current = whole.find(({ digest }) => digest === lockedDigest);
  const known = current ?? whole[0];
  if (known !== undefined && options.cache) {
    const verdict = missedGates(known.record.gates);
    const displaced = current === undefined ? undefined : await displacedOutput(context, current);
    if (verdict !== '') return { state: 'failed', reason: `${verdict}; ${unchangedSince(known.record)}`, known };
    if (current === undefined) {
      const why = locked === undefined ? '' : await changes(context, locked, found);
      return { state: 'restorable', reason: `${why === '' ? '' : `${why}; `}known from ${known.record.run}`, known };
    }
    if (displaced !== undefined) return { state: 'restorable', reason: displaced, known };
    return { state: 'up-to-date', reason: unchangedSince(known.record), known };
  }
  if (known !== undefined) return { state: 'stale', reason: 'earlier results are not taken' };
  const [lost] = good;
  if (lost !== undefined) {
    return { state: 'stale', reason: `${lostOutputs(context, lost).join(', ')} is missing from the store` };
  }
  const [bad] = same;
  if (bad !== undefined) return { state: 'failed', reason: failedLastTime(bad.record) };
  const previous = locked ?? ledger.last(relativeFile(context), step.name);
  if (previous === undefined) {
    const never = lockedDigest === undefined;
    return never
      ? { state: 'never-ran', reason: 'never ran' }
      : { state: 'stale', reason: 'its lock file names a record that is not here' };
  }
  const why = await changes(context, previous, found);
  return { state: 'stale', reason: why === '' ? failedLastTime(previous.record) : why };
}

async function changes(
  context: PipelineContext,
  previous: StoredRecord,
  found: { parts: KeyParts; inputs: LocatedInput[] },
): Promise<string> {
  const { store } = context.world;
  const { record } = previous;
  const parts = store.has(record.keyParts)
    ? // The object was written by a run as the parts of its key.
      (JSON.parse((await store.read(record.keyParts)).toString('utf8')) as KeyParts)
    : null;
  for (const input of found.inputs) {
    // Rows cost a reading of the file, so they are counted only where they say what has changed.
    if (input.source.kind !== 'data' || input.rows !== undefined) continue;
    const old = record.inputs.find(({ name }) => name === input.name);
    if (old?.rows === undefined || old.digest === input.digest) continue;
    const rows = await rowsOf(context.plan.data[input.source.data], input.location);
    if (rows !== undefined) input.rows = rows;
  }
  return changesSince({ record, parts }, { ...found, parameters: context.plan.parameters });
}

/** Outputs of a record that the store has no more. */
function lostOutputs(context: PipelineContext, { record }: StoredRecord): string[] {
  return Object.entries(record.outputs).flatMap(([name, { digest }]) =>
    context.world.store.has(digest) ? [] : [name],
  );
}

/** Why the outputs of a record do not lie in the project as they were written. */
async function displacedOutput(context: PipelineContext, { record }: StoredRecord): Promise<string | undefined> {
  for (const { path, digest } of Object.values(record.outputs)) {
    if (path === undefined) continue;
    const location = resolve(dirname(context.file), path);
    if (!existsSync(location)) return `${path} is missing and is in the store`;
    if ((await context.world.store.digest(location)).digest !== digest)
      return `${path} was changed since it was written`;
  }
  return undefined;
}

/** `accuracy 93.10 % misses >= 95 %`, or nothing where all gates hold. */
export function missedGates(gates: readonly RecordedGate[]): string {
  return gates
    .filter(({ ok }) => !ok)
    .map(({ metric, class: of, operator, threshold, value }) => {
      const name = of === undefined ? metric : `${metric}(class: ${of})`;
      return `${name} ${Number(value.toPrecision(4))} misses ${operator} ${threshold}`;
    })
    .join(', ');
}

/** The pipeline file relative to the root, with forward slashes, as records have it. */
export function relativeFile(context: PipelineContext): string {
  const { root } = context.world;
  return context.file.startsWith(root) ? context.file.slice(root.length + 1).replaceAll('\\', '/') : context.file;
}
