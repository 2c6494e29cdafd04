/** What the ledger and the store know of a model: its plan, its evaluations and all that it was made from. */
import { canonicalJson } from '../../grammar/plan/canonical.ts';
import type { Digest, EvaluateStep, Plan, TrainStep } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import type { StoredRecord } from '../ledger/record.ts';
import type { Project } from '../project.ts';
import { modelDigest } from '../versions/model.ts';

/** Which of the two a part of the run is taken from. */
export type Source = 'recorded' | 'current';

export interface PlanChoice {
  environment?: Source;
  data?: Source;
  /** The pipeline as it is today; needed where something is `current`. */
  current?: { plan: Plan; file: string };
}

export async function planOf(project: Project, { record, digest }: StoredRecord): Promise<Plan> {
  if (!project.store.has(record.plan)) throw gone({ record, digest }, 'its plan');
  // Written by the run as canonical JSON of a plan; the store has checked the digest.
  return JSON.parse((await project.store.read(record.plan)).toString('utf8')) as Plan;
}

export function gone({ record }: StoredRecord, what: string): MlpipeError {
  return new MlpipeError(`${record.step} cannot be reproduced: ${what} is not in the store.`, {
    code: 'plan-gone',
    todo: 'Fetch it from where the record came from: `mlpipe pull`.',
  });
}

/** The recorded plan, with today's environments or data in the place of those of the same name. */
export function planToRun(recorded: Plan, options: PlanChoice): Plan {
  const { environment, data, current } = options;
  if (environment !== 'current' && data !== 'current') return recorded;
  if (current === undefined) throw new TypeError('The pipeline of today is needed.');
  const lacks = Object.keys(recorded.environments).find((name) => current.plan.environments[name] === undefined);
  if (environment === 'current' && lacks !== undefined) {
    throw new MlpipeError(`There is no environment ${lacks} in ${current.file} any more.`, {
      code: 'environment-unknown',
      todo: 'Reproduce with `--in recorded`.',
      exit: 2,
    });
  }
  return {
    ...recorded,
    ...(environment === 'current' ? { environments: current.plan.environments } : {}),
    ...(data === 'current' ? { data: { ...recorded.data, ...current.plan.data } } : {}),
  };
}

export interface RecordedEvaluation {
  step: EvaluateStep;
  /** Missing where the model was never evaluated so. */
  record?: StoredRecord;
  /** The same evaluation of the replicates: trainings that differ in their seed alone. */
  replicates: StoredRecord[];
}

export function evaluationsOf(
  project: Project,
  trained: StoredRecord,
  plan: Plan,
  train: TrainStep,
): RecordedEvaluation[] {
  const readers = project.ledger
    .readers(modelDigest(trained))
    .filter(({ record }) => record.kind === 'evaluate' && record.pipeline.file === trained.record.pipeline.file)
    .sort((one, other) => (one.record.when.ended < other.record.when.ended ? 1 : -1));
  return Object.values(plan.steps)
    .filter((step) => step.kind === 'evaluate')
    .filter((step) => step.train === train.name && step.replicateOf === undefined)
    .map((step) => {
      const record = readers.find((reader) => reader.record.step === step.name && isMeasured(reader));
      const replicates = replicatesOf(project, trained, plan, step);
      return record === undefined ? { step, replicates } : { step, record, replicates };
    });
}

/** One for each replicate that was trained from the same data, in the same environment, as the model. */
function replicatesOf(project: Project, trained: StoredRecord, plan: Plan, evaluation: EvaluateStep): StoredRecord[] {
  const { file } = trained.record.pipeline;
  return Object.values(plan.steps)
    .filter((step) => step.kind === 'evaluate' && step.replicateOf === evaluation.name)
    .flatMap(({ name }) => {
      const fits = project.ledger.list({ file, step: name }).find((stored) => {
        const behind = stored.record.inputs.find(({ name: input }) => input.endsWith('.model'))?.record;
        const training = behind && project.ledger.get(behind);
        return isMeasured(stored) && training !== undefined && sameButForSeed(training, trained);
      });
      return fits ?? [];
    });
}

function sameButForSeed({ record: one }: StoredRecord, { record: other }: StoredRecord): boolean {
  const made = ({ inputs, environment, parameters }: StoredRecord['record']) =>
    canonicalJson({
      inputs: inputs.map(({ name, digest }) => [name, digest]),
      environment: environment.fingerprint,
      parameters,
    });
  return made(one) === made(other);
}

/** Whether it came to its end, be its gates passed or not. */
export function isMeasured(stored: StoredRecord | undefined): boolean {
  return stored !== undefined && (stored.record.exit.status === 'ok' || stored.record.gates.length > 0);
}

/** The record and everything that it was made from. */
export function ancestors(project: Project, start: StoredRecord): StoredRecord[] {
  const found = new Map<Digest, StoredRecord>();
  const visit = (stored: StoredRecord): void => {
    if (found.has(stored.digest)) return;
    found.set(stored.digest, stored);
    for (const { record } of stored.record.inputs) {
      const parent = record && project.ledger.get(record);
      if (parent) visit(parent);
    }
  };
  visit(start);
  return [...found.values()];
}
