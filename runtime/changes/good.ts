/** The newest model that was good: all that evaluated it has passed. */

import { gateName } from '../export/card.ts';
import type { StoredRecord } from '../ledger/record.ts';
import type { Project } from '../project.ts';
import { metricValue } from '../words.ts';

/** By step, the newest evaluation of each. */
export function newestEvaluations(project: Project, { record }: StoredRecord): StoredRecord[] {
  const model = record.outputs.model?.digest;
  if (model === undefined) return [];
  const newest = new Map<string, StoredRecord>();
  for (const reader of project.ledger.readers(model)) {
    if (reader.record.kind !== 'evaluate') continue;
    const before = newest.get(reader.record.step);
    if (before === undefined || before.record.when.ended < reader.record.when.ended)
      newest.set(reader.record.step, reader);
  }
  return [...newest.values()];
}

/** What it has not passed, in words; nothing where it was never put to a gate. */
export function missedGates(project: Project, stored: StoredRecord): string[] | undefined {
  const evaluations = newestEvaluations(project, stored);
  const gates = evaluations.flatMap(({ record }) => record.gates);
  const broken = evaluations.filter(({ record }) => record.exit.status !== 'ok' && record.gates.every(({ ok }) => ok));
  if (gates.length + broken.length === 0) return undefined;
  return [
    ...broken.map(({ record }) => `${record.step} did not end well`),
    ...gates
      .filter(({ ok }) => !ok)
      .map(
        (gate) =>
          `${gateName(gate)} ${metricValue(gate.metric, gate.value)}, not ${gate.operator} ${metricValue(gate.metric, gate.threshold)}`,
      ),
  ];
}

export function lastGood(project: Project, file: string, step: string): StoredRecord | undefined {
  return project.ledger
    .list({ file, step })
    .find((stored) => stored.record.exit.status === 'ok' && missedGates(project, stored)?.length === 0);
}
