/** Where objects come from. Loose files are one source; packs and remotes are further ones. */
import fs from 'node:fs';
import type { Bytes, Digest } from '../../grammar/plan/plan.ts';
import { type ContentFolder, OBJECT_TIME } from './content.ts';
import { readFailure } from './errors.ts';
import { type FileSystem, hasCode } from './filesystem.ts';

export interface ObjectSource {
  has(digest: Digest): boolean;
  size(digest: Digest): Bytes | undefined;
  /** Whether a program has written into the object since it was stored. One look; its content is not read. */
  isMeddled(digest: Digest): boolean;
  /** The first bytes, enough to tell a manifest; all of an object that may be one. */
  head(digest: Digest): Buffer | undefined;
  /** The content as it lies there, unchecked. */
  read(digest: Digest): { content: Buffer; path: string } | undefined;
  /** Where its bytes lie; nothing where there are none. */
  locate(digest: Digest): ObjectPlace | undefined;
}

/** A part of a file, or a file of its own. */
export interface ObjectPlace {
  path: string;
  offset: Bytes;
  bytes: Bytes;
  /** Whether the file holds nothing else, so that it may be copied or linked as a whole. */
  alone: boolean;
}

/** A manifest is never larger; see `LARGE`. */
const HEAD = 4 * 2 ** 20;

export class LooseObjects implements ObjectSource {
  readonly #files: FileSystem;
  readonly #objects: ContentFolder;

  constructor(files: FileSystem, objects: ContentFolder) {
    this.#files = files;
    this.#objects = objects;
  }

  has(digest: Digest): boolean {
    return this.#objects.has(digest);
  }

  size(digest: Digest): Bytes | undefined {
    return this.#files.status(this.#objects.path(digest))?.bytes;
  }

  isMeddled(digest: Digest): boolean {
    const status = this.#files.status(this.#objects.path(digest));
    return status !== undefined && status.modified !== BigInt(OBJECT_TIME) * 1_000_000_000n;
  }

  head(digest: Digest): Buffer | undefined {
    const size = this.size(digest);
    if (size === undefined) return undefined;
    if (size <= HEAD) return this.read(digest)?.content;
    const file = fs.openSync(this.#objects.path(digest), 'r');
    try {
      const head = Buffer.alloc(4096);
      return head.subarray(0, fs.readSync(file, head, 0, head.length, 0));
    } finally {
      fs.closeSync(file);
    }
  }

  read(digest: Digest): { content: Buffer; path: string } | undefined {
    const path = this.#objects.path(digest);
    try {
      return { content: this.#files.read(path), path };
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined;
      throw readFailure(path, error);
    }
  }

  locate(digest: Digest): ObjectPlace | undefined {
    const bytes = this.size(digest);
    return bytes === undefined ? undefined : { path: this.#objects.path(digest), offset: 0, bytes, alone: true };
  }
}
