/** Calls that write to the disk of a store: what goes wrong is told in words. */
import { writeFailure } from './errors.ts';

/** After a failed fsync nothing is written any more: the disk may have dropped data that it has not spoken of. */
export class Writes {
  readonly #subject: string;
  #failure: unknown;

  /** @param subject the folder that is written to, as a person is told */
  constructor(subject: string) {
    this.#subject = subject;
  }

  /** @throws MlpipeError `store-write-failed` after a sync has failed */
  begin(subject = this.#subject): void {
    if (this.#failure !== undefined) throw writeFailure(subject, this.#failure);
  }

  /** @throws MlpipeError of `writeFailure` */
  attempt<Result>(write: () => Result): Result {
    try {
      return write();
    } catch (error) {
      return this.refuse(error);
    }
  }

  /** A call that brings something to the disk, and is never made twice. */
  sync(write: () => void): void {
    try {
      write();
    } catch (error) {
      this.lose(error);
    }
  }

  refuse(error: unknown): never {
    throw writeFailure(this.#subject, error);
  }

  lose(error: unknown): never {
    this.#failure = error;
    throw writeFailure(this.#subject, error);
  }
}
