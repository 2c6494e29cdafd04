/** How much each class counts in the loss. */
import type { TrainStep } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import type { Task } from './targets.ts';

/**
 * One weight a class. `balanced` is rows / (classes × rows of the class), over the classes that occur (King & Zeng 2001;
 * scikit-learn's `compute_class_weight`), so that each class counts the same and the mean weight of a row is 1.
 *
 * @param targets class indices of the training part
 * @returns nothing where every row counts the same
 */
export function classWeights(
  weights: TrainStep['weights'],
  task: Task,
  targets: Float32Array,
): Float32Array | undefined {
  if (weights === undefined) return undefined;
  if (task.kind !== 'classes') {
    throw new MlpipeError('Weights are for classes, and this training predicts numbers.', {
      code: 'weights-mismatch',
      todo: 'Remove `weights`.',
    });
  }
  const classes = task.labels.length;
  if (weights !== 'balanced') {
    if (weights.length !== classes) {
      throw new MlpipeError(`There are ${weights.length} weights for ${classes} classes.`, {
        code: 'weights-mismatch',
        todo: `Write ${classes} weights, one a class in the order of the schema.`,
      });
    }
    return Float32Array.from(weights);
  }
  const counts = new Uint32Array(classes);
  for (const target of targets) counts[target] = (counts[target] ?? 0) + 1;
  const present = counts.filter((count) => count > 0).length;
  return Float32Array.from(counts, (count) => (count === 0 ? 1 : targets.length / (present * count)));
}
