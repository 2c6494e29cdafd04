/**
 * Where collected objects lie until nobody can have relied on them, in a folder for each collection that is called by its
 * time. Whoever finds an object here moves it back.
 */
import { dirname, join, relative } from 'node:path';
import type { Digest } from '../../../grammar/plan/plan.ts';
import type { ContentFolder } from '../content.ts';
import { type FileSystem, hasCode } from '../filesystem.ts';
import { writeWhole } from '../layout.ts';
import { readIndex } from '../packs/pack.ts';
import type { PackFolder } from '../packs/packs.ts';

export class Trash {
  readonly folder: string;
  /** How many objects and packs were moved back. */
  restored = 0;
  readonly #files: FileSystem;
  readonly #objects: ContentFolder;
  readonly #packs: PackFolder;

  constructor(files: FileSystem, store: string, objects: ContentFolder, packs: PackFolder) {
    this.folder = join(store, 'trash');
    this.#files = files;
    this.#objects = objects;
    this.#packs = packs;
  }

  /** Makes room for what is collected now. It is on the disk before anything is moved into it. */
  begin(epoch: bigint): void {
    this.#files.makeFolder(this.#folderOf(epoch));
    this.#files.syncFolder(this.folder);
    this.#files.syncFolder(dirname(this.folder));
  }

  /** @param epoch when it is collected, in milliseconds since 1970 by the disk's clock */
  takeObject(epoch: bigint, digest: Digest): void {
    this.#move(this.#objects.path(digest), this.objectPath(epoch, digest));
  }

  takePack(epoch: bigint, name: string): void {
    this.#move(this.#packs.path(name), this.packPath(epoch, name));
  }

  /** Moves an object back if it is here; that is durable when it returns. @returns whether it was here */
  restore(digest: Digest): boolean {
    const wanted = Buffer.from(digest.slice('sha256:'.length), 'hex');
    for (const epoch of this.epochs()) {
      const path = this.objectPath(epoch, digest);
      if (this.#files.status(path)) {
        const home = this.#objects.path(digest);
        this.#move(path, home);
        this.#files.syncFolder(dirname(home));
        this.restored += 1;
        return true;
      }
      for (const pack of this.packsOf(epoch)) {
        const packPath = this.packPath(epoch, pack);
        if (!readIndex(this.#files, packPath, pack)?.find(wanted)) continue;
        this.#move(packPath, this.#packs.path(pack));
        this.#files.syncFolder(this.#packs.folder);
        this.#packs.forget();
        this.restored += 1;
        return true;
      }
    }
    return false;
  }

  /** The newest first. */
  epochs(): bigint[] {
    return this.#names(this.folder)
      .filter((name) => /^\d+$/.test(name))
      .map(BigInt)
      .sort((one, other) => (one < other ? 1 : -1));
  }

  objectsOf(epoch: bigint): Digest[] {
    const names = this.#names(this.#folderOf(epoch));
    return names.flatMap((name): Digest[] => (/^[0-9a-f]{64}$/.test(name) ? [`sha256:${name}`] : []));
  }

  packsOf(epoch: bigint): string[] {
    const names = this.#names(this.#folderOf(epoch));
    return names.flatMap((name) => /^([0-9a-f]{64})\.pack$/.exec(name)?.[1] ?? []);
  }

  objectPath(epoch: bigint, digest: Digest): string {
    return join(this.#folderOf(epoch), digest.slice('sha256:'.length));
  }

  packPath(epoch: bigint, name: string): string {
    return join(this.#folderOf(epoch), `${name}.pack`);
  }

  /** When a collection had ended, in nanoseconds since 1970; nothing where it was killed. */
  ended(epoch: bigint): bigint | undefined {
    return this.#files.status(this.#endPath(epoch))?.changed;
  }

  end(epoch: bigint): void {
    const store = dirname(this.folder);
    writeWhole(this.#files, store, relative(store, this.#endPath(epoch)), '');
  }

  /** Of an epoch that holds nothing any more. What was put into it meanwhile stays, and it with that. */
  remove(epoch: bigint): void {
    try {
      this.#files.unlink(this.#endPath(epoch));
      this.#files.removeFolder(this.#folderOf(epoch));
    } catch (error) {
      if (!hasCode(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST')) throw error;
    }
  }

  #folderOf(epoch: bigint): string {
    return join(this.folder, String(epoch));
  }

  #endPath(epoch: bigint): string {
    return join(this.#folderOf(epoch), 'end');
  }

  /** Two may move the same at once; one of them does. */
  #move(from: string, to: string): void {
    try {
      this.#files.rename(from, to);
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
    }
  }

  #names(folder: string): string[] {
    try {
      return this.#files.list(folder);
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return [];
      throw error;
    }
  }
}
