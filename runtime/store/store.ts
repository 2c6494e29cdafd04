/** What the rest of the runtime may ask of the store. The store knows no model, no step and no record. */
import type { Bytes, Digest } from '../../grammar/plan/plan.ts';
import type { Collection, CollectOptions } from './collection/collect.ts';

export interface Stored {
  digest: Digest;
  bytes: Bytes;
  /** How many files, for a folder. */
  files?: number;
}

export interface Store {
  /** The `.mlpipe` folder. */
  readonly folder: string;
  /** Durable when it returns: tmp → fsync → rename → fsync of the folder. */
  putBytes(content: Uint8Array | string): Promise<Stored>;
  /** A file, or a folder as a manifest whose digest is the folder's. Durable when it returns. */
  put(path: string): Promise<Stored>;
  /** The digest that `put` would give, from the stat cache where that is sure. Stores nothing. */
  digest(path: string): Promise<Stored>;
  has(digest: Digest): boolean;
  /** @throws MlpipeError `object-missing`, or `object-corrupt` where the content does not fit its digest. */
  read(digest: Digest): Promise<Buffer>;
  /** Lays a file or a folder at `destination`; read-only links where `writable` is not set. */
  checkout(digest: Digest, destination: string, options?: { writable?: boolean }): Promise<void>;
  /**
   * Re-hashes every object, or those that are selected.
   *
   * @throws the selection's signal's reason, where it is aborted
   */
  verify(selection?: Selection): Promise<StoreVerification>;
  /**
   * Takes away what nothing needs, while others may go on writing.
   *
   * @throws MlpipeError `store-in-use`, `collection-unsure`
   */
  collect(options: CollectOptions): Promise<Collection>;
  /** Moves what `verify` has found damaged to a folder that nothing reads, so that it can be brought back whole. */
  setAside(problems: readonly StoreProblem[]): void;
  close(): void;
}

/** Some of the objects: these, and of folders every file. */
export interface Selection {
  digests: Iterable<Digest>;
  signal?: AbortSignal;
  /** Told how many files have been read, of how many. */
  onProgress?: (done: number, total: number) => void;
}

export interface StoreVerification {
  objects: number;
  /** Of those that are whole. */
  bytes: Bytes;
  problems: StoreProblem[];
}

export interface StoreProblem {
  digest: Digest;
  /** `missing`: a folder names it. `pack`: a file that holds many objects cannot be read; the digest is its name. */
  problem: 'missing' | 'corrupt' | 'unreadable' | 'pack';
  path?: string;
  /** Of a selection. */
  of?: Selected;
}

/** Why an object belongs to a selection. */
export interface Selected {
  /** That which was selected. */
  digest: Digest;
  /** Of a file in it, relative to it, and empty where it is a file itself; nothing where a part of its listing is meant. */
  path?: string;
}
