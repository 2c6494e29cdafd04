/**
 * A folder of files named by their digest, written so that a crash at any instant leaves nothing half: a temporary
 * file is written, brought to the disk, renamed to its digest, and the folder that holds the name is brought to the
 * disk. Objects and records are both kept this way. `docs/store.md` has the order in full.
 */
import { createHash, randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import type { Digest } from '../../grammar/plan/plan.ts';
import { isRunning } from '../processes.ts';
import { writeFailure } from './errors.ts';
import { type FileSystem, hasCode } from './filesystem.ts';
import { Writes } from './writes.ts';

/** A temporary file that waits for its name. */
export interface Staged {
  digest: Digest;
  temporary: string;
  /** Whether its content is on the disk. */
  durable: boolean;
  /** Follows the digest in its name, where that is not the folder's own suffix: a file beside the one of that digest. */
  suffix?: string;
}

/**
 * Every object carries this modification time (2000-01-01, UTC). A program that writes into an object through a hard
 * link changes it, so one look tells a meddled object from an untouched one.
 */
export const OBJECT_TIME = 946_684_800;
export const OBJECT_NANOSECONDS = BigInt(OBJECT_TIME) * 1_000_000_000n;

/** From this many new files on, one `syncfs` is cheaper than an fsync each. */
export const BULK = 200;

export class ContentFolder {
  readonly folder: string;
  readonly #files: FileSystem;
  readonly #temporaryFolder: string;
  readonly #suffix: string;
  /** Known to be on the disk, name and all, by this process. */
  readonly #durable = new Set<Digest>();
  readonly #writes: Writes;
  /** Threads of one process write at once. */
  readonly #tag = randomBytes(8).toString('hex');
  #counter = 0;

  /** @param suffix follows the digest in a file's name */
  constructor(files: FileSystem, folder: string, temporaryFolder: string, suffix = '') {
    this.#files = files;
    this.folder = folder;
    this.#temporaryFolder = temporaryFolder;
    this.#suffix = suffix;
    this.#writes = new Writes(folder);
  }

  /** Makes the folder and its 256 shards, durably but for the folder's own name. */
  prepare(): void {
    try {
      for (const shard of SHARDS) this.#files.makeFolder(join(this.folder, shard));
      this.#files.syncFolder(this.folder);
    } catch (error) {
      throw writeFailure(this.folder, error);
    }
  }

  path(digest: Digest, suffix = this.#suffix): string {
    const hexadecimal = digest.slice('sha256:'.length);
    return join(this.folder, hexadecimal.slice(0, 2), hexadecimal.slice(2) + suffix);
  }

  has(digest: Digest): boolean {
    return this.#files.status(this.path(digest)) !== undefined;
  }

  /** Whether the file is as long as it was when it was stored, and nobody has written to it since. Its content is not read. */
  isUntouched(digest: Digest, bytes: number): boolean {
    const status = this.#files.status(this.path(digest));
    return status?.bytes === bytes && status.modified === OBJECT_NANOSECONDS;
  }

  /** Writes content whose digest is known. */
  stage(digest: Digest, content: Uint8Array, durable: boolean): Staged {
    const temporary = this.#temporaryName(this.path(digest));
    let file: number | undefined;
    try {
      const handle = this.#writes.attempt(() => this.#files.create(temporary));
      file = handle;
      this.#writes.attempt(() => this.#files.write(handle, content));
      this.#writes.attempt(() => this.#files.setModified(handle, OBJECT_TIME));
      if (durable) this.#writes.sync(() => this.#files.sync(handle));
      file = undefined;
      this.#writes.attempt(() => this.#files.close(handle));
      return { digest, temporary, durable };
    } catch (error) {
      if (file !== undefined) this.#files.close(file);
      this.#remove(temporary);
      throw error;
    }
  }

  /** Writes content that is to lie beside the file of a digest. */
  stageBeside(digest: Digest, suffix: string, content: Uint8Array): Staged {
    return { ...this.stage(digest, content, true), suffix };
  }

  /**
   * Copies a large file whose digest is not known. The copy is hashed behind the copying, and what is copied goes to
   * the disk meanwhile, so that all of it takes no longer than the slowest of the three.
   *
   * @param hash reads the copy itself, so that the digest is that of what is stored
   */
  async stageCopy(original: string, durable: boolean, hash: (copy: GrowingCopy) => Promise<Digest>): Promise<Staged> {
    const temporary = this.#temporaryName(original);
    let file: number | undefined;
    try {
      const copy = await this.#files.copy(original, temporary).catch((error) => this.#writes.refuse(error));
      const handle = copy.file;
      file = handle;
      let whole = false;
      const written = copy.whole
        .then(() => this.#files.setModified(handle, OBJECT_TIME))
        .catch((error) => this.#writes.refuse(error))
        .finally(() => {
          whole = true;
        })
        .then(() => (durable ? this.#files.syncBeside(handle).catch((error) => this.#writes.lose(error)) : undefined));
      const hashed = hash({
        isWhole: () => whole,
        readAt: (into, position) => this.#writes.attempt(() => this.#files.readAt(handle, into, position)),
      });
      // Both have to end before the file may be closed, whatever becomes of them.
      await Promise.allSettled([written, hashed]);
      await written;
      const digest = await hashed;
      file = undefined;
      this.#writes.attempt(() => this.#files.close(handle));
      return { digest, temporary, durable };
    } catch (error) {
      if (file !== undefined) this.#files.close(file);
      this.#remove(temporary);
      throw error;
    }
  }

  #temporaryName(subject: string): string {
    this.#writes.begin(subject);
    return join(this.#temporaryFolder, `${OWNER}-${this.#tag}-${this.#counter++}`);
  }

  /** Takes staged files away again. */
  discard(staged: readonly Staged[]): void {
    for (const { temporary } of staged) this.#remove(temporary);
  }

  /**
   * Gives staged files their names. When it returns, they and everything in `present` survive a loss of power.
   *
   * @param present digests that were found in place: another process may have named them and not yet synced the name
   */
  publish(staged: readonly Staged[], present: Iterable<Digest> = []): void {
    try {
      if (staged.some(({ durable }) => !durable)) this.#writes.sync(() => this.#files.syncEverything(this.folder));
      for (const { temporary, digest, suffix } of staged) {
        this.#writes.attempt(() => this.#files.rename(temporary, this.path(digest, suffix)));
      }
    } catch (error) {
      this.discard(staged);
      throw error;
    }
    const named = new Set([...present].filter((each) => !this.#durable.has(each)));
    for (const { digest } of staged) named.add(digest);
    const folders = new Set([...named].map((digest) => dirname(this.path(digest))));
    if (folders.size > BULK / 4 && this.#files.syncsEverything) {
      this.#writes.sync(() => this.#files.syncEverything(this.folder));
    } else {
      for (const folder of folders) this.#writes.sync(() => this.#files.syncFolder(folder));
    }
    for (const digest of named) this.#durable.add(digest);
  }

  /** Every digest that has a file, and every name that is no digest. */
  *names(): Generator<{ digest: Digest } | { stranger: string }> {
    for (const shard of SHARDS) yield* this.namesIn(shard);
  }

  /** The same for one of the 256 folders. */
  *namesIn(shard: string): Generator<{ digest: Digest } | { stranger: string }> {
    const folder = join(this.folder, shard);
    for (const name of this.#files.list(folder)) {
      const rest = name.endsWith(this.#suffix) ? name.slice(0, name.length - this.#suffix.length) : '';
      if (/^[0-9a-f]{62}$/.test(rest)) yield { digest: `sha256:${shard}${rest}` };
      else yield { stranger: join(folder, name) };
    }
  }

  /** When a name was last added to one of the folders or taken from it, where the disk tells. */
  namesChanged(shard: string): bigint | undefined {
    return this.#files.namesChanged(join(this.folder, shard));
  }

  #remove(path: string): void {
    try {
      this.#files.unlink(path);
    } catch (error) {
      // What already has its name, or was never made, is gone from here. Anything else is swept up later.
      if (!hasCode(error, 'ENOENT')) return;
    }
  }
}

/** Which files a folder has, for many questions: listing one of its 256 folders is cheaper than asking for each. */
export class ListedNames {
  readonly #folder: ContentFolder;
  /** By the first two digits. */
  readonly #listed = new Map<string, ReadonlySet<Digest>>();

  constructor(folder: ContentFolder) {
    this.#folder = folder;
  }

  /** Of what others add meanwhile it may say that it is not there. */
  has(digest: Digest): boolean {
    const shard = digest.slice('sha256:'.length, 'sha256:ab'.length);
    let names = this.#listed.get(shard);
    if (!names) {
      names = new Set([...this.#folder.namesIn(shard)].flatMap((name) => ('digest' in name ? [name.digest] : [])));
      this.#listed.set(shard, names);
    }
    return names.has(digest);
  }
}

/** A copy while it is being made. */
export interface GrowingCopy {
  /** Whether all is there; what was asked for before may have been less. */
  isWhole: () => boolean;
  /** How many bytes were read; none where there is nothing yet. */
  readAt: (into: Uint8Array, position: number) => number;
}

export const SHARDS: readonly string[] = Array.from({ length: 256 }, (_, index) => index.toString(16).padStart(2, '0'));

/** Says whose a temporary file is: the machine, and the process on it. */
const MACHINE = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);
export const OWNER = `${MACHINE}-${process.pid}`;

const HOUR = 3_600_000;

/**
 * Removes what writers that are no longer there have left: a day after its last change, or an hour where this machine
 * can tell that the process is gone.
 */
export function sweepTemporaryFolder(files: FileSystem, folder: string): void {
  for (const name of files.list(folder)) {
    const path = join(folder, name);
    const status = files.status(path);
    const [machine, process] = name.split('-');
    if (!status) continue;
    const age = Date.now() - Number(status.changed / 1_000_000n);
    if (age <= HOUR || (age <= 24 * HOUR && (machine !== MACHINE || isRunning(Number(process))))) continue;
    try {
      files.unlink(path);
    } catch (error) {
      // Two processes sweep at once; or it is not ours to remove, and costs nothing but room.
      if (!hasCode(error, 'ENOENT', 'EACCES', 'EPERM', 'EROFS')) throw error;
    }
  }
}
