/** `textDocument/definition`: to the declaration, into the library too; from an import's path to its file. */
import { CstUtils, type LangiumDocument, type LangiumDocuments } from 'langium';
import { DefaultDefinitionProvider } from 'langium/lsp';
import { type DefinitionParams, LocationLink, type Range } from 'vscode-languageserver';
import * as ast from '../../grammar/generated/ast.ts';
import { importedUri } from '../../grammar/scoping/imports.ts';
import type { MlpipeServices } from '../module.ts';

const START: Range = { start: { line: 0, character: 0 }, end: { line: 0, character: 0 } };

export class MlpipeDefinitionProvider extends DefaultDefinitionProvider {
  private readonly documents: LangiumDocuments;

  constructor(services: MlpipeServices) {
    super(services);
    this.documents = services.shared.workspace.LangiumDocuments;
  }

  override getDefinition(document: LangiumDocument, params: DefinitionParams) {
    return this.importedFile(document, params) ?? super.getDefinition(document, params);
  }

  private importedFile(document: LangiumDocument, { position }: DefinitionParams): LocationLink[] | undefined {
    const root = document.parseResult.value.$cstNode;
    const leaf = root && CstUtils.findLeafNodeAtOffset(root, document.textDocument.offsetAt(position));
    if (leaf === undefined || !ast.isImport(leaf.astNode) || leaf.tokenType.name !== 'STRING') return undefined;
    const uri = importedUri(leaf.astNode);
    if (uri === undefined || !this.documents.hasDocument(uri)) return undefined;
    return [LocationLink.create(uri.toString(), START, START, leaf.range)];
  }
}
