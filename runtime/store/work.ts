/**
 * The heavy part of the store: reading, hashing and copying files, synchronously. It runs in the caller's thread for a
 * little work and in worker threads for much of it; the code is the same.
 */
import { createHash, hash } from 'node:crypto';
import fs from 'node:fs';
import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises';
import type { Digest } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import { type ContentFolder, type GrowingCopy, ListedNames, type Staged } from './content.ts';
import { readFailure } from './errors.ts';
import { type FileIdentity, identityOf, isSettled, isUntouched, now } from './identity.ts';
import { looksLikeManifest } from './manifest.ts';
import { LARGEST_PACKED, type PackWriter, type StagedPack } from './packs/pack.ts';
import type { PackFolder } from './packs/packs.ts';

/** Files up to this size are read in one go. */
const WHOLE = 2 ** 20;
const PIECE = 2 ** 20;

export interface HashedFile {
  digest: Digest;
  identity: FileIdentity;
  /** Whether the stat cache may remember it. */
  settled: boolean;
}

export interface StagedFile extends HashedFile {
  /** Nothing where the store has the content already, or a pack is to have it. */
  staged?: Staged;
  /** Whether it is in a pack that was begun for it or for others beside it. */
  packed?: true;
}

let piece: Buffer | undefined;

/**
 * The digest of a file's content.
 *
 * @throws MlpipeError `file-changed` where the file is written while it is read
 */
export function hashFile(path: string): HashedFile {
  const source = openSource(path);
  try {
    return unchanged(source, source.bytes <= WHOLE ? digestOfBytes(readAll(source)) : digestOfPieces(source));
  } finally {
    fs.closeSync(source.file);
  }
}

/** Copies files into the store's folder of temporary files and hashes what was copied. */
export class Stager {
  readonly #objects: ContentFolder;
  readonly #packs: PackFolder;
  readonly #options: StagerOptions;
  readonly #listed: ListedNames;
  #pack: PackWriter | undefined;
  #full: StagedPack[] = [];

  constructor(objects: ContentFolder, packs: PackFolder, options: StagerOptions) {
    this.#objects = objects;
    this.#packs = packs;
    this.#options = options;
    this.#listed = new ListedNames(objects);
  }

  /** @throws MlpipeError `file-changed`, `manifest-as-file`, `path-missing`, and those of a failed write */
  async add(path: string): Promise<StagedFile> {
    const source = openSource(path);
    let staged: Staged | undefined;
    try {
      let digest: Digest;
      if (source.bytes <= WHOLE) {
        const content = readAll(source);
        refuseManifest(path, content);
        digest = digestOfBytes(content);
        const hashed = unchanged(source, digest);
        // A file that was damaged is replaced: it would be read before whatever a pack has.
        const damaged = this.#isFile(digest) && !this.#objects.isUntouched(digest, content.length);
        if (this.#options.pack && content.length <= LARGEST_PACKED && !damaged) {
          return this.addContent(digest, content) ? { ...hashed, packed: true } : hashed;
        }
        if (damaged || !this.#isThere(digest)) {
          staged = this.#objects.stage(digest, content, this.#options.durable);
        }
        return staged ? { ...hashed, staged } : hashed;
      }
      staged = await this.#objects.stageCopy(path, this.#options.durable, (copy) => digestOfCopy(path, copy));
      return { ...unchanged(source, staged.digest), staged };
    } catch (error) {
      if (staged) this.#objects.discard([staged]);
      throw error;
    } finally {
      fs.closeSync(source.file);
    }
  }

  /** Into the pack that is being written, unless the store has it. @returns whether the pack is to have it */
  addContent(digest: Digest, content: Uint8Array): boolean {
    if (this.#pack?.has(digest)) return true;
    if (this.#isThere(digest)) return false;
    this.#pack ??= this.#packs.begin();
    this.#pack.add(digest, content);
    if (this.#pack.isFull) this.#full.push(this.#pack.finish());
    if (this.#pack.isFull) this.#pack = undefined;
    return true;
  }

  /** Packs that are on the disk and wait for their names. */
  finish(): StagedPack[] {
    if (this.#pack) this.#full.push(this.#pack.finish());
    this.#pack = undefined;
    return this.#full;
  }

  /** Takes its packs away again. */
  discard(): void {
    const temporary = this.#pack?.abandon();
    this.#packs.discard([...this.#full, ...(temporary === undefined ? [] : [{ temporary }])]);
    this.#pack = undefined;
    this.#full = [];
  }

  /** What another process stores meanwhile is stored twice, and costs room. */
  #isThere(digest: Digest): boolean {
    return this.#isFile(digest) || this.#packs.find(digest, false) !== undefined;
  }

  #isFile(digest: Digest): boolean {
    return this.#options.pack ? this.#listed.has(digest) : this.#objects.has(digest);
  }
}

export interface StagerOptions {
  /** Whether each copy is brought to the disk at once; otherwise the caller must see to it. */
  durable: boolean;
  /** Whether small files go into packs. */
  pack: boolean;
}

/** Follows a copy that is being made, and lets others work in between. */
async function digestOfCopy(path: string, copy: GrowingCopy): Promise<Digest> {
  const hasher = createHash('sha256');
  // One buffer serves every copy of this thread, as nothing comes between reading into it and hashing it.
  piece ??= Buffer.allocUnsafeSlow(PIECE);
  for (let position = 0; ; ) {
    const last = copy.isWhole();
    const count = copy.readAt(piece, position);
    if (count === 0 && last) return `sha256:${hasher.digest('hex')}`;
    const part = piece.subarray(0, count);
    if (position === 0) refuseManifest(path, part);
    hasher.update(part);
    position += count;
    await (count === 0 ? wait(1) : nextTurn());
  }
}

interface Source {
  path: string;
  file: number;
  bytes: number;
  before: FileIdentity;
  openedAt: bigint;
}

function openSource(path: string): Source {
  const openedAt = now();
  let file: number | undefined;
  try {
    // A named pipe would wait for a writer for ever.
    file = fs.openSync(path, fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0));
    const stats = fs.fstatSync(file, { bigint: true });
    if (!stats.isFile()) throw notAFile(path);
    return { path, file, bytes: Number(stats.size), before: identityOf(stats), openedAt };
  } catch (error) {
    if (file !== undefined) fs.closeSync(file);
    throw readFailure(path, error);
  }
}

/** Refuses what was read if the file changed meanwhile. */
function unchanged({ path, file, before, openedAt }: Source, digest: Digest): HashedFile {
  const identity = identityOf(fs.fstatSync(file, { bigint: true }));
  if (!isUntouched(before, identity)) throw fileChanged(path);
  return { digest, identity, settled: isSettled(identity, openedAt) };
}

/** What is read lies in a buffer that the next file of this thread overwrites. */
function readAll(source: Source): Buffer {
  piece ??= Buffer.allocUnsafeSlow(PIECE);
  let filled = 0;
  while (filled < source.bytes) {
    const count = readPart(source, piece.subarray(filled, source.bytes));
    if (count === 0) break;
    filled += count;
  }
  // Had the file grown or shrunk meanwhile, the second look at its identity says so.
  return piece.subarray(0, filled);
}

function digestOfPieces(source: Source): Digest {
  const hasher = createHash('sha256');
  piece ??= Buffer.allocUnsafeSlow(PIECE);
  for (;;) {
    const count = readPart(source, piece);
    if (count === 0) return `sha256:${hasher.digest('hex')}`;
    hasher.update(piece.subarray(0, count));
  }
}

function readPart({ path, file }: Source, into: Buffer): number {
  try {
    return fs.readSync(file, into);
  } catch (error) {
    throw readFailure(path, error);
  }
}

function digestOfBytes(content: Uint8Array): Digest {
  return `sha256:${hash('sha256', content, 'hex')}`;
}

/** A file with the content of a manifest would have a folder's digest, and be laid out as that folder. */
function refuseManifest(path: string, content: Buffer): void {
  if (!looksLikeManifest(content)) return;
  throw new MlpipeError(`${path} is a manifest of the store itself and cannot be stored as a file.`, {
    code: 'manifest-as-file',
    todo: 'Store the folder that it describes.',
  });
}

export function fileChanged(path: string): MlpipeError {
  return new MlpipeError(`${path} was written while it was being read.`, {
    code: 'file-changed',
    todo: 'Wait until the program that writes it is done, and run again.',
  });
}

export function notAFile(path: string): MlpipeError {
  return new MlpipeError(`${path} is neither a file nor a folder (a pipe, a socket or a device).`, {
    code: 'not-a-file',
    todo: 'Remove it, or name the files that are meant.',
  });
}
