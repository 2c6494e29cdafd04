/** Two records side by side. */
import { canonicalJson } from '../../grammar/plan/canonical.ts';
import { metricValue } from '../words.ts';
import type { RunRecord, StoredRecord } from './record.ts';

export interface RecordDifference {
  section: 'code' | 'data' | 'environment' | 'evidence' | 'parameters' | 'metrics' | 'outputs';
  name: string;
  /** Whole; `null` where that side has none. */
  before: string | null;
  after: string | null;
}

/** Everything in which two records differ, section by section, names sorted. */
export function differencesOf(before: RunRecord, after: RunRecord): RecordDifference[] {
  return differencesIn(SECTIONS, before, after);
}

/** In what two runs' environments differ: what decides a result (`environment`), and what is good to know (`evidence`). */
export function environmentDifferencesOf(before: RunRecord, after: RunRecord): RecordDifference[] {
  return differencesIn(
    [
      ['environment', (record) => flatten(record.environment.identity)],
      ['evidence', (record) => flatten(record.environment.evidence)],
    ],
    before,
    after,
  );
}

type Section = [RecordDifference['section'], (record: RunRecord) => Record<string, unknown>];

const SECTIONS: Section[] = [
  [
    'code',
    (record) =>
      record.code
        ? { commit: record.code.commit, branch: record.code.branch, uncommitted: record.code.diff ?? 'none' }
        : {},
  ],
  [
    'data',
    (record) =>
      Object.fromEntries(
        record.inputs.map(({ name, digest, rows }) => [name, rows === undefined ? digest : `${digest} (${rows} rows)`]),
      ),
  ],
  ['environment', (record) => flatten(record.environment.identity)],
  ['parameters', (record) => record.parameters],
  ['metrics', (record) => record.metrics],
  [
    'outputs',
    (record) => Object.fromEntries(Object.entries(record.outputs).map(([name, { digest }]) => [name, digest])),
  ],
];

function differencesIn(sections: readonly Section[], before: RunRecord, after: RunRecord): RecordDifference[] {
  return sections.flatMap(([section, read]) => {
    const [one, other] = [read(before), read(after)];
    const names = [...new Set([...Object.keys(one), ...Object.keys(other)])].sort();
    return names
      .map((name) => ({ section, name, before: shown(one[name]), after: shown(other[name]) }))
      .filter((difference) => difference.before !== difference.after);
  });
}

/** The same as a person reads it: metrics with their units, and of a digest as much as tells it from others. */
export function worded(difference: RecordDifference): RecordDifference {
  const words = (value: string | null) => {
    if (value === null) return null;
    if (difference.section === 'metrics') return metricValue(difference.name, Number(value));
    return value.replaceAll(/(sha256:[0-9a-f]{12})[0-9a-f]{52}/g, '$1…');
  };
  return { ...difference, before: words(difference.before), after: words(difference.after) };
}

/** The differences as a Markdown table. */
export function differencesAsMarkdown(
  before: StoredRecord,
  after: StoredRecord,
  differences: readonly RecordDifference[],
): string {
  const title = (stored: StoredRecord) => `${stored.record.step} (${stored.record.run})`;
  const cell = (text: string | null) => (text === null ? '–' : `\`${text.replaceAll('|', '\\|')}\``);
  const rows = differences
    .map(worded)
    .map((each) => `| ${each.section} | ${each.name} | ${cell(each.before)} | ${cell(each.after)} |`);
  const head = `| | | ${title(before)} | ${title(after)} |\n|---|---|---|---|`;
  return rows.length === 0 ? `${title(before)} and ${title(after)} do not differ.\n` : `${head}\n${rows.join('\n')}\n`;
}

function flatten(value: Record<string, unknown>, prefix = ''): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, each]) =>
      typeof each === 'object' && each !== null && !Array.isArray(each)
        ? Object.entries(flatten(each as Record<string, unknown>, `${prefix}${name}.`))
        : [[`${prefix}${name}`, each]],
    ),
  );
}

function shown(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  return typeof value === 'string' ? value : typeof value === 'object' ? canonicalJson(value) : String(value);
}
