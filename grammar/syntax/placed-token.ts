/** Tokens with their positions, and how such are made. */
import { createTokenInstance, type ILexingError, type IToken, type TokenType } from 'chevrotain';

/** Lines and columns are counted from 1; ends are inclusive. */
export interface PlacedToken extends IToken {
  startLine: number;
  startColumn: number;
  endOffset: number;
  endLine: number;
  endColumn: number;
}

/** Langium's lexer tracks full positions, so every token it gives has them all. */
export function placed(tokens: IToken[]): PlacedToken[] {
  return tokens as PlacedToken[];
}

/** A token without width directly before or after another; without another, at the beginning of the file. */
export function emptyToken(type: TokenType, at: PlacedToken | undefined, where: 'before' | 'after'): PlacedToken {
  const [offset, line, column] =
    at === undefined
      ? [0, 1, 1]
      : where === 'before'
        ? [at.startOffset, at.startLine, at.startColumn]
        : [at.endOffset + 1, at.endLine, at.endColumn + 1];
  // All positions are given, so the token has them all.
  return createTokenInstance(type, '', offset, offset - 1, line, line, column, column - 1) as PlacedToken;
}

export function errorAt(token: PlacedToken, message: string): ILexingError {
  return {
    offset: token.startOffset,
    line: token.startLine,
    column: token.startColumn,
    length: Math.max(1, token.image.length),
    message,
  };
}

/** Whether a token is the first of its line. */
export function startsLine(token: PlacedToken, previous: PlacedToken | undefined): boolean {
  return previous === undefined || token.startLine > previous.endLine;
}
