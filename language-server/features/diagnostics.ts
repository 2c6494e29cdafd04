/**
 * `textDocument/publishDiagnostics`, each with the version of the text that it is about. The language's findings are
 * published as soon as a document is checked; what the world's facts add follows (`workspace/facts-keeper.ts`).
 */
import { DocumentState, type LangiumDocument } from 'langium';
import type { Connection, PublishDiagnosticsParams } from 'vscode-languageserver';
import type { MlpipeSharedServices } from '../module.ts';
import { parsedVersion } from '../workspace/document-factory.ts';

export function addDiagnosticsHandler(connection: Connection, shared: MlpipeSharedServices): void {
  const builder = shared.workspace.DocumentBuilder;
  // A client may compare addresses letter by letter, so each is answered as the client wrote it.
  const spellings = new Map<string, string>();
  builder.onUpdate((_, deleted) => {
    for (const uri of deleted) {
      const spelling = spellings.get(uri.toString());
      spellings.delete(uri.toString());
      void connection.sendDiagnostics({ uri: spelling ?? uri.toString(), diagnostics: [] });
    }
  });
  builder.onDocumentPhase(DocumentState.Validated, (document) => {
    spellings.set(document.uri.toString(), document.textDocument.uri);
    return publish(connection, document);
  });
}

/** The library is read-only and right: nothing is said about it. */
async function publish(connection: Connection, document: LangiumDocument): Promise<void> {
  if (document.diagnostics === undefined || document.uri.scheme === 'builtin') return;
  const message: PublishDiagnosticsParams = { uri: document.textDocument.uri, diagnostics: document.diagnostics };
  const version = parsedVersion(document);
  if (version !== undefined) message.version = version;
  await connection.sendDiagnostics(message);
}
