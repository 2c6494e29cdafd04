/** A text as the formatter sees it: its lines, each with its tokens, its comment, and how deep it stands. */
import type { PlacedToken } from '../syntax/placed-token.ts';

export interface SourceLine {
  /** As it was written, without its line break. */
  written: string;
  tokens: PlacedToken[];
  /** A comment that ends the line. */
  comment?: string;
  /** Blocks that are open where the line begins; one less if it closes one. */
  depth: number;
  /** Brackets that are open where it begins, for a line that goes on with a fact; 0 for one that begins a fact. */
  brackets: number;
  /** The first word of the innermost block that it stands in: `train`, `schema`; empty at the top of the file. */
  block: string;
  /** With a comment between two tokens, which has no place of its own in the format: only the line's place is mended. */
  keepsInside: boolean;
  /** Left as it is: inside a comment of several lines, with characters that mean nothing, or where braces don't fit. */
  untouched: boolean;
  /** Inside a comment of several lines: how it stood to that comment's first line. */
  commentLine?: boolean;
}

export interface Lexed {
  /** As written, without the layout's tokens. */
  tokens: readonly PlacedToken[];
  comments: readonly PlacedToken[];
  /** Offsets of the tokens with which a block or a fact begins. */
  starts: ReadonlySet<number>;
  /** Those of blocks at the top of the file. */
  sections: ReadonlySet<number>;
  /** Offset ranges in which braces do not balance. */
  unsound: readonly { from: number; to: number }[];
  /** Lines, from 0, with characters that are no token. */
  strange: ReadonlySet<number>;
}

export function sourceLines(text: string, lexed: Lexed): SourceLine[] {
  const lines: SourceLine[] = text.split(/\r\n|\r|\n/).map((written) => ({
    written,
    tokens: [],
    depth: 0,
    brackets: 0,
    block: '',
    keepsInside: false,
    untouched: false,
  }));
  for (const comment of lexed.comments) addComment(lines, comment);
  for (const line of lexed.strange) {
    const strange = lines[line];
    if (strange) strange.untouched = true;
  }
  place(lines, lexed);
  for (const { from, to } of lexed.unsound) {
    for (const [i, line] of lines.entries()) if (i >= from && i <= to) line.untouched = true;
  }
  return lines;
}

function addComment(lines: SourceLine[], comment: PlacedToken): void {
  const first = lines[comment.startLine - 1];
  if (first === undefined) return;
  if (comment.endLine === comment.startLine) {
    const after = first.written.slice(comment.endColumn).trim();
    if (after === '' && first.comment === undefined) first.comment = comment.image.trimEnd();
    else first.keepsInside = true;
    return;
  }
  const alone = first.written.slice(0, comment.startColumn - 1).trim() === '';
  if (alone) first.comment = first.written.trim();
  else first.untouched = true;
  for (let i = comment.startLine; i < comment.endLine; i++) {
    const line = lines[i];
    if (line === undefined) continue;
    line.commentLine = true;
    if (!alone || (i === comment.endLine - 1 && line.written.slice(comment.endColumn).trim() !== ''))
      line.untouched = true;
  }
}

/** Gives each line its tokens, its depth and its block. */
function place(lines: SourceLine[], lexed: Lexed): void {
  const open: { kind: string; word: string }[] = [];
  let next = 0;
  let word = '';
  for (const [i, line] of lines.entries()) {
    const blocks = open.filter(({ kind }) => kind === '{');
    line.depth = blocks.length;
    line.block = blocks.at(-1)?.word ?? '';
    const first = lexed.tokens[next];
    if (first !== undefined && first.startLine === i + 1) {
      const begins = lexed.starts.has(first.startOffset);
      if (begins) {
        while (open.length > 0 && open.at(-1)?.kind !== '{') open.pop();
        if (lexed.sections.has(first.startOffset)) open.length = 0;
        const still = open.filter(({ kind }) => kind === '{');
        line.depth = still.length;
        line.block = still.at(-1)?.word ?? '';
        word = first.image;
      } else if (first.image === '}') {
        line.depth = Math.max(0, line.depth - 1);
      } else if (first.image !== '{') {
        const brackets = open.length - 1 - open.findLastIndex(({ kind }) => kind === '{');
        line.brackets = Math.max(1, /^[)\]]$/.test(first.image) ? brackets - 1 : brackets);
        if (/^[)\]]$/.test(first.image) && brackets <= 1) line.brackets = 0;
      }
    }
    for (let token = first; token !== undefined && token.startLine === i + 1; token = lexed.tokens[++next]) {
      line.tokens.push(token);
      const kind = token.tokenType.name;
      if (lexed.starts.has(token.startOffset)) word = token.image;
      if (kind === '{' || kind === '(' || kind === '[') {
        open.push({ kind, word });
      } else if (kind === '}') {
        while (open.length > 0 && open.at(-1)?.kind !== '{') open.pop();
        open.pop();
      } else if ((kind === ')' || kind === ']') && open.length > 0 && open.at(-1)?.kind !== '{') {
        open.pop();
      }
    }
  }
}
