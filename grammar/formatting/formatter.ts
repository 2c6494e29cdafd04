/** The formatter as an editor calls it; `formatText` as the command line does. */
import type { LangiumDocument } from 'langium';
import type { Formatter } from 'langium/lsp';
import type {
  DocumentFormattingParams,
  DocumentOnTypeFormattingOptions,
  DocumentOnTypeFormattingParams,
  DocumentRangeFormattingParams,
  Range,
  TextEdit,
} from 'vscode-languageserver-protocol';
import { createMlpipeServices, type MlpipeServices } from '../module.ts';
import { LayoutLexer } from '../syntax/layout.ts';
import { formatWith } from './format.ts';

let lexer: LayoutLexer | undefined;

/** The text as the formatter would have it. Idempotent; changes space alone. */
export function formatText(text: string): string {
  lexer ??= new LayoutLexer(createMlpipeServices().mlpipe);
  return formatWith(lexer, text);
}

/** Edits only the lines that change, so that a cursor elsewhere stays where it is. */
export class MlpipeFormatter implements Formatter {
  private readonly lexer: LayoutLexer;

  constructor(services: MlpipeServices) {
    this.lexer = new LayoutLexer(services);
  }

  get formatOnTypeOptions(): DocumentOnTypeFormattingOptions | undefined {
    return { firstTriggerCharacter: '}', moreTriggerCharacter: ['\n'] };
  }

  formatDocument(document: LangiumDocument, _: DocumentFormattingParams): TextEdit[] {
    const text = document.textDocument.getText();
    return lineEdits(text, formatWith(this.lexer, text));
  }

  /** Columns follow from a whole run of lines, so the file is formatted and the edits in the range are kept. */
  formatDocumentRange(document: LangiumDocument, { range }: DocumentRangeFormattingParams): TextEdit[] {
    const text = document.textDocument.getText();
    return lineEdits(text, formatWith(this.lexer, text)).filter((edit) => touches(edit.range, range));
  }

  formatDocumentOnType(document: LangiumDocument, { position }: DocumentOnTypeFormattingParams): TextEdit[] {
    const text = document.textDocument.getText();
    const line = Math.max(0, position.line - 1);
    const range = { start: { line, character: 0 }, end: { line: position.line, character: 0 } };
    return lineEdits(text, formatWith(this.lexer, text)).filter(
      (edit) => touches(edit.range, range) && edit.range.end.line <= position.line,
    );
  }
}

function touches(one: Range, two: Range): boolean {
  return one.start.line <= two.end.line && two.start.line <= one.end.line;
}

/**
 * Edits that turn one text into the other, line by line. Both hold the same characters but for space, so a line's
 * partner is the one that holds the same characters.
 */
export function lineEdits(before: string, after: string): TextEdit[] {
  if (before === after) return [];
  const old = before.split(/(?<=\n)|(?<=\r)(?!\n)/);
  const fresh = after.split(/(?<=\n)|(?<=\r)(?!\n)/);
  const edits: TextEdit[] = [];
  let from = 0;
  for (let i = 0, j = 0; i < old.length || j < fresh.length; ) {
    // Take lines from both sides until they hold the same characters, so that each edit is as small as it can be.
    let one = old[i++] ?? '';
    let two = fresh[j++] ?? '';
    while (bare(one) !== bare(two) && (i < old.length || j < fresh.length)) {
      if ((bare(one).length <= bare(two).length && i < old.length) || j >= fresh.length) one += old[i++] ?? '';
      else two += fresh[j++] ?? '';
    }
    const to = Math.min(i, old.length);
    if (one !== two) edits.push({ range: lines(old, from, to), newText: two });
    from = to;
  }
  return edits;
}

function bare(text: string): string {
  return text.replace(/\s+/g, '');
}

function lines(all: readonly string[], from: number, to: number): Range {
  const last = all[to - 1] ?? '';
  const ended = /[\r\n]$/.test(last) || to === 0;
  return {
    start: { line: from, character: 0 },
    end: ended ? { line: to, character: 0 } : { line: to - 1, character: last.length },
  };
}
