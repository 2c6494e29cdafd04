/**
 * What arrives: written beside the store, hashed on the way, and given its name only when the digest fits. What a broken
 * download has left is taken up again, by this process or another one.
 */
import { createHash, type Hash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import type { Bytes, Digest } from '../../../grammar/plan/plan.ts';
import { isRunning } from '../../processes.ts';
import { OBJECT_TIME, OWNER, type Staged } from '../content.ts';
import { writeFailure } from '../errors.ts';
import { hasCode, nodeFileSystem } from '../filesystem.ts';
import { temporaryFolder } from '../layout.ts';
import { WriteBehind } from './write-behind.ts';

/** Less is fetched anew sooner than it is looked for. */
const WORTH_KEEPING = 2 ** 20;
const PIECE = 2 ** 20;
/** Drawn once: threads of one process write at once, and random bytes for each of many files take their time. */
const TAG = randomBytes(6).toString('hex');
let arrivals = 0;

export class Arrival {
  readonly digest: Digest;
  readonly #folder: string;
  readonly #path: string;
  readonly #file: number;
  readonly #behind: WriteBehind;
  #hash: Hash = createHash('sha256');
  #bytes: Bytes = 0;
  #ended = false;

  /** @param expected takes up what an earlier try has left where so much is coming */
  constructor(store: string, digest: Digest, expected: Bytes | undefined) {
    this.digest = digest;
    this.#folder = temporaryFolder(store);
    const hexadecimal = digest.slice('sha256:'.length);
    // Whose it is stands first, as for every temporary file; what it is to become stands last.
    this.#path = join(this.#folder, `${OWNER}-${TAG}.${arrivals++}-${hexadecimal}`);
    try {
      const claimed = (expected ?? Number.POSITIVE_INFINITY) > WORTH_KEEPING && this.#claim(hexadecimal);
      this.#file = fs.openSync(this.#path, claimed ? 'r+' : 'wx+', 0o600);
      if (claimed) this.#readAgain();
      this.#behind = new WriteBehind(this.#file, this.#bytes);
    } catch (error) {
      throw writeFailure(this.#path, error);
    }
  }

  /** How much has come, and is hashed. It is in the file, or on its way there. */
  get bytes(): Bytes {
    return this.#bytes;
  }

  /** Takes bytes at once, and answers when there is room for more. They must not be changed afterwards. */
  async write(chunk: Uint8Array): Promise<void> {
    this.#mustGoOn();
    // The write is under way while the hash is made.
    const room = this.#behind.write(chunk);
    this.#hash.update(chunk);
    this.#bytes += chunk.length;
    await this.#told(room);
  }

  /** Begins again from nothing. */
  async empty(): Promise<void> {
    this.#mustGoOn();
    await this.#told(this.#behind.empty());
    this.#hash = createHash('sha256');
    this.#bytes = 0;
  }

  isWhole(): boolean {
    return `sha256:${this.#hash.copy().digest('hex')}` === this.digest;
  }

  /**
   * Of one that is whole: ready for its name. Large ones are on the disk; the others wait for a sync together. Where that
   * fails, nothing is left of it.
   */
  async finish(): Promise<Staged> {
    this.#mustGoOn();
    this.#ended = true;
    try {
      await this.#behind.flush();
      fs.futimesSync(this.#file, OBJECT_TIME, OBJECT_TIME);
      fs.fchmodSync(this.#file, 0o444);
      const durable = this.#bytes > WORTH_KEEPING || !nodeFileSystem.syncsEverything;
      if (durable) await this.#behind.sync();
      fs.closeSync(this.#file);
      return { digest: this.digest, temporary: this.#path, durable };
    } catch (error) {
      await this.#close(false);
      throw writeFailure(this.#path, error);
    }
  }

  /**
   * Breaks off, if it has not ended before. What is worth it stays, under a name by which the next try finds it; but
   * nothing of a file that the disk has failed with: what can be read of it may never get there.
   */
  async leave(keep: boolean): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#close(keep && this.#bytes > WORTH_KEEPING);
  }

  async #close(keep: boolean): Promise<void> {
    // What was given is written first, so that nothing writes into a file that is closed.
    await this.#behind.rest();
    fs.closeSync(this.#file);
    const hexadecimal = this.digest.slice('sha256:'.length);
    if (keep && !this.#behind.lost) fs.renameSync(this.#path, join(this.#folder, partialName(hexadecimal)));
    else fs.rmSync(this.#path, { force: true });
  }

  /** A request that was given up may still bring something. */
  #mustGoOn(): void {
    if (this.#ended) throw new Error(`${this.digest} is not waited for any more.`);
  }

  async #told(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      throw writeFailure(this.#path, error);
    }
  }

  /** Renaming decides who goes on with it, where two want to. */
  #claim(hexadecimal: string): boolean {
    const left = [
      partialName(hexadecimal),
      ...fs.readdirSync(this.#folder).filter((name) => name.endsWith(`-${hexadecimal}`) && isLeft(name)),
    ];
    for (const name of left) {
      try {
        fs.renameSync(join(this.#folder, name), this.#path);
        fs.chmodSync(this.#path, 0o600);
        return true;
      } catch (error) {
        if (!hasCode(error, 'ENOENT')) throw error;
      }
    }
    return false;
  }

  #readAgain(): void {
    const piece = Buffer.allocUnsafe(PIECE);
    for (;;) {
      const count = fs.readSync(this.#file, piece, 0, PIECE, this.#bytes);
      if (count === 0) break;
      this.#hash.update(piece.subarray(0, count));
      this.#bytes += count;
    }
  }
}

function partialName(hexadecimal: string): string {
  return `partial-${hexadecimal}`;
}

/** Whether the process that began it is gone. */
function isLeft(name: string): boolean {
  const [machine, process] = name.split('-');
  const [ownMachine] = OWNER.split('-');
  return machine === ownMachine && !isRunning(Number(process));
}
