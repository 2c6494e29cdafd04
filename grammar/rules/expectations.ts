/** What each expression must be, by where it stands: one entry a place, so that every value is judged the same way. */
import { AstUtils } from 'langium';
import * as ast from '../generated/ast.ts';
import { parameterOf } from '../typing/arguments.ts';
import { evaluate } from '../typing/evaluate.ts';
import { meaningOfType, quantity, type TypeMeaning } from '../typing/types.ts';
import { meaningOfUnit, PLAIN, POINTS, SHARE } from '../typing/units.ts';
import type { Value } from '../typing/values.ts';

export interface Expectation {
  expression: ast.Expression;
  /** Nothing where any value will do. */
  type?: TypeMeaning;
  domain?: Value;
  /** The domain as it is written. */
  domainText?: string;
}

const SHARE_TYPE = quantity('share', SHARE);
const MEMORY = quantity('memory', 'B');
const DURATION = quantity('duration', 's');
const EPOCHS = quantity('epochs', 'epochs');
const ROWS = quantity('rows', 'rows');
const CPUS = quantity('cpus', 'cpus');
const GPUS = quantity('gpus', 'gpus');
const COUNT: TypeMeaning = { kind: 'count' };
const INT: TypeMeaning = { kind: 'int' };
const FLOAT: TypeMeaning = { kind: 'float' };

const union = (...options: TypeMeaning[]): TypeMeaning => ({ kind: 'union', options });
const range = (lower: number, upper: number, dimension = PLAIN): Value => ({ kind: 'range', lower, upper, dimension });

/** Every expression of a file that must be something. */
export function expectationsIn(file: ast.File): Expectation[] {
  return AstUtils.streamAst(file)
    .flatMap((node) => {
      const of = ast.isArgument(node) ? expectedOfArgument(node) : expectedOf(node);
      return of.flatMap(({ expression, ...rest }) => (expression === undefined ? [] : [{ expression, ...rest }]));
    })
    .toArray();
}

type Expected = Omit<Expectation, 'expression'> & { expression: ast.Expression | undefined };

function expectedOf(node: ReturnType<typeof AstUtils.findRootNode>): Expected[] {
  if (ast.isParam(node)) return expectedOfParam(node);
  if (ast.isPart(node))
    return [{ expression: node.share, type: SHARE_TYPE, domain: range(0, 1), domainText: '0% .. 100%' }];
  if (ast.isSeedFact(node))
    return [{ expression: node.value, type: INT, domain: range(0, 2 ** 32 - 1), domainText: '0 .. 4294967295' }];
  if (ast.isEpochsFact(node))
    return [{ expression: node.value, type: union(COUNT, EPOCHS), domain: range(1, 1e9), domainText: '1 ..' }];
  if (ast.isBatchFact(node))
    return [{ expression: node.value, type: union(COUNT, ROWS), domain: range(1, 1e9), domainText: '1 ..' }];
  if (ast.isStopFact(node))
    return [{ expression: node.patience, type: EPOCHS, domain: range(1, 1e9), domainText: '1 epoch ..' }];
  if (ast.isCheckpointFact(node))
    return [
      {
        expression: node.period,
        type: union(EPOCHS, DURATION),
        domain: range(1, 1e9),
        domainText: '1 epoch .., or 1 s ..',
      },
    ];
  if (ast.isGate(node)) return expectedOfGate(node);
  if (ast.isCanaryFact(node))
    return [{ expression: node.share, type: SHARE_TYPE, domain: range(0, 1), domainText: '0% .. 100%' }];
  if (ast.isTolerateFact(node)) {
    const limit = { domain: range(0, 1), domainText: '0 .. 100' };
    return [
      { expression: node.absolute, type: quantity('points', POINTS), ...limit },
      { expression: node.relative, type: SHARE_TYPE, ...limit },
    ];
  }
  if (ast.isBudgetFact(node)) return [{ expression: node.window, type: DURATION }];
  if (ast.isHardwareFact(node))
    return node.items.filter(ast.isQuantity).map((expression) => ({ expression, type: union(MEMORY, CPUS, GPUS) }));
  if (ast.isResourcesFact(node))
    return node.items.map((expression) => ({ expression, type: union(MEMORY, CPUS, GPUS, DURATION) }));
  if (ast.isNamedType(node)) return node.shape.map((expression) => ({ expression, type: COUNT }));
  if (ast.isColumn(node)) return [{ expression: node.domain }];
  if (ast.isFromFact(node) && ast.isText(node.source)) return [{ expression: node.source, type: { kind: 'text' } }];
  if (ast.isReadFact(node)) return node.files.map((expression) => ({ expression, type: { kind: 'text' } }));
  if (ast.isOutFact(node)) return [{ expression: node.path, type: { kind: 'text' } }];
  return [];
}

function expectedOfParam(param: ast.Param): Expected[] {
  const type = meaningOfType(param.type);
  const domain = evaluate(param.domain);
  const value = evaluate(param.value);
  const isComparable =
    domain?.kind !== 'range' || value?.kind !== 'number' || domain.dimension === value.dimension || domain.lower === 0;
  return [
    {
      expression: param.value,
      ...(type === undefined ? {} : { type }),
      ...(domain === undefined || !isComparable ? {} : { domain, domainText: param.domain?.$cstNode?.text ?? '' }),
    },
    { expression: param.domain },
  ];
}

/** The threshold in the metric's unit; the tolerance in points, as a share of the value, or as a plain number. */
function expectedOfGate(gate: ast.Gate): Expected[] {
  const metric = gate.metric?.ref;
  if (metric === undefined) return [];
  const isShare = meaningOfUnit(metric.unit?.ref)?.dimension === SHARE;
  const limit = { domain: range(0, 1), domainText: '0% .. 100%' };
  return [
    { expression: gate.threshold, type: isShare ? SHARE_TYPE : FLOAT, ...(isShare ? limit : {}) },
    {
      expression: gate.tolerance,
      type: isShare ? union(quantity('points', POINTS), SHARE_TYPE) : FLOAT,
      domain: range(0, Number.POSITIVE_INFINITY),
      domainText: '0 ..',
    },
  ];
}

function expectedOfArgument(argument: ast.Argument): Expected[] {
  const owner = argument.$container;
  if (ast.isNameExpression(owner) || ast.isDeploy(owner)) return [];
  const callee = ast.isGate(owner) ? owner.metric?.ref : owner.callee?.ref;
  const parameter = callee && parameterOf(argument, callee);
  const type = meaningOfType(parameter?.type);
  if (parameter === undefined || type === undefined) return [];
  const domain = evaluate(parameter.domain);
  return [
    {
      expression: argument.value,
      type,
      ...(domain === undefined ? {} : { domain, domainText: parameter.domain?.$cstNode?.text ?? '' }),
    },
  ];
}
