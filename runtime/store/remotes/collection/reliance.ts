/** For whoever sends: what is relied on is not deleted meanwhile, and what is being deleted is not relied on. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Digest } from '../../../../grammar/plan/plan.ts';
import { EXIT, MlpipeError } from '../../../errors.ts';
import type { Line } from '../transfer.ts';
import { isBeingDeleted, isBrokenOff, isWaiting, keepInEpoch, readTrash, type Time, type Trash } from './epochs.ts';

export interface RelianceOptions {
  now?: () => Time;
  /** How long to wait for somebody who deletes, in milliseconds. */
  patience?: number;
  /** Between two looks. */
  pause?: number;
}

const PATIENCE = 600_000;
const PAUSE = 1000;

export class Reliance {
  readonly #line: Line;
  readonly #roots: readonly Digest[];
  readonly #options: Required<RelianceOptions>;
  /** Epochs in which it is said. */
  readonly #said = new Set<string>();
  /** Deleted, or begun to be deleted, before anything was relied on. */
  #before: ReadonlySet<string> | undefined;

  /** @param roots what the records will name that are to be sent */
  constructor(line: Line, roots: readonly Digest[], options: RelianceOptions = {}) {
    this.#line = line;
    this.#roots = roots;
    this.#options = { now: Date.now, patience: PATIENCE, pause: PAUSE, ...options };
  }

  /**
   * Before what is there is looked at, and again before a record is sent.
   *
   * @returns whether something may have been deleted that was relied on, so that what is there must be read again: since
   *   the call before, or, in the first, by somebody who was broken off
   * @throws MlpipeError `remote-collecting` where somebody deletes for too long
   */
  async declare(): Promise<boolean> {
    const { now, patience, pause } = this.#options;
    const until = performance.now() + patience;
    for (;;) {
      const trash = await readTrash(this.#line);
      if (await this.#say(trash)) continue;
      if (trash.epochs.some((epoch) => isBeingDeleted(epoch, now()))) {
        if (performance.now() > until) throw collecting(this.#line.driver.address);
        await wait(pause, undefined, this.#line.signal === undefined ? {} : { signal: this.#line.signal });
        continue;
      }
      const deleted = new Set(trash.epochs.filter(({ done, half }) => done || half).map(({ id }) => id));
      const before = this.#before;
      this.#before = deleted;
      if (before === undefined) return trash.epochs.some((epoch) => isBrokenOff(epoch, now()));
      return [...deleted].some((id) => !before.has(id));
    }
  }

  /** @returns whether anything had to be said, after which one has to look again */
  async #say({ epochs }: Trash): Promise<boolean> {
    const unsaid = epochs.filter((epoch) => isWaiting(epoch) && !this.#said.has(epoch.id));
    for (const epoch of unsaid) {
      await keepInEpoch(this.#line, epoch, this.#roots, this.#options.now());
      this.#said.add(epoch.id);
    }
    return unsaid.length > 0;
  }
}

function collecting(address: string): MlpipeError {
  return new MlpipeError(`Somebody is deleting on ${address} what nothing needs, and has not ended yet.`, {
    code: 'remote-collecting',
    todo: 'Do the same again later; nothing was lost, and what was sent is not sent again.',
    exit: EXIT.usage,
  });
}
