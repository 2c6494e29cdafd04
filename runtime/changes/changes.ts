/** What has changed since a model was last good, in words. */
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Digest, Plan, StepPlan } from '../../grammar/plan/plan.ts';
import { EXIT, MlpipeError } from '../errors.ts';
import { pipelinePath } from '../execute/assess.ts';
import { digestSource, rowsOf } from '../execute/inputs.ts';
import { type InputSource, type InputState, inputsOf, type KeyParts, keyParts } from '../execute/keys.ts';
import { changesSince } from '../execute/reasons.ts';
import type { PipelineContext } from '../execute/world.ts';
import { git } from '../ledger/git.ts';
import type { StoredRecord } from '../ledger/record.ts';
import type { Project } from '../project.ts';
import { ancestors } from '../reproduce/recorded.ts';
import { findVersions } from '../versions/find.ts';
import { lastGood, missedGates, newestEvaluations } from './good.ts';

export interface Change {
  /** The step that it concerns, or `code`. */
  step: string;
  text: string;
}

export interface ChangesSinceGood {
  step: string;
  good: { record: Digest; run: string; ended: string /** `recognise@1` */; kept: string | null };
  /** The newest model, where it is another, with the gates that it has not passed. */
  newest: { record: Digest; run: string; ended: string; missed: string[] } | null;
  changes: Change[];
}

/**
 * Compares today with the newest model of a training whose gates all passed: the training, all that it was made from,
 * and its evaluations.
 *
 * @param step the training's name
 * @throws MlpipeError `never-good`, `step-unknown`
 */
export async function changesSinceGood(
  project: Project,
  context: PipelineContext,
  step: string,
): Promise<ChangesSinceGood> {
  if (context.plan.steps[step]?.kind !== 'train') {
    throw new MlpipeError(`There is no training ${step} in ${pipelinePath(context)}.`, {
      code: 'step-unknown',
      todo: 'Name one; `mlpipe plan` lists the steps.',
      exit: EXIT.usage,
    });
  }
  const file = pipelinePath(context);
  const good = lastGood(project, file, step);
  if (good === undefined) {
    throw new MlpipeError(`No model of ${step} has passed its gates yet.`, {
      code: 'never-good',
      todo: 'Give it an evaluation with gates, and run it; `mlpipe log` lists what has run.',
    });
  }
  const changes: Change[] = [];
  const known = new Map(
    [...ancestors(project, good), ...newestEvaluations(project, good)].map((each) => [each.record.step, each]),
  );
  for (const stored of [...known.values()].sort((one, other) =>
    one.record.when.started < other.record.when.started ? -1 : 1,
  )) {
    const now = context.plan.steps[stored.record.step];
    const text = now === undefined ? 'is no longer in the pipeline' : await changesOf(project, context, stored, now);
    if (text !== '') changes.push({ step: stored.record.step, text });
  }
  for (const added of evaluationsOf(context.plan, step))
    if (!known.has(added)) changes.push({ step: added, text: 'is new' });
  const code = await codeChanges(project.root, good);
  if (code !== undefined) changes.push({ step: 'code', text: code });
  const [newest] = project.ledger.list({ file, step }, 1);
  const version = findVersions(project.root).versions.find((each) => each.version.record === good.digest)?.version;
  return {
    step,
    good: {
      record: good.digest,
      run: good.record.run,
      ended: good.record.when.ended,
      kept: version === undefined ? null : `${version.name}@${version.version}`,
    },
    newest:
      newest === undefined || newest.digest === good.digest
        ? null
        : {
            record: newest.digest,
            run: newest.record.run,
            ended: newest.record.when.ended,
            missed: missedGates(project, newest) ?? ['it was not evaluated'],
          },
    changes,
  };
}

function evaluationsOf(plan: Plan, train: string): string[] {
  return Object.values(plan.steps).flatMap((step) =>
    step.kind === 'evaluate' && step.train === train && step.replicateOf === undefined ? [step.name] : [],
  );
}

async function changesOf(
  project: Project,
  context: PipelineContext,
  stored: StoredRecord,
  step: StepPlan,
): Promise<string> {
  const { plan, world, file } = context;
  const inputs: InputState[] = [];
  const lost: string[] = [];
  for (const source of inputsOf(plan, step)) {
    const input = await inputNow(project, context, stored, source);
    if (typeof input === 'string') lost.push(input);
    else inputs.push(input);
  }
  if (lost.length > 0) return lost.join(', ');
  let identity = stored.record.environment.identity;
  let trouble = '';
  try {
    identity = (await world.environment(plan, step.environment, dirname(file), step.resources)).recorded.identity;
  } catch (error) {
    // What this machine has not is a change, too, and the rest can still be told.
    if (!(error instanceof MlpipeError)) throw error;
    trouble = error.message;
  }
  const text = changesSince(
    { record: stored.record, parts: await partsOf(project, stored) },
    { parts: keyParts(plan, step, inputs, identity), inputs, parameters: plan.parameters },
  );
  return [text, trouble].filter((part) => part !== '').join('; ');
}

/** An input as it lies there, whatever is pinned; in words where there is none. */
async function inputNow(
  project: Project,
  { plan, file }: PipelineContext,
  { record }: StoredRecord,
  source: InputSource,
): Promise<InputState | string> {
  const { role } = source;
  if (source.kind === 'output') {
    // What another step makes is compared with that step.
    const name = `output:${source.step}.${source.output}`;
    const before = record.inputs.find((input) => input.name === name);
    return before === undefined ? `${source.step}.${source.output} is read now` : { ...before, role };
  }
  const data = source.kind === 'data' ? plan.data[source.data] : undefined;
  const path = source.kind === 'file' ? source.path : data?.source.kind === 'path' ? data.source.path : undefined;
  if (path === undefined) return `${source.kind === 'data' ? source.data : ''} is read from elsewhere`;
  const name = source.kind === 'file' ? `file:${path}` : `data:${source.data}`;
  const location = resolve(dirname(file), path);
  const pin = data?.pin;
  if (!existsSync(location) && !/[*?[{]/.test(path)) {
    const before = record.inputs.find((input) => input.name === name);
    // A run would take it from the store.
    if (pin !== undefined && before?.digest === pin && project.store.has(pin)) return { ...before, role };
    return `${path} is gone`;
  }
  const { digest, bytes } = await digestSource(project.store, location);
  const rows =
    data !== undefined && digest !== record.inputs.find((input) => input.name === name)?.digest
      ? await rowsOf(data, location)
      : undefined;
  return { role, name, digest, bytes, path, ...(rows === undefined ? {} : { rows }) };
}

async function partsOf(project: Project, { record }: StoredRecord): Promise<KeyParts | null> {
  if (!project.store.has(record.keyParts)) return null;
  // Written by the run as canonical JSON of key parts; the store has checked the digest.
  return JSON.parse((await project.store.read(record.keyParts)).toString('utf8')) as KeyParts;
}

/** `258b5cb2 → d67d6666, 3 commits: flowers.mlpipe, tidy.sh` */
async function codeChanges(root: string, { record }: StoredRecord): Promise<string | undefined> {
  const commit = record.code?.commit;
  if (commit === undefined || /^0+$/.test(commit)) return undefined;
  const [head, count, files] = await Promise.all([
    git(root, ['rev-parse', '--short=12', 'HEAD']),
    git(root, ['rev-list', '--count', `${commit}..HEAD`]),
    git(root, [
      'diff',
      '--name-only',
      '--relative',
      '-z',
      commit,
      '--',
      '.',
      ':(exclude,glob)**/*.mlpipe.lock/**',
      ':(exclude,glob)**/*.mlpipe.models/**',
    ]),
  ]);
  if (head.code !== 0) return undefined;
  if (files.code !== 0) return `the commit ${commit.slice(0, 12)} is not in this repository`;
  const names = files.stdout
    .toString('utf8')
    .split('\0')
    .filter((name) => name !== '');
  if (names.length === 0) return undefined;
  const commits = Number(count.stdout.toString('utf8').trim());
  const told =
    names.length <= 5 ? names.join(', ') : `${names.slice(0, 4).join(', ')} and ${names.length - 4} more files`;
  const way =
    commits === 0
      ? 'uncommitted'
      : `${commit.slice(0, 12)} → ${head.stdout.toString('utf8').trim()}, ${commits} ${commits === 1 ? 'commit' : 'commits'}`;
  return `${way}: ${told}`;
}
