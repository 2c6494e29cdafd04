/** What a column looks like: count, extremes, mean, spread, classes. For hovers, records and `normalization`. */
import type { ColumnStatistics } from '../../grammar/rules/facts.ts';
import type { Column } from './dataset.ts';

/**
 * Gathers numbers one after the other, without keeping them.
 *
 * Mean and variance by Welford's recurrence (B. P. Welford, "Note on a method for calculating corrected sums of squares
 * and products", Technometrics 4, 1962), which does not cancel where the mean is large against the spread.
 */
export class NumberSummary {
  count = 0;
  minimum = Number.POSITIVE_INFINITY;
  maximum = Number.NEGATIVE_INFINITY;
  mean = 0;
  #squares = 0;

  /** Takes in `values[from] … values[to − 1]`; what is not a number is passed over. */
  add(values: ArrayLike<number>, from = 0, to = values.length, step = 1): void {
    let { count, minimum, maximum, mean } = this;
    let squares = this.#squares;
    for (let index = from; index < to; index += step) {
      const value = values[index] as number; // in range by the loop's bounds
      if (Number.isNaN(value)) continue;
      count++;
      const deviation = value - mean;
      mean += deviation / count;
      squares += deviation * (value - mean);
      if (value < minimum) minimum = value;
      if (value > maximum) maximum = value;
    }
    this.count = count;
    this.minimum = minimum;
    this.maximum = maximum;
    this.mean = mean;
    this.#squares = squares;
  }

  /** Sum of squared deviations over n − 1; 0 for fewer than two numbers. */
  get variance(): number {
    return this.count > 1 ? this.#squares / (this.count - 1) : 0;
  }

  get standardDeviation(): number {
    return Math.sqrt(this.variance);
  }
}

/** Counts the rows of each class. */
export class ClassSummary {
  readonly counts: number[] = [];

  add(values: ArrayLike<number>, from = 0, to = values.length): void {
    for (let index = from; index < to; index++) {
      const value = values[index] as number; // in range by the loop's bounds
      if (!Number.isNaN(value)) this.counts[value] = (this.counts[value] ?? 0) + 1;
    }
  }
}

/** Statistics of a column that is in memory, over all its rows and all numbers of a row. */
export function statistics(column: Column): ColumnStatistics {
  if (column.texts !== undefined) return textStatistics(column.texts.length, column.texts.filter(isEmpty).length);
  if (column.plan.type.kind === 'class') {
    const summary = new ClassSummary();
    summary.add(column.values);
    return classStatistics(summary, column.labels ?? [], column.values.length);
  }
  const summary = new NumberSummary();
  summary.add(column.values);
  return numberStatistics(summary, column.values.length - summary.count);
}

export function numberStatistics(summary: NumberSummary, missing: number): ColumnStatistics {
  if (summary.count === 0) return { count: 0, missing };
  return {
    count: summary.count,
    missing,
    minimum: summary.minimum,
    maximum: summary.maximum,
    mean: summary.mean,
    standardDeviation: summary.standardDeviation,
  };
}

export function classStatistics(summary: ClassSummary, labels: string[], rows: number): ColumnStatistics {
  const classes = labels
    .map((label, index) => ({ label, count: summary.counts[index] ?? 0 }))
    .filter((entry) => entry.count > 0)
    .sort((a, b) => b.count - a.count);
  const count = classes.reduce((sum, entry) => sum + entry.count, 0);
  return { count, missing: rows - count, classes };
}

export function textStatistics(rows: number, missing: number): ColumnStatistics {
  return { count: rows - missing, missing };
}

function isEmpty(text: string): boolean {
  return text === '';
}
