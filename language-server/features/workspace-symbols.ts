/** `workspace/symbol`: every block of every pipeline. The library is not among them; its words are everywhere. */
import { interruptAndCheck, type LangiumDocuments } from 'langium';
import type { FuzzyMatcher, WorkspaceSymbolProvider } from 'langium/lsp';
import type { CancellationToken, DocumentSymbol, WorkspaceSymbol, WorkspaceSymbolParams } from 'vscode-languageserver';
import type { MlpipeSharedServices } from '../module.ts';
import { MlpipeDocumentSymbolProvider } from './document-symbols.ts';

export class MlpipeWorkspaceSymbolProvider implements WorkspaceSymbolProvider {
  private readonly outline = new MlpipeDocumentSymbolProvider();
  private readonly documents: LangiumDocuments;
  private readonly matcher: FuzzyMatcher;
  private readonly complete: () => Promise<void>;

  constructor(services: MlpipeSharedServices) {
    this.documents = services.workspace.LangiumDocuments;
    this.matcher = services.lsp.FuzzyMatcher;
    this.complete = () => services.workspace.WorkspaceManager.complete;
  }

  async getSymbols({ query }: WorkspaceSymbolParams, token: CancellationToken): Promise<WorkspaceSymbol[]> {
    await this.complete();
    const found: WorkspaceSymbol[] = [];
    for (const document of this.documents.all) {
      if (document.uri.scheme === 'builtin') continue;
      await interruptAndCheck(token);
      const uri = document.uri.toString();
      for (const block of this.outline.getSymbols(document)) this.collect(block, undefined, uri, query, found);
    }
    return found;
  }

  private collect(
    symbol: DocumentSymbol,
    parent: string | undefined,
    uri: string,
    query: string,
    into: WorkspaceSymbol[],
  ) {
    if (this.matcher.match(query, symbol.name)) {
      into.push({
        name: symbol.name,
        kind: symbol.kind,
        containerName: parent,
        location: { uri, range: symbol.selectionRange },
      });
    }
    for (const child of symbol.children ?? []) this.collect(child, symbol.name, uri, query, into);
  }
}
