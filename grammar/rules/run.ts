/** Walks a document once and lets every rule of the table speak. */
import { type AstNode, AstUtils, type ReferenceInfo } from 'langium';
import { type Diagnostic, DiagnosticTag, type Range } from 'vscode-languageserver-protocol';
import { nodesOf } from '../syntax/tree.ts';
import { CATALOGUE, type Code, type Severity } from './catalogue.ts';
import { cstOf } from './fixes.ts';
import type { DiagnosticData, Fix } from './report.ts';
import type { Finding, RuleContext } from './rule.ts';
import { RULES } from './rules.ts';

const SEVERITIES: Readonly<Record<Severity, 1 | 2 | 3 | 4>> = { error: 1, warning: 2, information: 3, hint: 4 };

export const SOURCE = 'mlpipe';

/** Everything that the rules have to say about a linked document. */
export function runRules(context: RuleContext): Diagnostic[] {
  const diagnostics: Diagnostic[] = [];
  const report = (finding: Finding): void => {
    diagnostics.push(diagnosticOf(finding));
  };
  for (const node of nodesOf(context.document.parseResult.value)) {
    for (const rule of RULES.get(node.$type) ?? []) rule(node, report, context);
  }
  return diagnostics;
}

function diagnosticOf(finding: Finding): Diagnostic {
  const range = finding.range ?? rangeOf(finding.node, finding.property, finding.index);
  const tags = finding.unnecessary ? [DiagnosticTag.Unnecessary] : undefined;
  const diagnostic = speak(finding.code, finding.message, range, finding.fixes ?? [], tags);
  const { related } = finding;
  if (related?.node.$cstNode === undefined) return diagnostic;
  const location = { uri: AstUtils.getDocument(related.node).uri.toString(), range: related.node.$cstNode.range };
  return { ...diagnostic, relatedInformation: [{ location, message: related.message }] };
}

/** One diagnostic, with its code’s severity. */
export function speak(code: Code, message: string, range: Range, fixes: Fix[], tags?: DiagnosticTag[]): Diagnostic {
  const data: DiagnosticData = { code, fixes };
  const diagnostic: Diagnostic = {
    range,
    severity: SEVERITIES[CATALOGUE[code].severity],
    code,
    source: SOURCE,
    message,
    data,
  };
  return tags === undefined ? diagnostic : { ...diagnostic, tags };
}

function rangeOf(node: AstNode, property?: string, index?: number): Range {
  const cst = cstOf(node, property, index) ?? node.$cstNode;
  return cst?.range ?? { start: { line: 0, character: 0 }, end: { line: 0, character: 0 } };
}

export type Candidates = (info: ReferenceInfo) => string[];
