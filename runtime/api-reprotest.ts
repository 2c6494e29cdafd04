/** The part of the façade that asks what a result depends on. */

import { contextAt } from './context.ts';
import { EXIT, MlpipeError } from './errors.ts';
import { type Project, pipelineFile } from './project.ts';
import type { Reprotest, ReprotestOptions } from './reproduce/reprotest.ts';

export type { Reprotest, ReprotestOptions } from './reproduce/reprotest.ts';
export type { TriedVariation } from './reproduce/trial.ts';
export { VARIATIONS, type VariationName } from './reproduce/variations.ts';

/**
 * Runs a recorded step in clean places, each time with one thing changed, and says what its result depends on.
 *
 * @param reference a training, an evaluation or a program's step that has a record
 * @throws MlpipeError what `runtime/reproduce/reprotest.ts` names
 */
export async function reprotest(
  project: Project,
  reference: string,
  options: ReprotestOptions = {},
): Promise<Reprotest> {
  const { reprotest: test } = await import('./reproduce/reprotest.ts');
  return test(project, reference, options);
}

/** The training of the only pipeline in a folder, where it has just one. @throws MlpipeError `step-ambiguous` */
export async function onlyTraining(project: Project, folder: string): Promise<string> {
  const { plan } = await contextAt(project, pipelineFile(folder));
  const trainings = Object.values(plan.steps).filter((step) => step.kind === 'train' && step.replicateOf === undefined);
  const [only] = trainings;
  if (only !== undefined && trainings.length === 1) return only.name;
  throw new MlpipeError(`${plan.pipeline} has ${trainings.length === 0 ? 'no training' : 'several trainings'}.`, {
    code: 'step-ambiguous',
    todo: `Name a step: ${Object.keys(plan.steps).join(', ')}.`,
    exit: EXIT.usage,
  });
}
