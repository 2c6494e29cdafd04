/** What the server asks of the world outside the text. Handed in at the start, so that this floor does no I/O itself. */
import type { LangiumDocument } from 'langium';
import type { Facts } from '../../grammar/rules/facts.ts';
import type { PinHistory, PinQuestion } from '../../runtime/api-editor.ts';

export interface FactsRequest {
  document: LangiumDocument;
  /** Absolute path of the document's file. */
  file: string;
  /** Where this is not so, nothing may be executed to find something out. */
  trusted: boolean;
  signal: AbortSignal;
}

export interface PinRequest extends PinQuestion {
  signal: AbortSignal;
}

export interface Watch {
  dispose(): void;
}

export interface World {
  /** Everything that is known of the world about one pipeline. May take seconds; never asked for while somebody waits. */
  gather(request: FactsRequest): Promise<Facts>;
  /** Where a pin comes from. Runs git: only to be asked where the folder is trusted, and when somebody wants to know. */
  pinHistory(request: PinRequest): Promise<PinHistory>;
  /** Calls back when one of the sources changes, comes or goes, or when a record of a run or a check for decay is written. */
  watch(what: { file: string; sources: readonly string[] }, changed: () => void): Watch;
}
