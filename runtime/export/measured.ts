/** The metrics of a model's evaluations, each with how sure it is. */
import { metric as words } from '../words.ts';
import type { Evidence, MeasuredEvaluation } from './evidence.ts';
import { type Interval, studentInterval, wilson } from './interval.ts';

export interface MeasuredMetric {
  /** `accuracy`, `recall(class: upper)` */
  name: string;
  value: number;
  /** `points.test` */
  on: string;
  rows: number | undefined;
  /** Of the value, by the number of rows; nothing where the metric is no share of rows. */
  interval: Interval | undefined;
  /** Of the mean over trainings with other seeds; nothing where none were recorded. */
  seeds: Interval | undefined;
}

/** Shares of all rows that were evaluated; other shares are averages over classes, which no binomial law governs. */
const SHARES_OF_ROWS = new Set(['accuracy', 'topK']);

export function measuredMetrics({ evaluations }: Pick<Evidence, 'evaluations'>): MeasuredMetric[] {
  return evaluations.flatMap((evaluation) => [...overall(evaluation), ...byClass(evaluation)]);
}

function overall({ stored, on, rows, replicates }: MeasuredEvaluation): MeasuredMetric[] {
  return Object.entries(stored.record.metrics)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, value]) => {
      const others = replicates.flatMap(({ record }) => record.metrics[name] ?? []);
      return {
        name,
        value,
        on,
        rows,
        interval: SHARES_OF_ROWS.has(name) && rows !== undefined && rows > 0 ? wilson(value, rows) : undefined,
        seeds: others.length === 0 ? undefined : studentInterval([value, ...others]),
      };
    });
}

/** The recall of a class is a share of that class's rows. */
function byClass({ on, classes }: MeasuredEvaluation): MeasuredMetric[] {
  return classes.map(({ label, recall, support }) => ({
    name: `recall(class: ${label})`,
    value: recall,
    on,
    rows: support,
    interval: support > 0 ? wilson(recall, support) : undefined,
    seeds: undefined,
  }));
}

/** `96.1 % … 99.2 %` */
export function intervalWords(name: string, interval: Interval): string {
  const plain = (value: number) => words(name, value).slice(name.length + 1);
  return `${plain(interval.lower)} … ${plain(interval.upper)}`;
}
