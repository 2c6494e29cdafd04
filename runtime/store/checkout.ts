/** Lays one object at a path, as cheaply as the disk allows. */
import fs from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Digest } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import { objectCorrupt, objectMissing } from './errors.ts';
import { hasCode } from './filesystem.ts';
import type { ObjectSource } from './source.ts';
import { hashFile } from './work.ts';

/**
 * Replaces `destination` atomically. Writable files are copies (sharing blocks where the disk can); read-only ones are
 * hard links to the object itself, or copies where links cannot be made or would protect nothing. An executable file is always a copy, because
 * a link has the object's mode.
 *
 * @throws MlpipeError `object-missing`, or `object-corrupt` where the object was written into since it was stored
 */
export function layOut(
  source: ObjectSource,
  file: { digest: Digest; bytes?: number; executable?: true },
  destination: string,
  writable: boolean,
): void {
  const { digest, executable } = file;
  const place = source.locate(digest);
  if (place === undefined) throw objectMissing(digest);
  const { path: object, bytes: size } = place;
  if (file.bytes !== undefined && size !== file.bytes) {
    throw objectCorrupt(digest, object, `holds ${size} bytes, not ${file.bytes}`);
  }
  if (source.isMeddled(digest) && hashFile(object).digest !== digest) {
    throw objectCorrupt(digest, object, 'was written into since it was stored');
  }
  const temporary = join(dirname(destination), `.${basename(destination)}.mlpipe-${process.pid}`);
  try {
    fs.rmSync(temporary, { force: true });
    if (writable || executable || ignoresModes() || !link(object, temporary)) {
      fs.copyFileSync(object, temporary, fs.constants.COPYFILE_FICLONE);
      fs.chmodSync(temporary, (writable ? 0o644 : 0o444) | (executable ? 0o111 : 0));
    }
    fs.renameSync(temporary, destination);
    // Renaming one hard link onto another of the same file does nothing and leaves both names.
    fs.rmSync(temporary, { force: true });
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw layOutFailure(destination, error);
  }
}

/** To root, as which containers run, a read-only mark says nothing: a program would write into the object itself. */
function ignoresModes(): boolean {
  return process.getuid?.() === 0;
}

function link(object: string, destination: string): boolean {
  try {
    fs.linkSync(object, destination);
    return true;
  } catch (error) {
    // Another disk, a file system without hard links, or as many links as it can count.
    if (hasCode(error, 'EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS')) return false;
    throw error;
  }
}

function layOutFailure(destination: string, error: unknown): MlpipeError {
  const reason = error instanceof Error ? error.message : String(error);
  const full = hasCode(error, 'ENOSPC', 'EDQUOT');
  return new MlpipeError(
    full ? `The disk is full: ${destination} was not written.` : `${destination} cannot be written: ${reason}`,
    {
      code: full ? 'disk-full' : 'checkout-failed',
      todo: full
        ? 'Free some space and run again.'
        : 'Check that you may write there and that no folder has this name.',
      cause: error,
    },
  );
}
