/** Rules 5xxx: gates, deployments, monitors. */
import * as ast from '../generated/ast.ts';
import { dataOf } from '../scoping/targets.ts';
import { classesOf, columnTypeOf } from '../typing/columns.ts';
import { evaluate } from '../typing/evaluate.ts';
import { chosenSuffix } from '../typing/sweep.ts';
import { meaningOfUnit, SHARE } from '../typing/units.ts';
import { sourceOf } from './data.ts';
import { appendTo, cstOf, replace } from './fixes.ts';
import { targetOfTraining } from './inferred.ts';
import { oncePerCheck, type Rule, sourceFact } from './rule.ts';

/** The trainings of a file for which a gate stands in it. */
const gatedTrainings = oncePerCheck((file: ast.File): ReadonlySet<ast.Train | undefined> => {
  const evaluations = file.elements.filter(ast.isEvaluate).filter(({ facts }) => facts.length > 0);
  return new Set(evaluations.map(({ training }) => training?.ref));
});

export const deploymentMustHaveGate: Rule<ast.Deploy> = (deploy, report, context) => {
  const train = deploy.training?.ref;
  const { $container: file } = deploy;
  // What another file proves of its training is not seen from here.
  if (train === undefined || train.$container !== file || !ast.isFile(file)) return;
  // Whom an unknown name was meant to measure, nobody knows; it is said there.
  const gated = gatedTrainings(file, context);
  if (gated.has(train) || gated.has(undefined)) return;
  report({
    code: 'MLP5001',
    message: `Nothing says how good \`${train.name}\` must be before it is deployed. Add a gate: \`evaluate ${train.name} on … { accuracy >= 95% within 2 pt }\`.`,
    node: deploy,
    property: 'training',
  });
};

export const gateShouldHaveTolerance: Rule<ast.Gate> = (gate, report) => {
  const { metric, threshold } = gate;
  if (gate.tolerance !== undefined || threshold === undefined || metric?.ref === undefined) return;
  const isShare = meaningOfUnit(metric.ref.unit?.ref)?.dimension === SHARE;
  const usual = isShare ? '2 pt' : '10%';
  report({
    code: 'MLP5002',
    message: `Nothing says how near a reproduction must come. Add a tolerance: \`within ${usual}\`.`,
    node: gate,
    fixes: appendTo(`Add \`within ${usual}\``, gate, ` within ${usual}`),
  });
};

export const monitorMustHaveBaseline: Rule<ast.Monitor> = (monitor, report) => {
  if (monitor.facts.some(ast.isExpectFact)) return;
  report({
    code: 'MLP5003',
    message:
      'Nothing says what the predictions are compared with. Add a baseline: `expect classes like digits.validation`.',
    node: monitor,
    property: 'deployment',
  });
};

export const subjectMustApply: Rule<ast.ExpectFact> = (fact, report, context) => {
  const train = fact.$container.deployment?.ref?.training?.ref;
  const column = train && targetOfTraining(train, context).column;
  const type = column && columnTypeOf(column);
  if (fact.subject?.$refText !== 'classes' || type === undefined || classesOf(type) !== undefined) return;
  report({
    code: 'MLP5006',
    message: `\`${train?.name}\` predicts numbers, not classes. Watch \`features\` or \`scores\`.`,
    node: fact,
    property: 'subject',
  });
};

/** A class that is rarer than the tolerance can vanish without a page. */
export const toleranceShouldNotHideClass: Rule<ast.TolerateFact> = (fact, report, context) => {
  const expectation = fact.$container.facts.find(ast.isExpectFact);
  const absolute = evaluate(fact.absolute);
  if (expectation?.subject?.$refText !== 'classes' || absolute?.kind !== 'number' || fact.relative !== undefined)
    return;
  const data = dataOf(expectation.reference);
  const source = data && sourceOf(data);
  const here = source && sourceFact(context, source.path);
  const train = fact.$container.deployment?.ref?.training?.ref;
  const column = train && targetOfTraining(train, context).column;
  if (here?.state !== 'present' || column === undefined) return;
  const classes = here.table?.statistics[column.name]?.classes ?? [];
  const rows = classes.reduce((sum, { count }) => sum + count, 0);
  const hidden = classes.filter(({ count }) => count / rows <= absolute.value);
  const [first] = hidden;
  if (first === undefined) return;
  const percent = `${((100 * first.count) / rows).toFixed(1)}%`;
  report({
    code: 'MLP5005',
    message: `\`${first.label}\` is ${percent} of the rows, so it could vanish within this tolerance${hidden.length > 1 ? `, and ${hidden.length - 1} more with it` : ''}. Add a share: \`or 50% of share\`.`,
    node: fact,
  });
};

export const secretShouldBeSet: Rule<ast.Secret> = (secret, report, { facts }) => {
  const { variable } = secret;
  if (variable === undefined || facts.secrets === undefined || facts.secrets.includes(variable)) return;
  report({
    code: 'MLP5004',
    message: `There is no environment variable \`${variable}\` here. Set it where this runs.`,
    node: secret,
    property: 'variable',
  });
};

/** Where a training is expanded, one of its trainings must be meant. */
export const expansionMustBeChosen: Rule<ast.Deploy | ast.NameExpression> = (node, report) => {
  const target = ast.isDeploy(node) ? node.training?.ref : node.target?.ref;
  const train = ast.isEvaluate(target) ? target.training?.ref : target;
  if (!ast.isTrain(train) || node.arguments.some((each) => each.parameter?.error !== undefined)) return;
  if (chosenSuffix(train, node.arguments) !== undefined) return;
  const property = ast.isDeploy(node) ? 'training' : 'target';
  if (train.sweep === undefined) {
    report({
      code: 'MLP1022',
      message: `\`${train.name}\` is not expanded: there is only one. Leave out the brackets.`,
      node,
      property,
    });
    return;
  }
  const values = ast.isList(train.sweep.values) ? train.sweep.values.items : [];
  const param = train.sweep.param?.$refText;
  const [first] = values;
  if (first === undefined || param === undefined) return;
  const written = `${node.$cstNode === undefined ? '' : (cstOf(node, property)?.text ?? '')}(${param}: ${first.$cstNode?.text})`;
  const chosen = node.arguments.length > 0;
  const start = cstOf(node, property)?.range.start;
  const last = node.arguments.at(-1)?.$cstNode?.range.end;
  const end = chosen && last ? { line: last.line, character: last.character + 1 } : cstOf(node, property)?.range.end;
  report({
    code: 'MLP1022',
    message: chosen
      ? `There is no such training of \`${train.name}\`. Choose one of ${values.map((value) => `\`${param}: ${value.$cstNode?.text}\``).join(', ')}.`
      : `\`${train.name}\` is ${values.length} trainings. Say which: \`${written}\`.`,
    node,
    property,
    fixes: start && end ? replace(`Write \`${written}\``, { start, end }, written) : [],
  });
};
