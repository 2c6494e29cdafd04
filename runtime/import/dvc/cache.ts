/** Contents out of DVC's cache, verified by DVC's digest on their way into the store. */
import fs from 'node:fs';
import { dirname, join, posix } from 'node:path';
import type { Digest } from '../../../grammar/plan/plan.ts';
import { EXIT, MlpipeError } from '../../errors.ts';
import type { Store } from '../../store/store.ts';
import { digestFile, type ReadFile, readSmall, refuseChanged, strange } from '../files.ts';
import type { DvcProject } from './config.ts';

/** A file or a folder as DVC names it. */
export interface DvcObject {
  /** Of a folder with `.dir` at its end. */
  md5: string;
  /** Whether the digest was made of the bytes; up to version 2 it was made of texts with `\r\n` read as `\n`. */
  ofBytes: boolean;
  executable?: boolean;
}

export interface TakenObject {
  digest: Digest;
  bytes: number;
}

/** One file of a folder. */
interface Entry {
  path: string;
  md5: string;
}

/** A list of ten million files. */
const LARGEST_FOLDER_LIST = 2 ** 30;

export class DvcCache {
  readonly #project: DvcProject;
  readonly #store: Store;
  readonly #staging: string;
  readonly #signal: AbortSignal | undefined;
  readonly #taken = new Map<string, TakenObject>();
  #count = 0;

  /** @param staging an empty folder on the store's disk, which the caller takes away */
  constructor(project: DvcProject, store: Store, staging: string, signal?: AbortSignal) {
    this.#project = project;
    this.#store = store;
    this.#staging = staging;
    this.#signal = signal;
  }

  /**
   * Takes a content into the store.
   *
   * @param path of the file or folder in the work tree, which is taken where no cache has it and its digest fits
   * @returns nothing where it is nowhere
   * @throws MlpipeError `dvc-digest-wrong`, `dvc-md5-differs`, `dvc-folder-broken`, and what `digestFile` throws
   */
  async take(object: DvcObject, path: string): Promise<TakenObject | undefined> {
    this.#signal?.throwIfAborted();
    const key = `${object.md5} ${object.executable ?? false}`;
    const known = this.#taken.get(key);
    if (known !== undefined) return known;
    const taken = object.md5.endsWith('.dir') ? await this.#folder(object, path) : await this.#file(object, path);
    if (taken !== undefined) this.#taken.set(key, taken);
    return taken;
  }

  async #file(object: DvcObject, path: string): Promise<TakenObject | undefined> {
    const found = await this.#find(object, path);
    if (found === undefined) return undefined;
    if (!object.executable) {
      const stored = await this.#store.put(found.path);
      refuseChanged(found.path, found.read);
      return { digest: stored.digest, bytes: stored.bytes };
    }
    const copy = this.#newPlace();
    fs.copyFileSync(found.path, copy);
    refuseChanged(found.path, found.read);
    fs.chmodSync(copy, 0o755);
    const stored = await this.#store.put(copy);
    return { digest: stored.digest, bytes: stored.bytes };
  }

  async #folder(object: DvcObject, path: string): Promise<TakenObject | undefined> {
    const list = await this.#find(object, undefined);
    if (list === undefined) return undefined;
    const entries = entriesOf(readSmall(list.path, LARGEST_FOLDER_LIST), object.md5);
    refuseChanged(list.path, list.read);
    const place = this.#newPlace();
    fs.mkdirSync(place);
    for (const entry of entries) {
      this.#signal?.throwIfAborted();
      const found = await this.#find({ md5: entry.md5, ofBytes: object.ofBytes }, join(path, entry.path));
      if (found === undefined) return undefined;
      const file = join(place, entry.path);
      fs.mkdirSync(dirname(file), { recursive: true });
      fs.copyFileSync(found.path, file, fs.constants.COPYFILE_EXCL | fs.constants.COPYFILE_FICLONE);
      fs.chmodSync(file, 0o644);
      refuseChanged(found.path, found.read);
    }
    const stored = await this.#store.put(place);
    fs.rmSync(place, { recursive: true, force: true });
    return { digest: stored.digest, bytes: stored.bytes };
  }

  #newPlace(): string {
    this.#count += 1;
    return join(this.#staging, String(this.#count));
  }

  /** In a cache, a remote of this machine, or the work tree; what lies in a cache must have its digest. */
  async #find(
    { md5, ofBytes }: DvcObject,
    inTree: string | undefined,
  ): Promise<{ path: string; read: ReadFile } | undefined> {
    const name = md5.replace(/\.dir$/, '');
    if (!/^[0-9a-f]{32}$/.test(name)) {
      throw new MlpipeError(`${JSON.stringify(md5)} is no digest of DVC’s.`, {
        code: 'dvc-digest-wrong',
        todo: 'Bring dvc.lock and the .dvc files back as DVC wrote them.',
        exit: EXIT.usage,
      });
    }
    const [shard, rest] = [md5.slice(0, 2), md5.slice(2)];
    const candidates = this.#project.places.flatMap((place) => [
      join(place, 'files', 'md5', shard, rest),
      join(place, shard, rest),
    ]);
    for (const path of candidates) {
      const stats = fs.lstatSync(path, { throwIfNoEntry: false });
      if (stats === undefined) continue;
      if (!stats.isFile()) throw strange(path, stats);
      const read = await this.#readAs(path, name, ofBytes);
      if (read !== undefined) return { path, read };
      throw new MlpipeError(`${path} is not what its name says: its MD5 is another.`, {
        code: 'dvc-md5-differs',
        todo: 'Remove the file and fetch it again with `dvc pull`; then import again.',
      });
    }
    if (inTree === undefined || !fs.lstatSync(inTree, { throwIfNoEntry: false })?.isFile()) return undefined;
    const read = await this.#readAs(inTree, name, ofBytes);
    return read === undefined ? undefined : { path: inTree, read };
  }

  async #readAs(path: string, md5: string, ofBytes: boolean): Promise<ReadFile | undefined> {
    const options = this.#signal === undefined ? {} : { signal: this.#signal };
    const read = await digestFile(path, options);
    if (read.md5 === md5) return read;
    const asText = ofBytes ? undefined : await digestFile(path, { ...options, unixText: true });
    return asText?.md5 === md5 ? asText : undefined;
  }
}

/** The files that a `.dir` object lists. @throws MlpipeError `dvc-folder-broken` */
export function entriesOf(content: Buffer, name: string): Entry[] {
  let list: unknown;
  try {
    list = JSON.parse(content.toString('utf8'));
  } catch {
    throw folderBroken(name, 'it is not JSON');
  }
  if (!Array.isArray(list)) throw folderBroken(name, 'it is no list');
  const seen = new Set<string>();
  const entries = list.map((each: unknown) => {
    const { md5, relpath } = (typeof each === 'object' && each !== null ? each : {}) as Record<string, unknown>;
    if (typeof md5 !== 'string' || typeof relpath !== 'string')
      throw folderBroken(name, 'an entry has no digest or path');
    const parts = relpath.split('/');
    const leaves = parts.some((part) => part === '' || part === '.' || part === '..' || /[\\\0]/.test(part));
    if (leaves || posix.isAbsolute(relpath)) {
      throw folderBroken(name, `it names ${JSON.stringify(relpath)}, which leads out of the folder`);
    }
    if (seen.has(relpath)) throw folderBroken(name, `it names ${JSON.stringify(relpath)} twice`);
    seen.add(relpath);
    return { path: relpath, md5 };
  });
  for (const { path } of entries) {
    for (let at = posix.dirname(path); at !== '.'; at = posix.dirname(at)) {
      if (seen.has(at)) throw folderBroken(name, `${JSON.stringify(at)} is both a file and a folder`);
    }
  }
  return entries;
}

function folderBroken(name: string, why: string): MlpipeError {
  return new MlpipeError(`DVC’s list of the folder ${name} cannot be used: ${why}.`, {
    code: 'dvc-folder-broken',
    todo: 'Remove it from the cache and fetch it again with `dvc pull`; then import again.',
  });
}
