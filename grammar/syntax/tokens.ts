/** Tokens that a regular expression alone cannot tell: synthetic ones, and the pieces of a text after `${…}`. */
import { type CustomPatternMatcherFunc, type IToken, Lexer, type TokenType } from 'chevrotain';
import { DefaultTokenBuilder, type Grammar, type GrammarAST, GrammarUtils } from 'langium';

/** Langium tries keywords before terminals; these terminals must be tried before keywords. */
const EARLY: ReadonlySet<string> = new Set(['TEXT_MIDDLE', 'TEXT_END', 'DIGEST', 'LABEL', 'ML_COMMENT']);

/** How many templates may stand inside one another before a `}` is no longer looked up; the parser's limit is lower. */
const TEMPLATE_DEPTH = 100;

export class MlpipeTokenBuilder extends DefaultTokenBuilder {
  protected override buildTerminalToken(terminal: GrammarAST.TerminalRule): TokenType {
    const token = super.buildTerminalToken(terminal);
    switch (terminal.name) {
      case 'SECTION':
      case 'LINE':
        token.PATTERN = Lexer.NA;
        break;
      case 'ML_COMMENT':
        token.PATTERN = closedComment();
        token.LINE_BREAKS = true;
        token.START_CHARS_HINT = ['/'];
        break;
      case 'TEXT_MIDDLE':
      case 'TEXT_END':
        token.PATTERN = insideText(GrammarUtils.terminalRegex(terminal));
        token.LINE_BREAKS = false;
        token.START_CHARS_HINT = ['}'];
        break;
    }
    return token;
  }

  override buildTokens(grammar: Grammar, options?: { caseInsensitive?: boolean }): TokenType[] {
    const tokens = super.buildTokens(grammar, options);
    if (!Array.isArray(tokens)) throw new Error('The language has one lexer mode.');
    return [...tokens.filter((type) => EARLY.has(type.name)), ...tokens.filter((type) => !EARLY.has(type.name))];
  }
}

/** A regular expression would look for the end of each comment that has none, through the whole text every time. */
function closedComment(): CustomPatternMatcherFunc {
  let searched = '';
  let last = -1;
  return (text, offset) => {
    if (!text.startsWith('/*', offset)) return null;
    if (searched !== text) {
      searched = text;
      last = text.lastIndexOf('*/');
    }
    if (last < offset + 2) return null;
    // Patterns give what a regular expression would.
    const image = text.slice(offset, text.indexOf('*/', offset + 2) + 2);
    return Object.assign([image], { index: offset, input: text }) as RegExpExecArray;
  };
}

/** Lexer modes would do the same, but a template that is not closed would then take the rest of the file with it. */
function insideText(pattern: RegExp): CustomPatternMatcherFunc {
  const sticky = new RegExp(pattern.source, 'y');
  return (text, offset, tokens) => {
    // After a strange character every pattern is tried at every place, whatever it may begin with.
    if (text.charAt(offset) !== '}' || !isInsideText(text, offset, tokens)) return null;
    sticky.lastIndex = offset;
    return sticky.exec(text);
  };
}

/** Whether a `${` on this line is still open. */
function isInsideText(text: string, offset: number, tokens: readonly IToken[]): boolean {
  let closed = 0;
  for (let i = tokens.length - 1; i >= 0; i--) {
    const token = tokens[i];
    if (token === undefined) break;
    switch (token.tokenType.name) {
      case 'TEXT_END':
        if (++closed > TEMPLATE_DEPTH) return false;
        break;
      case 'TEXT_MIDDLE':
        if (closed === 0) return isSameLine(text, token.startOffset, offset);
        break;
      case 'TEXT_START':
        if (closed === 0) return isSameLine(text, token.startOffset, offset);
        closed--;
        break;
      case '{':
      case '}':
        return false;
    }
  }
  return false;
}

function isSameLine(text: string, from: number, to: number): boolean {
  for (let i = from; i < to; i++) {
    const code = text.charCodeAt(i);
    if (code === 10 || code === 13) return false;
  }
  return true;
}
