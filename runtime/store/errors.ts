/** What can go wrong in the store, in words. */
import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Digest } from '../../grammar/plan/plan.ts';
import { EXIT, MlpipeError } from '../errors.ts';
import { hasCode } from './filesystem.ts';

/** A failed read of something that a person named. */
export function readFailure(path: string, error: unknown): MlpipeError {
  if (error instanceof MlpipeError) return error;
  if (hasCode(error, 'ENOENT', 'ENOTDIR')) {
    return new MlpipeError(`${path} does not exist.`, {
      code: 'path-missing',
      todo: 'Check the spelling, or bring the file back.',
      cause: error,
    });
  }
  return new MlpipeError(`${path} cannot be read: ${reasonOf(error)}.`, {
    code: 'path-unreadable',
    todo: hasCode(error, 'EACCES', 'EPERM') ? 'Give yourself the right to read it.' : 'Check the disk that holds it.',
    cause: error,
  });
}

/** A failed write into the store. What was being written has been taken away again. */
export function writeFailure(path: string, error: unknown): MlpipeError {
  if (error instanceof MlpipeError) return error;
  if (hasCode(error, 'ENOSPC', 'EDQUOT')) {
    const full = hasCode(error, 'ENOSPC')
      ? `The disk that holds ${dirname(path)} is full`
      : 'Your disk quota is used up';
    return new MlpipeError(`${full}${freeSpace(path)}; nothing was stored.`, {
      code: 'store-full',
      todo: 'Free some space and run again: what was stored before is whole.',
      exit: EXIT.usage,
      cause: error,
    });
  }
  if (hasCode(error, 'EACCES', 'EPERM', 'EROFS')) {
    return new MlpipeError(`The store cannot write ${path}: ${reasonOf(error)}.`, {
      code: 'store-unwritable',
      todo: 'Give yourself the right to write there, or move the project to a disk that is not read-only.',
      exit: EXIT.usage,
      cause: error,
    });
  }
  return new MlpipeError(`The disk failed while the store wrote ${path}: ${reasonOf(error)}. Nothing was stored.`, {
    code: 'store-write-failed',
    todo: 'Check the disk (dmesg, smartctl). mlpipe does not try again by itself, because a disk that has once lost a write may report success the second time.',
    exit: EXIT.usage,
    cause: error,
  });
}

export function objectMissing(digest: Digest): MlpipeError {
  return new MlpipeError(`The store has no object ${digest}.`, {
    code: 'object-missing',
    todo: 'Run the step that makes it again, with `--force`.',
  });
}

export function objectCorrupt(digest: Digest, path: string, found: string): MlpipeError {
  return new MlpipeError(`The object ${digest} is corrupt: ${path} ${found}.`, {
    code: 'object-corrupt',
    todo: `Remove ${path} and run the step that makes it again, or put the original file back; then run mlpipe verify.`,
  });
}

function freeSpace(path: string): string {
  try {
    const { bavail, bsize } = statfsSync(dirname(path));
    return ` (${((bavail * bsize) / 2 ** 20).toFixed(1)} MiB free)`;
  } catch {
    // The message is complete without the figure.
    return '';
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message.replace(/\.$/, '') : String(error);
}
