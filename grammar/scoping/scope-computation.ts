/** What a file gives to others: its named blocks, and nothing inside them. */
import {
  type AstNode,
  type AstNodeDescription,
  DefaultScopeComputation,
  type LangiumDocument,
  type LocalSymbols,
  MultiMap,
} from 'langium';
import { isDeclaration } from './declarations.ts';

export class MlpipeScopeComputation extends DefaultScopeComputation {
  protected override addExportedSymbol(node: AstNode, exports: AstNodeDescription[], document: LangiumDocument): void {
    if (isDeclaration(node)) super.addExportedSymbol(node, exports, document);
  }

  /** The scope provider reads the blocks themselves; a table of every name in the file would only cost time. */
  override async collectLocalSymbols(): Promise<LocalSymbols> {
    return new MultiMap<AstNode, AstNodeDescription>();
  }
}
