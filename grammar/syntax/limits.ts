/**
 * What keeps a hostile or broken file from overflowing the stack: the parser recurses as deep as brackets stand inside
 * one another. What stands deeper than the limit is left out, with one error.
 */
import type { ILexingError } from 'chevrotain';
import { errorAt, type PlacedToken } from './placed-token.ts';

/** Deeper than any pipeline that a person can read; the parser takes several times as much. */
export const NESTING_LIMIT = 64;

const OPENING: ReadonlySet<string> = new Set(['{', '(', '[', 'TEXT_START']);
const CLOSING: ReadonlySet<string> = new Set(['}', ')', ']', 'TEXT_END']);

/** Leaves out what is nested deeper than the limit, brackets included, so that the rest stays balanced. */
export function limitNesting(tokens: PlacedToken[], errors: ILexingError[]): PlacedToken[] {
  let depth = 0;
  let deepest = 0;
  for (const token of tokens) {
    if (OPENING.has(token.tokenType.name)) deepest = Math.max(deepest, ++depth);
    else if (CLOSING.has(token.tokenType.name)) depth = Math.max(0, depth - 1);
  }
  if (deepest <= NESTING_LIMIT) return tokens;
  const kept: PlacedToken[] = [];
  let reported = false;
  depth = 0;
  for (const token of tokens) {
    if (OPENING.has(token.tokenType.name) && ++depth === NESTING_LIMIT + 1 && !reported) {
      errors.push(
        errorAt(
          token,
          `Brackets stand more than ${NESTING_LIMIT} deep here. What is inside is left out; take it apart.`,
        ),
      );
      reported = true;
    }
    if (depth <= NESTING_LIMIT) kept.push(token);
    if (CLOSING.has(token.tokenType.name)) depth = Math.max(0, depth - 1);
  }
  return kept;
}
