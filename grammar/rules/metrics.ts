/** Rules 4xxx: what is measured of a training, and what it must reach. */
import * as ast from '../generated/ast.ts';
import { hint, nearest } from '../syntax/distance.ts';
import { parameterOf } from '../typing/arguments.ts';
import { classNamesOf } from '../typing/columns.ts';
import { evaluate } from '../typing/evaluate.ts';
import { changeTo, replaceNode } from './fixes.ts';
import { taskOf } from './inferred.ts';
import { listed, type Rule } from './rule.ts';

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
