/**
 * Misspelt words. Where a line cannot be read, and one of its words is nearly a word of the language with which it can,
 * that word is meant: the line is read so, and the slip is kept for a rule to report. One slip is then one error, and
 * neither the block nor what names it is lost.
 */
import {
  type AstNode,
  type CstNodeBuilder,
  createParser,
  LangiumParser,
  type ParseResult,
  type ParserOptions,
} from 'langium';
import * as ast from '../generated/ast.ts';
import type { MlpipeServices } from '../module.ts';
import { columnsOf, partsOf } from '../scoping/declarations.ts';
import { distance, nearestFirst } from './distance.ts';
import { LayoutLexer } from './layout.ts';
import { type PlacedToken, placed } from './placed-token.ts';
import { firstWords, plainKeywords } from './vocabulary.ts';

/** A word that was written, and the word of the language that it was read as. */
export interface Slip {
  offset: number;
  word: string;
  meant: string;
}

/** What a parse gives beside its tree. */
export interface SpelledParseResult<T extends AstNode = AstNode> extends ParseResult<T> {
  slips: readonly Slip[];
}

/** The slips of a file, in the order of its text. */
export function slipsOf(result: ParseResult): readonly Slip[] {
  return 'slips' in result ? (result as SpelledParseResult).slips : [];
}

/** So many characters are read again at most, for a file: a text of another kind must not cost more than a pipeline. */
const EFFORT = 400_000;

export function createSpellingParser(services: MlpipeServices): LangiumParser {
  const { Lexer: lexer } = services.parser;
  if (!(lexer instanceof LayoutLexer)) throw new Error('Spelling is a matter of lines, which only LayoutLexer knows.');
  const parser = createParser(services.Grammar, new SpellingParser(services, lexer), lexer.definition);
  parser.finalize();
  return parser;
}

class SpellingParser extends LangiumParser {
  private readonly layout: LayoutLexer;
  private effort = 0;

  constructor(services: MlpipeServices, lexer: LayoutLexer) {
    super(services);
    this.layout = lexer;
    withoutNeedlessSearch(this);
  }

  override parse<T extends AstNode = AstNode>(text: string, options: ParserOptions = {}): SpelledParseResult<T> {
    const result = super.parse<T>(text, options);
    if (options.rule !== undefined || !isDoubtful(result)) return { ...result, slips: [] };
    this.effort = EFFORT;
    const slips: Slip[] = [];
    const doubtful = doubtfulOffsets(result);
    for (const { from, to } of this.sections(text)) {
      if (!doubtful.some((offset) => from <= offset && offset < to)) continue;
      for (const slip of this.slipsIn(text.slice(from, to))) slips.push({ ...slip, offset: slip.offset + from });
    }
    return slips.length === 0 ? { ...result, slips } : { ...this.read<T>(text, slips), slips };
  }

  private read<T extends AstNode>(text: string, slips: readonly Slip[]): ParseResult<T> {
    return this.layout.reading(slips, () => super.parse<T>(text));
  }

  private *sections(text: string): Generator<{ from: number; to: number }> {
    const starts = placed(this.layout.tokenize(text).tokens)
      .filter(({ tokenType }) => tokenType.name === 'SECTION')
      .map(({ startOffset }) => startOffset);
    for (const [i, from] of starts.entries()) yield { from, to: starts[i + 1] ?? text.length };
  }

  /** Blocks do not depend on one another, so each is read by itself. */
  private slipsIn(section: string): Slip[] {
    this.effort -= section.length;
    if (this.effort < 0) return [];
    const { tokens } = this.layout.tokenizeAsWritten(section);
    let slips: Slip[] = [];
    const tried = new Set<number>();
    for (let result = this.read(section, slips); ; ) {
      const doubts = doubtsIn(result, tokens, slips).filter(({ token }) => !tried.has(token.startOffset));
      const [doubt] = doubts;
      if (doubt === undefined) return slips;
      tried.add(doubt.token.startOffset);
      for (const meant of doubt.candidates) {
        this.effort -= section.length;
        if (this.effort < 0) return slips;
        const slip = { offset: doubt.token.startOffset, word: doubt.token.image, meant };
        const reading = this.read(section, [...slips, slip]);
        const next = firstErrorOn(doubt.token.startLine, reading);
        if (next !== undefined && (doubt.isUnknown || next <= Math.max(doubt.error, doubt.token.endOffset))) continue;
        slips = [...slips, slip].sort((one, other) => one.offset - other.offset);
        result = reading;
        break;
      }
    }
  }
}

/**
 * Before each token Langium looks where comments before it belong, through all siblings of the node, even where there
 * are none: a list of 100,000 numbers then takes minutes.
 */
function withoutNeedlessSearch(parser: LangiumParser): void {
  // The builder is private in the parser's types, and the only thing that is asked for comments.
  const { nodeBuilder } = parser as unknown as { nodeBuilder: CstNodeBuilder };
  const add = nodeBuilder.addHiddenNodes.bind(nodeBuilder);
  nodeBuilder.addHiddenNodes = (tokens) => {
    if (tokens.length > 0) add(tokens);
  };
}

interface Doubt {
  token: PlacedToken;
  /** Offset of the first error on its line. */
  error: number;
  /** Whether it begins a line that was not read at all. */
  isUnknown: boolean;
  candidates: string[];
}

function isDoubtful(result: ParseResult): boolean {
  return result.parserErrors.length > 0 || unknownIn(result.value).length > 0;
}

function doubtfulOffsets({ parserErrors, value }: ParseResult): number[] {
  return [...parserErrors.map(offsetOf), ...unknownIn(value).map(({ $cstNode }) => $cstNode?.offset ?? 0)];
}

/** Words that may be slips, each with what may have been meant: what begins an unread line, and what stands at an error. */
function doubtsIn(result: ParseResult, tokens: readonly PlacedToken[], slips: readonly Slip[]): Doubt[] {
  const doubts: Doubt[] = [];
  const doubt = (token: PlacedToken | undefined, error: number, words: readonly string[], isUnknown: boolean): void => {
    if (token === undefined || !/^[_a-zA-Z]\w*$/.test(token.image)) return;
    if (slips.some(({ offset }) => offset === token.startOffset)) return;
    const isName = token.tokenType.name === 'ID';
    const candidates = nearestFirst(token.image, words)
      .filter((word) => word !== token.image)
      // Inside a line many words can stand, and one that is less near was hardly meant.
      .filter((word) => isUnknown || (word.startsWith(token.image) && isName) || distance(word, token.image) === 1)
      .slice(0, 4);
    if (candidates.length > 0) doubts.push({ token, error, isUnknown, candidates });
  };
  const words = plainKeywords();
  for (const node of unknownIn(result.value)) {
    const token = tokens.find(({ startOffset }) => startOffset === node.$cstNode?.offset);
    const first = node.$container === undefined ? [] : firstWords(node.$container);
    doubt(
      token,
      token?.startOffset ?? 0,
      first.filter((word) => words.includes(word)),
      true,
    );
  }
  const lines = new Set<number>();
  for (const error of result.parserErrors) {
    const offset = offsetOf(error);
    const at = tokens.findLastIndex(({ startOffset }) => startOffset <= offset);
    const token = tokens[at];
    if (token === undefined || lines.has(token.startLine)) continue;
    lines.add(token.startLine);
    const before = tokens[at - 1];
    doubt(token, offset, words, false);
    if (before?.startLine === token.startLine) doubt(before, offset, words, false);
  }
  return doubts;
}

function firstErrorOn(line: number, { parserErrors }: ParseResult): number | undefined {
  const on = parserErrors.filter((error) => lineOf(error) === line).map(offsetOf);
  return on.length === 0 ? undefined : Math.min(...on);
}

type SyntaxError = ParseResult['parserErrors'][number];

/** An error of what is missing at the end of a line stands, as far as the line is concerned, at the word before. */
function blamed({ token, ...error }: SyntaxError): Pick<PlacedToken, 'startOffset' | 'startLine'> {
  const previous = (error as { previousToken?: PlacedToken }).previousToken;
  const isMissing =
    previous !== undefined &&
    previous.image !== '' &&
    (token.image === '' || (token.startLine ?? 0) > previous.endLine);
  return isMissing ? previous : { startOffset: token.startOffset, startLine: token.startLine ?? 0 };
}

function offsetOf(error: SyntaxError): number {
  return blamed(error).startOffset;
}

function lineOf(error: SyntaxError): number {
  return blamed(error).startLine;
}

/** Lines that begin with no known word. */
function unknownIn(root: AstNode): AstNode[] {
  if (!ast.isFile(root)) return [];
  const found: AstNode[] = [];
  for (const element of root.elements) {
    if (isUnread(element)) found.push(element);
    else if (ast.isData(element)) found.push(...element.facts.filter(isUnread), ...strangePartsOf(element));
    else if ('facts' in element) found.push(...element.facts.filter(isUnread));
  }
  return found;
}

function isUnread(node: AstNode): boolean {
  return ast.isUnknown(node) && node.word !== undefined;
}

/** In a split any word may name a part; but a part's share has a unit, and is no column. */
function strangePartsOf(data: ast.Data): ast.Part[] {
  const parts = partsOf(data).filter(({ share }) =>
    ast.isQuantity(share) ? share.unit === undefined : ast.isNameExpression(share),
  );
  if (parts.length === 0) return [];
  const columns = new Set(columnsOf(data).map(({ name }) => name));
  return parts.filter(
    ({ share }) => ast.isQuantity(share) || (ast.isNameExpression(share) && columns.has(share.target?.$refText ?? '')),
  );
}
