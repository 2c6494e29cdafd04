/** What a rule says, and what can be done about it, as it travels to an editor and back. */
import type { Diagnostic, TextEdit } from 'vscode-languageserver-protocol';

/** Edits of the file that the finding is in. */
export interface Fix {
  title: string;
  edits: TextEdit[];
}

/** What a diagnostic carries beside what people see. */
export interface DiagnosticData {
  code: string;
  fixes: Fix[];
}

/** What can be done about a diagnostic by a click; the likeliest first. */
export function fixesOf(diagnostic: Pick<Diagnostic, 'data'>): Fix[] {
  // Only `run.ts` writes the data of this language's diagnostics; what came back from an editor may be anything.
  const fixes = (diagnostic.data as Partial<DiagnosticData> | undefined)?.fixes;
  return Array.isArray(fixes) ? fixes : [];
}

/** A text with the edits of a fix made. */
export function applyFix(text: string, fix: Fix): string {
  const starts = [0];
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  const offset = ({ line, character }: TextEdit['range']['start']): number =>
    Math.min((starts[line] ?? text.length) + character, text.length);
  return fix.edits
    .map(({ range, newText }) => ({ start: offset(range.start), end: offset(range.end), newText }))
    .sort((one, other) => other.start - one.start)
    .reduce((result, { start, end, newText }) => result.slice(0, start) + newText + result.slice(end), text);
}
