/** Which space stands between two tokens of a line. Never so little that the two would be read as one. */
import type { PlacedToken } from '../syntax/placed-token.ts';

const OPERATORS: ReadonlySet<string> = new Set(['+', '-', '*', '/', '=', '<', '>', '<=', '>=', '|', '..', ',', ':']);
const OPENING: ReadonlySet<string> = new Set(['(', '[', '{', 'TEXT_START', 'TEXT_MIDDLE']);
/** Words after which a value begins, so that a `-` is a sign. */
const BEFORE_VALUE: ReadonlySet<string> = new Set(['in', 'within', 'or', 'every', 'stalls']);

/**
 * The space between two tokens.
 *
 * @param before the token before `left` on the same line, if any
 * @param written whether there is space between them now
 */
export function spaceBetween(
  before: PlacedToken | undefined,
  left: PlacedToken,
  right: PlacedToken,
  written: boolean,
): '' | ' ' {
  const from = left.tokenType.name;
  const to = right.tokenType.name;
  if (from === 'TEXT_START' || from === 'TEXT_MIDDLE' || to === 'TEXT_MIDDLE' || to === 'TEXT_END') return '';
  if (from === '(' || from === '[' || to === ')' || to === ']' || to === ',') return '';
  // `sha256:` would begin a digest.
  if (to === ':') return /^sha(256|512)$/.test(left.image) ? ' ' : '';
  if (from === '.' || to === '.')
    return isDotted(from === '.' ? before : left, from === '.' ? right : undefined) ? '' : ' ';
  if (to === '%') return from === 'NUMBER' ? '' : ' ';
  if (to === '(' || to === '[') {
    if (!isWord(left)) return from === ')' || from === ']' ? '' : ' ';
    return written && from !== 'ID' && from !== 'class' ? ' ' : '';
  }
  if (from === '-' && isSign(before)) return '';
  return ' ';
}

/** `a.b`, but not `1.5` or `..` made of what was written apart. */
function isDotted(left: PlacedToken | undefined, right: PlacedToken | undefined): boolean {
  return left !== undefined && (isWord(left) || left.image === ')') && (right === undefined || isWord(right));
}

function isSign(before: PlacedToken | undefined): boolean {
  if (before === undefined) return true;
  const kind = before.tokenType.name;
  return OPERATORS.has(kind) || OPENING.has(kind) || BEFORE_VALUE.has(kind);
}

export function isWord(token: PlacedToken): boolean {
  return /^[_a-zA-Z]/.test(token.image);
}
