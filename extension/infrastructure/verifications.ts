/** What was found when models were read again, as long as the window is open: the disk may be another by tomorrow. */
import { Emitter } from 'vscode-jsonrpc';
import type { VerifyAnswer } from '../../runtime/rpc/protocol.ts';

export interface Verified {
  /** ISO 8601. */
  when: string;
  answer: VerifyAnswer;
}

export class Verifications {
  readonly #changes = new Emitter<string>();
  readonly #found = new Map<string, Verified>();

  /** Fires with the record that was verified. */
  readonly onChanged = this.#changes.event;

  get all(): ReadonlyMap<string, Verified> {
    return this.#found;
  }

  keep(record: string, answer: VerifyAnswer, when = new Date().toISOString()): void {
    this.#found.set(record, { when, answer });
    this.#changes.fire(record);
  }
}
