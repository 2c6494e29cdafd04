/** Arguments: which parameter each is for, and every parameter's value with defaults filled in. */
import type { AstNode } from 'langium';
import * as ast from '../generated/ast.ts';
import type { PlanValue } from '../plan/plan.ts';
import { isBuiltin } from '../scoping/builtins.ts';
import { type Bindings, evaluate, NO_BINDINGS } from './evaluate.ts';
import { conform, isInDomain, meaningOfType, type TypeMeaning } from './types.ts';
import type { Value } from './values.ts';

/** Anything with parameters: a layer, a loss, a metric. */
export type Parametrized = Pick<ast.Callable, 'name' | 'parameters'>;

/**
 * The parameter of an argument. Arguments are named; one without a name is taken, after its rule has spoken, for the
 * parameter at its place.
 */
export function parameterOf(argument: ast.Argument, owner: Parametrized): ast.Parameter | undefined {
  if (argument.parameter !== undefined) {
    const { ref } = argument.parameter;
    return ast.isParameter(ref) ? ref : undefined;
  }
  const siblings: readonly AstNode[] = argument.$container.arguments;
  return owner.parameters[siblings.indexOf(argument)];
}

export interface ParameterMeaning {
  type: TypeMeaning | undefined;
  domain: Value | undefined;
  /** The domain as it is written. */
  domainText: string;
  /** The value where none is given. */
  usual: Value | undefined;
}

/** Of the library alone, which is the same for as long as the process lives, and names nothing outside itself. */
const ofLibrary = new WeakMap<ast.Parameter, ParameterMeaning>();

/** What may be given for a parameter. */
export function meaningOfParameter(parameter: ast.Parameter, bindings: Bindings = NO_BINDINGS): ParameterMeaning {
  const known = ofLibrary.get(parameter);
  if (known !== undefined) return known;
  const meaning = {
    type: meaningOfType(parameter.type),
    domain: evaluate(parameter.domain),
    domainText: parameter.domain?.$cstNode?.text ?? '',
    usual: evaluate(parameter.value, bindings),
  };
  // Where the type is not known, the library has not been linked yet.
  if (meaning.type !== undefined && isBuiltin(parameter)) ofLibrary.set(parameter, meaning);
  return meaning;
}

/** Values by parameter, as a plan spells them; `undefined` where one is missing or wrong, or for no one knows what. */
export function argumentValues(
  given: readonly ast.Argument[],
  owner: Parametrized,
  bindings: Bindings = NO_BINDINGS,
): Record<string, PlanValue | { secret: string }> | undefined {
  const values: Record<string, PlanValue | { secret: string }> = {};
  if (given.some((argument) => argument.parameter !== undefined && parameterOf(argument, owner) === undefined))
    return undefined;
  for (const parameter of owner.parameters) {
    const argument = given.find((candidate) => parameterOf(candidate, owner) === parameter);
    const value = valueFor(parameter, argument?.value, bindings);
    if (value === undefined) return undefined;
    if (value !== 'none') values[parameter.name] = value;
  }
  return resolvedWindows(values);
}

/** The values of a call that takes no secret. */
export function plainArgumentValues(
  given: readonly ast.Argument[],
  owner: Parametrized,
  bindings: Bindings = NO_BINDINGS,
): Record<string, PlanValue> | undefined {
  const plain: Record<string, PlanValue> = {};
  for (const [name, value] of Object.entries(argumentValues(given, owner, bindings) ?? { '': { secret: '' } })) {
    if (typeof value === 'object' && !Array.isArray(value)) return undefined;
    plain[name] = value;
  }
  return plain;
}

function valueFor(
  parameter: ast.Parameter,
  expression: ast.Expression | undefined,
  bindings: Bindings,
): PlanValue | { secret: string } | undefined {
  const { type, domain, usual } = meaningOfParameter(parameter, bindings);
  const value = expression === undefined ? usual : evaluate(expression, bindings);
  if (type === undefined || value === undefined) return undefined;
  const fitted = conform(value, type);
  if ('misfit' in fitted) return undefined;
  const isSecret = typeof fitted.value === 'object' && !Array.isArray(fitted.value);
  if (domain && !isSecret && !isInDomain(fitted.value as PlanValue, domain)) return undefined; // not a secret: PlanValue
  return fitted.value;
}

/** `strides: size` is as far as the window is wide. */
function resolvedWindows<T>(values: Record<string, T | PlanValue>): Record<string, T | PlanValue> {
  const size = values.size;
  return size !== undefined && values.strides === 'size' ? { ...values, strides: size } : values;
}
