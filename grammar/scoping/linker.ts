/** Resolves every reference of a document. */
import { Cancellation, DefaultLinker, interruptAndCheck, type LangiumDocument, type ReferenceInfo } from 'langium';
import { forEachReference, nodesOf } from '../syntax/tree.ts';

export class BlockwiseLinker extends DefaultLinker {
  /** Looks after each block whether somebody else must have a turn; Langium does after each node. */
  override async link(
    document: LangiumDocument,
    token: Cancellation.CancellationToken = Cancellation.CancellationToken.None,
  ): Promise<void> {
    const resolve = (info: ReferenceInfo): void => this.doLink(info, document);
    const root = document.parseResult.value;
    for (const node of nodesOf(root)) {
      if (node.$container === root) await interruptAndCheck(token);
      forEachReference(node, resolve);
    }
  }
}
