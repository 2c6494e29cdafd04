/**
 * The layout of a file, as tokens: SECTION in front of each top-level block, LINE in front of each fact.
 *
 * A fact ends with its line. Inside `( )` and `[ ]` a line may end after an opening bracket or a comma if the next is
 * indented deeper, and before a closing bracket; nowhere else, so that a missing bracket spoils its own line only.
 * Where braces do not balance, a block's keyword in the first column begins a section however many are open, and
 * `braces.ts` mends what is between.
 *
 * The tokens made here have no width: Langium keeps such tokens out of the concrete syntax tree, so formatter, folding
 * and completion see only what was written.
 */
import type { TokenType } from 'chevrotain';
import { DefaultLexer, type LexerResult, type TokenizeOptions } from 'langium';
import { isBalanced, repairBraces, unbalancedLines } from './braces.ts';
import { mendCharacters } from './characters.ts';
import { limitNesting } from './limits.ts';
import { emptyToken, errorAt, type PlacedToken, placed, startsLine } from './placed-token.ts';
import type { Slip } from './spelling.ts';
import { isClosed } from './values.ts';
import { blockWords } from './vocabulary.ts';

export class LayoutLexer extends DefaultLexer {
  private readonly blockWords: ReadonlySet<string> = new Set(blockWords());
  private slips: readonly Slip[] = [];

  /** What is tokenised meanwhile is read with these words as those that were meant. */
  reading<T>(slips: readonly Slip[], work: () => T): T {
    const before = this.slips;
    this.slips = slips;
    try {
      return work();
    } finally {
      this.slips = before;
    }
  }

  /**
   * In mode `partial` (a text up to the cursor, for completion) nothing is mended, and LINE or SECTION is added at the
   * end where a new line has begun.
   */
  override tokenize(text: string, options: TokenizeOptions = { mode: 'full' }): LexerResult {
    const result = super.tokenize(text, options);
    const read = mendCharacters(text, placed(result.tokens), result.errors, this.type.bind(this));
    result.tokens = read.tokens;
    result.errors = read.errors;
    if (this.slips.length > 0) this.respell(placed(result.tokens));
    const partial = options.mode === 'partial';
    const beginsSection = (token: PlacedToken): boolean => this.beginsSection(token);
    let tokens = limitNesting(placed(result.tokens), beginsSection, result.errors);
    for (const token of tokens) {
      if (isOpenText(token)) result.errors.push(errorAt(token, 'This text is not closed. Add `"` at its end.'));
    }
    const balanced = isBalanced(tokens);
    if (!balanced && !partial) tokens = repairBraces(tokens, beginsSection, this.type.bind(this), result.errors);
    result.tokens = this.addLayout(tokens, text, partial, balanced ? () => false : beginsSection);
    return result;
  }

  /** For the formatter: every token as it stands, and where facts and blocks begin. Lines are counted from 0. */
  tokenizeAsWritten(text: string): {
    tokens: PlacedToken[];
    comments: PlacedToken[];
    starts: Set<number>;
    sections: Set<number>;
    unsound: { from: number; to: number }[];
    strange: Set<number>;
  } {
    const raw = super.tokenize(text);
    const tokens = placed(raw.tokens);
    const starts = new Set<number>();
    const sections = new Set<number>();
    const layout = placed(this.tokenize(text).tokens);
    for (const [i, token] of layout.entries()) {
      const next = layout[i + 1];
      if (token.image !== '' || next === undefined) continue;
      if (token.tokenType.name === 'SECTION') sections.add(next.startOffset);
      if (/^(LINE|SECTION)$/.test(token.tokenType.name)) starts.add(next.startOffset);
    }
    const strange = new Set<number>();
    const read = mendCharacters(text, tokens, raw.errors, this.type.bind(this));
    for (const { line } of read.errors) strange.add((line ?? 1) - 1);
    for (const { from, to, line } of read.unread) {
      const breaks = text.slice(from, to).split(/\r\n|\r|\n/).length;
      for (let i = 0; i < breaks; i++) strange.add(line - 1 + i);
    }
    const unsound = isBalanced(tokens) ? [] : unbalancedLines(tokens, (token) => this.beginsSection(token));
    return { tokens, comments: placed(raw.hidden), starts, sections, unsound, strange };
  }

  /** The text stays as it is written; only what it counts as changes. */
  private respell(tokens: readonly PlacedToken[]): void {
    const meant = new Map(this.slips.map((slip) => [slip.offset, slip.meant]));
    for (const token of tokens) {
      const word = meant.get(token.startOffset);
      if (word === undefined) continue;
      token.tokenType = this.type(word);
      // A token type of a built lexer has its number.
      token.tokenTypeIdx = token.tokenType.tokenTypeIdx ?? token.tokenTypeIdx;
    }
  }

  private beginsSection(token: PlacedToken): boolean {
    return token.startColumn === 1 && this.blockWords.has(token.image);
  }

  private type(name: string): TokenType {
    const type = this.definition[name];
    if (type === undefined) throw new Error(`The grammar has no token ${name}.`);
    return type;
  }

  private addLayout(
    tokens: readonly PlacedToken[],
    text: string,
    partial: boolean,
    beginsSection: (token: PlacedToken) => boolean,
  ): PlacedToken[] {
    const line = this.type('LINE');
    const section = this.type('SECTION');
    const out: PlacedToken[] = [];
    /** Braces and brackets that are open, innermost last. */
    const open: string[] = [];
    let braces = 0;
    let previous: PlacedToken | undefined;
    /** Where the line begins in which the innermost bracket was opened. */
    let column = 0;
    for (const token of tokens) {
      const starts = startsLine(token, previous);
      const kind = token.tokenType.name;
      if (starts && kind === '{') {
        // A brace on a line of its own still opens the block of the line before.
      } else if (starts && ((braces === 0 && !isContinued(open, previous, token, column)) || beginsSection(token))) {
        open.length = 0;
        braces = 0;
        out.push(emptyToken(section, token, 'before'));
      } else if (
        kind !== '}' &&
        (starts ? !isContinued(open, previous, token, column) : open.at(-1) === '{' && previous?.image === '{')
      ) {
        if (starts) closeBrackets(open);
        out.push(emptyToken(line, token, 'before'));
      }
      if (starts && (open.length === 0 || open.at(-1) === '{')) column = token.startColumn;
      switch (kind) {
        case '{':
          open.push(kind);
          braces++;
          break;
        case '(':
        case '[':
          open.push(kind);
          break;
        case ')':
        case ']':
          if (open.length > 0 && open.at(-1) !== '{') open.pop();
          break;
        case '}':
          closeBrackets(open);
          if (open.pop() !== undefined) braces--;
          break;
      }
      out.push(token);
      previous = token;
    }
    if (partial) {
      const newLine = previous === undefined || /[\r\n]/.test(text.slice(previous.endOffset + 1));
      if (
        braces > 0 &&
        previous &&
        (previous.image === '{' || (newLine && !isContinued(open, previous, undefined, 0)))
      ) {
        out.push(emptyToken(line, previous, 'after'));
      } else if (braces === 0 && newLine && !isContinued(open, previous, undefined, 0)) {
        out.push(emptyToken(section, previous, 'after'));
      }
    }
    return out;
  }
}

/** Whether a line break between these two is inside brackets and means nothing. */
function isContinued(
  open: readonly string[],
  previous: PlacedToken | undefined,
  next: PlacedToken | undefined,
  column: number,
): boolean {
  const bracket = open.at(-1);
  if (previous === undefined || (bracket !== '(' && bracket !== '[')) return false;
  if (next !== undefined && /^[)\]]$/.test(next.image)) return true;
  return /^[([,]$/.test(previous.image) && (next === undefined || next.startColumn > column);
}

function closeBrackets(open: string[]): void {
  while (open.length > 0 && open.at(-1) !== '{') open.pop();
}

function isOpenText(token: PlacedToken): boolean {
  const kind = token.tokenType.name;
  return (kind === 'STRING' || kind === 'TEXT_END') && !isClosed(token.image);
}
