/**
 * The services of the editor's side: Langium's, the language's own from `grammar/`, and one an LSP feature from here.
 * The folders of this floor are the groups of this file.
 */
import { inject, type LangiumSharedCoreServices, type Module } from 'langium';
import {
  createDefaultModule,
  createDefaultSharedModule,
  DefaultTextDocumentContentProvider,
  type LangiumServices,
  type LangiumSharedServices,
  type PartialLangiumServices,
  type PartialLangiumSharedServices,
} from 'langium/lsp';
import { MlpipeFormatter } from '../grammar/formatting/formatter.ts';
import { MlpipeGeneratedModule, MlpipeGeneratedSharedModule } from '../grammar/generated/module.ts';
import { type MlpipeAddedServices, MlpipeModule, MlpipeSharedModule } from '../grammar/module.ts';
import { MlpipeCodeActionProvider } from './features/code-actions.ts';
import { MlpipeCodeLensProvider } from './features/code-lenses.ts';
import { MlpipeCompletionProvider } from './features/completion.ts';
import { MlpipeDefinitionProvider } from './features/definition.ts';
import { MlpipeDocumentLinkProvider } from './features/document-links.ts';
import { MlpipeDocumentSymbolProvider } from './features/document-symbols.ts';
import { MlpipeDocumentationProvider } from './features/documentation.ts';
import { MlpipeFoldingRangeProvider } from './features/folding.ts';
import { MlpipeHoverProvider } from './features/hover.ts';
import { MlpipeInlayHintProvider } from './features/inlay-hints.ts';
import { MlpipeRenameProvider } from './features/rename.ts';
import { MlpipeSemanticTokenProvider } from './features/semantic-tokens.ts';
import { MlpipeSignatureHelpProvider } from './features/signature-help.ts';
import { MlpipeWorkspaceSymbolProvider } from './features/workspace-symbols.ts';
import { MlpipeLanguageServer } from './language-server.ts';
import { BUILTIN_SCHEME } from './protocol.ts';
import type { ServerContext } from './server.ts';
import { MlpipeDocumentBuilder } from './workspace/document-builder.ts';
import { MlpipeDocumentFactory } from './workspace/document-factory.ts';
import { FactsKeeper } from './workspace/facts-keeper.ts';
import { CoalescingUpdateHandler } from './workspace/update-handler.ts';
import { OpenFirstWorkspaceManager } from './workspace/workspace-manager.ts';

interface SharedAdditions {
  lsp: { DocumentUpdateHandler: CoalescingUpdateHandler };
  workspace: {
    DocumentBuilder: MlpipeDocumentBuilder;
    WorkspaceManager: OpenFirstWorkspaceManager;
  };
}

export type MlpipeSharedServices = LangiumSharedServices & SharedAdditions;
export type MlpipeServices = LangiumServices & MlpipeAddedServices;

export interface MlpipeServer {
  shared: MlpipeSharedServices;
  mlpipe: MlpipeServices;
  facts: FactsKeeper;
}

export function createLanguageServer(context: ServerContext): MlpipeServer {
  const { connection, fileSystem, version, world } = context;
  const shared = inject(
    createDefaultSharedModule({ connection, ...fileSystem }),
    MlpipeGeneratedSharedModule,
    MlpipeSharedModule,
    {
      lsp: {
        DocumentUpdateHandler: (services: MlpipeSharedServices) => new CoalescingUpdateHandler(services),
        LanguageServer: (services: LangiumSharedServices) => new MlpipeLanguageServer(services, version),
        TextDocumentContentProvider: (services: LangiumSharedServices) =>
          new DefaultTextDocumentContentProvider(services, BUILTIN_SCHEME),
        WorkspaceSymbolProvider: (services: MlpipeSharedServices) => new MlpipeWorkspaceSymbolProvider(services),
      },
      workspace: {
        DocumentBuilder: (services: LangiumSharedCoreServices) => new MlpipeDocumentBuilder(services),
        LangiumDocumentFactory: (services: LangiumSharedCoreServices) => new MlpipeDocumentFactory(services),
        WorkspaceManager: (services: MlpipeSharedServices) => new OpenFirstWorkspaceManager(services),
      },
    } satisfies Module<MlpipeSharedServices, PartialLangiumSharedServices>,
  );
  const mlpipe = inject(createDefaultModule({ shared }), MlpipeGeneratedModule, MlpipeModule, {
    documentation: {
      DocumentationProvider: (services: MlpipeServices) => new MlpipeDocumentationProvider(services),
    },
    lsp: {
      CodeActionProvider: () => new MlpipeCodeActionProvider(),
      CodeLensProvider: () => new MlpipeCodeLensProvider(facts),
      CompletionProvider: (services: MlpipeServices) => new MlpipeCompletionProvider(services),
      DefinitionProvider: (services: MlpipeServices) => new MlpipeDefinitionProvider(services),
      DocumentLinkProvider: (services: MlpipeServices) => new MlpipeDocumentLinkProvider(services),
      DocumentSymbolProvider: () => new MlpipeDocumentSymbolProvider(),
      FoldingRangeProvider: () => new MlpipeFoldingRangeProvider(),
      Formatter: (services: MlpipeServices) => new MlpipeFormatter(services),
      HoverProvider: (services: MlpipeServices) => new MlpipeHoverProvider(services, facts),
      InlayHintProvider: () => new MlpipeInlayHintProvider(facts),
      RenameProvider: (services: MlpipeServices) => new MlpipeRenameProvider(services, shared),
      SemanticTokenProvider: (services: MlpipeServices) => new MlpipeSemanticTokenProvider(services),
      SignatureHelp: (services: MlpipeServices) => new MlpipeSignatureHelpProvider(services),
    },
  } satisfies Module<MlpipeServices, PartialLangiumServices>);
  // The features above are made when they are first asked for, and by then this is.
  const facts = new FactsKeeper(shared, mlpipe.rules.Facts, world, connection);
  shared.ServiceRegistry.register(mlpipe);
  return { shared, mlpipe, facts };
}
