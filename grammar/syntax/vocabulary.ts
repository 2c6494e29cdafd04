/** The words of the language, read from the grammar itself so that no second list can disagree with it. */
import { type AstNode, AstUtils, GrammarAST } from 'langium';
import { MlpipeGrammar } from '../generated/grammar.ts';

/** The words with which a block of a file may begin: `pipeline`, `data`, …, `layer`. */
export function blockWords(): readonly string[] {
  return wordsByBlock('File');
}

/**
 * The words with which a fact of this block may begin; of a file, those with which a block may begin. Names that a
 * block also takes there (columns, parts, layers) are not among them.
 */
export function firstWords(container: Pick<AstNode, '$type'>): readonly string[] {
  return wordsByBlock(container.$type);
}

/** Every keyword of the grammar that is a word. */
export function keywords(): string[] {
  const words = AstUtils.streamAllContents(MlpipeGrammar())
    .filter(GrammarAST.isKeyword)
    .map((keyword) => keyword.value)
    .filter((value) => /^[a-zA-Z]\w*$/.test(value));
  return [...new Set(words)].sort();
}

let plain: readonly string[] | undefined;

/** Keywords that only say what follows. Those that are values of the tree (`python`) are not among them, nor is the library's. */
export function plainKeywords(): readonly string[] {
  plain ??= [
    ...new Set(
      parserRules()
        .filter((rule) => rule.dataType === undefined && !LIBRARY.has(rule.name))
        .flatMap((rule) => AstUtils.streamAllContents(rule).filter(GrammarAST.isKeyword).toArray())
        .filter((keyword) => /^[a-zA-Z]\w*$/.test(keyword.value) && !isValue(keyword))
        .map((keyword) => keyword.value),
    ),
  ];
  return plain;
}

/** Rules of what only the library declares. */
const LIBRARY: ReadonlySet<string> = new Set(
  'Callable TypeDeclaration ChoiceDeclaration Metric Unit MemberDeclaration'.split(' '),
);

function isValue(keyword: GrammarAST.Keyword): boolean {
  const assignment = AstUtils.getContainerOfType(keyword, GrammarAST.isAssignment);
  return assignment !== undefined && assignment.operator !== '?=';
}

const known = new Map<string, readonly string[]>();

function wordsByBlock(type: string): readonly string[] {
  const words = known.get(type) ?? wordsOf(factRuleOf(type));
  known.set(type, words);
  return words;
}

/** The rule of what stands on the lines of a block: what follows LINE in the rule that makes such a node. */
function factRuleOf(type: string): string | undefined {
  const marker = type === 'File' ? 'SECTION' : 'LINE';
  const rule = parserRules().find((candidate) => candidate.name === type);
  if (rule === undefined) return undefined;
  for (const call of AstUtils.streamAllContents(rule).filter(GrammarAST.isRuleCall)) {
    const group: AstNode | undefined = call.$container;
    if (call.rule.$refText !== marker || !GrammarAST.isGroup(group)) continue;
    const fact = group.elements.find(GrammarAST.isAssignment)?.terminal;
    if (GrammarAST.isRuleCall(fact)) return fact.rule.$refText;
  }
  return undefined;
}

function wordsOf(name: string | undefined): string[] {
  const rule = parserRules().find((candidate) => candidate.name === name);
  return rule === undefined ? [] : [...new Set(firstOf(rule.definition))];
}

function firstOf(element: GrammarAST.AbstractElement | undefined): string[] {
  if (element === undefined) return [];
  if (GrammarAST.isKeyword(element)) return /^\w+$/.test(element.value) ? [element.value] : [];
  if (GrammarAST.isAlternatives(element)) return element.elements.flatMap(firstOf);
  if (GrammarAST.isGroup(element)) return firstOf(element.elements.find((part) => !GrammarAST.isAction(part)));
  if (GrammarAST.isAssignment(element)) return firstOf(element.terminal);
  const rule = GrammarAST.isRuleCall(element) ? element.rule.ref : undefined;
  if (!GrammarAST.isParserRule(rule) || rule.name === 'Unknown' || rule.dataType !== undefined) return [];
  return firstOf(rule.definition);
}

function parserRules(): GrammarAST.ParserRule[] {
  return MlpipeGrammar().rules.filter(GrammarAST.isParserRule);
}
