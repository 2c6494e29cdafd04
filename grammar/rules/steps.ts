/** Rules 6xxx: programs. */
import { posix } from 'node:path';
import * as ast from '../generated/ast.ts';
import { expressionsOfProgram } from '../plan/lowering/steps.ts';
import { outputsOf } from '../scoping/declarations.ts';
import { targetOf } from '../scoping/targets.ts';
import { nearest } from '../syntax/distance.ts';
import { evaluate } from '../typing/evaluate.ts';
import { isOutside } from './data.ts';
import { addFact, appendTo, remove } from './fixes.ts';
import { oncePerCheck, type Rule, sourceFact } from './rule.ts';

function pathOf(text: ast.Text | undefined): string | undefined {
  const value = evaluate(text);
  return value?.kind === 'text' && value.value !== '' ? value.value : undefined;
}

export const outputMustHaveOneStep: Rule<ast.File> = (file, report) => {
  const writers = new Map<string, ast.OutFact>();
  for (const step of file.elements.filter(ast.isStep)) {
    for (const output of outputsOf(step)) {
      const path = pathOf(output.path);
      if (path === undefined) continue;
      const normal = posix.normalize(path.replaceAll('\\', '/'));
      const first = writers.get(normal);
      if (first === undefined) writers.set(normal, output);
      else {
        report({
          code: 'MLP6001',
          message: `\`${path}\` is written ${first.$container === step ? 'twice here' : `by \`${first.$container.name}\` already`}. Give one of the two another path.`,
          node: output,
          property: 'path',
          related: { node: first, message: 'It is written here first.' },
        });
      }
    }
  }
};

/** What nothing names, neither by its name nor by its path, is seen by nobody, or written where nobody looks for it. */
export const outputShouldBeUsed: Rule<ast.File> = (file, report, { document }) => {
  const named = new Set(document.references.map((reference) => ('ref' in reference ? reference.ref : undefined)));
  // What an unknown name was meant to be is named.
  const unknown = document.references.filter(({ error }) => error !== undefined).map(({ $refText }) => $refText);
  const steps = file.elements.filter(ast.isStep);
  const read = new Set(
    steps.flatMap((step) => step.facts.filter(ast.isReadFact)).flatMap(({ files }) => files.map(pathOf)),
  );
  for (const step of steps) {
    const command = step.facts.find(ast.isRunFact)?.command?.$cstNode?.text;
    const outputs = outputsOf(step);
    for (const output of outputs) {
      const path = pathOf(output.path);
      // Of two with one name the first is meant; that there are two is said elsewhere.
      const isSecond = outputs.find(({ name }) => name === output.name) !== output;
      if (path === undefined || command === undefined || isSecond || named.has(output)) continue;
      if (command.includes(path) || read.has(path)) continue;
      if (unknown.some((word) => nearest(word, [output.name]) !== undefined)) continue;
      report({
        code: 'MLP6008',
        message: `Nothing names \`${output.name}\`, not even the command that is to write it. Put it there, \`\${${output.name}}\`, or remove it.`,
        node: output,
        property: 'name',
        fixes: remove(`Remove \`${output.name}\``, output),
        unnecessary: true,
      });
    }
  }
};

export const readShouldBeDeclared: Rule<ast.Step> = (step, report, { facts }) => {
  const run = facts.runs[step.name];
  const declared = step.facts.filter(ast.isReadFact).flatMap(({ files }) => files.map(pathOf));
  for (const path of run?.undeclaredReads ?? []) {
    // It may have been declared since that run.
    if (declared.includes(path)) continue;
    const reads = step.facts.find(ast.isReadFact);
    const text = JSON.stringify(path);
    report({
      code: 'MLP6002',
      message: `In its last run \`${step.name}\` read \`${path}\`, which it does not declare; a change of it goes unseen. Add it: \`reads ${text}\`.`,
      node: step.facts.find(ast.isRunFact) ?? step,
      fixes:
        reads === undefined
          ? addFact(`Add \`reads ${text}\``, step, 'reads', text)
          : appendTo(`Add ${text} to \`reads\``, reads, `, ${text}`),
    });
  }
};

export const readMustBeThere: Rule<ast.ReadFact> = (fact, report, context) => {
  for (const [index, file] of fact.files.entries()) {
    const path = pathOf(file);
    const here = path === undefined ? undefined : sourceFact(context, path);
    if (path === undefined || here === undefined || here.state === 'present') continue;
    report({
      code: 'MLP6003',
      message:
        here.state === 'unreadable'
          ? `\`${path}\` cannot be read: ${here.reason}. Make it readable.`
          : `There is nothing at \`${path}\`. Check the path, which starts from this file’s folder.`,
      node: fact,
      property: 'files',
      index,
    });
  }
};

export const programMustBeFound: Rule<ast.RunFact> = (fact, report, { facts }) => {
  const { command } = fact;
  const text = ast.isPlainText(command) ? command.value : ast.isTextTemplate(command) ? command.start : '';
  const program = /^\s*([^\s"']+)(?=\s)|^\s*([^\s"']+)$/.exec(text);
  const name = program?.[1] ?? (ast.isPlainText(command) ? program?.[2] : undefined);
  if (name === undefined || facts.programs[name] !== null) return;
  const environment = fact.$container.facts.find(ast.isInFact)?.environment?.ref;
  // What an image has is not known here.
  if (environment?.facts.some(ast.isImageFact)) return;
  // An environment brings its languages along.
  const languages = environment?.facts.filter(ast.isInterpreterFact).map(({ language }) => language) ?? [];
  if (
    languages.some(
      (language) =>
        name === language ||
        name.startsWith(`${language}3`) ||
        (language === 'node' && (name === 'npm' || name === 'npx')),
    )
  )
    return;
  report({
    code: 'MLP6004',
    message: `There is no program \`${name}\` here. Install it, or name an environment that brings it: \`in …\`.`,
    node: fact,
    property: 'command',
  });
};

/** The first and the second output of a file that are written to each path, by other steps where there are such. */
const writersOf = oncePerCheck((file: ast.File): ReadonlyMap<string, readonly ast.OutFact[]> => {
  const writers = new Map<string, ast.OutFact[]>();
  for (const output of file.elements.filter(ast.isStep).flatMap(outputsOf)) {
    const path = pathOf(output.path);
    if (path === undefined) continue;
    const known = writers.get(path);
    if (known === undefined) writers.set(path, [output]);
    // Whichever step reads, the first output of another one is meant.
    else if (known.length === 1 && known[0]?.$container !== output.$container) known.push(output);
  }
  return writers;
});

/** By its path alone nobody sees that one step needs the other. */
export const outputShouldBeReadByName: Rule<ast.ReadFact> = (fact, report, context) => {
  const { $container: step } = fact;
  const file = step.$container;
  if (!ast.isFile(file)) return;
  for (const [index, text] of fact.files.entries()) {
    const path = pathOf(text);
    const writers = path === undefined ? undefined : writersOf(file, context).get(path);
    const writer = writers?.find(({ $container }) => $container !== step);
    if (writer === undefined) continue;
    const name = `${writer.$container.name}.${writer.name}`;
    report({
      code: 'MLP6005',
      message: `\`${path}\` is what \`${writer.$container.name}\` writes. Name it in the command, \`\${${name}}\`, so that this step waits for it.`,
      node: fact,
      property: 'files',
      index,
    });
  }
};

export const pathMustLieInProject: Rule<ast.OutFact | ast.ReadFact> = (fact, report) => {
  const texts = ast.isOutFact(fact) ? [fact.path] : fact.files;
  for (const [index, text] of texts.entries()) {
    const path = pathOf(text);
    if (path === undefined || !isOutside(path)) continue;
    report({
      code: 'MLP6006',
      message: `\`${path}\` lies outside this folder. Steps ${ast.isOutFact(fact) ? 'write' : 'read'} inside it; move the file.`,
      node: fact,
      property: ast.isOutFact(fact) ? 'path' : 'files',
      ...(ast.isOutFact(fact) ? {} : { index }),
    });
  }
};

/** A program can be handed files, values and secrets; not an environment, a model's block or a part of data. */
export const commandMustNameWhatHasContent: Rule<ast.Step> = (step, report) => {
  for (const expression of expressionsOfProgram(step)) {
    const value = evaluate(expression);
    if (value?.kind === 'range') {
      report({ code: 'MLP6007', message: 'A range is no value. Write one number.', node: expression });
      continue;
    }
    if (value?.kind !== 'reference') continue;
    const { target } = value;
    if (ast.isData(target) || ast.isOutFact(target) || ast.isMember(target)) continue;
    const owner = ast.isMemberExpression(expression) ? targetOf(expression.receiver) : undefined;
    const name = 'name' in target ? String(target.name) : '';
    const message = ast.isMetric(target)
      ? `\`${name}\` is not known before the training has run. Hand over the evaluation’s report instead.`
      : ast.isPart(target) || ast.isColumn(target)
        ? `A program is handed all of \`${owner !== undefined && 'name' in owner ? String(owner.name) : 'the data'}\`, not \`${name}\` alone. Leave out \`.${name}\`.`
        : ast.isTrain(target)
          ? `Say what of \`${name}\` the program gets: \`\${${name}.model}\`.`
          : ast.isStep(target)
            ? `Say which output of \`${name}\` the program gets: \`\${${name}.…}\`.`
            : ast.isEvaluate(target)
              ? `Say what of \`${name}\` the program gets: \`\${${name}.report}\`.`
              : `\`${name}\` is nothing that a program can be handed. Name data, an output, a parameter or a secret.`;
    report({ code: 'MLP6007', message, node: expression });
  }
};
