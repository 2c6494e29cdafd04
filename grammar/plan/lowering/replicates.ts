/** The same training with other seeds: what chance alone does to a result. */
import * as ast from '../../generated/ast.ts';
import { type Bindings, evaluate } from '../../typing/evaluate.ts';
import type { EvaluateStep, TrainStep } from '../plan.ts';
import { replicateName } from '../replicates.ts';

/** Seeds are 32 bits wide; after the last comes the first. */
const SEEDS = 2 ** 32;

export function replicatesOf(train: ast.Train, bindings: Bindings): number {
  const value = evaluate(train.facts.find(ast.isReplicatesFact)?.count, bindings);
  return value?.kind === 'number' ? value.value : 0;
}

/** `recognise~2`: the training with the second of the seeds that follow its own. */
export function replicate(step: TrainStep, number: number): TrainStep {
  return {
    ...step,
    name: replicateName(step.name, number),
    seed: ((step.seed ?? 0) + number) % SEEDS,
    replicateOf: step.name,
  };
}

export function evaluationOfReplicate(step: EvaluateStep, number: number): EvaluateStep {
  const train = replicateName(step.train, number);
  return {
    ...step,
    name: replicateName(step.name, number),
    needs: step.needs.map((need) => (need === step.train ? train : need)),
    train,
    replicateOf: step.name,
  };
}
