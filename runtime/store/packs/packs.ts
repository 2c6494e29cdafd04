/** All packs of a store: which one holds an object, and how further ones come to lie beside them. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Bytes, Digest } from '../../../grammar/plan/plan.ts';
import { OBJECT_NANOSECONDS, OWNER } from '../content.ts';
import { readFailure } from '../errors.ts';
import { type FileSystem, hasCode } from '../filesystem.ts';
import { Writes } from '../writes.ts';
import { type PackIndex, PackWriter, readIndex, type StagedPack } from './pack.ts';
import { PackTable } from './table.ts';

export interface Packed {
  /** The pack's file. */
  path: string;
  offset: Bytes;
  bytes: Bytes;
  /** Whether the pack was written into before it was first looked at. What is read of it is hashed anyway. */
  meddled: boolean;
}

interface KnownPack {
  path: string;
  /** Nothing where it is damaged. */
  index: PackIndex | undefined;
  meddled: boolean;
}

const SUFFIX = '.pack';
/** A folder that changed so lately may change again without its time telling (see `isSettled`). */
const RACY = 2_000_000_000n;

export class PackFolder {
  readonly folder: string;
  readonly #files: FileSystem;
  readonly #temporaryFolder: string;
  readonly #writes: Writes;
  readonly #tag = randomBytes(8).toString('hex');
  #counter = 0;
  #made = false;
  /** By name. */
  readonly #known = new Map<string, KnownPack>();
  #table = new PackTable();
  #looked = false;
  /** Whether every name that is known is on the disk. */
  #settled = false;
  /** When the folder's names last changed before they were listed; nothing where it must be listed again. */
  #listed: bigint | undefined;

  constructor(files: FileSystem, folder: string, temporaryFolder: string) {
    this.#files = files;
    this.folder = folder;
    this.#temporaryFolder = temporaryFolder;
    this.#writes = new Writes(folder);
  }

  path(name: string): string {
    return join(this.folder, name + SUFFIX);
  }

  /** @param fresh whether packs are looked for that another process has added since the last look */
  find(digest: Digest, fresh = true): Packed | undefined {
    if (!fresh && this.#looked && this.#known.size === 0) return undefined;
    const wanted = Buffer.from(digest.slice('sha256:'.length), 'hex');
    return this.#findAmong(wanted) ?? (this.#refresh(fresh) ? this.#findAmong(wanted) : undefined);
  }

  /** Every pack there is, damaged ones too. */
  *all(): Generator<{ name: string; path: string; index: PackIndex | undefined }> {
    this.#refresh(true);
    for (const [name, { index, path }] of [...this.#known]) yield { name, path, index };
  }

  begin(): PackWriter {
    const name = `${OWNER}-${this.#tag}-pack${this.#counter++}`;
    return new PackWriter(this.#files, this.#writes, join(this.#temporaryFolder, name));
  }

  /** Gives packs their names. When it returns, they survive a loss of power. */
  publish(packs: readonly StagedPack[]): void {
    if (packs.length === 0) return;
    try {
      this.#makeFolder();
      for (const { temporary, name } of packs) {
        this.#writes.attempt(() => this.#files.rename(temporary, this.path(name)));
      }
    } catch (error) {
      this.discard(packs);
      throw error;
    }
    this.#writes.sync(() => this.#files.syncFolder(this.folder));
    this.#settled = true;
    this.#looked = false;
    this.#listed = undefined;
  }

  /** Whoever has named a pack may not yet have synced its name. */
  settle(): void {
    if (this.#settled) return;
    this.#writes.sync(() => this.#files.syncFolder(this.folder));
    this.#settled = true;
  }

  discard(packs: readonly { temporary: string }[]): void {
    for (const { temporary } of packs) {
      try {
        this.#files.unlink(temporary);
      } catch (error) {
        // What has its name already is gone from here. Anything else is swept up later.
        if (!hasCode(error, 'ENOENT')) return;
      }
    }
  }

  /** Looks at everything anew, as after packs were taken away. */
  forget(): void {
    this.#known.clear();
    this.#table = new PackTable();
    this.#looked = false;
    this.#listed = undefined;
  }

  /** Stores of earlier versions have no such folder. */
  #makeFolder(): void {
    if (this.#made) return;
    this.#writes.attempt(() => this.#files.makeFolder(this.folder));
    this.#writes.sync(() => this.#files.syncFolder(join(this.folder, '..')));
    this.#made = true;
  }

  #findAmong(wanted: Buffer): Packed | undefined {
    const found = this.#table.find(wanted);
    const known = found && this.#known.get(found.row.name);
    return found && known && { path: known.path, ...found.row.index.placeAt(found.number), meddled: known.meddled };
  }

  /** Whether anything may be new. */
  #refresh(fresh: boolean): boolean {
    if (!fresh && this.#looked) return false;
    const changed = this.#files.namesChanged(this.folder);
    if (changed !== undefined && changed === this.#listed) return false;
    this.#looked = true;
    let names: string[];
    try {
      names = this.#files.list(this.folder);
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw readFailure(this.folder, error);
      names = [];
    }
    const packs = new Set(names.flatMap((each) => /^([0-9a-f]{64})\.pack$/.exec(each)?.[1] ?? []));
    if ([...this.#known.keys()].some((name) => !packs.has(name))) this.#known.clear();
    if (this.#known.size === 0) this.#table = new PackTable();
    for (const name of packs) {
      if (this.#known.has(name)) continue;
      const path = this.path(name);
      const meddled = this.#files.status(path)?.modified !== OBJECT_NANOSECONDS;
      const index = readIndex(this.#files, path, name);
      this.#known.set(name, { path, index, meddled });
      if (index) this.#table.add({ name, index });
      this.#settled = false;
    }
    const settled = changed !== undefined && changed < BigInt(Date.now()) * 1_000_000n - RACY;
    this.#listed = settled ? changed : undefined;
    return true;
  }
}
