/**
 * Characters that the language does not have, each run of them one error that says what to write. What habits of other
 * languages bring along is read as what it was meant to be: `# a comment`, `'a text'`, a name with an umlaut, a comment
 * that is never closed.
 */
import { createTokenInstance, type ILexerErrorMessageProvider, type ILexingError, type TokenType } from 'chevrotain';
import { longTexts } from './long-texts.ts';
import type { PlacedToken } from './placed-token.ts';

/** What people write where this language writes something else. */
const INSTEAD: Readonly<Record<string, string>> = {
  ';': 'A fact ends with its line. Remove it.',
  '≥': 'Write `>=`.',
  '≤': 'Write `<=`.',
  '×': 'Write `*`.',
  '·': 'Write `*`.',
  '÷': 'Write `/`.',
  '−': 'Write `-`.',
  '–': 'Write `-`.',
  '—': 'Write `-`.',
  '…': 'Write `..`.',
  $: 'A value is put into a text by `${…}`, between its quotes. Remove it.',
  "'": inQuotes('it'),
  '`': inQuotes('it'),
};

function inQuotes(what: string): string {
  return `A text stands in straight double quotes. Write \`"\` for ${what}.`;
}

const LONG_TEXT = 'A text ends on its line here. Join commands by `&&`, or put them into a file that the step reads.';

/** The quotes of other languages, and what closes each. */
const CLOSING: Readonly<Record<string, string>> = {
  "'": "'",
  '`': '`',
  '“': '”“',
  '”': '”',
  '„': '“”',
  '‘': '’',
  '’': '’',
  '«': '»',
  '»': '«',
};

/** Longer texts and names are not looked for around a strange character. */
const LONGEST = 400;

/** More places of one file are not named one by one. */
const MOST_ERRORS = 100;

export class MlpipeLexerErrorMessageProvider implements ILexerErrorMessageProvider {
  buildUnexpectedCharactersMessage(text: string, offset: number, length: number): string {
    const run = text.slice(offset, offset + length);
    const [first = ''] = run;
    const same = [...run].every((character) => character === first);
    const todo = same ? INSTEAD[first] : undefined;
    if (isInvisible(first)) return `There is an invisible character here, ${codeOf(first)}. Remove it.`;
    return `${quoted(run)} means nothing here. ${todo ?? 'Remove it.'}`;
  }

  buildUnableToPopLexerModeMessage(): string {
    return 'This closes nothing. Remove it.';
  }
}

function isInvisible(character: string): boolean {
  return /^[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Z}]$/u.test(character);
}

function codeOf(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}

/** A run of a thousand characters is not quoted whole, and an invisible one within it not at all. */
function quoted(run: string): string {
  const shown = [...run].slice(0, 8).map((character) => (isInvisible(character) ? '\uFFFD' : character));
  return `\`${shown.join('')}${[...run].length > 8 ? '…' : ''}\``;
}

/**
 * Tokens and errors of a text in which strange characters are read as what they were meant to be.
 *
 * @param type the token type of a name
 */
export function mendCharacters(
  text: string,
  tokens: readonly PlacedToken[],
  errors: readonly ILexingError[],
  type: (name: string) => TokenType,
): { tokens: PlacedToken[]; errors: ILexingError[]; unread: { from: number; to: number; line: number }[] } {
  const mended: ILexingError[] = [];
  /** Stretches of the text, in order, and what stands there instead of its tokens. */
  const stretches: { from: number; to: number; line: number; token?: PlacedToken }[] = [];
  const stretch = (error: ILexingError, to: number, message: string, token?: PlacedToken): void => {
    stretches.push({ from: error.offset, to, line: error.line ?? 1, ...(token === undefined ? {} : { token }) });
    mended.push({ ...error, length: to - error.offset, message });
  };
  const texts = new Map(longTexts(text, tokens).map((each) => [each.from, each]));
  let end = -1;
  for (const error of withSigns(text, tokens, errors, (offset) => texts.has(offset))) {
    const { offset } = error;
    if (offset < (stretches.at(-1)?.to ?? 0)) continue;
    const long = texts.get(offset);
    if (long !== undefined) {
      // An empty text stands for it, so that nothing is missing in its place.
      stretches.push({ from: offset, to: long.to, line: long.first.startLine, token: long.first });
      mended.push({ ...error, length: Math.min(long.to, endOfLine(text, offset)) - offset, message: LONG_TEXT });
      continue;
    }
    const first = text.charAt(offset);
    if (offset >= end) end = endOfLine(text, offset);
    const word = wordAround(text, offset);
    const close = closingQuote(text, offset, end);
    if (first === '#') {
      stretch(error, end, 'A comment begins with `//` here. Write it for `#`.');
    } else if (first === '/') {
      stretch(error, end, 'This comment is not closed. Add `*/` at its end.');
    } else if (close !== undefined) {
      const inner = text.slice(offset + 1, close);
      const token = tokenAt(type('STRING'), `"${inner}"`, offset, error);
      stretch(
        error,
        close + 1,
        inQuotes(first === text.charAt(close) ? `\`${first}\`` : `\`${first}\` and \`${text.charAt(close)}\``),
        token,
      );
    } else if (word !== undefined) {
      const back = offset - word.from;
      const start = { ...error, offset: word.from, column: (error.column ?? 1) - back };
      const kind = isBeforeColon(text, word.to) ? 'LABEL' : 'ID';
      const image = text.slice(word.from, word.to);
      const message = `${quoted(image)} has letters that names here do not have. Write it with \`a\` to \`z\`, digits and \`_\`.`;
      stretch(start, word.to, message, tokenAt(type(kind), image, word.from, start));
    } else {
      mended.push(error);
    }
  }
  const [first, ...others] = mended.splice(MOST_ERRORS);
  if (first !== undefined) {
    const message = `This and ${others.length} more places of this file mean nothing here. Is it a pipeline?`;
    mended.push({ ...first, message });
  }
  return {
    tokens: stretches.length === 0 ? [...tokens] : withStretches(tokens, stretches),
    errors: mended,
    unread: stretches.map(({ from, to, line }) => ({ from, to, line })),
  };
}

/**
 * With what the lexer reads, and nobody meant so: a comment without its end, as signs that never stand side by side
 * otherwise; a text over several lines, as an empty one and another.
 */
function withSigns(
  text: string,
  tokens: readonly PlacedToken[],
  errors: readonly ILexingError[],
  beginsText: (offset: number) => boolean,
): ILexingError[] {
  const open = tokens
    .filter(
      ({ image, startOffset }) =>
        (image === '/' && text.charAt(startOffset + 1) === '*') || (image === '""' && beginsText(startOffset)),
    )
    .map(({ startOffset, startLine, startColumn }) => ({
      offset: startOffset,
      line: startLine,
      column: startColumn,
      length: 2,
      message: '',
    }));
  return open.length === 0 ? [...errors] : [...errors, ...open].sort((one, other) => one.offset - other.offset);
}

function endOfLine(text: string, offset: number): number {
  const found = /[\r\n\u2028\u2029]/g;
  found.lastIndex = offset;
  return found.exec(text)?.index ?? text.length;
}

function closingQuote(text: string, offset: number, end: number): number | undefined {
  const closing = CLOSING[text.charAt(offset)];
  if (closing === undefined) return undefined;
  for (let at = offset + 1; at < Math.min(end, offset + LONGEST); at++) {
    if (closing.includes(text.charAt(at))) return at;
    if (text.charAt(at) === '"') return undefined;
  }
  return undefined;
}

/** The word that a letter of another alphabet stands in. */
function wordAround(text: string, offset: number): { from: number; to: number } | undefined {
  const letters = /[\p{L}\p{M}\p{N}_]+/uy;
  letters.lastIndex = offset;
  const found = letters.exec(text);
  if (found === null) return undefined;
  const before = /[_a-zA-Z0-9]*$/.exec(text.slice(Math.max(0, offset - LONGEST), offset))?.[0].length ?? 0;
  return { from: offset - before, to: letters.lastIndex };
}

function isBeforeColon(text: string, offset: number): boolean {
  const colon = /[ \t]*:/y;
  colon.lastIndex = offset;
  return colon.test(text);
}

function tokenAt(type: TokenType, image: string, offset: number, { line = 1, column = 1 }: ILexingError): PlacedToken {
  const last = image.length - 1;
  // All positions are given, so the token has them all.
  return createTokenInstance(type, image, offset, offset + last, line, line, column, column + last) as PlacedToken;
}

function withStretches(
  tokens: readonly PlacedToken[],
  stretches: readonly { from: number; to: number; token?: PlacedToken }[],
): PlacedToken[] {
  const out: PlacedToken[] = [];
  let next = 0;
  const flush = (until: number): void => {
    for (let stretch = stretches[next]; stretch !== undefined && stretch.from < until; stretch = stretches[++next]) {
      if (stretch.token !== undefined) out.push(stretch.token);
    }
  };
  let at = 0;
  for (const token of tokens) {
    flush(token.startOffset);
    while (at < stretches.length && (stretches[at]?.to ?? 0) <= token.startOffset) at++;
    const inside = stretches[at];
    if (inside !== undefined && inside.from <= token.startOffset) continue;
    out.push(token);
  }
  flush(Number.POSITIVE_INFINITY);
  return out;
}
