/**
 * `textDocument/codeAction`: the fixes that the rules bring along, all of them at once (`source.fixAll`), and silencing a
 * line with a reason. Only text is edited; nothing is run.
 */
import type { LangiumDocument } from 'langium';
import type { CodeActionProvider } from 'langium/lsp';
import {
  type CodeAction,
  CodeActionKind,
  type CodeActionParams,
  type Diagnostic,
  type Range,
  type TextEdit,
} from 'vscode-languageserver';
import { CATALOGUE } from '../../grammar/rules/catalogue.ts';
import { type Fix, fixesOf } from '../../grammar/rules/report.ts';

/**
 * What is mended with everything else at once: misspelt words and units. A number that a person would have to choose, a
 * seed or how many epochs, is written only where that person asks for it.
 */
const SURE: ReadonlySet<unknown> = new Set([
  'MLP1001',
  'MLP1002',
  'MLP1008',
  'MLP1009',
] satisfies (keyof typeof CATALOGUE)[]);

export class MlpipeCodeActionProvider implements CodeActionProvider {
  getCodeActions(document: LangiumDocument, { context, range }: CodeActionParams): CodeAction[] {
    if (document.uri.scheme === 'builtin') return [];
    const wanted = (kind: string) =>
      context.only === undefined || context.only.some((only) => kind === only || kind.startsWith(`${only}.`));
    const actions: CodeAction[] = [];
    if (wanted(CodeActionKind.QuickFix)) {
      const here = (document.diagnostics ?? []).filter((diagnostic) => touches(diagnostic.range, range));
      for (const diagnostic of here)
        actions.push(...this.quickFixes(document, diagnostic), ...silence(document, diagnostic));
    }
    if (wanted(CodeActionKind.SourceFixAll)) actions.push(...this.fixAll(document));
    return actions;
  }

  private quickFixes(document: LangiumDocument, diagnostic: Diagnostic): CodeAction[] {
    const fixes = fixesOf(diagnostic);
    return fixes.map((fix) => ({
      title: fix.title,
      kind: CodeActionKind.QuickFix,
      diagnostics: [diagnostic],
      isPreferred: fixes.length === 1,
      edit: editOf(document, fix.edits),
    }));
  }

  /** Edits that overlap are left for the next time. */
  private fixAll(document: LangiumDocument): CodeAction[] {
    const fixes: Fix[] = [];
    for (const diagnostic of document.diagnostics ?? []) {
      const [only, ...others] = fixesOf(diagnostic);
      if (SURE.has(diagnostic.code) && only !== undefined && others.length === 0) fixes.push(only);
    }
    const edits: TextEdit[] = [];
    for (const fix of fixes) {
      if (fix.edits.every((edit) => edits.every((other) => !overlap(edit.range, other.range))))
        edits.push(...fix.edits);
    }
    if (edits.length === 0) return [];
    return [
      {
        title: 'Correct every misspelt word and unit',
        kind: CodeActionKind.SourceFixAll,
        edit: editOf(document, edits),
      },
    ];
  }
}

/** The reason is left for its writer: a comment without one is itself a finding. */
function silence(document: LangiumDocument, diagnostic: Diagnostic): CodeAction[] {
  const { code } = diagnostic;
  if (
    typeof code !== 'string' ||
    !(code in CATALOGUE) ||
    CATALOGUE[code as keyof typeof CATALOGUE].severity === 'error'
  )
    return [];
  const { line } = diagnostic.range.start;
  const text = document.textDocument.getText({ start: { line, character: 0 }, end: { line: line + 1, character: 0 } });
  if (text.includes('//')) return [];
  const end = { line, character: text.replace(/\s+$/, '').length };
  return [
    {
      title: `Ignore ${code} in this line, with a reason`,
      kind: CodeActionKind.QuickFix,
      diagnostics: [diagnostic],
      edit: editOf(document, [{ range: { start: end, end }, newText: `  // mlpipe: ignore ${code} -- ` }]),
    },
  ];
}

function editOf(document: LangiumDocument, edits: TextEdit[]) {
  return { changes: { [document.textDocument.uri]: edits } };
}

function touches(one: Range, other: Range): boolean {
  return !isBefore(one.end, other.start) && !isBefore(other.end, one.start);
}

/** Two insertions at one place overlap too: which comes first would be chance. */
function overlap(one: Range, other: Range): boolean {
  const same = one.start.line === other.start.line && one.start.character === other.start.character;
  return same || (isBefore(one.start, other.end) && isBefore(other.start, one.end));
}

function isBefore(one: Range['start'], other: Range['start']): boolean {
  return one.line < other.line || (one.line === other.line && one.character < other.character);
}
