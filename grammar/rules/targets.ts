/** Rules 4xxx: what a training predicts. */
import { AstUtils } from 'langium';
import * as ast from '../generated/ast.ts';
import { dataOf, targetOf } from '../scoping/targets.ts';
import { columnTypeOf } from '../typing/columns.ts';
import { addFact, removeItem } from './fixes.ts';
import { targetOfTraining } from './inferred.ts';
import { listed, type Rule } from './rule.ts';

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
