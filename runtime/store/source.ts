/** Where objects come from: files of their own, and packs. */
import type { Bytes, Digest } from '../../grammar/plan/plan.ts';
import { Trash } from './collection/trash.ts';
import { type ContentFolder, OBJECT_NANOSECONDS } from './content.ts';
import { readFailure } from './errors.ts';
import { type FileSystem, hasCode } from './filesystem.ts';
import { objectFolder, packFolder } from './layout.ts';
import type { PackFolder } from './packs/packs.ts';

export interface ObjectSource {
  has(digest: Digest): boolean;
  size(digest: Digest): Bytes | undefined;
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
  /** Whether a program has written into the file since it was stored, as far as a look at it tells. */
  meddled: boolean;
}

/** A manifest is never larger; see `LARGE`. */
const HEAD = 4 * 2 ** 20;
/** Enough to tell that something is no manifest. */
const BEGINNING = 4096;

/** @param store the `.mlpipe` folder */
export function objectSource(files: FileSystem, store: string): ObjectSource {
  const [loose, packs] = [objectFolder(files, store), packFolder(files, store)];
  return new StoredObjects(files, loose, packs, new Trash(files, store, loose, packs));
}

/** A file of its own comes first: what is found damaged in a pack may be written anew as one. */
export class StoredObjects implements ObjectSource {
  readonly #files: FileSystem;
  readonly #loose: ContentFolder;
  readonly #packs: PackFolder;
  readonly #trash: Trash;

  constructor(files: FileSystem, loose: ContentFolder, packs: PackFolder, trash: Trash) {
    this.#files = files;
    this.#loose = loose;
    this.#packs = packs;
    this.#trash = trash;
  }

  has(digest: Digest): boolean {
    return this.locate(digest) !== undefined;
  }

  size(digest: Digest): Bytes | undefined {
    return this.locate(digest)?.bytes;
  }

  head(digest: Digest): Buffer | undefined {
    const place = this.locate(digest);
    if (!place) return undefined;
    return place.bytes <= HEAD ? this.read(digest)?.content : this.#part(place, BEGINNING);
  }

  read(digest: Digest): { content: Buffer; path: string } | undefined {
    // What was collected or repacked between the two looks is looked for once more.
    for (let look = 0; look < 2; look += 1) {
      const place = this.locate(digest);
      const content = place && this.#part(place);
      if (content) return { content, path: place.path };
      this.#packs.forget();
    }
    return undefined;
  }

  /** What has been set aside by a collection is needed after all. */
  locate(digest: Digest): ObjectPlace | undefined {
    return this.#look(digest) ?? (this.#trash.restore(digest) ? this.#look(digest) : undefined);
  }

  #look(digest: Digest): ObjectPlace | undefined {
    const path = this.#loose.path(digest);
    const status = this.#files.status(path);
    if (status) {
      const { bytes, modified } = status;
      return { path, offset: 0, bytes, alone: true, meddled: modified !== OBJECT_NANOSECONDS };
    }
    const packed = this.#packs.find(digest);
    return packed && { ...packed, alone: false };
  }

  #part({ path, offset, bytes, alone }: ObjectPlace, wanted = bytes): Buffer | undefined {
    try {
      return alone && wanted === bytes ? this.#files.read(path) : this.#files.readPart(path, offset, wanted);
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined;
      throw readFailure(path, error);
    }
  }
}
