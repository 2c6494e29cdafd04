/**
 * Losses, one number a row; training takes their mean. Cross entropies are taken from the numbers before the last
 * softmax or sigmoid, where nothing overflows and no gradient is cut off.
 */
import type { Scalar, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import type { CallPlan } from '../../../grammar/plan/plan.ts';
import { MlpipeError } from '../../errors.ts';
import { argumentsOf } from '../arguments.ts';
import type { Core } from './library.ts';

/** The loss of each row; `truth` and `output` are rows × width. */
export type RowLoss = (output: Tensor2D, truth: Tensor2D) => Tensor1D;

export interface Loss {
  /** What the model's last activation must be for `ofLogits`. */
  logitsOf?: 'softmax' | 'sigmoid';
  /** Of the numbers before that activation. */
  ofLogits?: RowLoss;
  /** Of the model's output. */
  ofOutput: RowLoss;
}

/** Keeps logarithms finite; the value that Keras uses. */
const EPSILON = 1e-7;

type LossBuilder = (core: Core, given: ReturnType<typeof argumentsOf>) => Loss;

const BUILDERS: Record<string, LossBuilder> = {
  crossEntropy: (core, given) => {
    const smoothing = given.number('labelSmoothing');
    const smooth = (truth: Tensor2D): Tensor2D =>
      smoothing === 0 ? truth : core.add(core.mul(truth, 1 - smoothing), smoothing / truth.shape[1]);
    return {
      logitsOf: 'softmax',
      ofLogits: (output, truth) => core.neg(core.sum(core.mul(smooth(truth), core.logSoftmax(output)), 1)),
      ofOutput: (output, truth) => {
        const shares = core.div(output, core.sum(output, 1, true));
        return core.neg(core.sum(core.mul(smooth(truth), logarithm(core, shares as Tensor2D)), 1));
      },
    };
  },
  binaryCrossEntropy: (core, given) => {
    const smoothing = given.number('labelSmoothing');
    const smooth = (truth: Tensor2D): Tensor2D =>
      smoothing === 0 ? truth : core.add(core.mul(truth, 1 - smoothing), smoothing / 2);
    return {
      logitsOf: 'sigmoid',
      // max(x, 0) − x·z + log(1 + exp(−|x|)), which is −z·log σ(x) − (1 − z)·log(1 − σ(x)).
      ofLogits: (output, truth) =>
        core.mean(
          core.add(
            core.sub(core.relu(output), core.mul(output, smooth(truth))),
            core.log1p(core.exp(core.neg(core.abs(output)))),
          ),
          1,
        ),
      ofOutput: (output, truth) => {
        const wanted = smooth(truth);
        const yes = core.mul(wanted, logarithm(core, output));
        const no = core.mul(core.sub(1, wanted), logarithm(core, core.sub(1, output)));
        return core.neg(core.mean(core.add(yes, no), 1));
      },
    };
  },
  hinge: (core) => ({ ofOutput: (output, truth) => core.mean(margin(core, output, truth), 1) }),
  squaredHinge: (core) => ({ ofOutput: (output, truth) => core.mean(core.square(margin(core, output, truth)), 1) }),
  categoricalHinge: (core) => ({
    ofOutput: (output, truth) => {
      const right = core.sum(core.mul(truth, output), 1);
      // The true class is moved out of the way of the maximum, whatever the outputs' signs are.
      const wrong = core.max(core.sub(output, core.mul(truth, 1e9)), 1);
      return core.relu(core.add(core.sub(wrong, right), 1));
    },
  }),
  klDivergence: (core) => ({
    ofOutput: (output, truth) => {
      const wanted = core.clipByValue(truth, EPSILON, 1);
      const ratio = core.sub(core.log(wanted), logarithm(core, output));
      return core.sum(core.mul(wanted, ratio), 1);
    },
  }),
  meanSquaredError: (core) => ({ ofOutput: (output, truth) => core.mean(core.squaredDifference(output, truth), 1) }),
  meanAbsoluteError: (core) => ({ ofOutput: (output, truth) => core.mean(core.abs(core.sub(output, truth)), 1) }),
  huber: (core, given) => {
    const delta = given.number('delta');
    return {
      ofOutput: (output, truth) => {
        const distance = core.abs(core.sub(output, truth));
        const near = core.minimum(distance, delta);
        // ½·near² + δ·(distance − near): quadratic up to δ, linear beyond.
        return core.mean(core.add(core.mul(core.square(near), 0.5), core.mul(core.sub(distance, near), delta)), 1);
      },
    };
  },
  logCosh: (core) => ({
    // log cosh x = |x| + log(1 + exp(−2|x|)) − log 2, which does not overflow.
    ofOutput: (output, truth) => {
      const distance = core.abs(core.sub(output, truth));
      return core.mean(core.sub(core.add(distance, core.log1p(core.exp(core.mul(distance, -2)))), Math.LN2), 1);
    },
  }),
  poisson: (core) => ({
    ofOutput: (output, truth) => core.mean(core.sub(output, core.mul(truth, core.log(core.add(output, EPSILON)))), 1),
  }),
};

/** The losses that can be built, for the test that this is every loss of the language. */
export const BUILT_LOSSES: readonly string[] = Object.keys(BUILDERS);

/** @throws MlpipeError `loss-unknown` */
export function buildLoss(core: Core, plan: CallPlan): Loss {
  const builder = BUILDERS[plan.name];
  if (!builder) {
    throw new MlpipeError(`There is no loss ${plan.name} in this version of mlpipe.`, {
      code: 'loss-unknown',
      todo: `Choose one of ${BUILT_LOSSES.join(', ')}.`,
    });
  }
  return builder(core, argumentsOf(plan.name, plan.arguments));
}

/**
 * Σ weight · loss / rows. A weight scales what a row counts; weights that average to 1 keep the size of the loss, and so
 * the meaning of the learning rate.
 */
export function meanLoss(core: Core, losses: Tensor1D, weights?: Tensor1D): Scalar {
  return core.mean(weights ? core.mul(losses, weights) : losses) as Scalar;
}

function logarithm(core: Core, shares: Tensor2D): Tensor2D {
  return core.log(core.clipByValue(shares, EPSILON, 1 - EPSILON));
}

/** max(0, 1 − t·x) with the truth 0 or 1 counted as t = ±1. */
function margin(core: Core, output: Tensor2D, truth: Tensor2D): Tensor2D {
  const signed = core.sub(core.mul(truth, 2), 1);
  return core.relu(core.sub(1, core.mul(signed, output)));
}
