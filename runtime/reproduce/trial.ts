/** One run of a step in a clean place, and two such runs beside each other. */
import fs from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { digestOfValue } from '../../grammar/plan/canonical.ts';
import type { Digest, Plan, StepPlan } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import type { RunEvent } from '../events.ts';
import { runPipeline } from '../execute/run.ts';
import type { StoredRecord } from '../ledger/record.ts';
import { openProject, type Project } from '../project.ts';
import { cleanWorld, withoutRetain } from './clean.ts';
import { pairs } from './compare.ts';
import { layCode, layInputs } from './place.ts';
import { agreementOf, together } from './predictions.ts';
import { ancestors, isMeasured, type RecordedEvaluation } from './recorded.ts';
import type { VariationName } from './variations.ts';
import type { Variation } from './vary.ts';
import {
  type ComparedMetric,
  type Judgement,
  judge,
  type Level,
  NUMERIC_TOLERANCE,
  type VerdictWord,
} from './verdict.ts';

/** What is run again and again. */
export interface Subject {
  stored: StoredRecord;
  step: StepPlan;
  plan: Plan;
  evaluations: RecordedEvaluation[];
}

/** What one run left, as far as it is compared. */
export interface Trial {
  /** By `step.output`. */
  outputs: Map<string, Digest>;
  records: Map<string, StoredRecord>;
  predictions: Map<string, Buffer>;
  failure?: string;
}

/** One variation and what came of it. */
export interface TriedVariation {
  variation: VariationName | 'again';
  /** Whether it could be made here. */
  varied: boolean;
  /** Why not. */
  why: string | null;
  from: string | null;
  to: string | null;
  /** Whether the pipeline declares it, so that the result may depend on it. */
  declared: boolean;
  /** What of it could not be done here. */
  note: string | null;
  /** Of this run beside the control run, as `reproduce` gives it beside a record. */
  verdict: VerdictWord | null;
  level: Level | null;
  because: string | null;
  metrics: ComparedMetric[];
  agreement: number | null;
  /** Outputs whose bits are others, of the step, its evaluations and all before it: `tidy.table`. */
  differs: string[];
  /** More than chance alone explains; nothing where it was not varied. */
  depends: boolean | null;
}

export async function trial(
  project: Project,
  { stored, step, plan, evaluations }: Subject,
  folder: string,
  variation: Variation,
  options: { signal?: AbortSignal; onEvent?: (event: RunEvent) => void },
): Promise<Trial> {
  const { root } = await layCode(stored.record.code, folder, project);
  const place = openProject(root, { store: join(root, '.mlpipe') });
  try {
    const file = resolve(root, stored.record.pipeline.file);
    fs.mkdirSync(dirname(file), { recursive: true });
    const behind = [...ancestors(project, stored), ...evaluations.flatMap(({ record }) => record ?? [])];
    await layInputs(behind, file, root, { project: project.store, place: place.store });
    variation.onLaid?.(root);
    const made = await runPipeline(
      {
        world: cleanWorld(project, place, behind),
        plan: withoutRetain(variation.plan ?? plan),
        file,
        digest: stored.record.pipeline.digest,
      },
      {
        steps: [step.name, ...evaluations.map((each) => each.step.name)],
        noCache: true,
        conditions: variation.conditions,
        ...(options.signal === undefined ? {} : { signal: options.signal }),
        ...(options.onEvent === undefined ? {} : { onEvent: options.onEvent }),
      },
    );
    if (options.signal?.aborted) throw new MlpipeError('The test was cancelled.', { code: 'cancelled', exit: 130 });
    const left: Trial = { outputs: new Map(), records: new Map(), predictions: new Map() };
    for (const { step: name, record, status, error, reason } of made.steps) {
      const kept = record === null ? undefined : place.ledger.get(record as Digest);
      if (kept !== undefined) left.records.set(name, kept);
      for (const [output, { digest }] of Object.entries(kept?.record.outputs ?? {})) {
        left.outputs.set(`${name}.${output}`, digest);
        if (output === 'predictions') left.predictions.set(name, await place.store.read(digest));
      }
      if (status === 'failed' && !isMeasured(kept)) left.failure ??= `${name} did not run: ${error?.message ?? reason}`;
    }
    return left;
  } finally {
    place.close();
  }
}

// ---------------------------------------------------------------- two runs beside each other

/** A run beside the control run. */
export function compared(
  variation: Variation,
  { step, evaluations }: Subject,
  control: Trial,
  other: Trial,
): TriedVariation {
  const agreements = evaluations.flatMap(({ step: { name } }) => {
    const [before, after] = [control.predictions.get(name), other.predictions.get(name)];
    return before && after ? (agreementOf(before, after, NUMERIC_TOLERANCE) ?? []) : [];
  });
  const agreement = together(agreements);
  const judgement = judge({
    model: { recorded: resultOf(step, control), reproduced: resultOf(step, other) },
    sameHardware: true,
    agreement,
    metrics: evaluations.flatMap(({ step: evaluation }) =>
      pairs(
        evaluation,
        control.records.get(evaluation.name),
        other.records.get(evaluation.name),
        [],
        evaluations.length > 1,
      ),
    ),
    ...(other.failure === undefined ? {} : { failure: other.failure }),
  });
  const differs = [...new Set([...control.outputs.keys(), ...other.outputs.keys()])]
    .filter((name) => control.outputs.get(name) !== other.outputs.get(name))
    .sort();
  const own = new Set([step.name, ...evaluations.map((each) => each.step.name)]);
  const depends =
    judgement.verdict !== 'bitwise' || differs.some((name) => own.has(name.slice(0, name.lastIndexOf('.'))));
  return {
    variation: variation.name,
    varied: true,
    why: null,
    from: variation.from,
    to: variation.to,
    declared: variation.declared,
    note: variation.note ?? null,
    verdict: judgement.verdict,
    level: judgement.level,
    because: becauseOf(step, judgement, differs),
    metrics: judgement.metrics,
    agreement: agreement?.share ?? null,
    differs,
    depends,
  };
}

/** A model is its own digest; a program's outputs are taken together. */
function resultOf(step: StepPlan, { outputs }: Trial): Digest {
  const model = step.kind === 'train' ? outputs.get(`${step.name}.model`) : undefined;
  const own = [...outputs].filter(([name]) => name.slice(0, name.lastIndexOf('.')) === step.name);
  return model ?? digestOfValue(Object.fromEntries(own));
}

function becauseOf(step: StepPlan, { verdict, because }: Judgement, differs: readonly string[]): string {
  if (step.kind !== 'program' || verdict === 'failed') return because;
  return differs.length === 0 ? 'its outputs have the same bits' : `${differs.join(', ')} came out otherwise`;
}
