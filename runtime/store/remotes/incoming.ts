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
  #hash: Hash = createHash('sha256');
  #bytes: Bytes = 0;

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
    } catch (error) {
      throw writeFailure(this.#path, error);
    }
  }

  /** How much is there, and hashed. */
  get bytes(): Bytes {
    return this.#bytes;
  }

  write(chunk: Uint8Array): void {
    try {
      for (let offset = 0; offset < chunk.length; ) {
        offset += fs.writeSync(this.#file, chunk, offset, chunk.length - offset, this.#bytes + offset);
      }
    } catch (error) {
      throw writeFailure(this.#path, error);
    }
    this.#hash.update(chunk);
    this.#bytes += chunk.length;
  }

  /** Begins again from nothing. */
  empty(): void {
    fs.ftruncateSync(this.#file, 0);
    this.#hash = createHash('sha256');
    this.#bytes = 0;
  }

  isWhole(): boolean {
    return `sha256:${this.#hash.copy().digest('hex')}` === this.digest;
  }

  /** Of one that is whole: ready for its name. Large ones are on the disk; the others wait for a sync together. */
  async finish(): Promise<Staged> {
    try {
      fs.futimesSync(this.#file, OBJECT_TIME, OBJECT_TIME);
      fs.fchmodSync(this.#file, 0o444);
      const durable = this.#bytes > WORTH_KEEPING || !nodeFileSystem.syncsEverything;
      if (durable) await nodeFileSystem.syncBeside(this.#file);
      fs.closeSync(this.#file);
      return { digest: this.digest, temporary: this.#path, durable };
    } catch (error) {
      throw writeFailure(this.#path, error);
    }
  }

  /** Breaks off. What is worth it stays, under a name by which the next try finds it. */
  leave(keep: boolean): void {
    fs.closeSync(this.#file);
    const hexadecimal = this.digest.slice('sha256:'.length);
    if (keep && this.#bytes > WORTH_KEEPING) fs.renameSync(this.#path, join(this.#folder, partialName(hexadecimal)));
    else fs.rmSync(this.#path, { force: true });
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
