/**
 * Metrics of `grammar/builtins.mlpipe` as pure functions over typed arrays. Classes are indices; `scores` are
 * rows × classes, row-major. What is 0 / 0 is 0, as scikit-learn's `zero_division=0`; a metric that the data cannot give
 * at all (an area under the curve with one class alone) is NaN.
 */

/** counts[truth × classes + predicted]. Rows are the truth, as in scikit-learn. */
export function confusionMatrix(truth: ArrayLike<number>, predicted: ArrayLike<number>, classes: number): Uint32Array {
  const counts = new Uint32Array(classes * classes);
  for (let row = 0; row < truth.length; row++) {
    const at = (truth[row] as number) * classes + (predicted[row] as number); // both arrays have a number a row
    counts[at] = (counts[at] ?? 0) + 1;
  }
  return counts;
}

/** The class with the highest score of each row, the first where several are highest. */
export function argmaxOfRows(scores: Float32Array, classes: number): Uint32Array {
  const best = new Uint32Array(scores.length / classes);
  for (let row = 0; row < best.length; row++) {
    let highest = Number.NEGATIVE_INFINITY;
    for (let index = 0; index < classes; index++) {
      const score = scores[row * classes + index] as number; // inside rows × classes
      if (score > highest) {
        highest = score;
        best[row] = index;
      }
    }
  }
  return best;
}

export function accuracy(truth: ArrayLike<number>, predicted: ArrayLike<number>): number {
  let right = 0;
  for (let row = 0; row < truth.length; row++) if (truth[row] === predicted[row]) right++;
  return ratio(right, truth.length);
}

export interface ClassScores {
  /** Rows of this class. */
  support: number;
  precision: number;
  recall: number;
  f1: number;
}

/** Precision TP / (TP + FP), recall TP / (TP + FN), F1 2·TP / (2·TP + FP + FN), one against the rest. */
export function scoresByClass(confusion: Uint32Array, classes: number): ClassScores[] {
  return Array.from({ length: classes }, (_, index) => {
    let support = 0;
    let predicted = 0;
    for (let other = 0; other < classes; other++) {
      support += confusion[index * classes + other] ?? 0;
      predicted += confusion[other * classes + index] ?? 0;
    }
    const right = confusion[index * classes + index] ?? 0;
    return {
      support,
      precision: ratio(right, predicted),
      recall: ratio(right, support),
      f1: ratio(2 * right, support + predicted),
    };
  });
}

/** The mean over the classes, each counting the same (macro average). */
export function macroAverage(values: number[]): number {
  return ratio(
    values.reduce((sum, value) => sum + value, 0),
    values.length,
  );
}

/**
 * Area under the ROC curve: the share of pairs of a positive and a negative row in which the positive one has the higher
 * score, ties counting half (the Mann–Whitney U statistic; Hanley & McNeil 1982). NaN where one kind is missing.
 */
export function areaUnderCurve(scores: ArrayLike<number>, positive: (row: number) => boolean): number {
  const order = Uint32Array.from({ length: scores.length }, (_, row) => row);
  order.sort((a, b) => (scores[a] as number) - (scores[b] as number)); // rows of `scores`
  let positives = 0;
  let rankSum = 0;
  for (let from = 0; from < order.length; ) {
    let to = from;
    let positivesHere = 0;
    const score = scores[order[from] as number]; // from < order.length
    for (; to < order.length && scores[order[to] as number] === score; to++) {
      if (positive(order[to] as number)) positivesHere++;
    }
    // Rows with the same score share the mean of their ranks, which are counted from 1.
    rankSum += positivesHere * ((from + 1 + to) / 2);
    positives += positivesHere;
    from = to;
  }
  const negatives = order.length - positives;
  if (positives === 0 || negatives === 0) return Number.NaN;
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}

/** The area under each class's curve, against the rest. */
export function areasByClass(truth: ArrayLike<number>, scores: Float32Array, classes: number): number[] {
  const column = new Float32Array(truth.length);
  return Array.from({ length: classes }, (_, index) => {
    for (let row = 0; row < column.length; row++) column[row] = scores[row * classes + index] as number; // rows × classes
    return areaUnderCurve(column, (row) => truth[row] === index);
  });
}

/**
 * −mean(log of the share of the true class), shares made to add up to 1 and kept `epsilon` away from 0 and 1 as in
 * scikit-learn, where it is the resolution of the shares' type.
 */
export function logLoss(truth: ArrayLike<number>, shares: Float32Array, classes: number, epsilon = 2 ** -23): number {
  let total = 0;
  for (let row = 0; row < truth.length; row++) {
    let sum = 0;
    for (let index = 0; index < classes; index++) sum += shares[row * classes + index] as number; // rows × classes
    const share = (shares[row * classes + (truth[row] as number)] as number) / sum;
    total -= Math.log(Math.min(Math.max(share, epsilon), 1 - epsilon));
  }
  return total / truth.length;
}

/**
 * The share of rows whose class is among the k with the highest scores; of equal scores the lower class goes first, as in
 * a stable descending sort.
 */
export function topK(truth: ArrayLike<number>, scores: Float32Array, classes: number, k: number): number {
  let hits = 0;
  for (let row = 0; row < truth.length; row++) {
    const own = truth[row] as number; // row < truth.length
    const score = scores[row * classes + own] as number;
    let before = 0;
    for (let index = 0; index < classes; index++) {
      const other = scores[row * classes + index] as number; // rows × classes
      if (other > score || (other === score && index < own)) before++;
    }
    if (before < k) hits++;
  }
  return ratio(hits, truth.length);
}

/** Over all numbers of all rows. */
export function meanSquaredError(truth: ArrayLike<number>, predicted: ArrayLike<number>): number {
  return meanOf(truth, predicted, (difference) => difference * difference);
}

/** In the unit of what is predicted. */
export function rootMeanSquaredError(truth: ArrayLike<number>, predicted: ArrayLike<number>): number {
  return Math.sqrt(meanSquaredError(truth, predicted));
}

/** In the unit of what is predicted. */
export function meanAbsoluteError(truth: ArrayLike<number>, predicted: ArrayLike<number>): number {
  return meanOf(truth, predicted, Math.abs);
}

/**
 * 1 − Σ (truth − prediction)² / Σ (truth − mean)², the mean over the `width` numbers of a row (scikit-learn's
 * `uniform_average`). Where the truth never differs: 1 for a perfect prediction, else 0.
 */
export function r2(truth: ArrayLike<number>, predicted: ArrayLike<number>, width = 1): number {
  const rows = truth.length / width;
  if (rows < 2) return Number.NaN;
  const scores = Array.from({ length: width }, (_, column) => {
    let mean = 0;
    for (let at = column; at < truth.length; at += width) mean += truth[at] as number; // at < truth.length
    mean /= rows;
    let residual = 0;
    let total = 0;
    for (let at = column; at < truth.length; at += width) {
      residual += ((truth[at] as number) - (predicted[at] as number)) ** 2;
      total += ((truth[at] as number) - mean) ** 2;
    }
    if (total === 0) return residual === 0 ? 1 : 0;
    return 1 - residual / total;
  });
  return macroAverage(scores);
}

function meanOf(
  truth: ArrayLike<number>,
  predicted: ArrayLike<number>,
  measure: (difference: number) => number,
): number {
  let total = 0;
  for (let at = 0; at < truth.length; at++) total += measure((truth[at] as number) - (predicted[at] as number)); // equal lengths
  return ratio(total, truth.length);
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
