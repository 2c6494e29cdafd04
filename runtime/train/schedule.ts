/** How the learning rate changes while training goes on: the schedules of `grammar/builtins.mlpipe`. */
import type { CallPlan } from '../../grammar/plan/plan.ts';
import { argumentsOf } from '../engines/arguments.ts';
import { MlpipeError } from '../errors.ts';

/** The share of the optimizer's rate after `done` steps. */
export type Schedule = (done: number) => number;

export interface Course {
  epochs: number;
  stepsPerEpoch: number;
}

/** The share of the rate, t epochs after the warm-up; `left` is how many epochs the warm-up leaves. */
type Decay = (t: number, left: number) => number;

const DECAYS: Record<string, (given: ReturnType<typeof argumentsOf>) => Decay> = {
  constant: () => () => 1,
  exponentialDecay: (given) => {
    const factor = given.number('factor');
    const every = given.number('every');
    return (t) => factor ** (t / every);
  },
  stepDecay: (given) => {
    const factor = given.number('factor');
    const every = given.number('every');
    return (t) => factor ** Math.floor(t / every);
  },
  linearDecay: (given) => {
    const last = given.number('last');
    return (t, left) => 1 - (1 - last) * progress(t, left);
  },
  cosineDecay: (given) => {
    const last = given.number('last');
    // Loshchilov & Hutter 2017, equation 5, without restarts.
    return (t, left) => last + ((1 - last) * (1 + Math.cos(Math.PI * progress(t, left)))) / 2;
  },
};

/** The schedules that can be built, for the test that this is every schedule of the language. */
export const BUILT_SCHEDULES: readonly string[] = Object.keys(DECAYS);

/**
 * Without a plan the rate stays. While the warm-up lasts the rate rises in a straight line; its first step takes the
 * first piece of the line rather than 0, which would learn nothing.
 *
 * @throws MlpipeError `schedule-unknown`
 */
export function buildSchedule(plan: CallPlan | undefined, { epochs, stepsPerEpoch }: Course): Schedule {
  if (!plan) return () => 1;
  const builder = DECAYS[plan.name];
  if (!builder) {
    throw new MlpipeError(`There is no schedule ${plan.name} in this version of mlpipe.`, {
      code: 'schedule-unknown',
      todo: `Choose one of ${BUILT_SCHEDULES.join(', ')}.`,
    });
  }
  const given = argumentsOf(plan.name, plan.arguments);
  const warmup = given.number('warmup');
  const warmupSteps = warmup * stepsPerEpoch;
  const decay = builder(given);
  return (done) => {
    if (done < warmupSteps) return Math.min(1, (done + 1) / warmupSteps);
    return decay((done - warmupSteps) / stepsPerEpoch, epochs - warmup);
  };
}

function progress(t: number, left: number): number {
  return left <= 0 ? 1 : Math.min(1, t / left);
}
