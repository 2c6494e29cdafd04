/**
 * Where collected objects lie until nobody can have relied on them: under the time when they were collected, in the same
 * order as in the store. Whoever finds an object here moves it back.
 */
import { join } from 'node:path';
import type { Digest } from '../../../grammar/plan/plan.ts';
import type { ContentFolder } from '../content.ts';
import { type FileSystem, hasCode } from '../filesystem.ts';
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

  /** @param epoch when it is collected, in milliseconds since 1970 by the disk's clock */
  takeObject(epoch: bigint, digest: Digest): void {
    const [shard, name] = partsOf(digest);
    const folder = join(this.folder, String(epoch), 'objects', shard);
    this.#files.makeFolder(folder);
    this.#move(this.#objects.path(digest), join(folder, name));
  }

  takePack(epoch: bigint, name: string): void {
    const folder = join(this.folder, String(epoch), 'packs');
    this.#files.makeFolder(folder);
    this.#move(this.#packs.path(name), join(folder, `${name}.pack`));
  }

  /** Moves an object back if it is here. @returns whether it was */
  restore(digest: Digest): boolean {
    const [shard, name] = partsOf(digest);
    const wanted = Buffer.from(shard + name, 'hex');
    for (const epoch of this.epochs()) {
      const path = join(this.folder, String(epoch), 'objects', shard, name);
      if (this.#files.status(path)) {
        this.#move(path, this.#objects.path(digest));
        this.restored += 1;
        return true;
      }
      for (const pack of this.packsOf(epoch)) {
        const packPath = this.packPath(epoch, pack);
        if (!readIndex(this.#files, packPath, pack)?.find(wanted)) continue;
        this.#move(packPath, this.#packs.path(pack));
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

  *objectsOf(epoch: bigint): Generator<Digest> {
    const folder = join(this.folder, String(epoch), 'objects');
    for (const shard of this.#names(folder)) {
      for (const name of this.#names(join(folder, shard))) {
        if (/^[0-9a-f]{64}$/.test(shard + name)) yield `sha256:${shard}${name}`;
      }
    }
  }

  packsOf(epoch: bigint): string[] {
    const names = this.#names(join(this.folder, String(epoch), 'packs'));
    return names.flatMap((name) => /^([0-9a-f]{64})\.pack$/.exec(name)?.[1] ?? []);
  }

  objectPath(epoch: bigint, digest: Digest): string {
    const [shard, name] = partsOf(digest);
    return join(this.folder, String(epoch), 'objects', shard, name);
  }

  packPath(epoch: bigint, name: string): string {
    return join(this.folder, String(epoch), 'packs', `${name}.pack`);
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

function partsOf(digest: Digest): [string, string] {
  const hexadecimal = digest.slice('sha256:'.length);
  return [hexadecimal.slice(0, 2), hexadecimal.slice(2)];
}
