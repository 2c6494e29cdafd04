/** The recorded run and its reproduction beside each other: what went in, what came out. */
import { canonicalJson } from '../../grammar/plan/canonical.ts';
import type { EvaluateStep } from '../../grammar/plan/plan.ts';
import { differencesOf } from '../ledger/difference.ts';
import type { RunRecord, StoredRecord } from '../ledger/record.ts';
import type { Project } from '../project.ts';
import type { Missing } from './place.ts';
import { type Agreement, agreementOf, together } from './predictions.ts';
import type { RecordedEvaluation } from './recorded.ts';
import { type MetricPair, NUMERIC_TOLERANCE } from './verdict.ts';

export interface Difference {
  kind: string;
  name: string;
  recorded: string | null;
  now: string | null;
}

/** Equal where results may be expected to have the same bits. */
export function hardwareOf({ environment: { evidence } }: RunRecord): string {
  return canonicalJson({ cpuClass: evidence.cpuClass ?? null, gpus: evidence.gpus ?? [] });
}

export function pairs(
  evaluation: EvaluateStep,
  before: StoredRecord | undefined,
  after: StoredRecord | undefined,
  replicates: readonly StoredRecord[],
  several: boolean,
): MetricPair[] {
  if (before === undefined) return [];
  const chance = (valueIn: (record: StoredRecord) => number) =>
    replicates.length === 0 ? {} : { replicates: replicates.map(valueIn) };
  const name = (metric: string) => (several ? `${evaluation.name} ${metric}` : metric);
  const gated = evaluation.gates.map((gate): MetricPair => {
    const of = gate.class === undefined ? gate.metric : `${gate.metric}(class: ${gate.class})`;
    const valueIn = (record: StoredRecord | undefined) =>
      record?.record.gates.find((each) => each.metric === gate.metric && each.class === gate.class && each.k === gate.k)
        ?.value ?? Number.NaN;
    return {
      name: name(of),
      recorded: valueIn(before),
      reproduced: valueIn(after),
      ...(gate.within === undefined ? {} : { within: gate.within }),
      ...chance(valueIn),
    };
  });
  const known = new Set(gated.map((pair) => pair.name));
  const others = Object.entries(before.record.metrics)
    .map(([metric, value]) => ({
      name: name(metric),
      recorded: value,
      reproduced: after?.record.metrics[metric] ?? Number.NaN,
      ...chance(({ record }) => record.metrics[metric] ?? Number.NaN),
    }))
    .filter((pair) => !known.has(pair.name));
  return [...gated, ...others];
}

export async function agreement(
  project: Project,
  place: Project,
  evaluations: readonly RecordedEvaluation[],
  remade: ReadonlyMap<string, StoredRecord>,
): Promise<Agreement | undefined> {
  const found: Agreement[] = [];
  for (const { step, record } of evaluations) {
    const before = record?.record.outputs.predictions?.digest;
    const after = remade.get(step.name)?.record.outputs.predictions?.digest;
    if (before === undefined || after === undefined || !project.store.has(before)) continue;
    const one = agreementOf(await project.store.read(before), await place.store.read(after), NUMERIC_TOLERANCE);
    if (one !== undefined) found.push(one);
  }
  return together(found);
}

export function differences(
  before: StoredRecord,
  after: StoredRecord | undefined,
  missing: readonly Missing[],
): Difference[] {
  const lost = missing.map(({ kind, name, why }) => ({ kind, name, recorded: 'there', now: why }));
  if (after === undefined) return lost;
  const inputs = new Set(['data', 'environment', 'parameters']);
  const hardware = ['cpuClass', 'gpus', 'cpus', 'libc', 'kernel', 'node']
    .map((name) => ({
      kind: 'hardware',
      name,
      recorded: shown(before.record.environment.evidence[name]),
      now: shown(after.record.environment.evidence[name]),
    }))
    .filter(({ recorded, now }) => recorded !== now);
  const others = differencesOf(before.record, after.record)
    .filter(({ section, name }) => inputs.has(section) && !name.startsWith('output:'))
    .map(({ section, name, before: recorded, after: now }) => ({ kind: section, name, recorded, now }));
  return [...others, ...hardware, ...lost];
}

function shown(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  return typeof value === 'string' ? value : canonicalJson(value);
}

/**
 * The lowest agreement of the recorded model's predictions with a replicate's, and of two replicates': how far chance
 * alone moves single predictions. Nothing where predictions were not kept.
 */
export async function replicateAgreement(
  project: Project,
  evaluations: readonly RecordedEvaluation[],
): Promise<number | undefined> {
  const shares: number[] = [];
  for (const { record, replicates } of evaluations) {
    const digests = [record, ...replicates].flatMap((stored) => stored?.record.outputs.predictions?.digest ?? []);
    const tables = await Promise.all(
      digests.filter((digest) => project.store.has(digest)).map((digest) => project.store.read(digest)),
    );
    for (const [index, one] of tables.entries()) {
      for (const other of tables.slice(index + 1)) {
        const found = agreementOf(one, other, NUMERIC_TOLERANCE);
        if (found !== undefined) shares.push(found.share);
      }
    }
  }
  return shares.length === 0 ? undefined : Math.min(...shares);
}
