/** Who names whom: between files kept, inside a file looked up when somebody asks. */
import {
  type AstNode,
  AstUtils,
  CstUtils,
  DefaultIndexManager,
  type LangiumDocument,
  type LangiumSharedCoreServices,
  type ReferenceDescription,
  type ReferenceInfo,
  type Stream,
  stream,
  type URI,
  UriUtils,
} from 'langium';
import { forEachReference, nodesOf } from '../syntax/tree.ts';

/** What a linked document has to do with others. */
interface Ties {
  document: LangiumDocument;
  /** Addresses of other files in which something stands that it names. */
  others: ReadonlySet<string>;
  /** Whether something that it names is not known, and might be after any change. */
  isIncomplete: boolean;
}

/**
 * Langium writes down each reference of each document with its path and place, at every key. That is asked for only when
 * somebody renames or searches; what every key needs is which files a file depends on.
 */
export class TiesIndexManager extends DefaultIndexManager {
  private readonly ties = new Map<string, Ties>();
  private readonly services: LangiumSharedCoreServices;

  constructor(services: LangiumSharedCoreServices) {
    super(services);
    this.services = services;
  }

  override async updateReferences(document: LangiumDocument): Promise<void> {
    this.ties.set(document.uri.toString(), tiesOf(document));
  }

  override removeReferences(uri: URI): void {
    this.ties.delete(uri.toString());
  }

  /** Also where a name is unknown: any change may bring what it means. */
  override isAffected(document: LangiumDocument, changedUris: Set<string>): boolean {
    // A build that was overtaken leaves documents that are linked and not in the index.
    const { isIncomplete, others } = this.ties.get(document.uri.toString()) ?? tiesOf(document);
    return isIncomplete || [...others].some((uri) => changedUris.has(uri));
  }

  override findAllReferences(target: AstNode): Stream<ReferenceDescription> {
    const { uri } = AstUtils.getDocument(target);
    const found: ReferenceDescription[] = [];
    for (const { document, others } of this.ties.values()) {
      if (!UriUtils.equals(document.uri, uri) && !others.has(uri.toString())) continue;
      const locator = this.services.ServiceRegistry.getServices(document.uri).workspace.AstNodeLocator;
      const look = ({ reference, container }: ReferenceInfo): void => {
        const segment =
          'ref' in reference && reference.ref === target ? CstUtils.toDocumentSegment(reference.$refNode) : undefined;
        if (segment === undefined) return;
        found.push({
          sourceUri: document.uri,
          sourcePath: locator.getAstNodePath(container),
          targetUri: uri,
          targetPath: locator.getAstNodePath(target),
          segment,
          local: document.uri.toString() === uri.toString(),
        });
      };
      for (const node of nodesOf(document.parseResult.value)) forEachReference(node, look);
    }
    return stream(found);
  }
}

function tiesOf(document: LangiumDocument): Ties {
  const others = new Set<string>();
  let isIncomplete = false;
  let last: AstNode | undefined;
  const own = document.parseResult.value;
  for (const reference of document.references) {
    if (reference.error !== undefined) isIncomplete = true;
    const target = 'ref' in reference ? reference.ref : undefined;
    if (target === undefined) continue;
    const root = AstUtils.findRootNode(target);
    // Most names lead to the file itself or, several times in turn, to the library.
    if (root === own || root === last) continue;
    last = root;
    const { uri } = AstUtils.getDocument(root);
    others.add(uri.toString());
  }
  return { document, others, isIncomplete };
}
