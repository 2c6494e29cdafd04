/** Resolves every reference of a document. */
import { type AstNode, AstUtils, Cancellation, DefaultLinker, interruptAndCheck, type LangiumDocument } from 'langium';
import { forEachReference } from '../syntax/tree.ts';

export class BlockwiseLinker extends DefaultLinker {
  /** Looks after each block whether somebody else must have a turn; Langium does after each node. */
  override async link(
    document: LangiumDocument,
    token: Cancellation.CancellationToken = Cancellation.CancellationToken.None,
  ): Promise<void> {
    const blocks: AstNode[] = AstUtils.streamContents(document.parseResult.value).toArray();
    for (const block of blocks) {
      await interruptAndCheck(token);
      forEachReference(block, (info) => this.doLink(info, document));
    }
  }
}
