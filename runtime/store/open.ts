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
import { type ContentFolder, sweepTemporaryFolder } from './content.ts';
import { objectCorrupt, objectMissing, readFailure } from './errors.ts';
import { type FileSystem, nodeFileSystem } from './filesystem.ts';
import { identityOf, isUntouched } from './identity.ts';
import { Ingest, known } from './ingest.ts';
import { objectFolder, packFolder, prepareStore, temporaryFolder } from './layout.ts';
import {
  buildManifest,
  checkEntries,
  isDigest,
  looksLikeManifest,
  type ManifestEntry,
  parseManifest,
} from './manifest.ts';
import type { PackFolder } from './packs/packs.ts';
import { isExecutable, type Scan, type ScannedFile, scanFolder } from './scan.ts';
import { type ObjectSource, StoredObjects } from './source.ts';
import { StatCache } from './statcache.ts';
import type { Selection, Store, Stored, StoreProblem, StoreVerification } from './store.ts';
import { verifyObjects } from './verify.ts';
import { verifySome } from './verify-some.ts';
import { fileChanged } from './work.ts';

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
  readonly #source: ObjectSource;
  readonly #ingest: Ingest;
  #session: Session | undefined;
  #swept = false;

  constructor(folder: string, files: FileSystem) {
    this.folder = folder;
    this.#files = files;
    this.#objects = objectFolder(files, folder);
    this.#packs = packFolder(files, folder);
    const trash = new Trash(files, folder, this.#objects, this.#packs);
    this.#source = new StoredObjects(files, this.#objects, this.#packs, trash);
    this.#ingest = new Ingest(files, folder, this.#objects, this.#packs, this.#source);
  }

  async putBytes(content: Uint8Array | string): Promise<Stored> {
    const session = this.#begin();
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    const digest = digestOf(bytes);
    this.#ingest.putObjects([{ digest, bytes }]);
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
      const [digest] = await this.#ingest.store(whole, [file], cache);
      cache.save();
      if (digest === undefined) throw fileChanged(whole);
      session?.require();
      return { digest, bytes: Number(stats.size) };
    }
    const scan = await scanFolder(whole);
    const read = new Set<string>();
    const digests = await this.#ingest.store(whole, scan.files, cache, read);
    forgetOthers(cache, scan);
    cache.save();
    refuseChange(whole, scan, await scanFolder(whole, read), read);
    const manifest = manifestOf(scan, digests);
    this.#ingest.putObjects(manifest.objects.map(({ digest, text }) => ({ digest, bytes: Buffer.from(text) })));
    session?.require();
    return { digest: manifest.digest, bytes: manifest.bytes, files: manifest.files };
  }

  async digest(path: string): Promise<Stored> {
    const whole = resolve(path);
    const stats = look(whole);
    const cache = this.#cacheOf(whole);
    if (!stats.isDirectory()) {
      const file: ScannedFile = { path: '', identity: identityOf(stats), executable: isExecutable(stats) };
      const [digest] = await this.#ingest.hash(whole, [file], cache);
      cache.save();
      if (digest === undefined) throw fileChanged(whole);
      return { digest, bytes: Number(stats.size) };
    }
    const scan = await scanFolder(whole);
    const digests = await this.#ingest.hash(whole, scan.files, cache);
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

  async verify(selection?: Selection): Promise<StoreVerification> {
    if (selection) return verifySome(this, this.#files, this.#objects, this.#source, selection);
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

function requireDigest(digest: Digest): Digest {
  if (isDigest(digest)) return digest;
  throw new MlpipeError(`${JSON.stringify(digest)} is no digest.`, {
    code: 'digest-malformed',
    todo: 'A digest is "sha256:" and 64 hexadecimal digits.',
    exit: EXIT.usage,
  });
}
