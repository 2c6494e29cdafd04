/** Expansions: `train recognise for rate in [1e-2, 1e-3]` is two trainings. */
import type * as ast from '../generated/ast.ts';
import { type Bindings, evaluate, NO_BINDINGS } from './evaluate.ts';
import { nameOfValue, planValueOf, type Value } from './values.ts';

export interface Expansion {
  /** `@rate=0.01`, or nothing. */
  suffix: string;
  bindings: Bindings;
}

/** The trainings that one block stands for: itself, or one for each value of its sweep. */
export function expansionsOf(train: ast.Train, bindings: Bindings = NO_BINDINGS): Expansion[] {
  const { sweep } = train;
  if (sweep === undefined) return [{ suffix: '', bindings }];
  const param = sweep.param?.ref;
  const values = evaluate(sweep.values, bindings);
  if (param === undefined || values?.kind !== 'list') return [];
  return values.items.map((value) => expansion(param, value, bindings));
}

function expansion(param: ast.Param, value: Value, bindings: Bindings): Expansion {
  return { suffix: suffixOf(param, value), bindings: new Map([...bindings, [param, value]]) };
}

export function suffixOf(param: ast.Param, value: Value): string {
  return `@${param.name}=${nameOfValue(planValueOf(value) ?? '')}`;
}

/** The suffix that the arguments of a reference choose: `recognise(rate: 1e-2)`; `undefined` where none or no such. */
export function chosenSuffix(
  train: ast.Train,
  given: readonly ast.Argument[],
  bindings: Bindings = NO_BINDINGS,
): string | undefined {
  const expansions = expansionsOf(train, bindings);
  if (train.sweep === undefined) return given.length === 0 ? '' : undefined;
  const param = train.sweep.param?.ref;
  const value = evaluate(given[0]?.value, bindings);
  if (param === undefined || value === undefined || given.length !== 1) return undefined;
  const suffix = suffixOf(param, value);
  return expansions.some((other) => other.suffix === suffix) ? suffix : undefined;
}
