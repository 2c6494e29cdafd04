/** Joins the protocol's messages to the services that answer them. */
import type { FileSystemProvider } from 'langium';
import * as lsp from 'langium/lsp';
import type { Connection } from 'vscode-languageserver';
import type { Code } from '../grammar/rules/catalogue.ts';
import { addDiagnosticsHandler } from './features/diagnostics.ts';
import { addSelectionRangeHandler } from './features/selection-ranges.ts';
import { createLanguageServer, type MlpipeServer } from './module.ts';
import type { World } from './workspace/world.ts';

export interface ServerContext {
  connection: Connection;
  fileSystem: { fileSystemProvider: () => FileSystemProvider };
  world: World;
  version: string;
  /** The URI of the page that explains a code. */
  pageOf: (code: Code) => string;
}

/** Starts to answer. Returns when the connection listens; it ends with its client. */
export function serve(context: ServerContext): MlpipeServer {
  const { connection } = context;
  const server = createLanguageServer(context);
  const { shared } = server;

  lsp.addDocumentUpdateHandler(connection, shared);
  addDiagnosticsHandler(connection, shared, context.pageOf);
  lsp.addCompletionHandler(connection, shared);
  lsp.addFindReferencesHandler(connection, shared);
  lsp.addDocumentSymbolHandler(connection, shared);
  lsp.addGotoDefinitionHandler(connection, shared);
  lsp.addDocumentHighlightHandler(connection, shared);
  lsp.addFoldingRangeHandler(connection, shared);
  lsp.addFormattingHandler(connection, shared);
  lsp.addCodeActionHandler(connection, shared);
  lsp.addRenameHandler(connection, shared);
  lsp.addHoverHandler(connection, shared);
  lsp.addInlayHintHandler(connection, shared);
  lsp.addSemanticTokenHandler(connection, shared);
  lsp.addSignatureHelpHandler(connection, shared);
  lsp.addCodeLensHandler(connection, shared);
  lsp.addDocumentLinkHandler(connection, shared);
  lsp.addTextDocumentContentRequestHandler(connection, shared);
  lsp.addConfigurationChangeHandler(connection, shared);
  lsp.addWorkspaceSymbolHandler(connection, shared);
  addSelectionRangeHandler(connection, shared);

  connection.onInitialize((parameters) => shared.lsp.LanguageServer.initialize(parameters));
  connection.onInitialized((parameters) => shared.lsp.LanguageServer.initialized(parameters));
  shared.workspace.TextDocuments.listen(connection);
  connection.listen();
  return server;
}

type Level = 'log' | 'info' | 'debug' | 'warn' | 'error';

/** Writes into the client's log, where the words of a server belong. */
export function tellClient(connection: Connection, level: Level, words: readonly unknown[]): void {
  const text = words.map(written).join(' ');
  if (level === 'error') connection.console.error(text);
  else if (level === 'warn') connection.console.warn(text);
  else if (level === 'info') connection.console.info(text);
  else connection.console.log(text);
}

function written(word: unknown): string {
  if (word instanceof Error) return word.stack ?? word.message;
  return typeof word === 'string' ? word : (JSON.stringify(word) ?? String(word));
}
