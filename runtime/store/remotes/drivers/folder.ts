/** A folder that all can reach: on this disk, on a stick, on NFS or SMB. Written as carefully as the store itself. */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { dirname, join } from 'node:path';
import { BULK, OWNER, sweepTemporaryFolder } from '../../content.ts';
import { hasCode, nodeFileSystem } from '../../filesystem.ts';
import { type Content, type GetOptions, type PutOptions, type RemoteDriver, RemoteFault } from '../driver.ts';
import { readAhead } from '../read-ahead.ts';
import { WriteBehind } from '../write-behind.ts';

/** So many small files wait for one sync together. */
const WAITING = 1000;
/** A larger file is brought to the disk by itself. */
const LARGE = 2 ** 20;

interface Waiting {
  temporary: string;
  path: string;
  replace: boolean;
}

/** @param folder absolute */
export function openFolder(folder: string): RemoteDriver {
  return new FolderDriver(folder);
}

class FolderDriver implements RemoteDriver {
  readonly address: string;
  readonly abilities = {
    list: true,
    write: true,
    pageSize: 10_000,
    concurrency: { first: 8, most: 16 },
  };
  readonly #folder: string;
  #waiting: Waiting[] = [];
  readonly #running = new Set<Promise<unknown>>();
  #swept = false;

  constructor(folder: string) {
    this.#folder = folder;
    this.address = folder;
  }

  async *list(prefix: string) {
    const at = prefix.lastIndexOf('/') + 1;
    yield* this.#below(prefix.slice(0, at), prefix.slice(at));
  }

  async *#below(folder: string, beginning: string): AsyncGenerator<{ name: string; bytes: number }> {
    let names: fs.Dirent[];
    try {
      names = await fs.promises.readdir(this.#path(folder), { withFileTypes: true });
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return;
      throw this.#fault(error);
    }
    for (const entry of names) {
      const name = `${folder}${entry.name}`;
      if (!entry.name.startsWith(beginning) || name === 'tmp') continue;
      if (entry.isDirectory()) yield* this.#below(`${name}/`, '');
      else {
        const bytes = await this.head(name);
        if (bytes !== undefined) yield { name, bytes };
      }
    }
  }

  async head(name: string) {
    try {
      const status = fs.statSync(this.#path(name), { throwIfNoEntry: false });
      return status?.isFile() ? status.size : undefined;
    } catch (error) {
      if (hasCode(error, 'ENOTDIR')) return undefined;
      throw this.#fault(error);
    }
  }

  async get(name: string, { start = 0, end = Number.POSITIVE_INFINITY }: GetOptions = {}) {
    try {
      // Opened at once, so that what is removed meanwhile can still be read.
      const file = await fs.promises.open(this.#path(name), 'r');
      return { start, chunks: this.#pieces(file, start, end) };
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
      throw this.#fault(error);
    }
  }

  async *#pieces(file: fs.promises.FileHandle, start: number, end: number) {
    try {
      // No more memory than there is to read: thousands of small files would else leave gigabytes to be collected.
      const last = Math.min(end, fs.fstatSync(file.fd).size);
      yield* readAhead(file, start, last);
    } catch (error) {
      throw this.#fault(error);
    } finally {
      await file.close();
    }
  }

  async put(name: string, content: Content, options: PutOptions = {}): Promise<'created' | 'present'> {
    const task = this.#put(name, content, options);
    this.#running.add(task);
    try {
      return await task;
    } finally {
      this.#running.delete(task);
    }
  }

  async #put(name: string, content: Content, { replace = false, signal }: PutOptions): Promise<'created' | 'present'> {
    this.#sweep();
    const path = this.#path(name);
    if (!replace && fs.existsSync(path)) return 'present';
    const temporary = join(this.#folder, 'tmp', `${OWNER}-${randomBytes(8).toString('hex')}`);
    let file: number | undefined;
    let behind: WriteBehind | undefined;
    try {
      fs.mkdirSync(dirname(path), { recursive: true });
      fs.mkdirSync(dirname(temporary), { recursive: true });
      file = fs.openSync(temporary, 'wx', 0o444);
      behind = new WriteBehind(file);
      for await (const chunk of content.read()) {
        signal?.throwIfAborted();
        await behind.write(chunk);
      }
      await (content.bytes > LARGE ? behind.sync() : behind.flush());
    } catch (error) {
      await behind?.rest();
      if (file !== undefined) fs.closeSync(file);
      fs.rmSync(temporary, { force: true });
      throw this.#fault(error);
    }
    fs.closeSync(file);
    this.#waiting.push({ temporary, path, replace });
    if (this.#waiting.length >= WAITING) await this.settle();
    return 'created';
  }

  async delete(name: string) {
    try {
      fs.rmSync(this.#path(name), { force: true });
    } catch (error) {
      throw this.#fault(error);
    }
  }

  async settle() {
    const waiting = this.#waiting;
    this.#waiting = [];
    if (waiting.length === 0) return;
    const many = waiting.length > BULK && nodeFileSystem.syncsEverything;
    try {
      if (many) nodeFileSystem.syncEverything(this.#folder);
      else for (const { temporary } of waiting) syncFile(temporary);
      for (const each of waiting) giveName(each);
      if (many) nodeFileSystem.syncEverything(this.#folder);
      else for (const folder of foldersOf(this.#folder, waiting)) nodeFileSystem.syncFolder(folder);
    } catch (error) {
      for (const { temporary } of waiting) fs.rmSync(temporary, { force: true });
      throw this.#fault(error);
    }
  }

  async close() {
    // Whoever waited for it may have given it up.
    await Promise.allSettled(this.#running);
    for (const { temporary } of this.#waiting) fs.rmSync(temporary, { force: true });
    this.#waiting = [];
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  /** What writers that were ended have left. */
  #sweep(): void {
    if (this.#swept) return;
    this.#swept = true;
    const folder = join(this.#folder, 'tmp');
    if (fs.existsSync(folder)) sweepTemporaryFolder(nodeFileSystem, folder);
  }

  #fault(error: unknown): unknown {
    if (!hasCode(error, 'EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT', 'EIO', 'ESTALE', 'ENOENT')) return error;
    const message = error instanceof Error ? error.message : String(error);
    if (hasCode(error, 'EACCES', 'EPERM', 'EROFS')) return new RemoteFault(message, 'denied', { cause: error });
    // A server that was away, or whose file was replaced; a full disk stays full.
    return new RemoteFault(message, hasCode(error, 'ESTALE') ? 'transient' : 'refused', { cause: error });
  }
}

function syncFile(path: string): void {
  const file = fs.openSync(path, 'r');
  try {
    fs.fsyncSync(file);
  } finally {
    fs.closeSync(file);
  }
}

/** Who is first gives the name; where the disk knows no hard links, the last one does, with equal bytes. */
function giveName({ temporary, path, replace }: Waiting): void {
  if (!replace) {
    try {
      fs.linkSync(temporary, path);
      fs.unlinkSync(temporary);
      return;
    } catch (error) {
      if (hasCode(error, 'EEXIST')) {
        fs.unlinkSync(temporary);
        return;
      }
      if (!hasCode(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV')) throw error;
    }
  }
  nodeFileSystem.rename(temporary, path);
}

/** Every folder that has got a new name, and those above it, as they may be new, too. */
function foldersOf(root: string, waiting: readonly Waiting[]): Set<string> {
  const folders = new Set<string>();
  for (const { path } of waiting) {
    for (let at = dirname(path); !folders.has(at); at = dirname(at)) {
      folders.add(at);
      if (at === root || at === dirname(at)) break;
    }
  }
  return folders;
}
