/** What a model is to say: the column's numbers in the form that the loss and the output want. */
import type { CallPlan, ModelPlan } from '../../grammar/plan/plan.ts';
import type { Tensors } from '../data/dataset.ts';
import { MlpipeError } from '../errors.ts';

/** What a training predicts. */
export type Task =
  | {
      kind: 'classes';
      labels: string[];
      /** One output that says yes or no, or one a class. */
      outputs: 'one' | 'each';
      /** With one output: from where on it means yes. */
      threshold: number;
    }
  | { kind: 'numbers'; width: number };

/** The losses whose target is a class; those of the others are numbers. */
export const CLASS_LOSSES: readonly string[] = [
  'crossEntropy',
  'binaryCrossEntropy',
  'hinge',
  'squaredHinge',
  'categoricalHinge',
  'klDivergence',
];

/** These take an output without bounds, whose sign is the answer. */
const SIGNED_LOSSES: readonly string[] = ['hinge', 'squaredHinge'];

/**
 * @param target the column's name, for messages
 * @throws MlpipeError `target-mismatch` where loss, output and column do not go together
 */
export function taskOf(
  model: ModelPlan,
  loss: CallPlan,
  target: string,
  data: Pick<Tensors, 'labels' | 'targetWidth'>,
): Task {
  const width = model.outputShape.reduce((product, size) => product * size, 1);
  if (!CLASS_LOSSES.includes(loss.name)) {
    if (data.labels) {
      throw mismatch(
        `The loss ${loss.name} is for numbers, and ${target} is a class.`,
        'Take `loss crossEntropy`, or `binaryCrossEntropy` with one output.',
      );
    }
    if (data.targetWidth !== width) {
      throw mismatch(
        `The model ${model.name} gives ${width} numbers a row; ${target} has ${data.targetWidth}.`,
        `Give the last layer ${data.targetWidth} units.`,
      );
    }
    return { kind: 'numbers', width };
  }
  const labels = data.labels ?? ['false', 'true'];
  if (data.targetWidth !== 1) {
    throw mismatch(`${target} has ${data.targetWidth} numbers a row and cannot be a class.`, 'Predict a class column.');
  }
  if (width === 1) {
    if (labels.length > 2) {
      throw mismatch(
        `The model ${model.name} has one output; ${target} has ${labels.length} classes.`,
        `Give the last layer ${labels.length} units and \`activation: softmax\`.`,
      );
    }
    return { kind: 'classes', labels, outputs: 'one', threshold: SIGNED_LOSSES.includes(loss.name) ? 0 : 0.5 };
  }
  if (width !== labels.length) {
    throw mismatch(
      `The model ${model.name} has ${width} outputs; ${target} has ${labels.length} classes.`,
      `Give the last layer ${labels.length} units.`,
    );
  }
  return { kind: 'classes', labels, outputs: 'each', threshold: Number.NaN };
}

/** Numbers of one row's target as the engine takes it. */
export function engineTargetWidth(task: Task): number {
  if (task.kind === 'numbers') return task.width;
  return task.outputs === 'one' ? 1 : task.labels.length;
}

/**
 * The targets as the engine takes them: numbers as they are, a yes or no as 0 or 1, classes one-hot.
 *
 * @throws MlpipeError `target-mismatch` where a number is none of the classes
 */
export function encodeTargets(task: Task, targets: Float32Array, name: string): Float32Array {
  if (task.kind === 'numbers') return targets;
  const classes = task.labels.length;
  for (const [row, value] of targets.entries()) {
    if (!Number.isInteger(value) || value < 0 || value >= classes) {
      throw mismatch(
        `Row ${row + 1} of ${name} has the value ${value}, which is none of its ${classes} classes.`,
        'Run `mlpipe check` to see which rows do not fit the schema.',
      );
    }
  }
  if (task.outputs === 'one') return targets;
  const encoded = new Float32Array(targets.length * classes);
  for (const [row, value] of targets.entries()) encoded[row * classes + value] = 1;
  return encoded;
}

/**
 * One score a class: a single output p becomes (1 − p, p), and a signed one x becomes (−x, x).
 *
 * @returns rows × classes
 */
export function classScores(task: Task & { kind: 'classes' }, predictions: Float32Array): Float32Array {
  if (task.outputs === 'each') return predictions;
  const scores = new Float32Array(predictions.length * 2);
  for (const [row, value] of predictions.entries()) {
    scores[row * 2] = task.threshold === 0 ? -value : 1 - value;
    scores[row * 2 + 1] = value;
  }
  return scores;
}

function mismatch(message: string, todo: string): MlpipeError {
  return new MlpipeError(message, { code: 'target-mismatch', todo });
}
