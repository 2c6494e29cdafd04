/** `textDocument/rename`, in every file of the workspace; refused where it would break something. */
import {
  type AstNode,
  AstUtils,
  CstUtils,
  type LangiumDocument,
  type LangiumDocuments,
  type LeafCstNode,
  type ReferenceDescription,
} from 'langium';
import { DefaultRenameProvider } from 'langium/lsp';
import {
  LSPErrorCodes,
  type Position,
  type Range,
  type RenameParams,
  ResponseError,
  type TextDocumentPositionParams,
  type WorkspaceEdit,
} from 'vscode-languageserver';
import * as ast from '../../grammar/generated/ast.ts';
import { isBuiltin } from '../../grammar/scoping/builtins.ts';
import { columnsOf, outputsOf, partsOf } from '../../grammar/scoping/declarations.ts';
import type { MlpipeServices, MlpipeSharedServices } from '../module.ts';

interface Found {
  leaf: LeafCstNode;
  target: AstNode;
  /** The name as it is written here: the declaration's own, or the one that an import gives it in this file. */
  name: string;
  isAlias: boolean;
}

export class MlpipeRenameProvider extends DefaultRenameProvider {
  private readonly documents: LangiumDocuments;
  private readonly complete: () => Promise<void>;

  constructor(services: MlpipeServices, shared: MlpipeSharedServices) {
    super(services);
    this.documents = shared.workspace.LangiumDocuments;
    this.complete = () => shared.workspace.WorkspaceManager.complete;
  }

  override prepareRename(document: LangiumDocument, { position }: TextDocumentPositionParams): Range | undefined {
    return this.find(document, position)?.leaf.range;
  }

  /** What is not read yet could not be renamed: this waits until the whole workspace has been. */
  override async rename(document: LangiumDocument, params: RenameParams): Promise<WorkspaceEdit | undefined> {
    await this.complete();
    const found = this.find(document, params.position);
    if (found === undefined) return undefined;
    const { newName } = params;
    if (newName === found.name) return { changes: {} };
    if (!/^[_a-zA-Z]\w*$/.test(newName)) {
      throw refusal(`\`${newName}\` is not a name: a name is a letter or \`_\`, then letters, digits and \`_\`.`);
    }
    if (siblingNames(found, document).has(newName)) {
      throw refusal(`\`${newName}\` is taken: something else is called that here. Choose another name.`);
    }
    const changes: Record<string, { range: Range; newText: string }[]> = {};
    for (const reference of this.references.findReferences(found.target, { includeDeclaration: true })) {
      if (!this.isWritten(reference, found.name)) continue;
      if (found.isAlias && reference.sourceUri.toString() !== document.uri.toString()) continue;
      const uri = reference.sourceUri.toString();
      changes[uri] ??= [];
      changes[uri].push({ range: reference.segment.range, newText: newName });
    }
    if (found.isAlias) {
      const uri = document.uri.toString();
      changes[uri] ??= [];
      const alias = aliasNode(document, found.name);
      const known = changes[uri].some(
        ({ range }) =>
          alias && range.start.line === alias.range.start.line && range.start.character === alias.range.start.character,
      );
      if (alias !== undefined && !known) changes[uri].push({ range: alias.range, newText: newName });
    }
    return { changes };
  }

  private find(document: LangiumDocument, position: Position): Found | undefined {
    const root = document.parseResult.value.$cstNode;
    const offset = document.textDocument.offsetAt(position);
    const leaf = root && CstUtils.findDeclarationNodeAtOffset(root, offset, this.grammarConfig.nameRegexp);
    if (leaf === undefined) return undefined;
    const name = leaf.text;
    const declared = this.references.findDeclarations(leaf)[0];
    if (declared === undefined) return undefined;
    if (isBuiltin(declared)) throw refusal(`\`${name}\` belongs to the language itself and cannot be renamed.`);
    if (ast.isImportItem(declared)) {
      const target = declared.target.ref;
      return target && { leaf, target, name, isAlias: true };
    }
    const isAlias = 'name' in declared && declared.name !== name;
    return { leaf, target: declared, name, isAlias };
  }

  /** A name that an import gives something stays when the thing itself is renamed, and the other way round. */
  private isWritten(reference: ReferenceDescription, name: string): boolean {
    const { textDocument } = this.documents.getDocument(reference.sourceUri) ?? {};
    return textDocument?.getText(reference.segment.range) === name;
  }
}

function refusal(message: string): ResponseError<void> {
  return new ResponseError(LSPErrorCodes.RequestFailed, message);
}

function aliasNode(document: LangiumDocument, name: string) {
  const root = document.parseResult.value;
  const item = ast.isFile(root)
    ? root.elements
        .filter(ast.isImport)
        .flatMap(({ items }) => items)
        .find((other) => other.name === name)
    : undefined;
  const leaves = item?.$cstNode ? CstUtils.flattenCst(item.$cstNode).toArray() : [];
  return leaves.findLast((leaf) => leaf.text === name);
}

/** The names beside the renamed one that would then be declared twice. */
function siblingNames({ target, isAlias }: Found, document: LangiumDocument): Set<string> {
  const container = target.$container;
  const data = AstUtils.getContainerOfType(target, ast.isData);
  if (ast.isColumn(target) || ast.isPart(target)) {
    return new Set([...columnsOf(data), ...partsOf(data)].map(({ name }) => name));
  }
  if (ast.isOutFact(target)) return new Set(ast.isStep(container) ? outputsOf(container).map(({ name }) => name) : []);
  if (ast.isVariableFact(target)) {
    return new Set(ast.isStep(container) ? container.facts.filter(ast.isVariableFact).map(({ name }) => name) : []);
  }
  const file = isAlias ? document.parseResult.value : AstUtils.findRootNode(target);
  const names = new Set<string>();
  for (const element of ast.isFile(file) ? file.elements : []) {
    if (ast.isImport(element)) for (const item of element.items) names.add(item.name ?? item.target.$refText);
    else if ('name' in element && typeof element.name === 'string' && element.$type !== ast.PipelineHeader.$type)
      names.add(element.name);
  }
  return names;
}
