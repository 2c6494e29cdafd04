/**
 * Braces that do not balance. Each section of the file is looked at by itself, so that a brace that is missing or too
 * many spoils its own block only; inside the section, indentation says where the brace belongs.
 */
import type { ILexingError, TokenType } from 'chevrotain';
import { emptyToken, errorAt, type PlacedToken, startsLine } from './placed-token.ts';

/** Whether each `{` has its `}`, and none comes too early. */
export function isBalanced(tokens: readonly PlacedToken[], begin = 0, end = tokens.length): boolean {
  let depth = 0;
  for (let i = begin; i < end; i++) {
    const kind = tokens[i]?.tokenType.name;
    if (kind === '{') depth++;
    else if (kind === '}' && --depth < 0) return false;
  }
  return depth === 0;
}

/**
 * The tokens with missing braces put in (without width) and needless ones left out, an error for each.
 *
 * @param beginsSection whether a token in the first column begins a block of the file
 * @param type the token type of a name
 */
export function repairBraces(
  tokens: readonly PlacedToken[],
  beginsSection: (token: PlacedToken) => boolean,
  type: (name: string) => TokenType,
  errors: ILexingError[],
): PlacedToken[] {
  const out: PlacedToken[] = [];
  for (const section of sectionsOf(tokens, beginsSection)) {
    for (const kept of isBalanced(section) ? section : repairSection(section, type, errors)) out.push(kept);
  }
  return out;
}

/** The lines, counted from 0, of the sections whose braces do not balance. */
export function unbalancedLines(
  tokens: readonly PlacedToken[],
  beginsSection: (token: PlacedToken) => boolean,
): { from: number; to: number }[] {
  return sectionsOf(tokens, beginsSection)
    .filter((section) => !isBalanced(section))
    .map((section) => ({ from: (section[0]?.startLine ?? 1) - 1, to: (section.at(-1)?.endLine ?? 1) - 1 }));
}

function sectionsOf(tokens: readonly PlacedToken[], beginsSection: (token: PlacedToken) => boolean): PlacedToken[][] {
  const sections: PlacedToken[][] = [];
  let begin = 0;
  for (let i = 1; i <= tokens.length; i++) {
    const token = tokens[i];
    if (token !== undefined && !(beginsSection(token) && startsLine(token, tokens[i - 1]))) continue;
    sections.push(tokens.slice(begin, i));
    begin = i;
  }
  return sections;
}

function repairSection(
  tokens: readonly PlacedToken[],
  type: (name: string) => TokenType,
  errors: ILexingError[],
): PlacedToken[] {
  const out: PlacedToken[] = [];
  const partners = partnersOnLine(tokens);
  /** Each open block by the column in which the line that opened it begins. */
  const open: number[] = [];
  let column = 0;
  let previous: PlacedToken | undefined;
  const insert = (image: '{' | '}', after: PlacedToken): void => {
    out.push(emptyToken(type(image), after, 'after'));
    errors.push(errorAt(after, `A \`${image}\` is missing after this.`));
  };
  for (const [i, token] of tokens.entries()) {
    const kind = token.tokenType.name;
    const next = tokens[i + 1];
    const first = startsLine(token, previous);
    const last = next === undefined || startsLine(next, token);
    // A brace opens at the end of a line and closes at the start of one, or does both on the same.
    if (
      (kind === '{' && !last && !partners.has(i)) ||
      (kind === '}' && (first ? token.startColumn > (open.at(-1) ?? 0) : !partners.has(i)))
    ) {
      errors.push(errorAt(token, `This \`${kind}\` does not belong here.`));
      previous = token;
      continue;
    }
    if (first && previous !== undefined) {
      const start = token.startColumn;
      if (start > column && kind !== '}' && !/^[{,([]$/.test(previous.image) && !/^[)\]{]$/.test(token.image)) {
        insert('{', previous);
        open.push(column);
      }
      for (let at = open.at(-1); at !== undefined && (kind === '}' ? start < at : start <= at); at = open.at(-1)) {
        if (kind === '{') break;
        insert('}', previous);
        open.pop();
      }
    }
    if (first) column = token.startColumn;
    if (kind === '{') {
      open.push(column);
    } else if (kind === '}') {
      const opener = open.pop();
      if (opener === undefined) {
        errors.push(errorAt(token, 'This `}` closes nothing.'));
        previous = token;
        continue;
      }
      column = opener;
    }
    out.push(token);
    previous = token;
  }
  const end = tokens.at(-1);
  for (; open.length > 0 && end !== undefined; open.pop()) insert('}', end);
  return out;
}

/** The braces that have their partner on the same line, by index. */
function partnersOnLine(tokens: readonly PlacedToken[]): Set<number> {
  const partners = new Set<number>();
  let open: number[] = [];
  for (const [i, token] of tokens.entries()) {
    if (startsLine(token, tokens[i - 1])) open = [];
    if (token.tokenType.name === '{') {
      open.push(i);
    } else if (token.tokenType.name === '}') {
      const partner = open.pop();
      if (partner !== undefined) partners.add(partner).add(i);
    }
  }
  return partners;
}
