/** Lays objects at paths, as cheaply as the disk allows. */
import fs from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { digestOf } from '../../grammar/plan/canonical.ts';
import type { Bytes, Digest } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import { objectCorrupt, objectMissing } from './errors.ts';
import { copyFile, hasCode } from './filesystem.ts';
import type { ManifestEntry } from './manifest.ts';
import type { ObjectSource } from './source.ts';
import { hashFile } from './work.ts';

interface LaidFile {
  digest: Digest;
  bytes?: Bytes;
  executable?: true;
}

export class Checkout {
  readonly #source: ObjectSource;
  readonly #writable: boolean;
  /** Whether the disk shares blocks between files; known after the first attempt. */
  #sharesBlocks = true;

  /**
   * @param writable whether the files may be changed. Others are read-only, so that a step cannot change its input: they
   *   share blocks with the object, or are hard links to it, or are copies where neither is possible or a link would
   *   protect nothing
   */
  constructor(source: ObjectSource, writable: boolean) {
    this.#source = source;
    this.#writable = writable;
  }

  /**
   * Replaces what is at `destination`, atomically.
   *
   * @throws MlpipeError `object-missing`, `object-corrupt`, `disk-full`, `checkout-failed`
   */
  file(file: LaidFile, destination: string): void {
    const temporary = temporaryName(destination);
    try {
      fs.rmSync(temporary, { force: true });
      this.#make(file, temporary);
      fs.renameSync(temporary, destination);
    } catch (error) {
      throw layOutFailure(destination, error);
    } finally {
      // Renaming one hard link onto another of the same file does nothing and leaves both names.
      fs.rmSync(temporary, { force: true });
    }
  }

  /**
   * A folder that is not there yet appears with everything in it. One that is there keeps what else it holds, and each of
   * its files is replaced by itself.
   *
   * @param entries that have been checked to lead nowhere else
   * @throws as `file`
   */
  async folder(entries: readonly ManifestEntry[], destination: string): Promise<void> {
    if (fs.existsSync(destination)) {
      await this.#entries(entries, destination, (entry, path) => this.file(entry, path));
      return;
    }
    const temporary = temporaryName(destination);
    try {
      fs.rmSync(temporary, { recursive: true, force: true });
      fs.mkdirSync(temporary, { recursive: true });
      await this.#entries(entries, temporary, (entry, path) => this.#make(entry, path));
      rename(temporary, destination);
    } catch (error) {
      throw layOutFailure(destination, error);
    } finally {
      fs.rmSync(temporary, { recursive: true, force: true });
    }
  }

  async #entries(
    entries: readonly ManifestEntry[],
    folder: string,
    lay: (file: LaidFile, path: string) => void,
  ): Promise<void> {
    const made = new Set<string>([folder]);
    let count = 0;
    for (const entry of entries) {
      const path = join(folder, entry.path);
      const parent = dirname(path);
      if (!made.has(parent)) fs.mkdirSync(parent, { recursive: true });
      made.add(parent);
      if ('symlink' in entry) fs.symlinkSync(entry.symlink, path);
      else lay(entry, path);
      count += 1;
      if (count % 256 === 0) await new Promise((resume) => setImmediate(resume));
    }
  }

  /** At a path that names nothing yet. */
  #make({ digest, bytes, executable }: LaidFile, path: string): void {
    const place = this.#source.locate(digest);
    if (place === undefined) throw objectMissing(digest);
    if (bytes !== undefined && place.bytes !== bytes) {
      throw objectCorrupt(digest, place.path, `holds ${place.bytes} bytes, not ${bytes}`);
    }
    const mode = (this.#writable ? 0o644 : 0o444) | (executable ? 0o111 : 0);
    if (!place.alone) {
      this.#write(digest, path, mode);
      return;
    }
    if (place.meddled && hashFile(place.path).digest !== digest) {
      throw objectCorrupt(digest, place.path, 'was written into since it was stored');
    }
    // A link has the object's own mode, and to a superuser, as which containers run, a read-only mark says nothing: a
    // program would write into the object itself.
    const linked = () => !this.#writable && !executable && process.getuid?.() !== 0 && link(place.path, path);
    if (this.#clone(place.path, path)) fs.chmodSync(path, mode);
    else if (!linked()) {
      copyFile(place.path, path);
      fs.chmodSync(path, mode);
    }
  }

  /** Content that lies among others is in memory anyway, so it is checked, too. */
  #write(digest: Digest, path: string, mode: number): void {
    const found = this.#source.read(digest);
    if (found === undefined) throw objectMissing(digest);
    if (digestOf(found.content) !== digest) throw objectCorrupt(digest, found.path, 'holds other bytes');
    const file = fs.openSync(path, 'wx', mode);
    try {
      for (let offset = 0; offset < found.content.length; ) offset += fs.writeSync(file, found.content, offset);
      fs.fchmodSync(file, mode);
    } finally {
      fs.closeSync(file);
    }
  }

  #clone(object: string, path: string): boolean {
    if (!this.#sharesBlocks) return false;
    try {
      fs.copyFileSync(object, path, fs.constants.COPYFILE_FICLONE_FORCE);
      return true;
    } catch (error) {
      if (!hasCode(error, 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EXDEV', 'EINVAL', 'ENOTTY')) throw error;
      this.#sharesBlocks = false;
      return false;
    }
  }
}

function temporaryName(destination: string): string {
  return join(dirname(destination), `.${basename(destination)}.mlpipe-${process.pid}`);
}

/** Another process may have laid the same there meanwhile. */
function rename(from: string, to: string): void {
  try {
    fs.renameSync(from, to);
  } catch (error) {
    if (!hasCode(error, 'ENOTEMPTY', 'EEXIST', 'EPERM')) throw error;
    fs.cpSync(from, to, { recursive: true, force: true, verbatimSymlinks: true });
  }
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
  if (error instanceof MlpipeError) return error;
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
