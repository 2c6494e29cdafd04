/** The store on this machine's disk. */
import fs from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { digestOf } from '../../grammar/plan/canonical.ts';
import type { Digest } from '../../grammar/plan/plan.ts';
import { EXIT, MlpipeError } from '../errors.ts';
import { Checkout } from './checkout.ts';
import { type Collected, type Collection, type CollectOptions, collect } from './collection/collect.ts';
import { beginSession, type Session } from './collection/sessions.ts';
import { setAside } from './collection/set-aside.ts';
import { Trash } from './collection/trash.ts';
import { BULK, type ContentFolder, OBJECT_TIME, type Staged, sweepTemporaryFolder } from './content.ts';
import { objectCorrupt, objectMissing, readFailure } from './errors.ts';
import { type FileSystem, hasCode, nodeFileSystem } from './filesystem.ts';
import { identityOf, isUntouched } from './identity.ts';
import { objectFolder, packFolder, prepareStore, temporaryFolder } from './layout.ts';
import {
  buildManifest,
  checkEntries,
  isDigest,
  looksLikeManifest,
  type ManifestEntry,
  parseManifest,
} from './manifest.ts';
import { LARGEST_PACKED, type StagedPack } from './packs/pack.ts';
import type { PackFolder } from './packs/packs.ts';
import { inThreads, isMuch, type Outcome } from './pool.ts';
import { isExecutable, type Scan, type ScannedFile, scanFolder } from './scan.ts';
import { type ObjectSource, StoredObjects } from './source.ts';
import { StatCache } from './statcache.ts';
import type { Store, Stored, StoreProblem, StoreVerification } from './store.ts';
import { verifyObjects } from './verify.ts';
import { fileChanged, type HashedFile, hashFile, type StagedFile, Stager } from './work.ts';

/** How many new files share one sync. */
const BATCH_FILES = 65_536;
const BATCH_BYTES = 2 ** 30;
/** What was changed so lately, in milliseconds, is young enough for any collection. */
const FRESH = 24 * 3_600_000;
/** More objects than these that are put at once go into a pack, where they appear together. */
const MANY = 16;

export interface StoreOptions {
  /** The disk; a test puts one in its place that fails. Work is then never handed to threads. */
  files?: FileSystem;
}

/**
 * Opens the store in a `.mlpipe` folder, and makes it where there is none. A store needs no repair, whatever has
 * happened to the processes that wrote to it.
 *
 * @throws MlpipeError `store-format`, `store-unwritable`, `store-full`
 */
export function openStore(folder: string, options: StoreOptions = {}): Store {
  const store = resolve(folder);
  const files = options.files ?? nodeFileSystem;
  prepareStore(files, store);
  return new LocalStore(store, files);
}

class LocalStore implements Store {
  readonly folder: string;
  readonly #files: FileSystem;
  readonly #objects: ContentFolder;
  readonly #packs: PackFolder;
  readonly #trash: Trash;
  readonly #source: ObjectSource;
  #session: Session | undefined;
  #swept = false;

  constructor(folder: string, files: FileSystem) {
    this.folder = folder;
    this.#files = files;
    this.#objects = objectFolder(files, folder);
    this.#packs = packFolder(files, folder);
    this.#trash = new Trash(files, folder, this.#objects, this.#packs);
    this.#source = new StoredObjects(files, this.#objects, this.#packs, this.#trash);
  }

  async putBytes(content: Uint8Array | string): Promise<Stored> {
    const session = this.#begin();
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    const digest = digestOf(bytes);
    this.#putObjects([{ digest, bytes }]);
    session?.require();
    return { digest, bytes: bytes.length };
  }

  async put(path: string): Promise<Stored> {
    this.#sweep();
    const session = this.#begin();
    const whole = resolve(path);
    const stats = look(whole);
    const cache = this.#cacheOf(whole);
    if (!stats.isDirectory()) {
      const file: ScannedFile = { path: '', identity: identityOf(stats), executable: isExecutable(stats) };
      const [digest] = await this.#store(whole, [file], cache);
      cache.save();
      if (digest === undefined) throw fileChanged(whole);
      session?.require();
      return { digest, bytes: Number(stats.size) };
    }
    const scan = await scanFolder(whole);
    const read = new Set<string>();
    const digests = await this.#store(whole, scan.files, cache, read);
    forgetOthers(cache, scan);
    cache.save();
    refuseChange(whole, scan, await scanFolder(whole, read), read);
    const manifest = manifestOf(scan, digests);
    this.#putObjects(manifest.objects.map(({ digest, text }) => ({ digest, bytes: Buffer.from(text) })));
    session?.require();
    return { digest: manifest.digest, bytes: manifest.bytes, files: manifest.files };
  }

  async digest(path: string): Promise<Stored> {
    const whole = resolve(path);
    const stats = look(whole);
    const cache = this.#cacheOf(whole);
    if (!stats.isDirectory()) {
      const file: ScannedFile = { path: '', identity: identityOf(stats), executable: isExecutable(stats) };
      const [digest] = await this.#hash(whole, [file], cache);
      cache.save();
      if (digest === undefined) throw fileChanged(whole);
      return { digest, bytes: Number(stats.size) };
    }
    const scan = await scanFolder(whole);
    const digests = await this.#hash(whole, scan.files, cache);
    forgetOthers(cache, scan);
    cache.save();
    const { digest, bytes, files } = manifestOf(scan, digests);
    return { digest, bytes, files };
  }

  has(digest: Digest): boolean {
    return this.#source.has(digest);
  }

  async read(digest: Digest): Promise<Buffer> {
    const found = this.#source.read(requireDigest(digest));
    if (!found) throw objectMissing(digest);
    if (digestOf(found.content) !== digest) {
      throw objectCorrupt(digest, found.path, `holds ${found.content.length} bytes that do not fit its digest`);
    }
    return found.content;
  }

  async checkout(digest: Digest, destination: string, options: { writable?: boolean } = {}): Promise<void> {
    const checkout = new Checkout(this.#source, options.writable === true);
    const whole = resolve(destination);
    const entries = await this.#entriesOf(requireDigest(digest));
    if (entries) checkEntries(entries);
    fs.mkdirSync(dirname(whole), { recursive: true });
    if (entries) await checkout.folder(entries, whole);
    else checkout.file({ digest }, whole);
  }

  async verify(): Promise<StoreVerification> {
    return verifyObjects(this.#files, this.#objects, this.#packs, this.#source);
  }

  collect(options: CollectOptions): Promise<Collection> {
    // What this store has written is needed by what is to be said next.
    this.#session?.end();
    this.#session = undefined;
    return collect(this.#collected(), options);
  }

  setAside(problems: readonly StoreProblem[]): void {
    setAside(this.#collected(), problems);
  }

  close(): void {
    this.#session?.end();
    this.#session = undefined;
  }

  #collected(): Collected {
    const [files, objects, packs] = [this.#files, this.#objects, this.#packs];
    // One that counts anew.
    const trash = new Trash(files, this.folder, objects, packs);
    const source = new StoredObjects(files, objects, packs, trash);
    return { store: this.folder, files, objects, packs, source, trash };
  }

  /** From now on nothing that is written or found in place is taken away. */
  #begin(): Session | undefined {
    // On a disk that no other process can see, nobody collects.
    if (this.#files.sharesKernel) this.#session ??= beginSession(this.folder);
    return this.#session;
  }

  /** A folder's entries, parts unfolded; nothing where the object is a file. */
  async #entriesOf(digest: Digest): Promise<ManifestEntry[] | undefined> {
    const head = this.#source.head(digest);
    if (!head) throw objectMissing(digest);
    if (!looksLikeManifest(head)) return undefined;
    const manifest = parseManifest(await this.read(digest));
    if (!manifest) return undefined;
    const entries = [...manifest.entries];
    for (const part of manifest.parts) {
      const inside = await this.#entriesOf(part.digest);
      if (!inside) throw objectCorrupt(part.digest, this.#objects.path(part.digest), 'is no part of a folder');
      for (const entry of inside) entries.push(entry);
    }
    return entries;
  }

  /** The digests of files, in order; reads only what the cache does not know. */
  async #hash(root: string, files: readonly ScannedFile[], cache: StatCache): Promise<Digest[]> {
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
  async #store(root: string, files: readonly ScannedFile[], cache: StatCache, read?: Set<string>): Promise<Digest[]> {
    const digests = files.map((file) => {
      const digest = cache.get(file.identity);
      return digest !== undefined && this.#isWhole(digest, file.identity.bytes) ? digest : undefined;
    });
    const present = digests.filter((digest) => digest !== undefined);
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
        if (!file.staged && !file.packed) present.push(file.digest);
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
      return inThreads({ kind, ...options, store: this.folder }, named, onDone);
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
  #putObjects(objects: readonly { digest: Digest; bytes: Uint8Array }[]): void {
    const absent = objects.filter(({ digest, bytes }) => !this.#isWhole(digest, BigInt(bytes.length)));
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
    this.#settle(objects.map(({ digest }) => digest));
  }

  /** Of objects that were found in place: makes sure that their names survive a loss of power. */
  #settle(present: readonly Digest[]): void {
    const loose: Digest[] = [];
    const files = new Set<string>();
    for (const digest of present) {
      const place = this.#source.locate(digest);
      if (!place) throw objectMissing(digest);
      if (place.alone) loose.push(digest);
      files.add(place.path);
    }
    this.#objects.publish([], loose);
    if (loose.length < present.length) this.#packs.settle();
    for (const path of files) this.#freshen(path);
  }

  /** A collection spares what was found in place lately like what was written lately. */
  #freshen(path: string): void {
    const status = this.#files.status(path);
    // What was written into since must go on showing it.
    if (!status || status.modified !== BigInt(OBJECT_TIME) * 1_000_000_000n) return;
    if (Date.now() - Number(status.changed / 1_000_000n) < FRESH) return;
    try {
      this.#files.freshen(path, OBJECT_TIME);
    } catch (error) {
      // Somebody else's file, in a store that several people share: what protects it then is that it is only set aside.
      if (!hasCode(error, 'EACCES', 'EPERM', 'EROFS', 'ENOENT')) throw error;
    }
  }

  /** There, with the right size and untouched since it was written: an object that is not is written again. */
  #isWhole(digest: Digest, bytes: bigint): boolean {
    return this.#source.size(digest) === Number(bytes) && !this.#source.isMeddled(digest);
  }

  #cacheOf(path: string): StatCache {
    return new StatCache(join(this.folder, 'stat'), path);
  }

  #sweep(): void {
    if (this.#swept) return;
    this.#swept = true;
    sweepTemporaryFolder(this.#files, temporaryFolder(this.folder));
  }
}

/** The path that was named is followed when it is a link; links inside a folder never are. */
function look(path: string): fs.BigIntStats {
  try {
    return fs.statSync(path, { bigint: true });
  } catch (error) {
    throw readFailure(path, error);
  }
}

/** The manifest speaks of the file that was found, so it must be the one that was read. */
function refuseOther(root: string, scanned: ScannedFile, read: HashedFile): void {
  if (!isUntouched(scanned.identity, read.identity)) throw fileChanged(join(root, scanned.path));
}

function remember(cache: StatCache, file: HashedFile): void {
  if (file.settled) cache.set(file.identity, file.digest);
}

function forgetOthers(cache: StatCache, scan: Scan): void {
  cache.keep(new Set(scan.files.map((file) => file.identity.inode)));
}

function manifestOf(scan: Scan, digests: readonly Digest[]): ReturnType<typeof buildManifest> {
  const entries = scan.files.map((file, index): ManifestEntry => {
    const bytes = Number(file.identity.bytes);
    const digest = known(digests[index]);
    return file.executable ? { bytes, digest, executable: true, path: file.path } : { bytes, digest, path: file.path };
  });
  return buildManifest([...entries, ...scan.links.map(({ path, symlink }) => ({ path, symlink }))]);
}

/**
 * A folder is stored as it was at one time, or not at all: as it was when the first scan had ended. Files that were read
 * later have been compared then; the others are looked at now, and no name may have come or gone.
 */
function refuseChange(folder: string, before: Scan, after: Scan, read: ReadonlySet<string>): void {
  const identities = new Map(before.files.map((file) => [file.path, file.identity]));
  for (const file of after.files) {
    const identity = identities.get(file.path);
    if (!identity || (!read.has(file.path) && !isUntouched(identity, file.identity))) {
      throw fileChanged(join(folder, file.path));
    }
  }
  if (before.files.length !== after.files.length || before.links.length !== after.links.length) {
    throw fileChanged(folder);
  }
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

function known(digest: Digest | undefined): Digest {
  if (digest === undefined) throw new Error('Every file has been hashed by now.');
  return digest;
}

function requireDigest(digest: Digest): Digest {
  if (isDigest(digest)) return digest;
  throw new MlpipeError(`${JSON.stringify(digest)} is no digest.`, {
    code: 'digest-malformed',
    todo: 'A digest is "sha256:" and 64 hexadecimal digits.',
    exit: EXIT.usage,
  });
}
