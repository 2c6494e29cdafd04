/**
 * Texts over several lines, as other languages have them between `"""`. Here a text ends on its line; so that whoever
 * tries it is told once, what stands between is found and left out.
 */
import type { PlacedToken } from './placed-token.ts';

const QUOTES = '"""';

/**
 * Where such texts stand. One that is not closed goes as far as its lines stand deeper than the line that begins it, so
 * that it never takes the rest of the file with it.
 */
export function longTexts(
  text: string,
  tokens: readonly PlacedToken[],
): { first: PlacedToken; from: number; to: number }[] {
  const found: { first: PlacedToken; from: number; to: number }[] = [];
  for (const first of tokens) {
    const from = first.startOffset;
    if (first.image !== '""' || !text.startsWith(QUOTES, from) || from < (found.at(-1)?.to ?? 0)) continue;
    found.push({ first, from, to: endOf(text, from) });
  }
  return found;
}

function endOf(text: string, from: number): number {
  const lineStart = Math.max(text.lastIndexOf('\n', from), text.lastIndexOf('\r', from)) + 1;
  const depth = indentAt(text, lineStart);
  let line = from + QUOTES.length;
  const close = text.indexOf(QUOTES, line);
  for (;;) {
    const eol = /\r\n|\r|\n|$/g;
    eol.lastIndex = line;
    const end = eol.exec(text)?.index ?? text.length;
    if (close >= 0 && close < end) return close + QUOTES.length;
    const next = eol.lastIndex;
    const isBlank = /^[ \t]*$/.test(text.slice(next, lineEnd(text, next)));
    const closes = text.startsWith(QUOTES, next + indentAt(text, next)) && indentAt(text, next) >= depth;
    if (next >= text.length || next === end || (!isBlank && !closes && indentAt(text, next) <= depth)) return end;
    line = next;
  }
}

function lineEnd(text: string, from: number): number {
  const eol = /[\r\n]|$/g;
  eol.lastIndex = from;
  return eol.exec(text)?.index ?? text.length;
}

function indentAt(text: string, lineStart: number): number {
  let at = lineStart;
  while (text.charAt(at) === ' ' || text.charAt(at) === '\t') at++;
  return at - lineStart;
}
