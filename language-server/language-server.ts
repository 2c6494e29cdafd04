/** The handshake: who this server is, what it can do, and what its client has told it. */
import { DefaultLanguageServer, type LangiumSharedServices } from 'langium/lsp';
import { CodeActionKind, type InitializeParams, type InitializeResult } from 'vscode-languageserver';
import type { InitializationOptions } from './protocol.ts';

export class MlpipeLanguageServer extends DefaultLanguageServer {
  private readonly version: string;

  constructor(services: LangiumSharedServices, version: string) {
    super(services);
    this.version = version;
  }

  protected override buildInitializeResult(params: InitializeParams): InitializeResult {
    const result = super.buildInitializeResult(params);
    const { capabilities } = result;
    if (capabilities.codeActionProvider) {
      capabilities.codeActionProvider = { codeActionKinds: [CodeActionKind.QuickFix, CodeActionKind.SourceFixAll] };
    }
    capabilities.selectionRangeProvider = true;
    capabilities.workspaceSymbolProvider = true;
    return { ...result, serverInfo: { name: 'mlpipe', version: this.version } };
  }
}

/** Whatever a client sends there is checked before it is believed. */
export function optionsOf(params: InitializeParams): Required<InitializationOptions> {
  const said: unknown = params.initializationOptions;
  const trusted = typeof said === 'object' && said !== null && 'trusted' in said ? said.trusted !== false : true;
  return { trusted };
}
