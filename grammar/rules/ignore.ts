/** `// mlpipe: ignore MLP3007 -- reason`: silences one line, or, standing alone, the line after it. Errors it cannot. */
import { CstUtils, type LangiumDocument } from 'langium';
import { type Diagnostic, DiagnosticTag, type Range } from 'vscode-languageserver-protocol';
import type * as ast from '../generated/ast.ts';
import { CATALOGUE, type Code, isCode } from './catalogue.ts';
import type { Fix } from './report.ts';

interface Ignore {
  code: string;
  reason: string;
  range: Range;
  /** The line that it silences. */
  line: number;
  isAlone: boolean;
}

export type Speak = (code: Code, message: string, range: Range, fixes: Fix[], tags?: DiagnosticTag[]) => Diagnostic;

/** What is left when the comments have had their say, and what there is to say about the comments. */
export function silenced(document: LangiumDocument<ast.File>, diagnostics: Diagnostic[], speak: Speak): Diagnostic[] {
  const ignores = ignoresIn(document);
  if (ignores.length === 0) return diagnostics;
  const used = new Set<Ignore>();
  const left = diagnostics.filter((diagnostic) => {
    if (diagnostic.severity === 1) return true;
    const ignore = ignores.find(({ code, line }) => code === diagnostic.code && line === diagnostic.range.start.line);
    if (ignore !== undefined) used.add(ignore);
    return ignore === undefined;
  });
  for (const ignore of ignores) {
    if (!used.has(ignore)) left.push(ignoreShouldBeNeeded(document, ignore, speak));
    else if (ignore.reason === '') left.push(ignoreShouldGiveItsReason(ignore, speak));
  }
  return left;
}

export function ignoreShouldGiveItsReason({ code, range }: Ignore, speak: Speak): Diagnostic {
  return speak(
    'MLP1016',
    `Nobody will know why ${code} is ignored here. Write the reason: \`// mlpipe: ignore ${code} -- reason\`.`,
    range,
    [],
  );
}

export function ignoreShouldBeNeeded(document: LangiumDocument, ignore: Ignore, speak: Speak): Diagnostic {
  const { code, range } = ignore;
  const why = !isCode(code)
    ? `There is no code ${code === '' ? 'here' : `\`${code}\``}`
    : CATALOGUE[code].severity === 'error'
      ? `${code} is an error, and errors cannot be ignored`
      : `Nothing here is said by ${code}`;
  const text = document.textDocument.getText();
  const start = document.textDocument.offsetAt(range.start);
  const blank = /[ \t]*$/.exec(text.slice(0, start))?.[0].length ?? 0;
  const end = document.textDocument.offsetAt(range.end);
  const edit = {
    range: {
      start: document.textDocument.positionAt(start - blank),
      end: document.textDocument.positionAt(ignore.isAlone ? Math.min(end + 1, text.length) : end),
    },
    newText: '',
  };
  const fixes = [{ title: 'Remove the comment', edits: [edit] }];
  return speak('MLP1017', `${why}. Remove the comment.`, range, fixes, [DiagnosticTag.Unnecessary]);
}

function ignoresIn(document: LangiumDocument<ast.File>): Ignore[] {
  const root = document.parseResult.value.$cstNode;
  // Hardly any file has such a comment, and going through every word of a long one takes its time.
  if (root === undefined || !/mlpipe:\s*ignore/.test(root.root.fullText)) return [];
  const ignores: Ignore[] = [];
  for (const leaf of CstUtils.flattenCst(root)) {
    if (!leaf.hidden || leaf.tokenType.name !== 'SL_COMMENT') continue;
    const found = /^\/\/\s*mlpipe:\s*ignore\b\s*(\w*)\s*(?:--\s*(.*))?/.exec(leaf.text);
    if (found === null) continue;
    const { range } = leaf;
    const before = document.textDocument.getText({ start: { line: range.start.line, character: 0 }, end: range.start });
    const isAlone = before.trim() === '';
    const line = range.start.line + (isAlone ? 1 : 0);
    ignores.push({ code: found[1] ?? '', reason: (found[2] ?? '').trim(), range, line, isAlone });
  }
  return ignores;
}
