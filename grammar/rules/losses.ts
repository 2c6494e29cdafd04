/** Rules 4xxx: whether what a model gives, how it is judged and how classes are weighed fit what is predicted. */
import { AstUtils } from 'langium';
import * as ast from '../generated/ast.ts';
import { sizeOf } from '../typing/columns.ts';
import { evaluate } from '../typing/evaluate.ts';
import { shapeText } from '../typing/layers.ts';
import { type LayerInfo, outputSizesFor } from '../typing/model.ts';
import { addArgument, replaceNode } from './fixes.ts';
import { type Task, taskOf } from './inferred.ts';
import { listed, type Rule } from './rule.ts';

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
