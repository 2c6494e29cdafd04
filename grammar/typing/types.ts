/** Types: what a value must be, and how a plan spells it when it is. */
import * as ast from '../generated/ast.ts';
import type { PlanValue } from '../plan/plan.ts';
import { evaluate } from './evaluate.ts';
import { type Dimension, likelyUnits, meaningOfUnit, nounOfDimension, PLAIN, SHARE } from './units.ts';
import { nounOfValue, planValueOf, type Value } from './values.ts';

export type TypeMeaning =
  | { kind: 'float' | 'int' | 'count' | 'bool' | 'text' | 'shape' | 'secret' | 'file' | 'table' | 'image' }
  | { kind: 'quantity'; name: string; dimension: Dimension }
  | { kind: 'choice'; name: string; choices: readonly string[] }
  | { kind: 'class'; labels: readonly string[] }
  | { kind: 'list'; of: TypeMeaning; length: number }
  | { kind: 'union'; options: TypeMeaning[] };

const PLAIN_KINDS = ['float', 'int', 'count', 'bool', 'text', 'shape', 'secret', 'file', 'table', 'image'] as const;

/** A quantity's type by its dimension's base unit, for checks that stand in no declaration. */
export function quantity(name: string, dimension: Dimension): TypeMeaning {
  return { kind: 'quantity', name, dimension };
}

/** What a written type means; `undefined` while a name in it is unknown. */
export function meaningOfType(type: ast.Type | undefined): TypeMeaning | undefined {
  if (ast.isUnionType(type)) {
    const options = type.options.map(meaningOfType);
    return options.every((option) => option !== undefined) ? { kind: 'union', options } : undefined;
  }
  if (ast.isClassType(type)) return { kind: 'class', labels: labelsOf(type) };
  if (!ast.isNamedType(type)) return undefined;
  const element = meaningOfDeclaration(type.type?.ref);
  if (element === undefined || type.shape.length === 0) return element;
  const lengths = shapeOfType(type);
  return lengths?.reduceRight((of, length): TypeMeaning => ({ kind: 'list', of, length }), element);
}

function meaningOfDeclaration(declaration: ast.TypeDeclaration | undefined): TypeMeaning | undefined {
  if (declaration === undefined) return undefined;
  if (ast.isChoiceDeclaration(declaration)) {
    return { kind: 'choice', name: declaration.name, choices: declaration.choices.map(({ name }) => name) };
  }
  const kind = PLAIN_KINDS.find((name) => name === declaration.name);
  if (kind !== undefined) return { kind };
  const unit = meaningOfUnit(declaration.unit?.ref);
  return unit && { kind: 'quantity', name: declaration.name, dimension: unit.dimension };
}

/** The numbers in a type's brackets; `undefined` where one is not a whole number of at least 1. */
export function shapeOfType(type: ast.NamedType): number[] | undefined {
  const lengths = type.shape.map((expression) => evaluate(expression));
  const numbers = lengths.map((value) =>
    value?.kind === 'number' && value.dimension === PLAIN && isCount(value.value) ? value.value : undefined,
  );
  return numbers.every((length) => length !== undefined) ? numbers : undefined;
}

/** The classes of a type: their names, or `0 …` where only their number is given. */
export function labelsOf(type: ast.ClassType): string[] {
  if (type.count === undefined) return type.labels;
  return isCount(type.count) && type.count <= 1e6
    ? Array.from({ length: type.count }, (_, index) => String(index))
    : [];
}

export type Misfit =
  | { kind: 'missing-unit'; dimension: Dimension; units: readonly string[] }
  | { kind: 'wrong-unit'; dimension: Dimension; found: Dimension; units: readonly string[] }
  | { kind: 'wrong-type'; expected: string; found: string };

export type Fit = { value: PlanValue | { secret: string } } | { misfit: Misfit };

/** Whether a value is of a type, and as what it stands in a plan. */
export function conform(value: Value, type: TypeMeaning): Fit {
  switch (type.kind) {
    case 'float':
    case 'int':
    case 'count':
      return fitNumber(value, type.kind);
    case 'quantity':
      return fitQuantity(value, type.dimension) ?? wrongType(value, type);
    case 'bool':
      return value.kind === 'boolean' ? { value: value.value } : wrongType(value, type);
    case 'text':
      return value.kind === 'text' ? { value: value.value } : wrongType(value, type);
    case 'secret':
      return value.kind === 'secret' ? { value: { secret: value.name } } : wrongType(value, type);
    case 'choice':
      return value.kind === 'choice' && type.choices.includes(value.name)
        ? { value: value.name }
        : wrongType(value, type);
    case 'class': {
      const label = value.kind === 'text' || value.kind === 'number' ? String(value.value) : undefined;
      return label !== undefined && type.labels.includes(label) ? { value: label } : wrongType(value, type);
    }
    case 'shape':
      return fitList(value, { kind: 'count' }, undefined) ?? wrongType(value, type);
    case 'list':
      return fitList(value, type.of, type.length) ?? wrongType(value, type);
    case 'union':
      return fitUnion(value, type.options);
    case 'file':
    case 'table':
    case 'image':
      return wrongType(value, type);
  }
}

function fitNumber(value: Value, kind: 'float' | 'int' | 'count'): Fit {
  if (value.kind !== 'number') return wrongType(value, { kind });
  const isPlain = value.dimension === PLAIN || (kind === 'float' && value.dimension === SHARE);
  if (!isPlain) return { misfit: { kind: 'wrong-unit', dimension: PLAIN, found: value.dimension, units: [] } };
  if (kind === 'float') return { value: value.value };
  const fits = kind === 'count' ? isCount(value.value) : Number.isSafeInteger(value.value);
  if (fits) return { value: value.value };
  return { misfit: { kind: 'wrong-type', expected: nounOfType({ kind }), found: String(value.value) } };
}

function fitQuantity(value: Value, dimension: Dimension): Fit | undefined {
  if (value.kind !== 'number') return undefined;
  if (value.dimension === dimension) return { value: value.value };
  const units = likelyUnits(dimension);
  return value.dimension === PLAIN
    ? { misfit: { kind: 'missing-unit', dimension, units } }
    : { misfit: { kind: 'wrong-unit', dimension, found: value.dimension, units } };
}

function fitList(value: Value, of: TypeMeaning, length: number | undefined): Fit | undefined {
  if (value.kind !== 'list' || (length !== undefined && value.items.length !== length)) return undefined;
  const values: PlanValue[] = [];
  for (const item of value.items) {
    const fitted = conform(item, of);
    if ('misfit' in fitted) return fitted;
    if (typeof fitted.value === 'object' && !Array.isArray(fitted.value)) return undefined;
    values.push(fitted.value);
  }
  return { value: values };
}

/** `3` where `count | count[2]` is asked for is `[3, 3]`. A misfit that speaks of the unit says more than another. */
function fitUnion(value: Value, options: readonly TypeMeaning[]): Fit {
  const fits = options.map((option) => ({ option, fitted: conform(value, option) }));
  const found = fits.find(({ fitted }) => 'value' in fitted);
  if (found !== undefined && 'value' in found.fitted) {
    const list = options.find((option) => option.kind === 'list' && option.of.kind === found.option.kind);
    const single = found.fitted.value;
    if (list?.kind !== 'list' || typeof single === 'object') return found.fitted;
    return { value: Array.from({ length: list.length }, () => single) };
  }
  const misfits = fits.flatMap(({ fitted }) => ('misfit' in fitted ? [fitted.misfit] : []));
  const missing = misfits.filter((misfit) => misfit.kind === 'missing-unit');
  if (missing.length > 0 && missing[0])
    return { misfit: { ...missing[0], units: missing.flatMap(({ units }) => units) } };
  const wrong = misfits.find((misfit) => misfit.kind === 'wrong-unit');
  return wrong ? { misfit: wrong } : wrongType(value, { kind: 'union', options: [...options] });
}

function wrongType(value: Value, type: TypeMeaning): { misfit: Misfit } {
  const found =
    value.kind === 'number' || value.kind === 'text' || value.kind === 'boolean'
      ? `${nounOfValue(value, nounOfDimension)}`
      : nounOfValue(value, nounOfDimension);
  return { misfit: { kind: 'wrong-type', expected: nounOfType(type), found } };
}

/** What a type is called in a sentence. */
export function nounOfType(type: TypeMeaning): string {
  switch (type.kind) {
    case 'float':
      return 'a number';
    case 'int':
      return 'a whole number';
    case 'count':
      return 'a whole number of at least 1';
    case 'bool':
      return '`true` or `false`';
    case 'text':
      return 'a text';
    case 'secret':
      return 'a secret (`secret.NAME`)';
    case 'shape':
      return 'a list of whole numbers';
    case 'file':
    case 'table':
    case 'image':
      return `a ${type.kind === 'image' ? 'picture' : type.kind}`;
    case 'quantity':
      return nounOfDimension(type.dimension);
    case 'class':
      return 'one of the classes';
    case 'choice':
      return type.choices.length === 1
        ? `\`${type.choices[0]}\``
        : `one of ${type.choices.map((name) => `\`${name}\``).join(', ')}`;
    case 'list':
      return `a list of ${type.length} ${type.of.kind === 'float' ? 'numbers' : 'whole numbers'}`;
    case 'union':
      return type.options.map(nounOfType).join(' or ');
  }
}

/** Whether every number in a value lies in a domain: a range, or a list of what is allowed. */
export function isInDomain(value: PlanValue, domain: Value): boolean {
  if (Array.isArray(value)) return value.every((item) => isInDomain(item, domain));
  if (domain.kind === 'range') return typeof value !== 'number' || (value >= domain.lower && value <= domain.upper);
  if (domain.kind === 'list') return domain.items.some((item) => planValueOf(item) === value);
  return true;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1;
}
