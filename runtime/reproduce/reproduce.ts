/** Makes a recorded model again in a clean place, compares the two, and keeps the verdict as a record of its own. */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Digest, Plan } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import type { RunEvent } from '../events.ts';
import { putSource } from '../execute/inputs.ts';
import { runPipeline } from '../execute/run.ts';
import { openProject, type Project } from '../project.ts';
import { modelDigest, modelOf } from '../versions/model.ts';
import { bringObjects, bringRecords } from './bring.ts';
import { cleanWorld, withoutRetain } from './clean.ts';
import { agreement, type Difference, differences, hardwareOf, pairs, replicateAgreement } from './compare.ts';
import { keepModel, keepVerdict } from './keep.ts';
import { layCode, layInputs } from './place.ts';
import {
  ancestors,
  evaluationsOf,
  gone,
  isMeasured,
  type PlanChoice,
  planOf,
  planToRun,
  type Source,
} from './recorded.ts';
import { type ComparedMetric, judge, type Level, type VerdictWord } from './verdict.ts';

export interface ReproduceOptions extends PlanChoice {
  /** Leaves the clean place, to be looked at. */
  keep?: boolean;
  signal?: AbortSignal;
  onEvent?: (event: RunEvent) => void;
}

export interface Reproduction {
  /** The digest of the recorded model. */
  model: Digest;
  verdict: VerdictWord;
  level: Level;
  /** In one line. */
  because: string;
  environment: Source;
  data: Source;
  metrics: ComparedMetric[];
  /** Of predictions on the same rows, 0 … 1; nothing where none were kept. */
  agreement: number | null;
  /** What differs in what went in, the likeliest cause first. */
  differences: Difference[];
  /** The verdict's own record. */
  record: Digest;
  /** Where it was made, with `keep`. */
  place?: string;
}

/**
 * Reproduces a model.
 *
 * @param reference what `Ledger.resolve` understands; an evaluation means the model that it evaluated
 * @throws MlpipeError `model-unknown`, `commit-missing`, `patch-failed`, `data-gone`, `plan-gone`, `cancelled`
 */
export async function reproduce(
  project: Project,
  reference: string,
  options: ReproduceOptions = {},
): Promise<Reproduction> {
  const { environment = 'recorded', data = 'recorded' } = options;
  await bringRecords(project, reference, options.signal);
  const trained = modelOf(project, reference);
  await bringObjects(project, ancestors(project, trained), [], options.signal);
  const recorded = await planOf(project, trained);
  // What the project retains is used; the clean place, which goes away again, retains nothing.
  const plan = withoutRetain(planToRun(recorded, options));
  const step = plan.steps[trained.record.step];
  if (step?.kind !== 'train') throw gone(trained, 'the training');
  const evaluations = evaluationsOf(project, trained, plan, step);

  const measured = evaluations.flatMap(({ record, replicates }) => [...(record ? [record] : []), ...replicates]);
  await bringObjects(project, measured, measured, options.signal);

  const folder = join(project.store.folder, 'reproductions', randomBytes(6).toString('hex'));
  try {
    const { root, missing } = await layCode(trained.record.code, folder, project);
    const place = openProject(root, { store: join(root, '.mlpipe') });
    try {
      const file = resolve(root, trained.record.pipeline.file);
      fs.mkdirSync(dirname(file), { recursive: true });
      const behind = [...ancestors(project, trained), ...evaluations.flatMap(({ record }) => record ?? [])];
      if (data === 'recorded') await layInputs(behind, file, root, { project: project.store, place: place.store });
      else await layCurrentData(project, plan, options, file);
      const made = await runPipeline(
        {
          world: cleanWorld(project, place, behind),
          plan,
          file,
          digest: trained.record.pipeline.digest,
        },
        {
          steps: [step.name, ...evaluations.map(({ step: { name } }) => name)],
          noCache: true,
          ...(options.signal === undefined ? {} : { signal: options.signal }),
          ...(options.onEvent === undefined ? {} : { onEvent: options.onEvent }),
        },
      );
      if (options.signal?.aborted)
        throw new MlpipeError('The reproduction was cancelled.', { code: 'cancelled', exit: 130 });
      const remade = new Map(
        made.steps.flatMap(({ step: name, record }) => {
          const stored = record === null ? undefined : place.ledger.get(record as Digest);
          return stored ? [[name, stored] as const] : [];
        }),
      );
      const failed = made.steps.find(({ status, step: name }) => status === 'failed' && !isMeasured(remade.get(name)));
      const again = remade.get(step.name);
      const agreed = await agreement(project, place, evaluations, remade);
      const chance = await replicateAgreement(project, evaluations);
      const judgement = judge({
        model: {
          recorded: modelDigest(trained),
          reproduced: again?.record.outputs.model?.digest,
        },
        sameHardware: again !== undefined && hardwareOf(again.record) === hardwareOf(trained.record),
        agreement: agreed,
        ...(chance === undefined ? {} : { replicateAgreement: chance }),
        metrics: evaluations.flatMap(({ step: evaluation, record, replicates }) =>
          pairs(evaluation, record, remade.get(evaluation.name), replicates, evaluations.length > 1),
        ),
        ...(failed === undefined
          ? {}
          : { failure: `${failed.step} did not run: ${failed.error?.message ?? failed.reason}` }),
      });
      const found = {
        model: modelDigest(trained),
        verdict: judgement.verdict,
        level: judgement.level,
        because: judgement.because,
        environment,
        data,
        metrics: judgement.metrics,
        agreement: agreed?.share ?? null,
        differences: differences(trained, again, missing),
      };
      const model = again?.record.outputs.model;
      const kept = model === undefined ? undefined : await keepModel(project, place, model.digest, folder);
      const record = await keepVerdict(project, trained, again, found, kept);
      return { ...found, record, ...(options.keep ? { place: root } : {}) };
    } finally {
      place.close();
    }
  } finally {
    if (!options.keep) fs.rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

// ---------------------------------------------------------------- what goes in

/** Today's data, by way of the store, so that the clean place never reads the work tree while it runs. */
async function layCurrentData(project: Project, plan: Plan, options: ReproduceOptions, file: string): Promise<void> {
  const from = dirname(options.current?.file ?? file);
  for (const { source } of Object.values(plan.data)) {
    if (source.kind !== 'path') continue;
    const stored = await putSource(project.store, resolve(from, source.path));
    const place = resolve(dirname(file), source.path);
    fs.rmSync(place, { recursive: true, force: true });
    await project.store.checkout(stored.digest, place);
  }
}
