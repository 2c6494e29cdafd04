/** What each epoch came to, as `history.csv`. Nothing in it depends on the time of day or the speed of the machine. */

export interface EpochResult {
  /** Counted from 1. */
  epoch: number;
  /** Learning rate of the epoch's last step. */
  rate: number;
  /** Mean over the rows as they were seen, with dropout and regularisation. */
  trainLoss: number;
  /** On the rows of `validate`, by the metrics' plain names. */
  metrics: Record<string, number>;
}

/** One line an epoch: `epoch,rate,trainLoss` and the metrics. */
export function historyTable(results: EpochResult[]): string {
  const names = [...new Set(results.flatMap((result) => Object.keys(result.metrics)))];
  const lines = results.map(({ epoch, rate, trainLoss, metrics }) =>
    [epoch, rate, trainLoss, ...names.map((name) => metrics[name] ?? '')].join(','),
  );
  return `${[['epoch', 'rate', 'trainLoss', ...names].join(','), ...lines].join('\n')}\n`;
}
