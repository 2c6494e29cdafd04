/** Every metric that predictions give, by the names of `grammar/builtins.mlpipe`. */
import {
  accuracy,
  areasByClass,
  argmaxOfRows,
  type ClassScores,
  confusionMatrix,
  logLoss,
  macroAverage,
  meanAbsoluteError,
  meanSquaredError,
  r2,
  rootMeanSquaredError,
  scoresByClass,
  topK,
} from './metrics.ts';
import { classScores, type Task } from './targets.ts';

/** Whether a larger value is better; `loss` and whatever is not here is better when it is smaller. */
const HIGHER_IS_BETTER: readonly string[] = ['accuracy', 'precision', 'recall', 'f1', 'auc', 'topK', 'r2'];

export function isBetter(metric: string, value: number, than: number): boolean {
  return HIGHER_IS_BETTER.includes(metric) ? value > than : value < than;
}

/** The metrics that are measured after each epoch; the one of `stop` comes on top. */
export function epochMetrics(task: Task): string[] {
  return task.kind === 'classes' ? ['accuracy'] : ['meanAbsoluteError'];
}

export interface Measurement {
  /** By name; those that the data cannot give are not there. */
  metrics: Record<string, number>;
  classes?: (ClassScores & { label: string; auc: number | null })[];
  /** counts[truth × classes + predicted] */
  confusion?: Uint32Array;
  /** The class of each row, where it is a class. */
  predicted?: Uint32Array;
  /** rows × classes */
  scores?: Float32Array;
}

/**
 * @param predictions rows × outputs, as the model gives them
 * @param targets class indices, or rows × width numbers
 * @param loss what the engine says of these predictions
 */
export function measure(task: Task, predictions: Float32Array, targets: Float32Array, loss: number): Measurement {
  if (task.kind === 'numbers') {
    return {
      metrics: finite({
        loss,
        meanSquaredError: meanSquaredError(targets, predictions),
        rootMeanSquaredError: rootMeanSquaredError(targets, predictions),
        meanAbsoluteError: meanAbsoluteError(targets, predictions),
        r2: r2(targets, predictions, task.width),
      }),
    };
  }
  const count = task.labels.length;
  const scores = classScores(task, predictions);
  const predicted = predictedClasses(task, predictions);
  const confusion = confusionMatrix(targets, predicted, count);
  const byClass = scoresByClass(confusion, count);
  const areas = areasByClass(targets, scores, count);
  return {
    metrics: finite({
      loss,
      accuracy: accuracy(targets, predicted),
      precision: macroAverage(byClass.map((scores) => scores.precision)),
      recall: macroAverage(byClass.map((scores) => scores.recall)),
      f1: macroAverage(byClass.map((scores) => scores.f1)),
      // Classes without a row here have no curve; the mean is over the others.
      auc: areas.some(Number.isFinite) ? macroAverage(areas.filter(Number.isFinite)) : Number.NaN,
      topK: topK(targets, scores, count, 5),
      logLoss: areShares(scores, count) ? logLoss(targets, scores, count) : Number.NaN,
    }),
    classes: byClass.map((scores, index) => {
      const area = areas[index] ?? Number.NaN;
      return { label: task.labels[index] ?? String(index), ...scores, auc: Number.isFinite(area) ? area : null };
    }),
    confusion,
    predicted,
    scores,
  };
}

/** One metric alone, for the end of an epoch. */
export function measureOne(
  name: string,
  task: Task,
  predictions: Float32Array,
  targets: Float32Array,
  loss: number,
): number {
  if (name === 'loss') return loss;
  if (name === 'accuracy' && task.kind === 'classes') return accuracy(targets, predictedClasses(task, predictions));
  return measure(task, predictions, targets, loss).metrics[name] ?? Number.NaN;
}

/** The class of each row: with one output yes from the threshold on, else the highest. */
export function predictedClasses(task: Task & { kind: 'classes' }, predictions: Float32Array): Uint32Array {
  if (task.outputs === 'one') return Uint32Array.from(predictions, (value) => (value > task.threshold ? 1 : 0));
  return argmaxOfRows(predictions, task.labels.length);
}

/** Whether each row's scores could be shares: none below 0, together 1. */
function areShares(scores: Float32Array, classes: number): boolean {
  for (let row = 0; row < scores.length; row += classes) {
    let sum = 0;
    for (let index = row; index < row + classes; index++) {
      const score = scores[index] as number; // inside rows × classes
      if (!(score >= 0)) return false;
      sum += score;
    }
    if (Math.abs(sum - 1) > 1e-3) return false;
  }
  return true;
}

function finite(metrics: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(metrics).filter(([, value]) => Number.isFinite(value)));
}
