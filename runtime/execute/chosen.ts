/** Which steps are meant: those that are named, and what comes with them. */
import type { Plan, StepPlan } from '../../grammar/plan/plan.ts';
import { EXIT, MlpipeError } from '../errors.ts';
import { needsOf } from './keys.ts';

/**
 * By a step's own name, or by its block's, which means all of an expansion.
 *
 * @throws MlpipeError `step-unknown`
 */
export function namedSteps(plan: Plan, names: readonly string[]): Set<string> {
  const found = new Set<string>();
  for (const name of names) {
    // What has exactly that name is meant, without its replicates; else everything of the block.
    const exact = plan.steps[name];
    const matches = exact ? [exact] : Object.values(plan.steps).filter((step) => step.block === name);
    // A block that trains and is evaluated: its name means the training.
    const trained = matches.filter((step) => step.kind !== 'evaluate');
    for (const step of trained.length > 0 ? trained : matches) found.add(step.name);
    if (matches.length === 0) {
      throw new MlpipeError(`There is no step ${name} in ${plan.pipeline}.`, {
        code: 'step-unknown',
        todo: `Name one of ${Object.keys(plan.steps).join(', ')}.`,
        exit: EXIT.usage,
      });
    }
  }
  return found;
}

/**
 * In the given order, with what they need; all of it where nothing is named.
 *
 * @param downstream whether what depends on the named steps comes along, too
 */
export function closure(
  plan: Plan,
  order: readonly StepPlan[],
  named: ReadonlySet<string>,
  downstream: boolean,
): StepPlan[] {
  if (named.size === 0) return [...order];
  const wanted = new Set(named);
  if (downstream)
    for (const step of order) if (needsOf(plan, step).some((name) => wanted.has(name))) wanted.add(step.name);
  for (const step of [...order].reverse())
    if (wanted.has(step.name)) for (const need of needsOf(plan, step)) wanted.add(need);
  return order.filter(({ name }) => wanted.has(name));
}
