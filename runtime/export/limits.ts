/** What is not known of a model, said as plainly as what is. */
import { count, listed } from '../words.ts';
import type { Evidence } from './evidence.ts';
import { measuredMetrics } from './measured.ts';

/** Of fewer rows an interval is wide, and one wrong row moves the metric by more than a per cent. */
const FEW = 100;

export function limitsOf(evidence: Evidence): string[] {
  return [...measuring(evidence), ...chance(evidence), ...repeating(evidence), ...ALWAYS];
}

const ALWAYS = [
  'Intended use, fairness between groups of people, and behaviour on data of another origin are not measured by the pipeline.',
];

function measuring(evidence: Evidence): string[] {
  const { evaluations } = evidence;
  if (evaluations.length === 0) return ['It was never evaluated: nothing is known of how good it is.'];
  const few = evaluations.filter(({ rows }) => rows !== undefined && rows < FEW);
  const unsure = measuredMetrics(evidence).filter(
    ({ interval, seeds }) => interval === undefined && seeds === undefined,
  );
  const names = [...new Set(unsure.map(({ name }) => name))];
  const failed = evaluations.filter(({ stored }) => stored.record.gates.some(({ ok }) => !ok));
  return [
    ...failed.map(({ stored }) => `It did not pass a gate of ${stored.record.step}.`),
    ...few.map(({ stored, rows }) => `${stored.record.step} had ${count(rows ?? 0)} rows only.`),
    ...(names.length === 0
      ? []
      : [
          `How sure ${listed(names)} ${names.length === 1 ? 'is' : 'are'} is not known: no share of rows, and no replicates.`,
        ]),
  ];
}

function chance({ evaluations }: Evidence): string[] {
  if (evaluations.length === 0 || evaluations.some(({ replicates }) => replicates.length > 0)) return [];
  return ['What another seed would do is not known: no replicates were recorded (`replicates 5`).'];
}

function repeating({ stored, verdicts, chain }: Evidence): string[] {
  const { code, environment } = stored.record;
  const undeclared = [...new Set(chain.flatMap(({ record }) => record.undeclaredReads))].sort();
  const omitted = code?.omitted ?? [];
  return [
    ...(verdicts.length === 0 ? ['Whether it comes out again is not known: it was never reproduced.'] : []),
    ...(environment.identity.pinned === false ? ['Its environment was not pinned: it took what the machine had.'] : []),
    ...(environment.identity.results === 'close'
      ? ['Its results are close, not the same bits, when it is made again.']
      : []),
    ...(code === null ? ['It was made outside a repository: the code that made it is not known.'] : []),
    ...(omitted.length === 0
      ? []
      : [`Changed files that were not kept: ${listed(omitted.map(({ path, reason }) => `${path} (${reason})`))}.`]),
    ...(undeclared.length === 0 ? [] : [`Files that were read and not declared: ${listed(undeclared)}.`]),
  ];
}
