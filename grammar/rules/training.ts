/** Rules 4xxx: trainings and what is measured of them. */
import { AstUtils } from 'langium';
import * as ast from '../generated/ast.ts';
import type { ColumnType, EngineName } from '../plan/plan.ts';
import { dataOf, targetOf } from '../scoping/targets.ts';
import { hint, nearest } from '../syntax/distance.ts';
import { parameterOf } from '../typing/arguments.ts';
import { classesOf, classNamesOf, columnNamed, columnTypeOf, sizeOf } from '../typing/columns.ts';
import { evaluate } from '../typing/evaluate.ts';
import { shapeText } from '../typing/layers.ts';
import { type LayerInfo, type ModelInfo, outputSizesFor } from '../typing/model.ts';
import { sourceOf } from './data.ts';
import { addArgument, addFact, changeTo, removeItem, replaceNode } from './fixes.ts';
import { modelInfo, targetOfTraining } from './inferred.ts';
import { listed, oncePerCheck, type Rule, type RuleContext, sourceFact } from './rule.ts';

// ---------------------------------------------------------------- what a training predicts

interface Task {
  train: ast.Train;
  column: ast.Column;
  type: ColumnType;
  classes: number | undefined;
  info?: ModelInfo;
}

function taskOf(train: ast.Train | undefined, context: RuleContext): Task | undefined {
  return train && taskOfTraining(train, context);
}

const taskOfTraining = oncePerCheck((train: ast.Train, context): Task | undefined => {
  const { column } = targetOfTraining(train, context);
  const type = column && columnTypeOf(column);
  if (column === undefined || type === undefined || type.kind === 'text') return undefined;
  const model = train.facts.find(ast.isModelFact)?.model?.ref;
  return {
    train,
    column,
    type,
    classes: classesOf(type),
    ...(model === undefined ? {} : { info: modelInfo(model, context) }),
  };
});

export const targetMustBeClear: Rule<ast.Train> = (train, report, context) => {
  const fact = train.facts.find(ast.isTargetFact);
  const model = train.facts.find(ast.isModelFact)?.model?.ref;
  const on = train.facts.find(ast.isOnFact);
  const data = dataOf(on?.data);
  if (fact !== undefined) {
    const target = targetOf(fact.column);
    if (target !== undefined && !ast.isColumn(target)) {
      report({
        code: 'MLP1007',
        message: 'A training predicts a column. Name one: `digits.label`.',
        node: fact,
        property: 'column',
      });
    } else if (ast.isColumn(target) && columnTypeOf(target)?.kind === 'text') {
      report({
        code: 'MLP4010',
        message: `\`${target.name}\` is text, which nothing here predicts. Make it a class: \`class(…)\`.`,
        node: fact,
        property: 'column',
      });
    }
    return;
  }
  const { column, candidates: all } = targetOfTraining(train, context);
  const candidates = classesFirst(all);
  if (column !== undefined || model === undefined || on === undefined || data === undefined) return;
  if (!model.facts.some(ast.isInputFact)) return;
  if (
    model.facts.filter(ast.isInputFact).some(({ sources }) => sources.some((source) => targetOf(source) === undefined))
  )
    return;
  const message =
    candidates.length === 0
      ? 'Every column is an input, so nothing is left to predict. Take one out of `input`, or name it: `target …`.'
      : `It could be ${listed(
          candidates.map(({ name }) => name),
          'or',
        )} that is predicted. Say which: \`target ${candidates[0]?.name}\`.`;
  report({
    code: 'MLP4010',
    message,
    node: train,
    property: 'name',
    fixes: candidates
      .filter((each) => columnTypeOf(each)?.kind !== 'text')
      .flatMap(({ name }) => addFact(`Add \`target ${name}\``, train, 'target', name)),
  });
};

/** What has classes is what most people want to predict. */
function classesFirst(columns: readonly ast.Column[]): ast.Column[] {
  const isClass = (column: ast.Column): boolean => columnTypeOf(column)?.kind === 'class';
  return [...columns.filter(isClass), ...columns.filter((column) => !isClass(column))];
}

export const targetMustNotBeInput: Rule<ast.Train> = (train, report, context) => {
  const { column } = targetOfTraining(train, context);
  const model = train.facts.find(ast.isModelFact)?.model?.ref;
  const sources = model?.facts.filter(ast.isInputFact).flatMap((fact) => fact.sources) ?? [];
  const input = sources.find((source) => column !== undefined && targetOf(source) === column);
  if (column === undefined || input === undefined) return;
  const isHere = AstUtils.getDocument(input) === AstUtils.getDocument(train);
  report({
    code: 'MLP4013',
    message: `\`${column.name}\` is what is predicted, and \`${model?.name}\` sees it. Take it out of \`input\`.`,
    node: train.facts.find(ast.isTargetFact) ?? train,
    fixes: isHere && sources.length > 1 ? removeItem(`Take \`${column.name}\` out of \`input\``, input) : [],
    related: { node: input, message: 'It is an input here.' },
  });
};

export const outputMustFitTarget: Rule<ast.Train> = (train, report, context) => {
  const task = taskOf(train, context);
  const output = task?.info?.outputShape;
  if (task === undefined || output === undefined) return;
  const sizes = outputSizesFor(task.type);
  if (sizes.includes(sizeOf(output)) && (task.classes === undefined || output.length === 1)) return;
  const [wanted] = sizes;
  const last = task.info?.layers.at(-1);
  const what =
    task.classes === undefined ? `has ${wanted} ${wanted === 1 ? 'number' : 'numbers'}` : `has ${task.classes} classes`;
  const fixes =
    last?.layer === 'dense' && output.length === 1 && wanted !== undefined && isInDocument(last, train)
      ? unitsFix(last, wanted)
      : [];
  report({
    code: 'MLP4002',
    message: `\`${task.info?.model.name}\` gives ${shapeText(output)}, but \`${task.column.name}\` ${what}. Let its last layer give ${listed(sizes.map(String), 'or').replaceAll('`', '')}.`,
    node: train.facts.find(ast.isModelFact) ?? train,
    fixes,
  });
};

function isInDocument(layer: LayerInfo, train: ast.Train): boolean {
  return AstUtils.getDocument(layer.call) === AstUtils.getDocument(train);
}

function unitsFix(layer: LayerInfo, wanted: number) {
  const argument = layer.call.arguments.find((each) => each.parameter?.ref?.name === 'units');
  return argument === undefined ? [] : replaceNode(`Change \`units\` to ${wanted}`, argument, String(wanted), 'value');
}

export const lossMustFitTarget: Rule<ast.Train> = (train, report, context) => {
  const task = taskOf(train, context);
  const fact = train.facts.find(ast.isLossFact);
  const loss = fact?.loss?.callee?.ref;
  if (task === undefined || fact?.loss === undefined || loss === undefined) return;
  const isAboutClasses = loss.subject?.$refText === 'classes';
  const suit = fittingLosses(task);
  let why: string | undefined;
  if (isAboutClasses && task.classes === undefined) why = `is about classes, and \`${task.column.name}\` has numbers`;
  else if (isAboutClasses) {
    const output = task.info?.outputShape;
    const width = output === undefined ? undefined : sizeOf(output);
    const isSingle = SINGLE_OUTPUT.has(loss.name);
    if (width !== undefined && outputSizesFor(task.type).includes(width)) {
      if (isSingle && width !== 1) why = `wants one output, and \`${task.info?.model.name}\` gives ${width}`;
      else if (!isSingle && width === 1)
        why = `wants one output a class, and \`${task.info?.model.name}\` gives one in all`;
    }
  }
  if (why === undefined) return;
  report({
    code: 'MLP4003',
    message: `\`${loss.name}\` ${why}. Use ${listed(suit, 'or')}.`,
    node: fact.loss,
    property: 'callee',
    fixes: suit.slice(0, 1).flatMap((name) => replaceNode(`Use \`${name}\``, fact.loss ?? fact, name)),
  });
};

const SINGLE_OUTPUT: ReadonlySet<string> = new Set(['binaryCrossEntropy', 'hinge', 'squaredHinge']);

function fittingLosses({ classes, info }: Task): string[] {
  if (classes === undefined) return ['meanSquaredError', 'meanAbsoluteError', 'huber'];
  return info?.outputShape !== undefined && sizeOf(info.outputShape) === 1
    ? ['binaryCrossEntropy', 'hinge']
    : ['crossEntropy', 'categoricalHinge'];
}

/** Losses of shares need an activation that gives shares. */
const WANTED_ACTIVATION: Readonly<Record<string, string>> = {
  crossEntropy: 'softmax',
  klDivergence: 'softmax',
  binaryCrossEntropy: 'sigmoid',
};

export const lossShouldFitActivation: Rule<ast.Train> = (train, report, context) => {
  const fact = train.facts.find(ast.isLossFact);
  const loss = fact?.loss?.callee?.ref?.name;
  const last = taskOf(train, context)?.info;
  const layer = last?.outputShape === undefined ? undefined : last.layers.at(-1);
  const wanted = loss === undefined ? undefined : WANTED_ACTIVATION[loss];
  if (fact === undefined || layer === undefined || wanted === undefined) return;
  const found = layer.arguments.activation ?? layer.arguments.function;
  if (found === wanted || (found === undefined && layer.layer !== 'flatten')) return;
  const property = layer.layer === 'activation' ? 'function' : 'activation';
  const argument = layer.call.arguments.find((each) => each.parameter?.ref?.name === property);
  const fixes =
    !isInDocument(layer, train) || found === undefined
      ? []
      : argument === undefined
        ? addArgument(`Add \`${property}: ${wanted}\``, layer.call, property, wanted)
        : replaceNode(`Change to \`${wanted}\``, argument, wanted, 'value');
  report({
    code: 'MLP4004',
    message: `\`${loss}\` wants shares, but \`${layer.layer}\` at the end gives ${found === undefined || found === 'linear' ? 'any number' : `\`${found}\``}. Let it end with \`${wanted}\`.`,
    node: fact,
    property: 'loss',
    fixes,
  });
};

// ---------------------------------------------------------------- engines

export const engineMustTrainEverything: Rule<ast.Train> = (train, report, { facts }) => {
  const engine = train.facts.find(ast.isInFact)?.environment?.ref?.facts.find(ast.isEngineFact)?.engine?.$refText;
  const fact = Object.values(facts.engines).find(({ name }) => name === engine);
  if (fact === undefined) return;
  const others = (Object.keys(facts.engines) as EngineName[]).filter((name) => name !== engine); // its keys are engines
  const model = train.facts.find(ast.isModelFact);
  const parts = [
    ...(model?.model?.ref?.facts
      .filter(ast.isLayerCall)
      .map((call) => ({ name: call.callee?.ref?.name, node: model })) ?? []),
    ...train.facts.filter(ast.isLossFact).map((each) => ({ name: each.loss?.callee?.ref?.name, node: each })),
    ...train.facts.filter(ast.isOptimizerFact).map((each) => ({ name: each.optimizer?.callee?.ref?.name, node: each })),
  ];
  const said = new Set<string>();
  for (const { name, node } of parts) {
    const reason = name === undefined ? undefined : fact.cannotTrain[name];
    if (name === undefined || reason === undefined || said.has(name)) continue;
    said.add(name);
    const can = others.filter(
      (other) => facts.engines[other]?.cannotTrain[name] === undefined && facts.engines[other]?.state !== 'impossible',
    );
    const todo = can.length === 0 ? 'Use something else in its place.' : `${listed(can, 'or')} can.`;
    report({
      code: 'MLP4005',
      message: `\`${engine}\` cannot train \`${name}\`: ${reason.replace(/\.$/, '')}. ${todo}`,
      node,
    });
  }
};

// ---------------------------------------------------------------- metrics

export const metricMustApply: Rule<ast.Gate | ast.StopFact> = (fact, report, context) => {
  const metric = fact.metric?.ref;
  const train = ast.isGate(fact) ? fact.$container.training?.ref : fact.$container;
  const task = taskOf(train, context);
  const subject = metric?.subject?.$refText;
  if (metric === undefined || task === undefined || subject === undefined) return;
  const hasClasses = task.classes !== undefined;
  if ((subject === 'classes') === hasClasses) return;
  const instead = hasClasses ? ['accuracy', 'recall', 'loss'] : ['meanAbsoluteError', 'r2', 'loss'];
  report({
    code: 'MLP4006',
    message: `\`${metric.name}\` is about ${subject}, and \`${task.column.name}\` has ${hasClasses ? 'classes' : 'numbers'}. Use another, such as ${listed(instead, 'or')}.`,
    node: fact,
    property: 'metric',
  });
};

export const classMustBeKnown: Rule<ast.Gate> = (gate, report, context) => {
  const task = taskOf(gate.$container.training?.ref, context);
  const metric = gate.metric?.ref;
  if (task?.classes === undefined || metric === undefined) return;
  const argument = gate.arguments.find((each) => parameterOf(each, metric)?.name === 'class');
  const value = evaluate(argument?.value);
  if (argument === undefined || (value?.kind !== 'number' && value?.kind !== 'text')) return;
  const names = classNamesOf(task.type);
  const name = String(value.value);
  if (names.includes(name)) return;
  const isNumbered = task.type.kind === 'class' && task.type.count !== undefined;
  const meant = value.kind === 'text' ? nearest(name, names) : undefined;
  const known = isNumbered ? `Its classes are 0 to ${task.classes - 1}.` : `Its classes are ${listed(names)}.`;
  report({
    code: 'MLP4016',
    message: `\`${task.column.name}\` has no class \`${name}\`.${hint(meant) || ` ${known}`}`,
    node: argument,
    property: 'value',
    fixes: meant === undefined ? [] : changeTo(argument, `"${meant}"`, 'value'),
  });
};

export const gateShouldPointTheRightWay: Rule<ast.Gate> = (gate, report) => {
  const better = gate.metric?.ref?.better;
  const asksForMore = gate.operator === '>=' || gate.operator === '>';
  if (better === undefined || gate.operator === undefined || asksForMore === (better === 'higher')) return;
  const turned = { '>=': '<=', '<=': '>=', '>': '<', '<': '>' }[gate.operator];
  report({
    code: 'MLP4018',
    message: `For \`${gate.metric?.$refText}\` ${better} is better, and this gate lets the worse through. Turn it round: \`${turned}\`.`,
    node: gate,
    property: 'operator',
    fixes: replaceNode(`Change to \`${turned}\``, gate, turned, 'operator'),
  });
};

export const stopShouldHaveValidation: Rule<ast.StopFact> = (fact, report) => {
  const train = fact.$container;
  if (train.facts.some(ast.isValidateFact)) return;
  const data = dataOf(train.facts.find(ast.isOnFact)?.data);
  const on = targetOf(train.facts.find(ast.isOnFact)?.data);
  const parts = data?.facts.filter(ast.isSplitFact).flatMap((split) => split.facts.filter(ast.isPart)) ?? [];
  const part = parts.find((each) => each !== on && /valid|dev/i.test(each.name));
  report({
    code: 'MLP4007',
    message:
      'Without `validate` it stops by what it learns from, which hardly ever stalls. Validate on a part of its own.',
    node: fact,
    fixes:
      part === undefined || data === undefined
        ? []
        : addFact(`Add \`validate ${data.name}.${part.name}\``, train, 'validate', `${data.name}.${part.name}`),
  });
};

export const weightsMustFitClasses: Rule<ast.WeightsFact> = (fact, report, context) => {
  const task = taskOf(fact.$container, context);
  const value = evaluate(fact.value);
  if (value === undefined || task === undefined) return;
  if (task.classes === undefined) {
    report({
      code: 'MLP4015',
      message: `\`${task.column.name}\` has no classes that could count more or less. Remove this.`,
      node: fact,
    });
    return;
  }
  const items = value.kind === 'list' ? value.items : undefined;
  const isRight =
    items === undefined
      ? value.kind === 'choice'
      : items.length === task.classes &&
        items.every((item) => item.kind === 'number' && item.value >= 0 && item.dimension === '');
  if (isRight) return;
  report({
    code: 'MLP4015',
    message: `The weights must be \`balanced\`, or a number for each of the ${task.classes} classes: \`[${Array.from({ length: Math.min(task.classes, 3) }, () => '1').join(', ')}${task.classes > 3 ? ', …' : ''}]\`.`,
    node: fact,
    property: 'value',
  });
};

// ---------------------------------------------------------------- data of a training

/** Data that a model sees must have what the model sees: the columns of its inputs, of the same types. */
export const dataMustHaveColumnsOfModel: Rule<ast.OnFact | ast.ValidateFact | ast.Evaluate> = (
  fact,
  report,
  context,
) => {
  const target = targetOf(fact.data);
  if (target !== undefined && !ast.isPart(target) && !ast.isData(target)) {
    report({
      code: 'MLP1007',
      message: 'A data set or a part of one must stand here, such as `digits.train`.',
      node: fact,
      property: 'data',
    });
    return;
  }
  const train = ast.isEvaluate(fact) ? fact.training?.ref : fact.$container;
  const model = train?.facts.find(ast.isModelFact)?.model?.ref;
  const data = dataOf(fact.data);
  if (data === undefined || model === undefined || train === undefined) return;
  const info = modelInfo(model, context);
  const wanted = info.inputs.map(({ column }) => column);
  const { column } = targetOfTraining(train, context);
  if (column !== undefined) wanted.push(column);
  for (const each of wanted) {
    if (each.$container.$container === data) continue;
    const own = columnNamed(data, each.name);
    // A type that is not known is said where it is written.
    if (own !== undefined && columnTypeOf(own) === undefined) continue;
    if (columnTypeOf(each) === undefined) continue;
    const same = own !== undefined && JSON.stringify(columnTypeOf(own)) === JSON.stringify(columnTypeOf(each));
    if (same) continue;
    report({
      code: 'MLP4012',
      message:
        own === undefined
          ? `\`${data.name}\` has no column \`${each.name}\`, which \`${train.name}\` needs. Add it to its schema, or use other data.`
          : `\`${each.name}\` has another type in \`${data.name}\` than in \`${each.$container.$container.name}\`. Give both the same.`,
      node: fact,
      property: 'data',
    });
  }
};

export const batchShouldFitData: Rule<ast.BatchFact> = (fact, report, context) => {
  const train = fact.$container;
  const batch = evaluate(fact.value);
  const on = train.facts.find(ast.isOnFact)?.data;
  const data = dataOf(on);
  const source = data && sourceOf(data);
  const here = source && sourceFact(context, source.path);
  if (batch?.kind !== 'number' || here?.state !== 'present' || here.table === undefined) return;
  const part = targetOf(on);
  const share = ast.isPart(part) ? evaluate(part.share) : undefined;
  const rows = Math.round(here.table.rows * (share?.kind === 'number' ? share.value : 1));
  if (batch.value <= rows) return;
  report({
    code: 'MLP4008',
    message: `A batch of ${batch.value} is larger than the ${rows.toLocaleString('en-US')} rows that are trained on. Make it smaller.`,
    node: fact,
    property: 'value',
  });
};
