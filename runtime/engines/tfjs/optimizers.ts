/**
 * Optimizers of our own over tfjs variables. Those of tfjs do not keep their whole state (Adam's decay powers come back
 * rounded differently, so a resumed training drifts from an unbroken one) and centered RMSProp takes the root of a
 * negative number.
 *
 * Notation: g gradient, r learning rate, t step counted from 1.
 */
import type { Tensor, Variable } from '@tensorflow/tfjs-core';
import type { CallPlan } from '../../../grammar/plan/plan.ts';
import { MlpipeError } from '../../errors.ts';
import { type Arguments, argumentsOf } from '../arguments.ts';
import type { Core } from './library.ts';

export interface Optimizer {
  /** Tensors beside each variable, by name, with the number that they start from. */
  slots: Record<string, number>;
  /**
   * The new values.
   *
   * @param rate learning rate of this step
   * @param step counted from 1
   */
  update(variable: Tensor, gradient: Tensor, slots: Record<string, Tensor>, rate: number, step: number): Update;
}

export interface Update {
  value: Tensor;
  slots: Record<string, Tensor>;
}

type OptimizerBuilder = (core: Core, given: Arguments) => Optimizer;

const BUILDERS: Record<string, OptimizerBuilder> = {
  sgd: (core, given): Optimizer => {
    const momentum = given.number('momentum');
    const nesterov = given.flag('nesterov');
    if (momentum === 0) {
      return {
        slots: {},
        update: (variable, gradient, _, rate) => ({ value: core.sub(variable, core.mul(gradient, rate)), slots: {} }),
      };
    }
    // v ← m·v − r·g;  w ← w + v, or w + m·v − r·g where the gradient is taken ahead (Sutskever et al. 2013, eq. 3–4).
    return {
      slots: { velocity: 0 },
      update: (variable, gradient, { velocity }, rate) => {
        const move = core.mul(gradient, -rate);
        const next = core.add(core.mul(present(velocity), momentum), move);
        const step = nesterov ? core.add(core.mul(next, momentum), move) : next;
        return { value: core.add(variable, step), slots: { velocity: next } };
      },
    };
  },
  adam: (core, given): Optimizer => {
    const beta1 = given.number('beta1');
    const beta2 = given.number('beta2');
    const epsilon = given.number('epsilon');
    // Kingma & Ba 2015, algorithm 1.
    return {
      slots: { mean: 0, square: 0 },
      update: (variable, gradient, { mean, square }, rate, step) => {
        const nextMean = core.add(core.mul(present(mean), beta1), core.mul(gradient, 1 - beta1));
        const nextSquare = core.add(core.mul(present(square), beta2), core.mul(core.square(gradient), 1 - beta2));
        const corrected = core.mul(nextMean, rate / (1 - power(beta1, step)));
        const deviation = core.sqrt(core.mul(nextSquare, 1 / (1 - power(beta2, step))));
        return {
          value: core.sub(variable, core.div(corrected, core.add(deviation, epsilon))),
          slots: { mean: nextMean, square: nextSquare },
        };
      },
    };
  },
  adamax: (core, given): Optimizer => {
    const beta1 = given.number('beta1');
    const beta2 = given.number('beta2');
    const epsilon = given.number('epsilon');
    // Kingma & Ba 2015, algorithm 2; ε as in Keras.
    return {
      slots: { mean: 0, largest: 0 },
      update: (variable, gradient, { mean, largest }, rate, step) => {
        const nextMean = core.add(core.mul(present(mean), beta1), core.mul(gradient, 1 - beta1));
        const nextLargest = core.maximum(core.mul(present(largest), beta2), core.abs(gradient));
        const corrected = core.mul(nextMean, rate / (1 - power(beta1, step)));
        return {
          value: core.sub(variable, core.div(corrected, core.add(nextLargest, epsilon))),
          slots: { mean: nextMean, largest: nextLargest },
        };
      },
    };
  },
  adagrad: (core, given): Optimizer => {
    const epsilon = given.number('epsilon');
    // Duchi et al. 2011, with the accumulator's start and ε of Keras.
    return {
      slots: { sum: given.number('accumulator') },
      update: (variable, gradient, { sum }, rate) => {
        const next = core.add(present(sum), core.square(gradient));
        const step = core.div(core.mul(gradient, rate), core.sqrt(core.add(next, epsilon)));
        return { value: core.sub(variable, step), slots: { sum: next } };
      },
    };
  },
  adadelta: (core, given): Optimizer => {
    const rho = given.number('rho');
    const epsilon = given.number('epsilon');
    // Zeiler 2012, algorithm 1, times the learning rate.
    return {
      slots: { square: 0, moved: 0 },
      update: (variable, gradient, { square, moved }, rate) => {
        const nextSquare = core.add(core.mul(present(square), rho), core.mul(core.square(gradient), 1 - rho));
        const ratio = core.div(core.sqrt(core.add(present(moved), epsilon)), core.sqrt(core.add(nextSquare, epsilon)));
        const step = core.mul(gradient, ratio);
        const nextMoved = core.add(core.mul(present(moved), rho), core.mul(core.square(step), 1 - rho));
        return {
          value: core.sub(variable, core.mul(step, rate)),
          slots: { square: nextSquare, moved: nextMoved },
        };
      },
    };
  },
  rmsprop: (core, given): Optimizer => {
    const rho = given.number('rho');
    const momentum = given.number('momentum');
    const epsilon = given.number('epsilon');
    // Tieleman & Hinton 2012, lecture 6.5; ε under the root, and momentum, as in Keras.
    return {
      slots: momentum === 0 ? { square: 0 } : { square: 0, velocity: 0 },
      update: (variable, gradient, { square, velocity }, rate): Update => {
        const nextSquare = core.add(core.mul(present(square), rho), core.mul(core.square(gradient), 1 - rho));
        const step = core.div(core.mul(gradient, rate), core.sqrt(core.add(nextSquare, epsilon)));
        if (momentum === 0) return { value: core.sub(variable, step), slots: { square: nextSquare } };
        const nextVelocity = core.add(core.mul(present(velocity), momentum), step);
        return {
          value: core.sub(variable, nextVelocity),
          slots: { square: nextSquare, velocity: nextVelocity },
        };
      },
    };
  },
};

/** The optimizers that can be built, for the test that this is every optimizer of the language. */
export const BUILT_OPTIMIZERS: readonly string[] = Object.keys(BUILDERS);

/** @throws MlpipeError `optimizer-unknown` */
export function buildOptimizer(core: Core, plan: CallPlan): Optimizer {
  const builder = BUILDERS[plan.name];
  if (!builder) {
    throw new MlpipeError(`There is no optimizer ${plan.name} in this version of mlpipe.`, {
      code: 'optimizer-unknown',
      todo: `Choose one of ${BUILT_OPTIMIZERS.join(', ')}.`,
    });
  }
  return builder(core, argumentsOf(plan.name, plan.arguments));
}

/** Variables with their slots. */
export class OptimizerState {
  readonly slots: { variable: Variable; tensors: Record<string, Variable> }[];

  constructor(core: Core, optimizer: Optimizer, variables: Variable[]) {
    this.slots = variables.map((variable) => ({
      variable,
      tensors: Object.fromEntries(
        Object.entries(optimizer.slots).map(([name, start]) => [
          name,
          core.tidy(() => core.variable(core.fill(variable.shape, start), false)),
        ]),
      ),
    }));
  }

  /** One step; `gradients` by variable name. */
  apply(optimizer: Optimizer, gradients: Record<string, Tensor>, rate: number, step: number): void {
    for (const { variable, tensors } of this.slots) {
      const gradient = gradients[variable.name];
      if (!gradient) continue;
      const next = optimizer.update(variable, gradient, tensors, rate, step);
      variable.assign(next.value);
      for (const [name, value] of Object.entries(next.slots)) tensors[name]?.assign(value);
    }
  }

  dispose(): void {
    for (const { tensors } of this.slots) for (const tensor of Object.values(tensors)) tensor.dispose();
  }
}

/**
 * base ^ exponent by repeated squaring: `Math.pow` may round differently in another version of V8, products may not.
 *
 * @param exponent a whole number, at least 0
 */
export function power(base: number, exponent: number): number {
  let result = 1;
  let factor = base;
  for (let rest = exponent; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result *= factor;
    factor *= factor;
  }
  return result;
}

/** The slots that an optimizer declares are those that it is given. */
function present(slot: Tensor | undefined): Tensor {
  if (!slot) throw new Error('An optimizer was not given the slots that it declares.');
  return slot;
}
