/** `textDocument/documentLink`: the files that a pipeline names, and addresses on the web. */
import { type AstNode, AstUtils, type FileSystemProvider, GrammarUtils, type LangiumDocument } from 'langium';
import type { DocumentLinkProvider } from 'langium/lsp';
import type { DocumentLink } from 'vscode-languageserver';
import * as ast from '../../grammar/generated/ast.ts';
import type { MlpipeServices } from '../module.ts';
import { fileOf, plainText } from './sources.ts';

interface Named {
  node: AstNode;
  property: string;
  path: string | undefined;
}

export class MlpipeDocumentLinkProvider implements DocumentLinkProvider {
  private readonly files: FileSystemProvider;

  constructor(services: MlpipeServices) {
    this.files = services.shared.workspace.FileSystemProvider;
  }

  async getDocumentLinks(document: LangiumDocument): Promise<DocumentLink[]> {
    const links = AstUtils.streamAst(document.parseResult.value)
      .flatMap(namedBy)
      .map((named) => this.link(named));
    return (await Promise.all(links)).filter((link) => link !== undefined);
  }

  /** A link that leads nowhere is no link: the file must be there, and a folder has nothing to open. */
  private async link({ node, property, path }: Named): Promise<DocumentLink | undefined> {
    const cst = property === '' ? node.$cstNode : GrammarUtils.findNodeForProperty(node.$cstNode, property);
    if (cst === undefined || path === undefined) return undefined;
    const { start, end } = cst.range;
    // Without the quotes.
    const range = {
      start: { line: start.line, character: start.character + 1 },
      end: { line: end.line, character: Math.max(start.character + 1, end.character - 1) },
    };
    if (/^https?:\/\//.test(path)) return { range, target: path };
    const uri = fileOf(node, path);
    if (uri === undefined || uri.scheme !== 'file') return undefined;
    try {
      const { isFile } = await this.files.stat(uri);
      return isFile ? { range, target: uri.toString(), tooltip: `Open ${path}` } : undefined;
    } catch {
      return undefined;
    }
  }
}

function namedBy(node: AstNode): Named[] {
  if (ast.isImport(node)) return [{ node, property: 'path', path: node.path }];
  if (ast.isInterpreterFact(node)) return [{ node, property: 'lock', path: node.lock }];
  if (ast.isFromFact(node)) return [{ node, property: 'source', path: plainText(node.source) }];
  if (ast.isReadFact(node)) return node.files.map((file) => ({ node: file, property: '', path: plainText(file) }));
  if (ast.isOutFact(node)) return [{ node, property: 'path', path: plainText(node.path) }];
  return ast.isModel(node) ? [{ node, property: 'source', path: plainText(node.source) }] : [];
}
