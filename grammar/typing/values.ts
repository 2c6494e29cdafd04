/** Values: what an expression comes to, before a type says what it must be. */
import type { AstNode } from 'langium';
import type { PlanValue } from '../plan/plan.ts';
import { type Dimension, PLAIN } from './units.ts';

export type Value =
  /** In the base unit of its dimension. */
  | { kind: 'number'; value: number; dimension: Dimension }
  | { kind: 'boolean'; value: boolean }
  | { kind: 'text'; value: string }
  | { kind: 'choice'; name: string }
  | { kind: 'list'; items: Value[] }
  /** `upper` is infinite in `0 ..`. */
  | { kind: 'range'; lower: number; upper: number; dimension: Dimension }
  | { kind: 'secret'; name: string }
  /** A block, a column, an output: something that has a name and is no value. */
  | { kind: 'reference'; target: AstNode };

export function numberValue(value: number, dimension: Dimension = PLAIN): Value {
  return { kind: 'number', value, dimension };
}

/** A value as a plan spells it; `undefined` for what a plan cannot hold. */
export function planValueOf(value: Value): PlanValue | undefined {
  switch (value.kind) {
    case 'number':
    case 'boolean':
    case 'text':
      return value.value;
    case 'choice':
      return value.name;
    case 'list': {
      const items = value.items.map(planValueOf);
      return items.every((item) => item !== undefined) ? items : undefined;
    }
    case 'range':
    case 'secret':
    case 'reference':
      return undefined;
  }
}

/** What a value is called in a sentence: "a text", "a duration". */
export function nounOfValue(value: Value, dimensionNoun: (dimension: Dimension) => string): string {
  switch (value.kind) {
    case 'number':
      return value.dimension === PLAIN ? 'a number' : dimensionNoun(value.dimension);
    case 'boolean':
      return '`true` or `false`';
    case 'text':
      return 'a text';
    case 'choice':
      return `\`${value.name}\``;
    case 'list':
      return 'a list';
    case 'range':
      return 'a range';
    case 'secret':
      return 'a secret';
    case 'reference':
      return 'a name';
  }
}

/** The shortest text that reads back as the same number. */
export function numberText(value: number): string {
  return String(value);
}

/** A value as a step's name spells it: `0.01`, `relu`, `3x3`. */
export function nameOfValue(value: PlanValue): string {
  return Array.isArray(value) ? value.map(nameOfValue).join('x') : String(value);
}
