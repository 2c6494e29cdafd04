/** Trainings, evaluations and programs as plans. Each function answers `undefined` where the block is not whole. */
import * as ast from '../../generated/ast.ts';
import { dataOf, targetOf } from '../../scoping/targets.ts';
import { plainArgumentValues } from '../../typing/arguments.ts';
import { type Bindings, evaluate } from '../../typing/evaluate.ts';
import { chosenSuffix, type Expansion } from '../../typing/sweep.ts';
import { targetColumnOf } from '../../typing/target.ts';
import { SHARE } from '../../typing/units.ts';
import { planValueOf } from '../../typing/values.ts';
import {
  type CallPlan,
  type CommandPart,
  type DataReference,
  type EvaluateStep,
  type GatePlan,
  type ProgramStep,
  STEP_OUTPUTS,
  type TrainStep,
} from '../plan.ts';
import { compareTexts, producersOf, resourcesOf } from './blocks.ts';
import type { Names } from './names.ts';

/** What steps need to know of the rest of the plan. */
export interface Surroundings {
  names: Names;
  /** The name of a data set or a model under these values of the parameters. */
  dataName: (data: ast.Data, bindings: Bindings) => string;
  modelName: (model: ast.Model, bindings: Bindings) => string;
}

export function trainStep(train: ast.Train, expansion: Expansion, around: Surroundings): TrainStep | undefined {
  const { bindings, suffix } = expansion;
  const { facts } = train;
  const name = around.names.of(train);
  const model = facts.find(ast.isModelFact)?.model?.ref;
  const on = referenceOf(facts.find(ast.isOnFact)?.data, around, bindings);
  const target = targetColumnOf(train).column;
  const loss = callPlan(facts.find(ast.isLossFact)?.loss, bindings);
  const optimizer = callPlan(facts.find(ast.isOptimizerFact)?.optimizer, bindings);
  const epochs = numberOf(facts.find(ast.isEpochsFact)?.value, bindings);
  const batch = numberOf(facts.find(ast.isBatchFact)?.value, bindings);
  if (!model || !on || !target || !loss || !optimizer || epochs === undefined || batch === undefined) return undefined;
  const data = [facts.find(ast.isOnFact)?.data, facts.find(ast.isValidateFact)?.data].map(dataOf);
  const step: TrainStep = {
    kind: 'train',
    name: name + suffix,
    block: name,
    needs: sortedOnce(data.flatMap(producersOf).map((producer) => around.names.of(producer))),
    resources: resourcesOf(facts.filter(ast.isResourcesFact).flatMap(({ items }) => items)),
    model: around.modelName(model, bindings),
    on,
    target: target.name,
    loss,
    optimizer,
    epochs,
    batch,
  };
  const environment = facts.find(ast.isInFact)?.environment?.ref;
  if (environment !== undefined) step.environment = around.names.of(environment);
  const validate = referenceOf(facts.find(ast.isValidateFact)?.data, around, bindings);
  if (validate !== undefined) step.validate = validate;
  const schedule = callPlan(facts.find(ast.isScheduleFact)?.schedule, bindings);
  if (schedule !== undefined) step.schedule = schedule;
  const weights = weightsOf(facts.find(ast.isWeightsFact)?.value, bindings);
  if (weights !== undefined) step.weights = weights;
  const seed = numberOf(facts.find(ast.isSeedFact)?.value, bindings);
  if (seed !== undefined) step.seed = seed;
  const stop = facts.find(ast.isStopFact);
  const patience = numberOf(stop?.patience, bindings);
  const metric = stop?.metric?.ref?.name;
  if (metric !== undefined && patience !== undefined) step.stop = { metric, patience };
  const period = evaluate(facts.find(ast.isCheckpointFact)?.period, bindings);
  if (period?.kind === 'number') {
    step.checkpoint = period.dimension === 's' ? { seconds: period.value } : { epochs: period.value };
  }
  return step;
}

function callPlan(call: ast.Call | undefined, bindings: Bindings): CallPlan | undefined {
  const callee = call?.callee?.ref;
  if (call === undefined || callee === undefined) return undefined;
  const values = plainArgumentValues(call.arguments, callee, bindings);
  return values && { name: callee.name, arguments: values };
}

function weightsOf(expression: ast.Expression | undefined, bindings: Bindings): 'balanced' | number[] | undefined {
  const value = evaluate(expression, bindings);
  if (value?.kind === 'choice') return value.name === 'balanced' ? 'balanced' : undefined;
  if (value?.kind !== 'list') return undefined;
  return value.items.flatMap((item) => (item.kind === 'number' ? [item.value] : []));
}

function numberOf(expression: ast.Expression | undefined, bindings: Bindings): number | undefined {
  const value = evaluate(expression, bindings);
  return value?.kind === 'number' ? value.value : undefined;
}

/** `digits` or `digits.train`. */
function referenceOf(
  expression: ast.Expression | undefined,
  around: Surroundings,
  bindings: Bindings,
): DataReference | undefined {
  const data = dataOf(expression);
  if (data === undefined) return undefined;
  const name = around.dataName(data, bindings);
  const target = targetOf(expression);
  if (target === data) return { data: name };
  return ast.isPart(target) ? { data: name, part: target.name } : undefined;
}

/** As the CLI, the lock and `deploy` call it: its own name, else the training's, a dot and the part's. */
export function evaluateName(block: ast.Evaluate, names: Names): string | undefined {
  if (block.name !== undefined) return block.name;
  const train = block.training?.ref;
  const target = targetOf(block.data);
  return train && (ast.isPart(target) || ast.isData(target)) ? `${names.of(train)}.${target.name}` : undefined;
}

export function evaluateStep(
  block: ast.Evaluate,
  expansion: Expansion,
  around: Surroundings,
): EvaluateStep | undefined {
  const train = block.training?.ref;
  const name = evaluateName(block, around.names);
  const on = referenceOf(block.data, around, expansion.bindings);
  const gates = block.facts.map((gate) => gatePlan(gate, expansion.bindings));
  if (!train || !name || !on || !gates.every((gate) => gate !== undefined)) return undefined;
  const trainName = around.names.of(train) + expansion.suffix;
  const producers = producersOf(dataOf(block.data)).map((producer) => around.names.of(producer));
  const step: EvaluateStep = {
    kind: 'evaluate',
    name: name + expansion.suffix,
    block: name,
    needs: sortedOnce([trainName, ...producers]),
    resources: {},
    train: trainName,
    on,
    gates: gates.sort((a, b) => compareTexts(JSON.stringify(a), JSON.stringify(b))),
  };
  const environment = train.facts.find(ast.isInFact)?.environment?.ref;
  return environment === undefined ? step : { ...step, environment: around.names.of(environment) };
}

function gatePlan(gate: ast.Gate, bindings: Bindings): GatePlan | undefined {
  const metric = gate.metric?.ref;
  const threshold = numberOf(gate.threshold, bindings);
  if (metric === undefined || gate.operator === undefined || threshold === undefined) return undefined;
  const values = plainArgumentValues(gate.arguments, metric, bindings);
  if (values === undefined) return undefined;
  const plan: GatePlan = { metric: metric.name, operator: gate.operator, threshold };
  if (typeof values.class === 'number' || typeof values.class === 'string') plan.class = values.class;
  if (typeof values.k === 'number') plan.k = values.k;
  const tolerance = evaluate(gate.tolerance, bindings);
  if (tolerance?.kind !== 'number') return plan;
  const within = tolerance.dimension === SHARE ? { relative: tolerance.value } : { absolute: tolerance.value };
  return { ...plan, within };
}

// ---------------------------------------------------------------- programs

export function programStep(step: ast.Step, around: Surroundings, bindings: Bindings): ProgramStep | undefined {
  const command = partsOfText(step.facts.find(ast.isRunFact)?.command, step, around, bindings);
  if (command === undefined) return undefined;
  const name = around.names.of(step);
  const variables: Record<string, CommandPart[]> = {};
  for (const variable of step.facts.filter(ast.isVariableFact)) {
    const parts = partsOfExpression(variable.value, step, around, bindings);
    if (parts === undefined) return undefined;
    variables[variable.name] = parts;
  }
  const parts = [...command, ...Object.values(variables).flat()];
  const inputs = parts.flatMap((part) => (part.kind === 'input' ? [{ step: part.step, output: part.output }] : []));
  const data = dataNamedIn(step);
  const plan: ProgramStep = {
    kind: 'program',
    name,
    block: name,
    needs: sortedOnce([
      ...inputs.map((input) => input.step),
      ...data.flatMap(producersOf).map((p) => around.names.of(p)),
    ]),
    resources: resourcesOf(step.facts.filter(ast.isResourcesFact).flatMap(({ items }) => items)),
    command,
    reads: sortedOnce(
      step.facts.filter(ast.isReadFact).flatMap(({ files }) => files.flatMap((file) => pathOf(file, around, bindings))),
    ),
    inputs: onceBy(inputs, ({ step: from, output }) => `${from} ${output}`),
    data: sortedOnce(parts.flatMap((part) => (part.kind === 'data' ? [part.data] : []))),
    writes: step.facts
      .filter(ast.isOutFact)
      .flatMap((output) => pathOf(output.path, around, bindings).map((path) => ({ name: output.name, path })))
      .sort((a, b) => compareTexts(a.name, b.name)),
    variables,
  };
  const environment = step.facts.find(ast.isInFact)?.environment?.ref;
  return environment === undefined ? plan : { ...plan, environment: around.names.of(environment) };
}

function pathOf(text: ast.Text | undefined, around: Surroundings, bindings: Bindings): string[] {
  const value = evaluate(text, bindings);
  return text !== undefined && value?.kind === 'text' ? [around.names.path(text, value.value)] : [];
}

/** The expressions of a step's command and of its variables. */
export function expressionsOfProgram(step: ast.Step): ast.Expression[] {
  const written = [
    ...step.facts.filter(ast.isRunFact).map(({ command }) => command),
    ...step.facts.filter(ast.isVariableFact).map(({ value }) => value),
  ];
  return written.flatMap((expression) =>
    ast.isTextTemplate(expression) ? expression.values : expression === undefined ? [] : [expression],
  );
}

/** The data sets that a step's program is given. */
export function dataNamedIn(step: ast.Step): ast.Data[] {
  return expressionsOfProgram(step).map(targetOf).filter(ast.isData);
}

function partsOfText(
  text: ast.Expression | undefined,
  step: ast.Step,
  around: Surroundings,
  bindings: Bindings,
): CommandPart[] | undefined {
  if (ast.isPlainText(text)) return [{ kind: 'text', text: text.value }];
  if (!ast.isTextTemplate(text)) return undefined;
  const parts: CommandPart[] = [{ kind: 'text', text: text.start }];
  for (const [index, expression] of text.values.entries()) {
    const inner = partsOfExpression(expression, step, around, bindings);
    if (inner === undefined) return undefined;
    parts.push(...inner, { kind: 'text', text: text.middles[index] ?? text.end ?? '' });
  }
  return parts.filter((part) => part.kind !== 'text' || part.text !== '');
}

function partsOfExpression(
  expression: ast.Expression | undefined,
  step: ast.Step,
  around: Surroundings,
  bindings: Bindings,
): CommandPart[] | undefined {
  if (ast.isTextTemplate(expression)) return partsOfText(expression, step, around, bindings);
  const value = evaluate(expression, bindings);
  if (value === undefined) return undefined;
  if (value.kind === 'secret') return [{ kind: 'secret', name: value.name }];
  if (value.kind !== 'reference') {
    const plan = planValueOf(value);
    return plan === undefined ? undefined : [{ kind: 'value', value: plan }];
  }
  const { target } = value;
  if (ast.isData(target)) return [{ kind: 'data', data: around.dataName(target, bindings) }];
  if (ast.isOutFact(target)) {
    return target.$container === step
      ? [{ kind: 'output', name: target.name }]
      : [{ kind: 'input', step: around.names.of(target.$container), output: target.name }];
  }
  return ast.isMemberExpression(expression) && ast.isMember(target)
    ? outputOfBuiltinStep(expression, target.name, around, bindings)
    : undefined;
}

/** `recognise.model`, `recognise(rate: 1e-2).history`, `quick.report`. */
function outputOfBuiltinStep(
  expression: ast.MemberExpression,
  output: string,
  around: Surroundings,
  bindings: Bindings,
): CommandPart[] | undefined {
  const { receiver } = expression;
  if (!ast.isNameExpression(receiver)) return undefined;
  const owner = receiver.target?.ref;
  const train = ast.isEvaluate(owner) ? owner.training?.ref : owner;
  if (!ast.isTrain(train)) return undefined;
  const suffix = chosenSuffix(train, receiver.arguments, bindings);
  const name = ast.isEvaluate(owner) ? evaluateName(owner, around.names) : around.names.of(train);
  const known = STEP_OUTPUTS[ast.isEvaluate(owner) ? 'evaluate' : 'train'];
  if (suffix === undefined || name === undefined || !known.includes(output)) return undefined;
  return [{ kind: 'input', step: name + suffix, output }];
}

function sortedOnce(names: readonly string[]): string[] {
  return [...new Set(names)].sort(compareTexts);
}

function onceBy<T>(items: readonly T[], key: (item: T) => string): T[] {
  const byKey = new Map(items.map((item) => [key(item), item]));
  return [...byKey].sort(([a], [b]) => compareTexts(a, b)).map(([, item]) => item);
}
