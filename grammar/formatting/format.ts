/**
 * The format of a pipeline: one fact a line, values in one column in each run of lines, comments behind them in
 * another, blocks indented by two. Only space changes: what a line holds, and which lines there are, stays, but for
 * blank lines and for a `{` on a line of its own.
 *
 * It works on tokens, not on the syntax tree, so that a file with errors is formatted where it is sound.
 */
import type { LayoutLexer } from '../syntax/layout.ts';
import type { PlacedToken } from '../syntax/placed-token.ts';
import { type SourceLine, sourceLines } from './lines.ts';
import { spaceBetween } from './spacing.ts';

/** Blocks whose lines are not a word and its value. */
const NOT_ALIGNED: ReadonlySet<string> = new Set(['', 'model', 'choice', 'import']);

const INDENT = '  ';

/** A line on its way: the pieces that columns may push apart, then the comment. */
interface Draft {
  indent: string;
  /** What columns align: a fact's word, its value, a gate's tolerance. */
  pieces: string[];
  comment?: string;
  /** Lines of one run share their columns. */
  aligns: boolean;
  verbatim?: string;
  depth: number;
}

/** The formatted text. Where anything but space would change, the text comes back as it was. */
export function formatWith(lexer: LayoutLexer, text: string): string {
  const formatted = rewrite(lexer, text);
  return isSame(lexer, text, formatted) ? formatted : text;
}

function rewrite(lexer: LayoutLexer, text: string): string {
  const lines = sourceLines(text, lexer.tokenizeAsWritten(text));
  const drafts = lines.map(draft);
  joinBraces(lines, drafts);
  const kept = withoutNeedlessBlanks(drafts);
  for (const run of runs(kept)) alignPieces(run);
  const ends = kept.map(lineOf);
  for (const run of runs(kept)) alignComments(run, ends, kept);
  const eol = /\r\n/.test(text) ? '\r\n' : '\n';
  const mark = text.startsWith('\uFEFF') ? '\uFEFF' : '';
  return ends.length === 0 ? mark : `${mark}${ends.join(eol)}${eol}`;
}

function draft(line: SourceLine): Draft {
  const indent = INDENT.repeat(line.depth + line.brackets);
  const base = { indent, pieces: [], aligns: false, depth: line.depth };
  if (line.untouched) return { ...base, verbatim: line.written };
  if (line.keepsInside) return { ...base, verbatim: `${indent}${line.written.trim()}` };
  if (line.commentLine) {
    const rest = line.written.trim();
    return { ...base, verbatim: rest.startsWith('*') ? `${indent} ${rest}` : line.written.trimEnd() };
  }
  const [first] = line.tokens;
  const aligned = first !== undefined && line.brackets === 0 && first.image !== '}' && !NOT_ALIGNED.has(line.block);
  const last = line.tokens.at(-1);
  const opens = last?.image === '{' || line.tokens.some(({ tokenType }) => tokenType.name === '{');
  return {
    ...base,
    pieces: piecesOf(line, aligned && !opens),
    aligns: aligned && !opens && line.tokens.length > 1,
    ...(line.comment === undefined ? {} : { comment: line.comment }),
  };
}

/** The line's text, cut where a column may begin: after the fact's word (or call), and before a gate's `within`. */
function piecesOf(line: SourceLine, aligned: boolean): string[] {
  const pieces: string[] = [''];
  let depth = 0;
  for (const [i, token] of line.tokens.entries()) {
    const left = line.tokens[i - 1];
    const kind = token.tokenType.name;
    if (left !== undefined) {
      const space = spaceBetween(line.tokens[i - 2], left, token, left.endOffset + 1 < token.startOffset);
      const cut =
        aligned &&
        depth === 0 &&
        space === ' ' &&
        (pieces.length === 1 || (line.block === 'evaluate' && pieces.length === 2 && kind === 'within'));
      if (cut) pieces.push('');
      else pieces[pieces.length - 1] += space;
    }
    pieces[pieces.length - 1] += token.image;
    if (kind === '(' || kind === '[') depth++;
    else if (kind === ')' || kind === ']') depth--;
  }
  return pieces;
}

/** A `{` on a line of its own goes to the end of the line before, unless a comment stands there. */
function joinBraces(lines: readonly SourceLine[], drafts: Draft[]): void {
  for (const [i, line] of lines.entries()) {
    const own = drafts[i];
    if (own === undefined || line.tokens[0]?.image !== '{' || own.verbatim !== undefined) continue;
    let before = i - 1;
    while (before >= 0 && lines[before]?.written.trim() === '') before--;
    const header = drafts[before];
    if (
      header === undefined ||
      header.verbatim !== undefined ||
      header.comment !== undefined ||
      header.pieces[0] === ''
    )
      continue;
    header.pieces = [`${header.pieces.join(' ')} ${own.pieces.join(' ')}`];
    header.aligns = false;
    if (own.comment !== undefined) header.comment = own.comment;
    for (let gone = before + 1; gone <= i; gone++) drafts[gone] = { ...own, pieces: [], verbatim: '\u0000' };
  }
  for (let i = drafts.length - 1; i >= 0; i--) if (drafts[i]?.verbatim === '\u0000') drafts.splice(i, 1);
}

/** At most one blank line, none at the beginning or the end of a file or a block. */
function withoutNeedlessBlanks(drafts: readonly Draft[]): Draft[] {
  const kept: Draft[] = [];
  for (const [i, line] of drafts.entries()) {
    if (!isBlank(line)) {
      kept.push(line);
      continue;
    }
    const before = kept.at(-1);
    const after = drafts.slice(i + 1).find((other) => !isBlank(other));
    if (before === undefined || after === undefined || isBlank(before)) continue;
    if (before.pieces.at(-1)?.endsWith('{') && before.comment === undefined) continue;
    if (after.pieces[0]?.startsWith('}')) continue;
    kept.push(line);
  }
  return kept;
}

function isBlank(line: Draft): boolean {
  return line.verbatim === undefined
    ? line.pieces.join('') === '' && line.comment === undefined
    : line.verbatim.trim() === '' && line.verbatim === '';
}

/** Lines that stand together: neither a blank line nor another depth nor a nested block is between them. */
function* runs(lines: readonly Draft[]): Generator<Draft[]> {
  let run: Draft[] = [];
  for (const line of lines) {
    const last = run.at(-1);
    const breaks = line.verbatim !== undefined || isBlank(line) || (last !== undefined && last.depth !== line.depth);
    const block = line.pieces.some((piece) => piece.endsWith('{') || piece.startsWith('}'));
    if (breaks || block) {
      if (run.length > 0) yield run;
      run = [];
    }
    if (!(line.verbatim !== undefined || isBlank(line))) run.push(line);
    if (block) {
      yield run;
      run = [];
    }
  }
  if (run.length > 0) yield run;
}

function alignPieces(run: readonly Draft[]): void {
  const lines = run.filter(({ aligns }) => aligns);
  for (let column = 0; column < 2; column++) {
    const width = Math.max(
      0,
      ...lines.filter(({ pieces }) => pieces.length > column + 1).map(({ pieces }) => widthOf(pieces[column])),
    );
    for (const { pieces } of lines) {
      const piece = pieces[column];
      if (piece !== undefined && pieces.length > column + 1)
        pieces[column] = `${piece}${' '.repeat(width - widthOf(piece) + 2)}`;
    }
  }
}

function alignComments(run: readonly Draft[], ends: string[], all: readonly Draft[]): void {
  const commented = run.filter(({ comment, pieces }) => comment !== undefined && pieces[0] !== '');
  const indices = commented.map((line) => all.indexOf(line));
  const width = Math.max(0, ...indices.map((index) => widthOf(ends[index])));
  for (const [i, line] of commented.entries()) {
    const index = indices[i];
    const end = index === undefined ? undefined : ends[index];
    if (index !== undefined && end !== undefined)
      ends[index] = `${end}${' '.repeat(width - widthOf(end) + 2)}${line.comment}`;
  }
}

function lineOf(line: Draft): string {
  if (line.verbatim !== undefined) return line.verbatim;
  const content = line.pieces.join('');
  if (content === '') return line.comment === undefined ? '' : `${line.indent}${line.comment}`;
  return `${line.indent}${content}`;
}

/** In characters as a person counts them, so that an umlaut or an emoji does not push its line out of column. */
function widthOf(text: string | undefined): number {
  return [...(text ?? '')].length;
}

/** Whether both texts are read alike: the same tokens, facts and blocks, the same comments, the same other characters. */
function isSame(lexer: LayoutLexer, before: string, after: string): boolean {
  if (before.replace(/\s+/g, '') !== after.replace(/\s+/g, '')) return false;
  const one = lexer.tokenize(before).tokens;
  const two = lexer.tokenize(after).tokens;
  return (
    one.length === two.length &&
    one.every((token: Pick<PlacedToken, 'image' | 'tokenType'>, i) => {
      const other = two[i];
      return other !== undefined && token.image === other.image && token.tokenType === other.tokenType;
    })
  );
}
