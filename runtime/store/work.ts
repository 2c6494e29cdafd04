/**
 * The heavy part of the store: reading, hashing and copying files, synchronously. It runs in the caller's thread for a
 * little work and in worker threads for much of it; the code is the same.
 */
import { createHash, hash } from 'node:crypto';
import fs from 'node:fs';
import type { Digest } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import type { ContentFolder, Staged, Writer } from './content.ts';
import { readFailure } from './errors.ts';
import { type FileIdentity, identityOf, isSettled, isUntouched, now } from './identity.ts';
import { looksLikeManifest } from './manifest.ts';

/** Files up to this size are read in one go. */
const WHOLE = 2 ** 20;
const PIECE = 4 * 2 ** 20;
/** A large copy is pushed to the disk in portions, so that the last fsync does not wait for all of it. */
const PORTION = 256 * 2 ** 20;

export interface HashedFile {
  digest: Digest;
  identity: FileIdentity;
  /** Whether the stat cache may remember it. */
  settled: boolean;
}

export interface StagedFile extends HashedFile {
  /** Nothing where the store has the content already. */
  staged?: Staged;
}

let piece: Buffer | undefined;

/**
 * The digest of a file's content.
 *
 * @throws MlpipeError `file-changed` where the file is written while it is read
 */
export function hashFile(path: string): HashedFile {
  return readWhole(path, (file, bytes) => {
    if (bytes <= WHOLE) return digestOfBytes(readAll(file, bytes));
    const hasher = createHash('sha256');
    forEachPiece(file, (part) => void hasher.update(part));
    return `sha256:${hasher.digest('hex')}`;
  });
}

/**
 * Copies a file's content into the store's folder of temporary files and hashes what was copied.
 *
 * @param durable whether each copy is brought to the disk at once; otherwise the caller must see to it
 */
export function stageFile(objects: ContentFolder, path: string, durable: boolean): StagedFile {
  let staged: Staged | undefined;
  try {
    const hashed = readWhole(path, (file, bytes): Digest => {
      if (bytes <= WHOLE) {
        const content = readAll(file, bytes);
        refuseManifest(path, content);
        const digest = digestOfBytes(content);
        if (!objects.has(digest)) staged = objects.stage(digest, content, durable);
        return digest;
      }
      staged = objects.stageUnknown(path, durable, (to) => copyAndHash(path, file, to), path);
      return staged.digest;
    });
    return staged ? { ...hashed, staged } : hashed;
  } catch (error) {
    if (staged) objects.discard([staged]);
    throw error;
  }
}

function copyAndHash(path: string, file: number, to: Writer): Digest {
  const hasher = createHash('sha256');
  let unsynced = 0;
  forEachPiece(file, (part, first) => {
    if (first) refuseManifest(path, part);
    hasher.update(part);
    if (to.cloned) return;
    to.write(part);
    unsynced += part.length;
    if (unsynced < PORTION) return;
    to.sync();
    unsynced = 0;
  });
  return `sha256:${hasher.digest('hex')}`;
}

/** Opens a file, and refuses what was read if the file changed meanwhile. */
function readWhole(path: string, read: (file: number, bytes: number) => Digest): HashedFile {
  const readAt = now();
  let file: number;
  try {
    // A named pipe would wait for a writer for ever.
    file = fs.openSync(path, fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0));
  } catch (error) {
    throw readFailure(path, error);
  }
  try {
    const before = fs.fstatSync(file, { bigint: true });
    if (!before.isFile()) throw notAFile(path);
    const digest = read(file, Number(before.size));
    const identity = identityOf(fs.fstatSync(file, { bigint: true }));
    if (!isUntouched(identityOf(before), identity)) throw fileChanged(path);
    return { digest, identity, settled: isSettled(identity, readAt) };
  } catch (error) {
    throw error instanceof Error && 'syscall' in error && error.syscall === 'read' ? readFailure(path, error) : error;
  } finally {
    fs.closeSync(file);
  }
}

function readAll(file: number, bytes: number): Buffer {
  const content = Buffer.allocUnsafe(bytes + 1);
  let filled = 0;
  for (;;) {
    const count = fs.readSync(file, content, filled, content.length - filled, null);
    filled += count;
    // One byte more than expected means that the file has grown; the second look at its identity says so.
    if (count === 0 || filled === content.length) return content.subarray(0, filled);
  }
}

function forEachPiece(file: number, use: (part: Buffer, first: boolean) => void): void {
  piece ??= Buffer.allocUnsafeSlow(PIECE);
  for (let first = true; ; first = false) {
    const count = fs.readSync(file, piece, 0, PIECE, null);
    if (count === 0) return;
    use(piece.subarray(0, count), first);
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
