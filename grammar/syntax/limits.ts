/**
 * What keeps a hostile or broken file from overflowing the stack: the parser recurses as deep as brackets stand inside
 * one another, and the tree of a chain (`a + b + …`, `a.b.…`) is as deep as the chain is long. What goes beyond the
 * limits is left out, with one error.
 */
import type { ILexingError } from 'chevrotain';
import { errorAt, type PlacedToken, startsLine } from './placed-token.ts';

/** Deeper than any pipeline that a person can read; the parser takes several times as much. */
export const NESTING_LIMIT = 64;

/** Longer than any expression that a person can read. */
export const CHAIN_LIMIT = 256;

const OPENING: ReadonlySet<string> = new Set(['(', '[', 'TEXT_START']);
const CLOSING: ReadonlySet<string> = new Set([')', ']', 'TEXT_END']);
const LINKS: ReadonlySet<string> = new Set(['+', '-', '*', '/', '.']);
const ENDS_CHAIN: ReadonlySet<string> = new Set([',', '(', '[', '{', '}']);

/**
 * Leaves out what is nested too deep and the rest of lines with chains too long. A new line forgets brackets, and a
 * block's word in the first column braces, so that what was never closed does not take the file with it.
 */
export function limitNesting(
  tokens: PlacedToken[],
  beginsSection: (token: PlacedToken) => boolean,
  errors: ILexingError[],
): PlacedToken[] {
  const kept: PlacedToken[] = [];
  const said = new Set<string>();
  const say = (token: PlacedToken, message: string): void => {
    if (!said.has(message)) errors.push(errorAt(token, message));
    said.add(message);
  };
  let braces = 0;
  let brackets = 0;
  let chain = 0;
  let previous: PlacedToken | undefined;
  for (const token of tokens) {
    const kind = token.tokenType.name;
    if (startsLine(token, previous)) {
      chain = 0;
      if (braces + brackets > NESTING_LIMIT) {
        brackets = 0;
        if (beginsSection(token)) braces = 0;
      }
    }
    previous = token;
    if (kind === '{') braces++;
    else if (OPENING.has(kind)) brackets++;
    if (LINKS.has(kind)) chain++;
    else if (ENDS_CHAIN.has(kind) && chain <= CHAIN_LIMIT) chain = 0;
    if (braces + brackets > NESTING_LIMIT) {
      say(token, `Brackets stand more than ${NESTING_LIMIT} deep here. What is inside is left out; take it apart.`);
    } else if (chain > CHAIN_LIMIT) {
      say(token, `This expression has more than ${CHAIN_LIMIT} parts. The rest is left out; take it apart.`);
    } else {
      kept.push(token);
    }
    if (kind === '}') braces = Math.max(0, braces - 1);
    else if (CLOSING.has(kind)) brackets = Math.max(0, brackets - 1);
  }
  return said.size === 0 ? tokens : kept;
}
