/** What is inferred of models and trainings, once a check: many rules ask for the same. */

import type * as ast from '../generated/ast.ts';
import { inferModel } from '../typing/model.ts';
import { targetColumnOf } from '../typing/target.ts';
import { oncePerCheck } from './rule.ts';

export const modelInfo = oncePerCheck((model: ast.Model) => inferModel(model));

export const targetOfTraining = oncePerCheck((train: ast.Train) => targetColumnOf(train));
