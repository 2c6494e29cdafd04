/** What is known of the world about each pipeline, for whoever asks while an answer is wanted at once. */
import { type AstNode, AstUtils, type LangiumDocument } from 'langium';
import { type Facts, NO_FACTS } from '../../grammar/rules/facts.ts';

export class FactsKeeper {
  private readonly known = new Map<string, Facts>();

  factsOf(document: LangiumDocument): Facts {
    return this.known.get(document.uri.toString()) ?? NO_FACTS;
  }

  factsFor(node: AstNode): Facts {
    return this.factsOf(AstUtils.getDocument(node));
  }

  keep(document: LangiumDocument, facts: Facts): void {
    this.known.set(document.uri.toString(), facts);
  }

  forget(uri: string): void {
    this.known.delete(uri);
  }
}
