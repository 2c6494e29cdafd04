/**
 * A file that is written, and brought to the disk piece by piece, in libuv's threads, while the thread that has the
 * bytes goes on to hash the next ones. One call at a time writes, in order: at any instant the file is a beginning of
 * what was given. Neither too many bytes wait in memory, nor too many for the disk, so that the last sync is short.
 */
import fs from 'node:fs';
import { promisify } from 'node:util';
import type { Bytes } from '../../../grammar/plan/plan.ts';
import { hasCode, nodeFileSystem } from '../filesystem.ts';

/** Up to here a call is over sooner than a promise would be. */
const AT_ONCE = 2 ** 20;
/** So much may wait in memory, half of it in the call that is under way. */
export const MOST_WAITING = 8 * 2 ** 20;
/** So much is worth a sync of its own. */
const WORTH_SYNC = 32 * 2 ** 20;
/** More is never written than so much ahead of what is on the disk. */
export const MOST_UNSYNCED = 128 * 2 ** 20;

const writev = promisify(fs.writev);
const fdatasync = promisify(fs.fdatasync);

export class WriteBehind {
  readonly #file: number;
  #queue: Uint8Array[] = [];
  /** Of the queue and of the call that is under way. */
  #waiting: Bytes = 0;
  /** Of the file's bytes from its beginning on. */
  #written: Bytes;
  #synced: Bytes;
  #writing: Promise<void> | undefined;
  #syncing: Promise<void> | undefined;
  #failure: { error: unknown } | undefined;
  #lost = false;

  /**
   * @param file open for writing; whoever closes it must wait for `rest` before
   * @param position where it goes on
   */
  constructor(file: number, position: Bytes = 0) {
    this.#file = file;
    this.#written = position;
    this.#synced = position;
  }

  /** In memory, and not in the file yet. */
  get waiting(): Bytes {
    return this.#waiting;
  }

  /** Whether the disk may have lost something of the file that can still be read from memory. */
  get lost(): boolean {
    return this.#lost;
  }

  /**
   * Takes bytes at once, and answers when there is room for more. They must not be changed afterwards.
   *
   * @throws the system's error of a write or sync that failed, this one or one before
   */
  async write(bytes: Uint8Array): Promise<void> {
    this.#mustBeWell();
    if (this.#writing === undefined && this.#written + bytes.length <= AT_ONCE) {
      this.#writeAtOnce(bytes);
      return;
    }
    this.#queue.push(bytes);
    this.#waiting += bytes.length;
    this.#writing ??= this.#writeQueue();
    while (this.#failure === undefined && this.#waiting > MOST_WAITING) await this.#writing;
    while (this.#failure === undefined && this.#written - this.#synced > MOST_UNSYNCED)
      await (this.#syncing ?? this.#writing);
    this.#mustBeWell();
  }

  /** All that was given is in the file when it returns. @throws as `write` */
  async flush(): Promise<void> {
    await this.#writing;
    this.#mustBeWell();
  }

  /** All that was given, and what became of the file since, is on the disk when it returns. @throws as `write` */
  async sync(): Promise<void> {
    // The system tells of bytes that it could not bring to the disk but once: to the sync that is under way, perhaps.
    await this.rest();
    this.#mustBeWell();
    try {
      await nodeFileSystem.syncBeside(this.#file);
    } catch (error) {
      this.#fail(error, true);
    }
    this.#mustBeWell();
    this.#synced = this.#written;
  }

  /** Nothing goes on any more when it returns. What has failed is told by the others. */
  async rest(): Promise<void> {
    while (this.#writing ?? this.#syncing) await (this.#writing ?? this.#syncing);
  }

  /** Begins again with an empty file. @throws as `write` */
  async empty(): Promise<void> {
    await this.rest();
    this.#mustBeWell();
    fs.ftruncateSync(this.#file, 0);
    this.#written = 0;
    this.#synced = 0;
  }

  #writeAtOnce(bytes: Uint8Array): void {
    try {
      for (let offset = 0; offset < bytes.length; ) {
        const count = fs.writeSync(this.#file, bytes, offset, bytes.length - offset, this.#written);
        offset += count;
        this.#written += count;
      }
    } catch (error) {
      this.#fail(error, !isFull(error));
      throw error;
    }
  }

  /** Never rejects: what has failed is told to whoever writes next. */
  async #writeQueue(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        for (let batch = this.#nextBatch(); batch.length > 0; ) {
          const { bytesWritten } = await writev(this.#file, batch, this.#written);
          this.#written += bytesWritten;
          if (this.#failure === undefined) this.#waiting -= bytesWritten;
          batch = after(batch, bytesWritten);
        }
        this.#beginSync();
      }
    } catch (error) {
      this.#fail(error, !isFull(error));
    } finally {
      this.#writing = undefined;
    }
  }

  /** What has gathered during the call before goes out with one call, but no more than leaves room for the next. */
  #nextBatch(): Uint8Array[] {
    let bytes = 0;
    let count = 0;
    for (const each of this.#queue) {
      if (count > 0 && bytes + each.length > MOST_WAITING / 2) break;
      bytes += each.length;
      count += 1;
    }
    return this.#queue.splice(0, count);
  }

  #beginSync(): void {
    if (this.#syncing || this.#failure || this.#written - this.#synced < WORTH_SYNC) return;
    const end = this.#written;
    this.#syncing = fdatasync(this.#file)
      .then(
        () => {
          this.#synced = end;
        },
        (error: unknown) => this.#fail(error, true),
      )
      .finally(() => {
        this.#syncing = undefined;
        // What was written meanwhile.
        this.#beginSync();
      });
  }

  #fail(error: unknown, lost: boolean): void {
    this.#failure ??= { error };
    this.#lost ||= lost;
    this.#queue = [];
    this.#waiting = 0;
  }

  #mustBeWell(): void {
    if (this.#failure) throw this.#failure.error;
  }
}

/** A full disk has said so of bytes that it did not take, and has those that it took. */
function isFull(error: unknown): boolean {
  return hasCode(error, 'ENOSPC', 'EDQUOT');
}

/** What is left of buffers when so many bytes are gone. */
function after(buffers: readonly Uint8Array[], bytes: Bytes): Uint8Array[] {
  let gone = bytes;
  return buffers.flatMap((buffer) => {
    const part = buffer.subarray(Math.min(gone, buffer.length));
    gone -= buffer.length - part.length;
    return part.length > 0 ? [part] : [];
  });
}
