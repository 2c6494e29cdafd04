/** Rules 1xxx about names, words and facts. */
import type { AstNode } from 'langium';
import * as ast from '../generated/ast.ts';
import { Names } from '../plan/lowering/names.ts';
import { evaluateName } from '../plan/lowering/steps.ts';
import { BUILTINS_URI } from '../scoping/builtins.ts';
import { columnsOf, outputsOf, partsOf } from '../scoping/declarations.ts';
import { importedUri } from '../scoping/imports.ts';
import { hint, nearest } from '../syntax/distance.ts';
import { slipsOf } from '../syntax/spelling.ts';
import { firstWords } from '../syntax/vocabulary.ts';
import { blockOf } from './circles.ts';
import { addFact, changeTo, remove, replace } from './fixes.ts';
import { listed, type Report, type Rule, type RuleContext } from './rule.ts';

export type Block =
  | ast.Environment
  | ast.Data
  | ast.SplitFact
  | ast.Model
  | ast.Train
  | ast.Step
  | ast.Deploy
  | ast.Monitor;

export const wordMustBeKnown: Rule<ast.Unknown> = (node, report) => {
  const { $container: container, word } = node;
  if (word === undefined || container === undefined || ast.isUnknown(container)) return;
  // Letters of other alphabets are an error already.
  if (/[^_a-zA-Z0-9]/.test(word)) return;
  const words = firstWords(container);
  const meant = nearest(word, words);
  const todo = meant === undefined ? ` One of ${listed(words, 'or')} can stand here.` : hint(meant);
  report({
    code: 'MLP1002',
    message: `\`${word}\` means nothing here.${todo}`,
    node,
    property: 'word',
    fixes: changeTo(node, meant, 'word'),
  });
};

/** A slip that was read as what was meant, so that nothing else has to be said about it. */
export const wordMustBeSpelt: Rule<ast.File> = (file, report, { document }) => {
  const { textDocument: text, parseResult } = document;
  for (const { offset, word, meant } of slipsOf(parseResult)) {
    const range = { start: text.positionAt(offset), end: text.positionAt(offset + word.length) };
    report({
      code: 'MLP1002',
      message: `\`${word}\` means nothing here.${hint(meant)}`,
      node: file,
      range,
      fixes: replace(`Change to \`${meant}\``, range, meant),
    });
  }
};

/** Facts that a block may have more than once. */
const REPEATABLE: ReadonlySet<string> = new Set([
  ast.OutFact.$type,
  ast.ReadFact.$type,
  ast.VariableFact.$type,
  ast.InterpreterFact.$type,
  ast.Part.$type,
  ast.LayerCall.$type,
  ast.Unknown.$type,
]);

export const factMustStandOnce: Rule<Block> = (block, report, { document }) => {
  const misspelt = new Set(slipsOf(document.parseResult).map(({ offset }) => offset));
  const seen = new Map<string, AstNode>();
  for (const fact of block.facts) {
    const isInterpreter = ast.isInterpreterFact(fact);
    const kind = isInterpreter ? fact.language : fact.$type;
    // Whether it stands twice is known when it has been mended.
    if (misspelt.has(fact.$cstNode?.offset ?? -1)) continue;
    const first = seen.get(kind);
    if (first === undefined) seen.set(kind, fact);
    else if (isInterpreter || !REPEATABLE.has(fact.$type)) {
      report({
        code: 'MLP1004',
        message: `\`${wordOf(fact)}\` stands twice in this block. Keep one.`,
        node: fact,
        fixes: remove('Remove this one', fact),
        related: { node: first, message: 'It stands here first.' },
      });
    }
  }
};

export function wordOf(node: AstNode): string {
  return /^\w+/.exec(node.$cstNode?.text ?? '')?.[0] ?? '';
}

/** What a block cannot do without, and what a fix writes where one thing is usual. */
const REQUIRED: Readonly<Record<string, readonly { type: string; word: string; usual?: string }[]>> = {
  [ast.Data.$type]: [{ type: ast.FromFact.$type, word: 'from' }],
  [ast.Train.$type]: [
    { type: ast.ModelFact.$type, word: 'model' },
    { type: ast.OnFact.$type, word: 'on' },
    { type: ast.LossFact.$type, word: 'loss', usual: 'crossEntropy' },
    { type: ast.OptimizerFact.$type, word: 'optimizer', usual: 'adam' },
    { type: ast.EpochsFact.$type, word: 'epochs', usual: '10' },
    { type: ast.BatchFact.$type, word: 'batch', usual: '32' },
  ],
  [ast.Step.$type]: [{ type: ast.RunFact.$type, word: 'run' }],
  [ast.Monitor.$type]: [{ type: ast.PageFact.$type, word: 'page' }],
};

export const blockMustBeWhole: Rule<Block> = (block, report) => {
  if (ast.isModel(block)) {
    if (block.source === undefined && block.facts.length > 0 && !block.facts.some(ast.isInputFact)) {
      missing(block, 'input', undefined, report);
    }
    return;
  }
  const facts = new Set(block.facts.map(({ $type }) => $type as string));
  // What a misspelt word was meant to be is not missing as well.
  const misspelt = block.facts.filter(ast.isUnknown).map(({ word }) => nearest(word ?? '', firstWords(block)));
  for (const { type, word, usual } of REQUIRED[block.$type] ?? []) {
    if (!facts.has(type) && !misspelt.includes(word)) missing(block, word, usual, report);
  }
};

function missing(block: Block, word: string, usual: string | undefined, report: Report): void {
  report({
    code: 'MLP1005',
    message: `\`${word}\` is missing in this block. Add it.`,
    node: block,
    ...(nameProperty(block) === undefined ? {} : { property: nameProperty(block) }),
    fixes: usual === undefined ? [] : addFact(`Add \`${word} ${usual}\``, block, word, usual),
  });
}

function nameProperty(block: AstNode): string | undefined {
  return 'name' in block ? 'name' : ast.isMonitor(block) ? 'deployment' : undefined;
}

export const nameMustBeGivenOnce: Rule<ast.File> = (file, report, { document }) => {
  const named: { node: AstNode; name: string; property: string }[] = [];
  const names = new Names(document);
  for (const element of file.elements) {
    if (ast.isImport(element)) {
      // A file that imports itself is one mistake.
      const items = importedUri(element)?.toString() === document.uri.toString() ? [] : element.items;
      for (const item of items) {
        const name = item.name ?? item.target?.$refText;
        if (name) named.push({ node: item, name, property: item.name === undefined ? 'target' : 'name' });
      }
    } else if (ast.isEvaluate(element)) {
      const name = evaluateName(element, names);
      if (name !== undefined)
        named.push({ node: element, name, property: element.name === undefined ? 'data' : 'name' });
    } else if (!ast.isPipelineHeader(element) && 'name' in element && element.name !== undefined) {
      named.push({ node: element, name: element.name, property: 'name' });
    }
  }
  once(named, report, (name) => `\`${name}\` is declared already. Give one of the two another name.`);
  const headers = file.elements.filter(ast.isPipelineHeader);
  once(
    headers.map((node) => ({ node, name: 'pipeline', property: 'name' })),
    report,
    () => 'The pipeline has a name already. Keep one.',
  );
  const monitors = file.elements.filter(ast.isMonitor);
  once(
    monitors.map((node) => ({ node, name: node.deployment?.$refText ?? '', property: 'deployment' })),
    report,
    (name) => `\`${name}\` is monitored already. Put everything into one block.`,
  );
};

/** Columns, parts, outputs, variables. */
export const innerNameMustBeGivenOnce: Rule<ast.Data | ast.Step> = (block, report) => {
  const again = (name: string): string => `\`${name}\` stands in this block already. Give one of the two another name.`;
  const groups: AstNode[][] = ast.isData(block)
    ? [[...columnsOf(block), ...partsOf(block)]]
    : [outputsOf(block), block.facts.filter(ast.isVariableFact)];
  for (const group of groups) {
    const named = group.flatMap((node) =>
      'name' in node && typeof node.name === 'string' ? [{ node, name: node.name, property: 'name' }] : [],
    );
    once(named, report, again);
  }
};

function once(
  named: readonly { node: AstNode; name: string; property: string }[],
  report: Report,
  message: (name: string) => string,
): void {
  const seen = new Map<string, { node: AstNode }>();
  for (const item of named) {
    const first = seen.get(item.name);
    if (first === undefined) seen.set(item.name, item);
    else {
      report({
        code: 'MLP1003',
        message: message(item.name),
        node: item.node,
        property: item.property,
        related: { node: first.node, message: 'It stands here first.' },
      });
    }
  }
}

export const pipelineMustStandFirst: Rule<ast.PipelineHeader> = (header, report) => {
  const first = header.$container.elements.find((element) => !ast.isImport(element) && !ast.isPipelineHeader(element));
  if (first?.$cstNode === undefined || header.$cstNode === undefined) return;
  if (first.$cstNode.offset > header.$cstNode.offset) return;
  report({ code: 'MLP1018', message: 'The pipeline’s name stands before its blocks. Move it up.', node: header });
};

export const libraryMustNotBeExtended: Rule<ast.Builtin> = (node, report, { document }) => {
  if (document.uri.toString() === BUILTINS_URI.toString() || !ast.isFile(node.$container)) return;
  report({
    code: 'MLP1019',
    message: 'Layers, losses, metrics, types and units are declared by the language alone. Remove this.',
    node,
    fixes: remove('Remove it', node),
  });
};

export const importedFileMustBeThere: Rule<ast.Import> = (node, report, { document, candidates }) => {
  const uri = importedUri(node);
  if (node.path === undefined) return;
  if (uri === undefined) {
    report({
      code: 'MLP1015',
      message: `\`${node.path}\` is no pipeline, for its name does not end in \`.mlpipe\`. Check the path.`,
      node,
      property: 'path',
    });
    return;
  }
  if (uri.toString() === document.uri.toString()) {
    report({ code: 'MLP1006', message: 'This file imports itself. Remove the import.', node, property: 'path' });
    return;
  }
  if (node.items.length === 0 || node.items.some((item) => item.target?.ref !== undefined)) return;
  const [first] = node.items;
  const known =
    first?.target === undefined ? [] : candidates({ reference: first.target, container: first, property: 'target' });
  if (known.length === 0) {
    report({
      code: 'MLP1015',
      message: `There is no pipeline at \`${node.path}\`. Check the path, which starts from this file’s folder.`,
      node,
      property: 'path',
    });
  }
  for (const item of known.length === 0 ? [] : node.items) {
    const meant = nearest(item.target.$refText, known);
    report({
      code: 'MLP1001',
      message: `\`${item.target.$refText}\` is not in \`${node.path}\`.${hint(meant) || ` It has ${listed([...known].sort())}.`}`,
      node: item,
      property: 'target',
      fixes: changeTo(item, meant, 'target'),
    });
  }
};

// ---------------------------------------------------------------- unused

/** Only what does nothing by itself: a training or a step that nobody names still runs. */
export const declarationShouldBeUsed: Rule<ast.File> = (file, report, context) => {
  // A file without a training, a step or a header is there to be imported from.
  if (!file.elements.some((element) => ast.isTrain(element) || ast.isStep(element))) return;
  const used = usedBlocks(context);
  // What an unknown name was meant to be is used.
  const unknown = context.document.references
    .filter(({ error }) => error !== undefined)
    .map(({ $refText }) => $refText);
  const isMeant = (name: string): boolean => unknown.some((word) => nearest(word, [name]) !== undefined);
  for (const element of file.elements) {
    if (ast.isParam(element) || ast.isEnvironment(element) || ast.isData(element) || ast.isModel(element)) {
      const { name } = element;
      if (used.has(element) || name === undefined || isMeant(name)) continue;
      report({
        code: 'MLP1011',
        message: `\`${element.name}\` is never used. Use it, or remove it.`,
        node: element,
        property: 'name',
        fixes: remove(`Remove \`${element.name}\``, element),
        unnecessary: true,
      });
    } else if (ast.isImport(element)) {
      for (const item of element.items) {
        const target = item.target?.ref;
        const name = item.name ?? item.target?.$refText;
        if (
          target === undefined ||
          used.has(target) ||
          isMeant(name) ||
          ast.isStep(target) ||
          ast.isTrain(target) ||
          ast.isEvaluate(target)
        )
          continue;
        report({
          code: 'MLP1011',
          message: `\`${name}\` is imported and never used. Use it, or remove it.`,
          node: item,
          fixes: element.items.length === 1 ? remove(`Remove \`${name}\``, element) : [],
          unnecessary: true,
        });
      }
    }
  }
};

function usedBlocks({ document }: RuleContext): Set<AstNode> {
  const used = new Set<AstNode>();
  for (const reference of document.references) {
    const target = 'ref' in reference ? reference.ref : undefined;
    const from = reference.$refNode?.astNode;
    const own = from === undefined ? undefined : blockOf(from);
    if (target === undefined || ast.isImport(own)) continue;
    const block = blockOf(target);
    if (block !== undefined && own !== block) used.add(block);
  }
  return used;
}

// ---------------------------------------------------------------- expansions

export const sweepMustBeList: Rule<ast.Sweep> = (sweep, report) => {
  const { values } = sweep;
  if (values === undefined || ast.isList(values)) {
    if (ast.isList(values) && values.items.length === 0) {
      report({ code: 'MLP1021', message: 'The list is empty. Write each value that is to be tried.', node: values });
    }
    return;
  }
  report({
    code: 'MLP1021',
    message: 'One training is made for each value, so the values must be listed: `[1e-2, 1e-3]`.',
    node: values,
  });
};
