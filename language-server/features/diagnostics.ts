/**
 * `textDocument/publishDiagnostics`, each with the version of the text that it is about, and each finding with a link to
 * the page that explains it. The language's findings are published as soon as a document is checked; what the world's
 * facts add follows (`workspace/facts-keeper.ts`).
 */
import { DocumentState, type LangiumDocument } from 'langium';
import type { Connection, PublishDiagnosticsParams } from 'vscode-languageserver';
import { type Code, isCode } from '../../grammar/rules/catalogue.ts';
import type { MlpipeSharedServices } from '../module.ts';
import { parsedVersion } from '../workspace/document-factory.ts';

export function addDiagnosticsHandler(
  connection: Connection,
  shared: MlpipeSharedServices,
  pageOf: (code: Code) => string,
): void {
  const builder = shared.workspace.DocumentBuilder;
  builder.onUpdate((_, deleted) => {
    for (const uri of deleted) void connection.sendDiagnostics({ uri: uri.toString(), diagnostics: [] });
  });
  builder.onDocumentPhase(DocumentState.Validated, (document) => publish(connection, document, pageOf));
}

/** The library is read-only and right: nothing is said about it. */
async function publish(
  connection: Connection,
  document: LangiumDocument,
  pageOf: (code: Code) => string,
): Promise<void> {
  if (document.diagnostics === undefined || document.uri.scheme === 'builtin') return;
  const diagnostics = document.diagnostics.map((diagnostic) =>
    isCode(diagnostic.code) ? { ...diagnostic, codeDescription: { href: pageOf(diagnostic.code) } } : diagnostic,
  );
  const message: PublishDiagnosticsParams = { uri: document.uri.toString(), diagnostics };
  const version = parsedVersion(document);
  if (version !== undefined) message.version = version;
  await connection.sendDiagnostics(message);
}
