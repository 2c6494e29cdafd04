/** What every format is made from: a record, its plan, all that it was made from, and what became known of it since. */
import fs from 'node:fs';
import { join } from 'node:path';
import { digestOf } from '../../grammar/plan/canonical.ts';
import type { Digest, Plan, StepPlan } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import { git } from '../ledger/git.ts';
import type { StoredRecord } from '../ledger/record.ts';
import type { Project } from '../project.ts';
import type { KeptVerdict } from '../reproduce/keep.ts';
import { ancestors, evaluationsOf, planOf } from '../reproduce/recorded.ts';
import { type ContentFile, filesOf, isFolder } from '../store/listing.ts';
import { findVersions } from '../versions/find.ts';

export interface Evidence {
  /** The version of the mlpipe that writes the document, not of the one that ran the step. */
  version: string;
  stored: StoredRecord;
  plan: Plan;
  step: StepPlan | undefined;
  /** The record and everything that it was made from, the oldest first. */
  chain: StoredRecord[];
  /** The files of each output of the record, by the output's name. */
  files: Record<string, ContentFile[]>;
  /** Digests in `chain` that are those of folders. */
  folders: ReadonlySet<Digest>;
  /** Of a model. */
  evaluations: MeasuredEvaluation[];
  /** Attempts to make a model again, the newest first. */
  verdicts: { record: Digest; verdict: KeptVerdict }[];
  /** The pipeline's text as it ran, where it can still be had. */
  pipelineText: string | undefined;
  /** Under which name and number the model is kept; nothing where it is not. */
  kept: { name: string; version: number; tag?: string } | undefined;
}

export interface MeasuredEvaluation {
  stored: StoredRecord;
  /** Which rows: `digits.test`. */
  on: string;
  /** How many rows were evaluated; nothing where the report is gone. */
  rows: number | undefined;
  /** By class, where the report has them. */
  classes: { label: string; support: number; recall: number; precision: number; f1: number }[];
  /** The same evaluation of trainings that differ in their seed alone. */
  replicates: StoredRecord[];
}

/**
 * Gathers it.
 *
 * @throws MlpipeError `plan-gone`, `object-missing`
 */
export async function evidenceOf(project: Project, stored: StoredRecord, version: string): Promise<Evidence> {
  const { store } = project;
  const { record } = stored;
  const plan = await planOf(project, stored);
  const step = plan.steps[record.step];
  const chain = ancestors(project, stored).sort(byTime);
  const files: Evidence['files'] = {};
  for (const [name, { digest, bytes }] of Object.entries(record.outputs).sort(byName)) {
    if (store.has(digest)) files[name] = await filesOf(store, digest, bytes);
  }
  const folders = new Set<Digest>();
  const digests = chain.flatMap((each) => [
    ...each.record.inputs.map((input) => input.digest),
    ...Object.values(each.record.outputs).map((output) => output.digest),
  ]);
  for (const digest of new Set(digests)) if (await isFolder(store, digest)) folders.add(digest);
  return {
    version,
    stored,
    plan,
    step,
    chain,
    files,
    folders,
    evaluations: await measured(project, stored, plan, step),
    verdicts: await verdictsOf(project, stored),
    pipelineText: await pipelineText(project, stored),
    kept: keptAs(project, stored),
  };
}

function keptAs(project: Project, { digest }: StoredRecord): Evidence['kept'] {
  const found = findVersions(project.root).versions.find(({ version }) => version.record === digest)?.version;
  if (found === undefined) return undefined;
  const { name, version, tag } = found;
  return { name, version, ...(tag === null ? {} : { tag }) };
}

async function measured(
  project: Project,
  stored: StoredRecord,
  plan: Plan,
  step: StepPlan | undefined,
): Promise<MeasuredEvaluation[]> {
  if (step?.kind !== 'train' || stored.record.outputs.model === undefined) return [];
  const found: MeasuredEvaluation[] = [];
  for (const { step: evaluation, record, replicates } of evaluationsOf(project, stored, plan, step)) {
    if (record === undefined) continue;
    const report = await reportOf(project, record);
    const on = evaluation.on.part === undefined ? evaluation.on.data : `${evaluation.on.data}.${evaluation.on.part}`;
    found.push({ stored: record, on, rows: report?.rows, classes: report?.classes ?? [], replicates });
  }
  return found;
}

interface Report {
  rows: number;
  classes?: MeasuredEvaluation['classes'];
}

async function reportOf(project: Project, { record }: StoredRecord): Promise<Report | undefined> {
  const digest = record.outputs.report?.digest;
  if (digest === undefined || !project.store.has(digest)) return undefined;
  // Written by the evaluation as JSON; the store has checked the digest.
  return JSON.parse((await project.store.read(digest)).toString('utf8')) as Report;
}

async function verdictsOf(project: Project, { digest, record }: StoredRecord): Promise<Evidence['verdicts']> {
  const model = record.outputs.model?.digest;
  if (model === undefined) return [];
  const found: Evidence['verdicts'] = [];
  const attempts = project.ledger
    .readers(model)
    .filter((reader) => reader.record.kind === 'reproduce' && reader.record.inputs[0]?.record === digest)
    .sort((one, other) => byTime(other, one));
  for (const attempt of attempts) {
    const object = attempt.record.outputs.verdict?.digest;
    if (object === undefined || !project.store.has(object)) continue;
    // Written by `keepVerdict`; the store has checked the digest.
    const verdict = JSON.parse((await project.store.read(object)).toString('utf8')) as KeptVerdict;
    found.push({ record: attempt.digest, verdict });
  }
  return found;
}

/** From the work tree where it has not changed, else from the commit; nothing where neither has it. */
async function pipelineText(project: Project, { record }: StoredRecord): Promise<string | undefined> {
  const { file, digest } = record.pipeline;
  // What was imported may have had none.
  if (file === '') return undefined;
  const path = join(project.root, file);
  const now = fs.existsSync(path) ? fs.readFileSync(path, 'utf8') : undefined;
  if (now !== undefined && digestOf(now) === digest) return now;
  if (record.code === null || !/^[0-9a-f]{40,64}$/.test(record.code.commit)) return undefined;
  const answer = await git(project.root, ['show', `${record.code.commit}:./${file}`]);
  const committed = answer.stdout.toString('utf8');
  return answer.code === 0 && digestOf(committed) === digest ? committed : undefined;
}

/** @throws MlpipeError `model-unknown` where the record is of something else */
export function modelFiles({ stored, files }: Evidence): ContentFile[] {
  const model = files.model;
  if (stored.record.kind === 'train' && model !== undefined) return model;
  throw new MlpipeError(`${stored.record.step} has no model${stored.record.outputs.model ? ' in this store' : ''}.`, {
    code: 'model-unknown',
    todo: 'Name a training or one of its records; `mlpipe log` lists them.',
    exit: 2,
  });
}

export function byTime(one: StoredRecord, other: StoredRecord): number {
  const [first, second] = [one.record.when.started + one.digest, other.record.when.started + other.digest];
  return first < second ? -1 : first > second ? 1 : 0;
}

function byName([one]: [string, unknown], [other]: [string, unknown]): number {
  return one < other ? -1 : 1;
}
