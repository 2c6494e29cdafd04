/** What is known of the world, by document. Facts come in from outside; rules only ever read them. */
import { type AstNode, AstUtils, type URI } from 'langium';
import { type Facts, NO_FACTS } from './facts.ts';

export class FactsService {
  private readonly byDocument = new Map<string, Facts>();

  set(uri: URI, facts: Facts): void {
    this.byDocument.set(uri.toString(), facts);
  }

  /** Nothing is known until something was set. */
  get(uri: URI): Facts {
    return this.byDocument.get(uri.toString()) ?? NO_FACTS;
  }

  /** What is known around the document of a node. */
  of(node: AstNode): Facts {
    return this.get(AstUtils.getDocument(node).uri);
  }

  delete(uri: URI): void {
    this.byDocument.delete(uri.toString());
  }
}
