import * as ast from '../generated/ast.ts';
import { columnsOf } from '../scoping/declarations.ts';
import { dataOf, targetOf } from '../scoping/targets.ts';
import { columnTypeOf } from '../typing/columns.ts';
import { evaluate } from '../typing/evaluate.ts';
import { shapeText } from '../typing/layers.ts';
import { modelInfo } from './inferred.ts';
import { listed, type Rule } from './rule.ts';

export const shapesMustFit: Rule<ast.Model> = (model, report, context) => {
  const { problem, layers } = modelInfo(model, context);
  if (problem === undefined) return;
  const before = layers.at(-1);
  const giver = before === undefined ? 'The input is' : `\`${before.layer}\` gives`;
  report({
    code: 'MLP4001',
    message: `${giver} ${shapeText(problem.given)}, but \`${problem.layer}\` wants ${problem.wants}. Change one of the two, or put a layer between them.`,
    node: problem.call,
    ...(before === undefined
      ? {}
      : { related: { node: before.call, message: `This gives ${shapeText(problem.given)}.` } }),
  });
};

export const modelMustHaveLayers: Rule<ast.Model> = (model, report) => {
  if (model.source !== undefined || model.facts.some(ast.isLayerCall)) return;
  report({
    code: 'MLP4009',
    message: `\`${model.name}\` has no layers. Add some, such as \`dense(units: 10)\`.`,
    node: model,
    property: 'name',
  });
};

export const modelMustHaveKnownLayers: Rule<ast.Model> = (model, report) => {
  if (model.source === undefined) return;
  report({
    code: 'MLP4017',
    message: 'This version trains models of layers only, not of code. Write the layers in the block.',
    node: model,
    property: 'source',
  });
};

export const inputMustBeNumbers: Rule<ast.InputFact> = (fact, report) => {
  // What an unknown name was meant to be may well be the same data as the rest.
  const known = fact.sources.map(dataOf).filter((data) => data !== undefined);
  for (const [index, source] of fact.sources.entries()) {
    const target = targetOf(source);
    if (target === undefined) continue;
    if (!ast.isColumn(target)) {
      const columns = columnsOf(dataOf(source)).map(({ name }) => name);
      report({
        code: 'MLP1007',
        message: `A model sees columns.${columns.length === 0 ? ' Name one: `digits.pixels`.' : ` Name them: ${listed(columns, 'or')}.`}`,
        node: source,
      });
    } else if (columnTypeOf(target)?.kind === 'text') {
      report({
        code: 'MLP4011',
        message: `\`${target.name}\` is text, and a model sees numbers only. Turn it into numbers in a step first.`,
        node: source,
      });
    } else if (dataOf(source) !== known[0] && index > 0) {
      report({
        code: 'MLP4012',
        message: 'The inputs of a model are columns of one data set. Join the tables in a step first.',
        node: source,
      });
    }
  }
};

export const normalizationMustStandFirst: Rule<ast.Model> = (model, report) => {
  const layers = model.facts.filter(ast.isLayerCall);
  for (const [index, layer] of layers.entries()) {
    if (index === 0 || layer.callee?.ref?.name !== 'normalization') continue;
    report({
      code: 'MLP4014',
      message:
        'What is normalised are the inputs, by the training part’s mean and deviation. Move this up to be the first layer.',
      node: layer,
    });
  }
};

/** A number outside an embedding's vocabulary would have no row. */
export const embeddingMustKnowItsNumbers: Rule<ast.Model> = (model, report, context) => {
  const info = modelInfo(model, context);
  const [first] = info.layers;
  const [input] = info.inputs;
  if (first?.layer !== 'embedding' || input === undefined || info.inputs.length !== 1) return;
  const domain = evaluate(input.column.domain);
  const { vocabulary } = first.arguments;
  if (domain?.kind !== 'range' || typeof vocabulary !== 'number' || domain.upper < vocabulary) return;
  const argument = first.call.arguments.find((each) => each.parameter?.ref?.name === 'vocabulary');
  report({
    code: 'MLP1010',
    message: `\`${input.column.name}\` goes up to ${domain.upper}, but a vocabulary of ${vocabulary} ends at ${vocabulary - 1}. Make it larger.`,
    node: argument ?? first.call,
  });
};
