/**
 * The bytes of what an environment is provisioned from, kept in the store: an index or a registry may lose them, and a
 * digest alone brings nothing back. Each is a folder of archives under a name that says what it holds; the run's record
 * names it, so that it travels, is kept and is found with the record.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Digest } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import type { RetainedItem, RunRecord } from '../ledger/record.ts';
import { filesOf } from '../store/listing.ts';
import type { Store } from '../store/store.ts';

/** Where a project keeps such bytes, and what its records say of them. */
export interface RetainedSource {
  store: Store;
  /** What records name so, the likeliest first. */
  named(name: string): AsyncIterable<RetainedItem>;
  /** Fetches the records that the project's lock files name. Not there where nothing may be fetched. */
  bring?(signal?: AbortSignal): Promise<void>;
  /** Fetches from the project's remote what is missing here. Not there where nothing may be fetched. */
  supply?(digests: readonly Digest[], signal?: AbortSignal): Promise<void>;
}

export interface RetentionOptions {
  /** Whether the environment says `retain`. */
  wanted: boolean;
  /** A folder for what is under way; it is removed. */
  scratch: string;
  signal: AbortSignal;
  /** Something kept could not be used; it is then taken from elsewhere. */
  warn?: (message: string) => void;
}

/** The same source, asked only when none of these records has what is wanted. */
export function retainedFirstBy(records: readonly RunRecord[], source: RetainedSource): RetainedSource {
  return {
    ...source,
    async *named(name) {
      for (const { environment } of records) {
        const item = environment.retained?.[name];
        if (item !== undefined) yield item;
      }
      yield* source.named(name);
    },
  };
}

/** The bytes of one step's environment: taken from the store where they are there, kept where that is asked for. */
export class Retention {
  readonly #source: RetainedSource;
  readonly #options: RetentionOptions;
  readonly #items = new Map<string, RetainedItem>();

  constructor(source: RetainedSource, options: RetentionOptions) {
    this.#source = source;
    this.#options = options;
  }

  get wanted(): boolean {
    return this.#options.wanted;
  }

  /** What is in the store of this environment, for the record; nothing where nothing is to be kept. */
  recorded(): Record<string, RetainedItem> | undefined {
    return this.wanted ? Object.fromEntries([...this.#items].sort()) : undefined;
  }

  /**
   * Lays what is kept under a name into a folder, every byte of it read and found right.
   *
   * @param folder not there yet
   * @returns whether anything is kept so, here or on the project's remote
   */
  async take(name: string, folder: string): Promise<boolean> {
    const { bring } = this.#source;
    const { signal, warn } = this.#options;
    const tried = new Set<Digest>();
    if (await this.#takeKnown(name, folder, tried)) return true;
    if (bring === undefined) return false;
    try {
      await bring(signal);
    } catch (error) {
      if (!(error instanceof MlpipeError) || error.code === 'cancelled') throw error;
      warn?.(error.message);
      return false;
    }
    return this.#takeKnown(name, folder, tried);
  }

  async #takeKnown(name: string, folder: string, tried: Set<Digest>): Promise<boolean> {
    const { store, supply } = this.#source;
    const { signal, warn } = this.#options;
    for await (const item of this.#source.named(name)) {
      if (tried.has(item.digest)) continue;
      tried.add(item.digest);
      try {
        if (!(await isWhole(store, item.digest))) await supply?.([item.digest], signal);
        if (!(await isWhole(store, item.digest))) continue;
        await checkOut(store, item.digest, folder);
        return true;
      } catch (error) {
        fs.rmSync(folder, { recursive: true, force: true });
        if (!(error instanceof MlpipeError) || error.code === 'cancelled') throw error;
        warn?.(`What is retained as ${name} is not used: ${error.message}`);
      }
    }
    return false;
  }

  /**
   * Keeps a folder of archives under a name. What is whole in the store already is only named again.
   *
   * @param fill puts the archives into an empty folder
   * @throws what `fill` throws
   */
  async keep(name: string, fill: (folder: string) => Promise<void>): Promise<void> {
    if (!this.wanted || this.#items.has(name)) return;
    const { store } = this.#source;
    for await (const item of this.#source.named(name)) {
      if (!(await isWhole(store, item.digest))) continue;
      this.#items.set(name, item);
      return;
    }
    const folder = join(this.#options.scratch, name);
    fs.rmSync(folder, { recursive: true, force: true });
    fs.mkdirSync(folder, { recursive: true });
    try {
      await fill(folder);
      const { digest, bytes } = await store.put(folder);
      this.#items.set(name, { digest, bytes });
    } finally {
      fs.rmSync(folder, { recursive: true, force: true });
    }
  }
}

async function isWhole(store: Store, digest: Digest): Promise<boolean> {
  if (!store.has(digest)) return false;
  const files = await filesOf(store, digest, 0);
  return files.every((file) => store.has(file.digest));
}

/** The store trusts its own objects; what is going to be run is hashed once more. */
async function checkOut(store: Store, digest: Digest, folder: string): Promise<void> {
  await store.checkout(digest, folder, { writable: true });
  for (const { path, digest: expected } of await filesOf(store, digest, 0)) {
    const hash = createHash('sha256');
    await pipeline(fs.createReadStream(join(folder, path), { highWaterMark: 2 ** 20 }), hash);
    if (`sha256:${hash.digest('hex')}` === expected) continue;
    throw new MlpipeError(`${path} is not what was stored.`, {
      code: 'object-corrupt',
      todo: 'Run `mlpipe verify`, and fetch it again from a remote.',
    });
  }
}
