/** What is inferred of models and trainings, once a check: many rules ask for the same. */
import * as ast from '../generated/ast.ts';
import type { ColumnType } from '../plan/plan.ts';
import { classesOf, columnTypeOf } from '../typing/columns.ts';
import { inferModel, type ModelInfo } from '../typing/model.ts';
import { targetColumnOf } from '../typing/target.ts';
import { oncePerCheck, type RuleContext } from './rule.ts';

export const modelInfo = oncePerCheck((model: ast.Model) => inferModel(model));

export const targetOfTraining = oncePerCheck((train: ast.Train) => targetColumnOf(train));

/** What a training has to learn. */
export interface Task {
  train: ast.Train;
  column: ast.Column;
  type: ColumnType;
  classes: number | undefined;
  info?: ModelInfo;
}

/** Nothing where it is not clear what is predicted, or that is text: other rules say so. */
export function taskOf(train: ast.Train | undefined, context: RuleContext): Task | undefined {
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
