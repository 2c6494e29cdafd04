/** Findings of `check` in the formats that people and their tools read. */
import type { Finding } from '../../grammar/check.ts';
import { paint } from './output.ts';
import { pageOf, titleOf } from './pages.ts';

export interface FileFinding extends Finding {
  /** Relative to the folder that the command runs in, with forward slashes. */
  file: string;
}

export const FORMATS = ['text', 'json', 'sarif', 'github'] as const;

export function formatFindings(
  format: (typeof FORMATS)[number],
  findings: readonly FileFinding[],
  version: string,
): string {
  switch (format) {
    case 'json':
      return `${JSON.stringify(findings, undefined, 2)}\n`;
    case 'sarif':
      return `${JSON.stringify(sarif(findings, version), undefined, 2)}\n`;
    case 'github':
      return findings.map(githubLine).join('');
    case 'text':
      return findings.map(textLine).join('');
  }
}

function textLine({ file, line, column, severity, code, message }: FileFinding): string {
  const style = severity === 'error' ? 'red' : severity === 'warning' ? 'yellow' : 'gray';
  return `${file}:${line}:${column}: ${paint(style, severity, process.stdout)} ${code}: ${message}\n`;
}

/** A workflow command, escaped as GitHub's runner reads it. */
function githubLine({ file, line, column, endLine, endColumn, severity, code, message }: FileFinding): string {
  const level = severity === 'error' ? 'error' : severity === 'warning' ? 'warning' : 'notice';
  const value = (text: string) => text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
  const property = (text: string) => value(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
  return `::${level} file=${property(file)},line=${line},col=${column},endLine=${endLine},endColumn=${endColumn},title=${property(code)}::${value(message)}\n`;
}

/** What a code scanner shows beside a finding: the page, whole, for nobody can follow a link to this machine. */
function sarifRule(id: string): unknown {
  const page = pageOf(id);
  if (page === undefined) return { id };
  const title = titleOf(page);
  return { id, shortDescription: { text: title }, help: { text: title, markdown: page } };
}

/** SARIF 2.1.0. */
function sarif(findings: readonly FileFinding[], version: string): unknown {
  const rules = [...new Set(findings.map(({ code }) => code))].sort().map(sarifRule);
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: { driver: { name: 'mlpipe', version, rules } },
        results: findings.map(({ file, line, column, endLine, endColumn, severity, code, message }) => ({
          ruleId: code,
          level: severity === 'error' ? 'error' : severity === 'warning' ? 'warning' : 'note',
          message: { text: message },
          locations: [
            {
              physicalLocation: {
                artifactLocation: { uri: encodeURI(file) },
                region: { startLine: line, startColumn: column, endLine, endColumn },
              },
            },
          ],
        })),
      },
    ],
  };
}
