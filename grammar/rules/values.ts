/** Rules 1xxx about values and arguments. */
import * as ast from '../generated/ast.ts';
import type { PlanValue } from '../plan/plan.ts';
import { nearest } from '../syntax/distance.ts';
import { parameterOf } from '../typing/arguments.ts';
import { type EvaluationProblem, evaluate, NO_BINDINGS } from '../typing/evaluate.ts';
import { conform, isInDomain, type Misfit, meaningOfType, nounOfType } from '../typing/types.ts';
import { nounOfDimension, PLAIN, SHARE } from '../typing/units.ts';
import { type Expectation, expectationsIn } from './expectations.ts';
import { addArgument, removeItem, replaceNode } from './fixes.ts';
import { listed, type Report, type Rule, type RuleContext } from './rule.ts';

/** What is wrong with a value, told apart so that each rule speaks of its own. */
interface Judgement {
  expectation: Expectation;
  problems: EvaluationProblem[];
  misfit?: Misfit;
  isOutside: boolean;
}

function judge(expectation: Expectation): Judgement {
  const problems: EvaluationProblem[] = [];
  const value = evaluate(expectation.expression, NO_BINDINGS, (problem) => problems.push(problem));
  const judgement: Judgement = { expectation, problems, isOutside: false };
  if (value === undefined || problems.length > 0) return judgement;
  if (value.kind === 'range' && value.lower > value.upper) return { ...judgement, isOutside: true };
  const { type, domain } = expectation;
  const fitted = type === undefined ? undefined : conform(value, type);
  if (fitted !== undefined && 'misfit' in fitted) return { ...judgement, misfit: fitted.misfit };
  if (domain === undefined) return judgement;
  const known = fitted?.value ?? plainOf(value);
  const isPlain = known !== undefined && (typeof known !== 'object' || Array.isArray(known));
  return { ...judgement, isOutside: isPlain && !isInDomain(known as PlanValue, domain) }; // not a secret: a PlanValue
}

function plainOf(value: ReturnType<typeof evaluate>): PlanValue | undefined {
  return value?.kind === 'number' || value?.kind === 'text' ? value.value : undefined;
}

/** Several rules speak of the same values; one check judges each value once. */
const judged = new WeakMap<RuleContext, Judgement[]>();

const each =
  (speak: (judgement: Judgement, report: Report) => void): Rule<ast.File> =>
  (file, report, context) => {
    const all = judged.get(context) ?? expectationsIn(file).map(judge);
    judged.set(context, all);
    for (const judgement of all) speak(judgement, report);
  };

export const valueMustBeComputable = each(({ problems }, report) => {
  for (const { node, message } of problems) report({ code: 'MLP1020', message, node });
});

export const valueMustHaveItsType = each(({ expectation, misfit }, report) => {
  if (misfit?.kind !== 'wrong-type') return;
  report({
    code: 'MLP1007',
    message: `This is ${misfit.found}, but ${misfit.expected} must stand here.`,
    node: expectation.expression,
  });
});

export const numberMustHaveItsUnit = each(({ expectation, misfit }, report) => {
  if (misfit?.kind !== 'missing-unit') return;
  const { expression } = expectation;
  const written = expression.$cstNode?.text ?? '';
  const suggestions = misfit.units.map((unit) => withUnit(written, unit));
  const todo = suggestions.length === 0 ? '' : ` Write ${listed(suggestions, 'or')}.`;
  report({
    code: 'MLP1008',
    message: `\`${written}\` has no unit.${todo}`,
    node: expression,
    fixes: suggestions.flatMap((text) => replaceNode(`Write \`${text}\``, expression, text)),
  });
});

/** `0.8` as a share is most likely `80%`. */
function withUnit(written: string, unit: string): string {
  const number = Number(written);
  if (unit !== '%') return `${written} ${unit}`;
  return number > 0 && number < 1 ? `${Number.parseFloat((number * 100).toPrecision(12))}%` : `${written}%`;
}

export const unitMustFit = each(({ expectation, misfit }, report) => {
  if (misfit?.kind !== 'wrong-unit') return;
  const { expression } = expectation;
  const expected = expectation.type === undefined ? nounOfDimension(misfit.dimension) : nounOfType(expectation.type);
  const number = ast.isQuantity(expression) ? String(expression.$cstNode?.text.match(/^[0-9._eE+-]+/)?.[0]) : undefined;
  const units = misfit.dimension === PLAIN ? [''] : misfit.units;
  report({
    code: 'MLP1009',
    message: `This is ${nounOfDimension(misfit.found)}, but ${expected} must stand here.`,
    node: expression,
    fixes:
      number === undefined
        ? []
        : units.flatMap((unit) => {
            const text = unit === SHARE ? `${number}%` : `${number} ${unit}`.trim();
            return replaceNode(`Write \`${text}\``, expression, text);
          }),
  });
});

export const valueMustBeInRange = each(({ expectation, isOutside }, report) => {
  if (!isOutside) return;
  const { expression, domainText } = expectation;
  report({
    code: 'MLP1010',
    message:
      domainText === undefined || ast.isRange(expression)
        ? 'The lower bound lies above the upper one. Turn them round.'
        : `\`${expression.$cstNode?.text}\` is outside \`${domainText}\`. Choose a value within.`,
    node: expression,
  });
});

/** What is built from a written type must be one that can stand there. */
export const columnMustHaveColumnType: Rule<ast.Column> = (column, report) => {
  const { type } = column;
  const name = ast.isNamedType(type) ? type.type?.ref?.name : undefined;
  if (type === undefined || ast.isClassType(type)) return;
  if (ast.isUnionType(type)) {
    report({ code: 'MLP1007', message: 'A column has one type. Choose one.', node: type });
    return;
  }
  if (name === undefined) return;
  const dimensions = ast.isNamedType(type) ? type.shape.length : 0;
  if (!['float', 'int', 'bool', 'text', 'image'].includes(name)) {
    report({
      code: 'MLP1007',
      message: `A column cannot be \`${name}\`. It is \`float\`, \`int\`, \`bool\`, \`text\`, \`image[…]\` or \`class(…)\`.`,
      node: type,
    });
  } else if (name === 'image' && dimensions !== 3) {
    report({
      code: 'MLP1007',
      message: 'A picture has a height, a width and channels: `image[28, 28, 1]`.',
      node: type,
    });
  } else if (name === 'text' && dimensions > 0) {
    report({ code: 'MLP1007', message: 'A text has no shape. Write `text`.', node: type });
  } else if (column.domain !== undefined && (name === 'text' || name === 'bool')) {
    report({
      code: 'MLP1007',
      message: `Only numbers have a range, not \`${name}\`. Leave it out.`,
      node: column.domain,
    });
  } else if (name === 'image' && ast.isNamedType(type)) {
    const channels = evaluate(type.shape[2]);
    if (channels?.kind === 'number' && ![1, 3, 4].includes(channels.value)) {
      report({ code: 'MLP1007', message: 'A picture has 1, 3 or 4 channels.', node: type });
    }
  }
};

// ---------------------------------------------------------------- arguments

type Called = ast.Call | ast.LayerCall | ast.Gate;

function calleeOf(call: Called): ast.Callable | ast.Metric | undefined {
  return ast.isGate(call) ? call.metric?.ref : call.callee?.ref;
}

export const argumentMustBeNamed: Rule<Called> = (call, report) => {
  const callee = calleeOf(call);
  if (callee === undefined) return;
  for (const argument of call.arguments) {
    if (argument.parameter !== undefined || argument.value === undefined) continue;
    const parameter = parameterOf(argument, callee);
    if (parameter === undefined) {
      report({
        code: 'MLP1012',
        message:
          callee.parameters.length === 0
            ? `\`${callee.name}\` takes no arguments. Remove this.`
            : `\`${callee.name}\` takes ${callee.parameters.length} arguments at most. Remove this.`,
        node: argument,
        fixes: removeItem('Remove it', argument),
      });
      continue;
    }
    const text = argument.value.$cstNode?.text ?? '';
    report({
      code: 'MLP1012',
      message: `Arguments have names. Write \`${parameter.name}: ${text}\`.`,
      node: argument,
      fixes: replaceNode(`Write \`${parameter.name}: ${text}\``, argument, `${parameter.name}: ${text}`),
    });
  }
};

export const argumentMustBeGivenOnce: Rule<Called> = (call, report) => {
  const seen = new Map<string, ast.Argument>();
  for (const argument of call.arguments) {
    const name = argument.parameter?.$refText;
    if (name === undefined) continue;
    const first = seen.get(name);
    if (first === undefined) seen.set(name, argument);
    else {
      report({
        code: 'MLP1013',
        message: `\`${name}\` is given twice. Keep one.`,
        node: argument,
        fixes: removeItem('Remove this one', argument),
        related: { node: first, message: 'It stands here first.' },
      });
    }
  }
};

export const argumentMustBeGiven: Rule<Called> = (call, report) => {
  const callee = calleeOf(call);
  if (callee === undefined || ast.isGate(call)) return;
  const given = new Set(call.arguments.map((argument) => parameterOf(argument, callee)?.name));
  // What a misspelt name was meant to be is not missing as well.
  const names = callee.parameters.map(({ name }) => name);
  for (const argument of call.arguments) {
    if (argument.parameter !== undefined && argument.parameter.ref === undefined) {
      given.add(nearest(argument.parameter.$refText, names));
    }
  }
  for (const parameter of callee.parameters) {
    if (parameter.value !== undefined || given.has(parameter.name)) continue;
    const usual = usualValue(parameter);
    report({
      code: 'MLP1014',
      message: `\`${callee.name}\` needs \`${parameter.name}\`: ${nounOf(parameter)}. Add it.`,
      node: call,
      property: 'callee',
      fixes: usual === undefined ? [] : addArgument(`Add \`${parameter.name}: ${usual}\``, call, parameter.name, usual),
    });
  }
};

function nounOf(parameter: ast.Parameter): string {
  const type = meaningOfType(parameter.type);
  return type === undefined ? 'a value' : nounOfType(type);
}

/** Something to begin with. */
const USUAL: Readonly<Record<string, string>> = {
  units: '32',
  filters: '16',
  kernel: '3',
  vocabulary: '1000',
  shape: '[1]',
  function: 'relu',
  scale: '1 / 255',
  deviation: '0.1',
  key: 'secret.PAGER_KEY',
  webhook: 'secret.WEBHOOK',
  to: '"team@example.org"',
};

function usualValue(parameter: ast.Parameter): string | undefined {
  return USUAL[parameter.name];
}

// ---------------------------------------------------------------- secrets

/** A secret may be handed to a program or a pager; anywhere else it would be written down. */
export const secretMustNotBeKept: Rule<ast.Secret> = (secret, report) => {
  for (let node: ast.Secret['$container'] | undefined = secret.$container; node !== undefined; ) {
    if (ast.isVariableFact(node) || ast.isRunFact(node) || ast.isPageFact(node)) return;
    const above: unknown = node.$container;
    node = above as ast.Secret['$container'] | undefined; // every container of an expression is a node of this language
  }
  report({
    code: 'MLP5007',
    message: 'A secret here would be stored with the plan. Give it to a program in `variable` or `run`, or to a pager.',
    node: secret,
  });
};
