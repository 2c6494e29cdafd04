/** Runs a step again and again in clean places, each time with one thing changed, and says what its result depends on. */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import type { Digest, Plan, StepPlan } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import type { RunEvent } from '../events.ts';
import { inOrder } from '../execute/assess.ts';
import { needsOf } from '../execute/keys.ts';
import type { Project } from '../project.ts';
import { modelOf } from '../versions/model.ts';
import { resolveReference } from '../versions/resolve.ts';
import { bringObjects, bringRecords } from './bring.ts';
import { ancestors, evaluationsOf, gone, planOf } from './recorded.ts';
import { compared, type Subject, type Trial, type TriedVariation, trial } from './trial.ts';
import { VARIATIONS, type VariationName } from './variations.ts';
import { AGAIN, type Tested, type Variation, variationOf } from './vary.ts';
import { VERDICTS, type VerdictWord } from './verdict.ts';

export interface ReprotestOptions {
  /** Only these; the control run is made twice in any case. */
  vary?: readonly VariationName[];
  signal?: AbortSignal;
  onEvent?: (event: RunEvent) => void;
  /** Told before each run. */
  onTrial?: (name: string, number: number, of: number) => void;
}

export interface Reprotest {
  step: string;
  kind: 'train' | 'program';
  /** The record that says what ran. */
  record: Digest;
  /** Whether the result depends on nothing that the pipeline does not declare. */
  ok: boolean;
  /** In one line. */
  because: string;
  /** Whether the control run came to the recorded bits. */
  asRecorded: boolean;
  variations: TriedVariation[];
}

/**
 * @param reference a training, an evaluation, which means what it evaluated, or a program's step, that has a record
 * @throws MlpipeError `control-failed`, `cancelled`, and what `reproduce` throws before it runs
 */
export async function reprotest(
  project: Project,
  reference: string,
  options: ReprotestOptions = {},
): Promise<Reprotest> {
  const subject = await subjectOf(project, reference, options.signal);
  const { stored, step, plan } = subject;
  const top = join(project.store.folder, 'reproductions', randomBytes(6).toString('hex'));
  const wanted = VARIATIONS.filter((name) => options.vary === undefined || options.vary.includes(name));
  const tested: Tested = { plan, step, chain: chainOf(plan, step), folder: top };
  let number = 0;
  const run = async (name: string, variation: Variation): Promise<Trial> => {
    number += 1;
    options.onTrial?.(name, number, wanted.length + 2);
    const place = join(top, variation.place ?? 'place');
    try {
      return await trial(project, subject, place, variation, options);
    } finally {
      fs.rmSync(place, { recursive: true, force: true, maxRetries: 3 });
    }
  };
  try {
    fs.mkdirSync(top, { recursive: true });
    const control = await run('control', AGAIN);
    if (control.failure !== undefined) {
      throw new MlpipeError(`With nothing varied ${control.failure}`, {
        code: 'control-failed',
        todo: `See with \`mlpipe reproduce\` or \`mlpipe run\` why it does not run.`,
      });
    }
    const compare = (variation: Variation, other: Trial) => compared(variation, subject, control, other);
    const again = compare(AGAIN, await run('again', AGAIN));
    const variations: TriedVariation[] = [again];
    const chance = rank(again.verdict);
    for (const name of wanted) {
      if (again.verdict === 'failed' || again.verdict === 'inconclusive') {
        variations.push(notVaried(name, 'two runs with nothing varied differ already'));
        continue;
      }
      const variation = variationOf(name, tested);
      if (typeof variation === 'string') {
        variations.push(notVaried(name, variation));
        continue;
      }
      const found = compare(variation, await run(name, variation));
      const inVain = variation.inVain?.();
      if (inVain !== undefined) variations.push(notVaried(name, inVain));
      // Where chance alone changes the bits, another has to change more than that.
      else variations.push(again.depends ? { ...found, depends: rank(found.verdict) > chance } : found);
    }
    return {
      step: step.name,
      kind: step.kind === 'program' ? 'program' : 'train',
      record: stored.digest,
      ...conclusion(variations),
      asRecorded: Object.entries(stored.record.outputs).every(
        ([name, { digest }]) => control.outputs.get(`${step.name}.${name}`) === digest,
      ),
      variations,
    };
  } finally {
    fs.rmSync(top, { recursive: true, force: true, maxRetries: 3 });
  }
}

// ---------------------------------------------------------------- what is tested

async function subjectOf(project: Project, reference: string, signal: AbortSignal | undefined): Promise<Subject> {
  await bringRecords(project, reference, signal);
  const named = resolveReference(project, reference);
  const stored = named.record.kind === 'program' ? named : modelOf(project, reference);
  await bringObjects(project, ancestors(project, stored), [], signal);
  const plan = await planOf(project, stored);
  const step = plan.steps[stored.record.step];
  if (step === undefined || step.kind === 'evaluate') throw gone(stored, 'the step');
  const evaluations = step.kind === 'train' ? evaluationsOf(project, stored, plan, step) : [];
  await bringObjects(
    project,
    evaluations.flatMap(({ record }) => record ?? []),
    [],
    signal,
  );
  return { stored, step, plan, evaluations };
}

/** The step and all steps that must run before it. */
function chainOf(plan: Plan, step: StepPlan): StepPlan[] {
  const needed = new Set([step.name]);
  for (const each of [...inOrder(plan)].reverse())
    if (needed.has(each.name)) for (const need of needsOf(plan, each)) needed.add(need);
  return Object.values(plan.steps).filter(({ name }) => needed.has(name));
}

function notVaried(variation: VariationName, why: string): TriedVariation {
  return {
    variation,
    varied: false,
    why,
    from: null,
    to: null,
    declared: variation === 'seed',
    note: null,
    verdict: null,
    level: null,
    because: null,
    metrics: [],
    agreement: null,
    differs: [],
    depends: null,
  };
}

/** How far a verdict is from the strongest. */
function rank(verdict: VerdictWord | null): number {
  return verdict === null ? 0 : VERDICTS.indexOf(verdict);
}

function conclusion(variations: readonly TriedVariation[]): Pick<Reprotest, 'ok' | 'because'> {
  const dependsOn = variations.filter(({ depends }) => depends === true);
  const undeclared = dependsOn.filter(({ declared }) => !declared).map(({ variation }) => WORDS[variation]);
  const declared = dependsOn.filter((each) => each.declared).map(({ variation }) => WORDS[variation]);
  const tried = variations.filter(({ varied }) => varied).length - 1;
  if (undeclared.length > 0) return { ok: false, because: `the result depends on ${undeclared.join(', ')}` };
  const asDeclared = declared.length === 0 ? '' : `; it depends on ${declared.join(', ')}, as the pipeline declares`;
  return {
    ok: true,
    because: `the same bits with nothing varied and with ${tried - declared.length === 1 ? 'one thing' : `${tried - declared.length} things`} varied one at a time${asDeclared}`,
  };
}

const WORDS: Record<VariationName | 'again', string> = {
  again: 'chance or the time',
  seed: 'the seed',
  threads: 'the number of threads',
  cores: 'the number of cores',
  locale: 'the locale',
  'time-zone': 'the time zone',
  path: 'the path of its folder',
  home: 'the home folder',
  user: 'who runs it',
  host: 'the name of the machine',
  umask: 'the umask',
  'hash-seed': 'the order of Python’s hashes',
  'file-order': 'the order in which folders list their files',
  clock: 'the date',
};
