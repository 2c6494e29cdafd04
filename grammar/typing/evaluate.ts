/** What an expression comes to: constants, parameters, arithmetic with units, texts. */
import * as ast from '../generated/ast.ts';
import { targetOf } from '../scoping/targets.ts';
import { inBaseUnits, meaningOfUnit, nounOfDimension, PLAIN, POINTS, SHARE } from './units.ts';
import { nounOfValue, numberText, numberValue, planValueOf, type Value } from './values.ts';

/** Parameters' values in the place of their defaults: from the command line, or one of an expansion. */
export type Bindings = ReadonlyMap<ast.Param, Value>;

export const NO_BINDINGS: Bindings = new Map();

/** Why an expression comes to nothing. What another check reports (an unknown name, a cycle) is not reported here. */
export interface EvaluationProblem {
  kind: 'units-differ' | 'not-a-number' | 'not-finite' | 'not-a-value';
  node: ast.Expression;
  message: string;
}

export type Complain = (problem: EvaluationProblem) => void;

const SILENTLY: Complain = () => {};

/** More parameters behind one another than anybody writes; the stack holds several times as many. */
const DEPTH_LIMIT = 200;

/** Characters of a text, or values of a list with all lists in it: parameters that double one another grow fast. */
const SIZE_LIMIT = 100_000;

/** The value of an expression, or `undefined` where it has none; `complain` then hears why. */
export function evaluate(
  expression: ast.Expression | undefined,
  bindings: Bindings = NO_BINDINGS,
  complain: Complain = SILENTLY,
): Value | undefined {
  return new Evaluation(bindings, complain).of(expression);
}

/** The value of a parameter: what is bound to it, else its default. */
export function valueOfParam(param: ast.Param, bindings: Bindings = NO_BINDINGS): Value | undefined {
  return new Evaluation(bindings, SILENTLY).ofParam(param);
}

class Evaluation {
  private readonly bindings: Bindings;
  private readonly complain: Complain;
  /** Parameters whose value is being asked for, against going round in circles. */
  private open = new Set<ast.Param>();
  /** What has been asked for once, so that parameters that name one twice do not double the work at each step. */
  private known = new Map<ast.Param, Value | undefined>();
  private sizes = new WeakMap<object, number>();

  constructor(bindings: Bindings, complain: Complain) {
    this.bindings = bindings;
    this.complain = complain;
  }

  of(expression: ast.Expression | undefined): Value | undefined {
    if (ast.isQuantity(expression)) return this.ofQuantity(expression);
    if (ast.isBooleanLiteral(expression)) return { kind: 'boolean', value: expression.value };
    if (ast.isPlainText(expression)) return { kind: 'text', value: expression.value };
    if (ast.isTextTemplate(expression)) return this.ofTemplate(expression);
    if (ast.isSecret(expression)) {
      return expression.variable === undefined ? undefined : { kind: 'secret', name: expression.variable };
    }
    if (ast.isList(expression)) {
      const items = expression.items.map((item) => this.of(item));
      return items.every((item) => item !== undefined) ? this.listOf(items) : undefined;
    }
    if (ast.isRange(expression)) return this.ofRange(expression);
    if (ast.isUnaryExpression(expression)) {
      const operand = this.numberOf(expression.operand);
      return operand && numberValue(-operand.value, operand.dimension);
    }
    if (ast.isBinaryExpression(expression)) return this.ofBinary(expression);
    return this.ofReference(expression);
  }

  ofParam(param: ast.Param): Value | undefined {
    const bound = this.bindings.get(param);
    if (bound !== undefined) return bound;
    if (this.open.has(param) || this.open.size >= DEPTH_LIMIT) return undefined;
    if (this.known.has(param)) return this.known.get(param);
    this.open.add(param);
    const value = this.quietly().of(param.value);
    this.open.delete(param);
    this.known.set(param, value);
    return value;
  }

  /** What is wrong in a default is reported where the default stands, not where it is used. */
  private quietly(): Evaluation {
    if (this.complain === SILENTLY) return this;
    const quiet = new Evaluation(this.bindings, SILENTLY);
    quiet.open = this.open;
    quiet.known = this.known;
    quiet.sizes = this.sizes;
    return quiet;
  }

  private listOf(items: readonly Value[]): Value | undefined {
    const size = items.reduce((sum, item) => sum + (item.kind === 'list' ? (this.sizes.get(item) ?? 1) : 1), 1);
    if (size > SIZE_LIMIT) return undefined;
    const list: Value = { kind: 'list', items: [...items] };
    this.sizes.set(list, size);
    return list;
  }

  private ofQuantity(quantity: ast.Quantity): Value | undefined {
    if (quantity.unit === undefined) return numberValue(quantity.value);
    const meaning = meaningOfUnit(quantity.unit.ref);
    return meaning && numberValue(inBaseUnits(quantity.value, meaning), meaning.dimension);
  }

  private ofReference(expression: ast.Expression | undefined): Value | undefined {
    const target = targetOf(expression);
    if (target === undefined) return undefined;
    if (ast.isParam(target)) return this.ofParam(target);
    if (ast.isChoice(target)) return { kind: 'choice', name: target.name };
    return { kind: 'reference', target };
  }

  private ofTemplate(template: ast.TextTemplate): Value | undefined {
    let text = template.start;
    for (const [index, expression] of template.values.entries()) {
      const value = this.of(expression);
      const plan = value && planValueOf(value);
      if (plan === undefined) {
        // Of secrets another rule speaks.
        if (value !== undefined && value.kind !== 'secret') {
          this.complain({
            kind: 'not-a-value',
            node: expression,
            message: `A text here can hold numbers and texts, not ${nounOfValue(value, nounOfDimension)}.`,
          });
        }
        return undefined;
      }
      text += String(plan) + (template.middles[index] ?? template.end ?? '');
      if (text.length > SIZE_LIMIT) return undefined;
    }
    return { kind: 'text', value: text };
  }

  private ofRange(range: ast.Range): Value | undefined {
    const lower = this.numberOf(range.lower);
    if (lower === undefined) return undefined;
    if (range.upper === undefined)
      return { kind: 'range', lower: lower.value, upper: Number.POSITIVE_INFINITY, dimension: lower.dimension };
    const upper = this.numberOf(range.upper);
    if (upper === undefined) return undefined;
    if (lower.dimension !== upper.dimension) {
      this.complain({
        kind: 'units-differ',
        node: range,
        message: `One bound is ${nounOfDimension(lower.dimension)}, the other ${nounOfDimension(upper.dimension)}. Give both the same unit.`,
      });
      return undefined;
    }
    return { kind: 'range', lower: lower.value, upper: upper.value, dimension: lower.dimension };
  }

  private numberOf(expression: ast.Expression | undefined): { value: number; dimension: string } | undefined {
    const value = this.of(expression);
    if (value === undefined || expression === undefined) return undefined;
    if (value.kind === 'number') return value;
    this.complain({
      kind: 'not-a-number',
      node: expression,
      message: `This is ${nounOfValue(value, nounOfDimension)}, and one can only reckon with numbers. Write a number here.`,
    });
    return undefined;
  }

  private ofBinary(expression: ast.BinaryExpression): Value | undefined {
    const left = this.numberOf(expression.left);
    const right = this.numberOf(expression.right);
    if (left === undefined || right === undefined) return undefined;
    const dimension = dimensionOf(expression.operator, left.dimension, right.dimension);
    if (dimension === undefined) {
      this.complain({
        kind: 'units-differ',
        node: expression,
        message: `\`${expression.operator}\` does not go between ${nounOfDimension(left.dimension)} and ${nounOfDimension(right.dimension)}. Give both the same unit.`,
      });
      return undefined;
    }
    const value = reckon(expression.operator, left.value, right.value);
    if (!Number.isFinite(value)) {
      this.complain({
        kind: 'not-finite',
        node: expression,
        message: `${numberText(left.value)} ${expression.operator} ${numberText(right.value)} is no finite number. Change one of the two.`,
      });
      return undefined;
    }
    return numberValue(value, dimension);
  }
}

type Operator = ast.BinaryExpression['operator'];

function reckon(operator: Operator, left: number, right: number): number {
  switch (operator) {
    case '+':
      return left + right;
    case '-':
      return left - right;
    case '*':
      return left * right;
    case '/':
      return left / right;
  }
}

/** A share goes with plain numbers (`1 - 20%`) and with points (`95% - 2 pt`), and scales anything. */
function dimensionOf(operator: Operator, left: string, right: string): string | undefined {
  const scales = (dimension: string): boolean => dimension === PLAIN || dimension === SHARE;
  if (operator === '+' || operator === '-') {
    if (left === right) return left;
    const both = new Set([left, right]);
    return both.has(SHARE) && (both.has(PLAIN) || both.has(POINTS)) ? SHARE : undefined;
  }
  if (operator === '*') {
    if (left === PLAIN) return right;
    if (right === PLAIN) return left;
    return scales(right) ? left : scales(left) ? right : undefined;
  }
  if (left === right) return PLAIN;
  return scales(right) ? left : undefined;
}
