/** Rules 4xxx: what a training learns from, in what, and when it stops. */
import * as ast from '../generated/ast.ts';
import type { EngineName } from '../plan/plan.ts';
import { dataOf, targetOf } from '../scoping/targets.ts';
import { columnNamed, columnTypeOf } from '../typing/columns.ts';
import { evaluate } from '../typing/evaluate.ts';
import { sourceOf } from './data.ts';
import { addFact } from './fixes.ts';
import { modelInfo, targetOfTraining } from './inferred.ts';
import { listed, type Rule, sourceFact } from './rule.ts';

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
