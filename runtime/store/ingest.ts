/** How files and bytes become objects: read only where they are not known, written only where they are not there. */
import { join } from 'node:path';
import type { Digest } from '../../grammar/plan/plan.ts';
import { BULK, type ContentFolder, ListedNames, OBJECT_NANOSECONDS, OBJECT_TIME, type Staged } from './content.ts';
import { objectMissing } from './errors.ts';
import { type FileSystem, hasCode, nodeFileSystem } from './filesystem.ts';
import { isUntouched } from './identity.ts';
import { LARGEST_PACKED, type StagedPack } from './packs/pack.ts';
import type { PackFolder } from './packs/packs.ts';
import { inThreads, isMuch, type Outcome } from './pool.ts';
import type { ScannedFile } from './scan.ts';
import type { ObjectPlace, ObjectSource } from './source.ts';
import type { StatCache } from './statcache.ts';
import { fileChanged, type HashedFile, hashFile, type StagedFile, Stager } from './work.ts';

/** How many new files share one sync, and the threads that are started for them. */
const BATCH_FILES = 2 ** 17;
const BATCH_BYTES = 2 ** 30;
/** What was changed so lately, in milliseconds, is young enough for any collection. */
const FRESH = 24 * 3_600_000;
/** More objects than these that are put at once go into a pack, where they appear together. */
const MANY = 16;

export class Ingest {
  readonly #files: FileSystem;
  readonly #folder: string;
  readonly #objects: ContentFolder;
  readonly #packs: PackFolder;
  readonly #source: ObjectSource;

  constructor(files: FileSystem, folder: string, objects: ContentFolder, packs: PackFolder, source: ObjectSource) {
    this.#files = files;
    this.#folder = folder;
    this.#objects = objects;
    this.#packs = packs;
    this.#source = source;
  }

  /** The digests of files, in order; reads only what the cache does not know. */
  async hash(root: string, files: readonly ScannedFile[], cache: StatCache): Promise<Digest[]> {
    const digests = files.map((file) => cache.get(file.identity));
    const unknown = files.flatMap((file, index) => (digests[index] === undefined ? [{ ...file, index }] : []));
    const hashed = await this.#work({ kind: 'hash' }, root, unknown);
    hashed.forEach((file, position) => {
      const scanned = unknown[position];
      if (!scanned) return;
      refuseOther(root, scanned, file);
      digests[scanned.index] = file.digest;
      remember(cache, file);
    });
    return digests.map(known);
  }

  /**
   * Stores the files that are not there yet, durably, and answers all digests in order.
   *
   * @param read gets the paths of those that were read, and found to be as the scan had found them
   */
  async store(root: string, files: readonly ScannedFile[], cache: StatCache, read?: Set<string>): Promise<Digest[]> {
    const present = new Map<Digest, ObjectPlace>();
    const listed = files.length > BULK ? new ListedNames(this.#objects) : undefined;
    const digests = files.map((file) => {
      const digest = cache.get(file.identity);
      const place = digest === undefined ? undefined : this.#wholeAt(digest, file.identity.bytes, listed);
      if (digest !== undefined && place) present.set(digest, place);
      return place && digest;
    });
    const absent = files.flatMap((file, index) => (digests[index] === undefined ? [{ ...file, index }] : []));
    const pack = absent.filter(({ identity }) => identity.bytes <= LARGEST_PACKED).length > BULK;
    for (const batch of batches(absent)) {
      const staged: Staged[] = [];
      const packs: StagedPack[] = [];
      let outcome: StagedFile[];
      try {
        outcome = await this.#work({ kind: 'stage', pack }, root, batch, (done) => {
          staged.push(...done.files.flatMap((file) => file.staged ?? []));
          packs.push(...done.packs);
        });
        outcome.forEach((file, position) => {
          const scanned = batch[position];
          if (scanned) refuseOther(root, scanned, file);
        });
      } catch (error) {
        this.#objects.discard(staged);
        this.#packs.discard(packs);
        throw error;
      }
      outcome.forEach((file, position) => {
        const scanned = batch[position];
        if (!scanned) return;
        digests[scanned.index] = file.digest;
        read?.add(scanned.path);
        remember(cache, file);
        if (!file.staged && !file.packed) present.set(file.digest, this.#placeOf(file.digest));
      });
      this.#packs.publish(packs);
      this.#objects.publish(staged);
    }
    this.#settle(present);
    return digests.map(known);
  }

  /** Reads, and hashes or stages, here or in threads. */
  async #work(
    { kind, pack = false }: { kind: 'hash' | 'stage'; pack?: boolean },
    root: string,
    files: readonly ScannedFile[],
    onDone: (done: Outcome) => void = () => {},
  ): Promise<StagedFile[]> {
    const options = { pack, durable: !(files.length > BULK && this.#files.syncsEverything) };
    const named = files.map((file) => ({ ...file, path: file.path === '' ? root : `${root}/${file.path}` }));
    if (this.#files === nodeFileSystem && isMuch(files)) {
      return inThreads({ kind, ...options, store: this.#folder }, named, onDone);
    }
    if (kind === 'hash') return named.map(({ path }) => hashFile(path));
    const stager = new Stager(this.#objects, this.#packs, options);
    const done: StagedFile[] = [];
    try {
      for (const { path } of named) done.push(await stager.add(path));
      onDone({ files: done, packs: stager.finish() });
    } catch (error) {
      onDone({ files: done, packs: [] });
      stager.discard();
      throw error;
    }
    return done;
  }

  /** @param objects what one names stands before it */
  putObjects(objects: readonly { digest: Digest; bytes: Uint8Array }[]): void {
    const present = new Map<Digest, ObjectPlace>();
    const absent = objects.filter(({ digest, bytes }) => {
      const place = this.#wholeAt(digest, BigInt(bytes.length));
      if (place) present.set(digest, place);
      return !place;
    });
    const stager = new Stager(this.#objects, this.#packs, { durable: true, pack: true });
    const staged: Staged[] = [];
    try {
      for (const { digest, bytes } of absent) {
        if (absent.length > MANY) stager.addContent(digest, bytes);
        else staged.push(this.#objects.stage(digest, bytes, true));
      }
      this.#packs.publish(stager.finish());
    } catch (error) {
      stager.discard();
      this.#objects.discard(staged);
      throw error;
    }
    this.#objects.publish(staged);
    this.#settle(present);
  }

  /** Of objects that were found in place: makes sure that their names survive a loss of power. */
  #settle(present: ReadonlyMap<Digest, ObjectPlace>): void {
    const loose = [...present].flatMap(([digest, { alone }]) => (alone ? [digest] : []));
    this.#objects.publish([], loose);
    if (loose.length < present.size) this.#packs.settle();
    for (const path of new Set([...present.values()].map((place) => place.path))) this.#freshen(path);
  }

  /** A collection spares what was found in place lately like what was written lately. */
  #freshen(path: string): void {
    const status = this.#files.status(path);
    // What was written into since must go on showing it.
    if (!status || status.modified !== OBJECT_NANOSECONDS) return;
    if (Date.now() - Number(status.changed / 1_000_000n) < FRESH) return;
    try {
      this.#files.freshen(path, OBJECT_TIME);
    } catch (error) {
      // Somebody else's file, in a store that several people share: what protects it then is that it is only set aside.
      if (!hasCode(error, 'EACCES', 'EPERM', 'EROFS', 'ENOENT')) throw error;
    }
  }

  /** Where it is with the right size and untouched since it was written: an object that is not is written again. */
  #wholeAt(digest: Digest, bytes: bigint, listed?: ListedNames): ObjectPlace | undefined {
    const packed = listed && !listed.has(digest) ? this.#packs.find(digest) : undefined;
    const place = packed ? { ...packed, alone: false } : this.#source.locate(digest);
    return place?.bytes === Number(bytes) && !place.meddled ? place : undefined;
  }

  #placeOf(digest: Digest): ObjectPlace {
    const place = this.#source.locate(digest);
    if (!place) throw objectMissing(digest);
    return place;
  }
}

/** The manifest speaks of the file that was found, so it must be the one that was read. */
function refuseOther(root: string, scanned: ScannedFile, read: HashedFile): void {
  if (!isUntouched(scanned.identity, read.identity)) throw fileChanged(join(root, scanned.path));
}

function remember(cache: StatCache, file: HashedFile): void {
  if (file.settled) cache.set(file.identity, file.digest);
}

function* batches(files: readonly (ScannedFile & { index: number })[]): Generator<(ScannedFile & { index: number })[]> {
  let batch: (ScannedFile & { index: number })[] = [];
  let bytes = 0;
  for (const file of files) {
    batch.push(file);
    bytes += Number(file.identity.bytes);
    if (batch.length < BATCH_FILES && bytes < BATCH_BYTES) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}

export function known(digest: Digest | undefined): Digest {
  if (digest === undefined) throw new Error('Every file has been hashed by now.');
  return digest;
}
