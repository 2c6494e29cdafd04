/** What each expression must be, by where it stands: one entry a place, so that every value is judged the same way. */
import type { AstNode } from 'langium';
import * as ast from '../generated/ast.ts';
import { nodesOf } from '../syntax/tree.ts';
import { meaningOfParameter, parameterOf } from '../typing/arguments.ts';
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
const TEXT: TypeMeaning = { kind: 'text' };

const union = (...options: TypeMeaning[]): TypeMeaning => ({ kind: 'union', options });
const range = (lower: number, upper: number, dimension = PLAIN): Value => ({ kind: 'range', lower, upper, dimension });

/** Every expression of a file that must be something. */
export function expectationsIn(file: ast.File): Expectation[] {
  const all: Expectation[] = [];
  for (const node of nodesOf(file)) {
    for (const { expression, ...rest } of EXPECTED.get(node.$type)?.(node) ?? []) {
      if (expression !== undefined) all.push({ expression, ...rest });
    }
  }
  return all;
}

type Expected = Omit<Expectation, 'expression'> & { expression: ast.Expression | undefined };
type Expecting = { [Type in keyof ast.MlpipeAstType]?: (node: ast.MlpipeAstType[Type]) => Expected[] };

const SHARE_LIMIT = { type: SHARE_TYPE, domain: range(0, 1), domainText: '0% .. 100%' };
const COUNT_LIMIT = { domain: range(1, 1e9), domainText: '1 ..' };
const TOLERANCE_LIMIT = { domain: range(0, 1), domainText: '0 .. 100' };

/** By the kind of the node in which an expression stands. */
const PLACES: Expecting = {
  Argument: expectedOfArgument,
  Param: expectedOfParam,
  Gate: expectedOfGate,
  Part: ({ share }) => [{ expression: share, ...SHARE_LIMIT }],
  SeedFact: ({ value }) => [
    { expression: value, type: INT, domain: range(0, 2 ** 32 - 1), domainText: '0 .. 4294967295' },
  ],
  EpochsFact: ({ value }) => [{ expression: value, type: union(COUNT, EPOCHS), ...COUNT_LIMIT }],
  BatchFact: ({ value }) => [{ expression: value, type: union(COUNT, ROWS), ...COUNT_LIMIT }],
  ReplicatesFact: ({ count }) => [{ expression: count, type: COUNT, domain: range(3, 100), domainText: '3 .. 100' }],
  StopFact: ({ patience }) => [{ expression: patience, type: EPOCHS, domain: range(1, 1e9), domainText: '1 epoch ..' }],
  CheckpointFact: ({ period }) => [
    {
      expression: period,
      type: union(EPOCHS, DURATION),
      domain: range(1, 1e9),
      domainText: '1 epoch .., or 1 s ..',
    },
  ],
  CanaryFact: ({ share }) => [{ expression: share, ...SHARE_LIMIT }],
  TolerateFact: ({ absolute, relative }) => [
    { expression: absolute, type: quantity('points', POINTS), ...TOLERANCE_LIMIT },
    { expression: relative, type: SHARE_TYPE, ...TOLERANCE_LIMIT },
  ],
  BudgetFact: ({ window }) => [{ expression: window, type: DURATION }],
  HardwareFact: ({ items }) =>
    items.filter(ast.isQuantity).map((expression) => ({ expression, type: union(MEMORY, CPUS, GPUS) })),
  ResourcesFact: ({ items }) => items.map((expression) => ({ expression, type: union(MEMORY, CPUS, GPUS, DURATION) })),
  NamedType: ({ shape }) => shape.map((expression) => ({ expression, type: COUNT })),
  Column: ({ domain }) => [{ expression: domain }],
  FromFact: ({ source }) => (ast.isText(source) ? [{ expression: source, type: TEXT }] : []),
  ReadFact: ({ files }) => files.map((expression) => ({ expression, type: TEXT })),
  OutFact: ({ path }) => [{ expression: path, type: TEXT }],
};

const EXPECTED: ReadonlyMap<string, (node: AstNode) => Expected[]> = new Map(
  // The table binds each function to the type that its key names, and a node is looked up by its own type.
  Object.entries(PLACES) as [string, (node: AstNode) => Expected[]][],
);

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
  if (parameter === undefined) return [];
  const { type, domain, domainText } = meaningOfParameter(parameter);
  if (type === undefined) return [];
  return [
    {
      expression: argument.value,
      type,
      ...(domain === undefined ? {} : { domain, domainText }),
    },
  ];
}
