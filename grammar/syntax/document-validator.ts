/** Where an error of syntax or linking is shown: on the words to blame, and one for each mistake. */
import type { IRecognitionException, IToken } from 'chevrotain';
import {
  DefaultDocumentValidator,
  DocumentValidator,
  diagnosticData,
  type LangiumDocument,
  type ParseResult,
  type ValidationOptions,
} from 'langium';
import type { Diagnostic, Range } from 'vscode-languageserver-protocol';
import { isFollowUp } from '../scoping/follow-up.ts';

export class MlpipeDocumentValidator extends DefaultDocumentValidator {
  /** Langium's own drops an error at a token without width that has no previous token. */
  protected override processParsingErrors(result: ParseResult, diagnostics: Diagnostic[], _: ValidationOptions): void {
    for (const error of result.parserErrors) {
      diagnostics.push({
        severity: 1,
        range: rangeOfSyntaxError(error),
        message: error.message,
        data: diagnosticData(DocumentValidator.ParsingError),
        source: this.getSource(),
      });
    }
  }

  /** One unknown name is one error: what follows its dot or stands in its brackets is not reported as well. */
  protected override processLinkingErrors(
    document: LangiumDocument,
    diagnostics: Diagnostic[],
    options: ValidationOptions,
  ): void {
    const references = document.references.filter(({ error }) => error === undefined || !isFollowUp(error.info));
    super.processLinkingErrors({ ...document, references }, diagnostics, options);
  }
}

/** The words to blame for an error of syntax. */
export function rangeOfSyntaxError(error: IRecognitionException): Range {
  const token = error.token;
  // Errors of missing tokens and alternatives carry it; the interface has it only in its subtypes.
  const previous = (error as { previousToken?: IToken }).previousToken;
  const hasPrevious = previous !== undefined && previous.image !== '';
  const isOnLaterLine = hasPrevious && (token.startLine ?? 0) > (previous.endLine ?? 0);
  if (hasPrevious && (token.image === '' || isOnLaterLine)) {
    return { start: startOf(previous), end: endOf(previous) };
  }
  const start = startOf(token);
  const skipped = error.resyncedTokens.findLast((other) => other.image !== '' && other.startLine === token.startLine);
  const end = endOf(skipped ?? token);
  return { start, end: end.line < start.line || end.character < start.character ? start : end };
}

/** The end of the file has no position, or NaN. */
function finite(value: number | undefined): number {
  return value !== undefined && Number.isFinite(value) ? value : 1;
}

function startOf(token: IToken): Range['start'] {
  return { line: finite(token.startLine) - 1, character: Math.max(0, finite(token.startColumn) - 1) };
}

function endOf(token: IToken): Range['end'] {
  return { line: finite(token.endLine ?? token.startLine) - 1, character: finite(token.endColumn) };
}
