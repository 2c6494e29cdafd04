/** Checks a document without an editor: the same diagnostics, as plain data. */
import type { LangiumDocument } from 'langium';
import type { MlpipeServices } from './module.ts';
import type { Facts } from './rules/facts.ts';
import { fixesOf } from './rules/report.ts';

/** One diagnostic, with places as an editor counts them: lines and columns from 1. */
export interface Finding {
  line: number;
  column: number;
  endLine: number;
  endColumn: number;
  severity: 'error' | 'warning' | 'information' | 'hint';
  code: string;
  message: string;
  /** Titles of what can be done about it by a click. */
  fixes: string[];
}

const SEVERITIES = ['error', 'warning', 'information', 'hint'] as const;

/**
 * Every finding in a linked document, in the order of the text.
 *
 * @param facts what the world says; a rule whose fact is missing keeps silent
 */
export async function checkDocument(
  services: MlpipeServices,
  document: LangiumDocument,
  facts: Facts,
): Promise<Finding[]> {
  services.rules.Facts.set(document.uri, facts);
  const diagnostics = await services.validation.DocumentValidator.validateDocument(document);
  return diagnostics
    .map(({ range, severity, code, message, data }) => ({
      line: range.start.line + 1,
      column: range.start.character + 1,
      endLine: range.end.line + 1,
      endColumn: range.end.character + 1,
      severity: SEVERITIES[(severity ?? 1) - 1] ?? 'error',
      code: String(code ?? 'MLP1000'),
      message: typeof message === 'string' ? message : message.value,
      fixes: fixesOf({ data }).map(({ title }) => title),
    }))
    .sort((one, other) => one.line - other.line || one.column - other.column);
}
