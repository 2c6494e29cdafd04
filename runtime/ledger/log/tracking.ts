/**
 * What remotes had of the logs: every checkpoint that this store has sent to one or found on one, in
 * `.mlpipe/tracking/REMOTE/WRITER/`. Such a checkpoint cannot be taken back any more, whatever becomes of the log here.
 *
 * And how far the records of a log are here: a remote gives those that were asked for, not all that a log names.
 */
import { join } from 'node:path';
import type { Digest } from '../../../grammar/plan/plan.ts';
import { readFailure } from '../../store/errors.ts';
import { type FileSystem, hasCode } from '../../store/filesystem.ts';
import { writeWhole } from '../../store/layout.ts';
import { type Log, logFolder, placeOf, WRITER } from './logs.ts';

const FOLDER = 'tracking';

/** The size, and the digest of the file that the remote has: `000000001797-9c04…`. */
export const CHECKPOINT_NAME = /^(\d{12})-([0-9a-f]{64})$/;

export interface TrackedCheckpoint {
  remote: string;
  writer: string;
  /** As the remote calls it. */
  name: string;
  note: string;
}

export function trackCheckpoint(
  files: FileSystem,
  store: string,
  { remote, writer, name, note }: TrackedCheckpoint,
): void {
  if (trackedCheckpoint(files, store, remote, writer, name) === note) return;
  const folder = join(FOLDER, folderOf(remote), writer);
  files.makeFolder(join(store, folder));
  writeWhole(files, store, join(folder, name), note);
  for (const each of [join(FOLDER, folderOf(remote)), FOLDER, '']) files.syncFolder(join(store, each));
}

/** The note of one, where it was met before. */
export function trackedCheckpoint(
  files: FileSystem,
  store: string,
  remote: string,
  writer: string,
  name: string,
): string | undefined {
  const path = join(store, FOLDER, folderOf(remote), writer, name);
  return files.status(path) && files.read(path).toString('utf8');
}

/** All of them, of every remote. */
export function* trackedCheckpoints(files: FileSystem, store: string): Generator<TrackedCheckpoint> {
  for (const folder of namesIn(files, join(store, FOLDER))) {
    for (const writer of namesIn(files, join(store, FOLDER, folder)).filter((name) => WRITER.test(name))) {
      for (const name of namesIn(files, join(store, FOLDER, folder, writer))) {
        if (!CHECKPOINT_NAME.test(name)) continue;
        const note = files.read(join(store, FOLDER, folder, writer, name)).toString('utf8');
        yield { remote: decodeURIComponent(folder), writer, name, note };
      }
    }
  }
}

/** A folder's name cannot begin with a dot: `..` is another folder. */
function folderOf(remote: string): string {
  return encodeURIComponent(remote).replace(/^\./, '%2E');
}

function namesIn(files: FileSystem, folder: string): string[] {
  try {
    return files.list(folder).sort();
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return [];
    throw readFailure(folder, error);
  }
}

// ---------------------------------------------------------------- how far the records of a log are here

/**
 * So many of a log's first entries have their records here, or had them; of the others a record that is not here was
 * never fetched, for all that can be told. Of a log that came by git, and of one's own, all have.
 */
export function heldEntries(files: FileSystem, store: string, log: Log): number {
  if (isOwnLog(files, store, log.writer)) return Number.POSITIVE_INFINITY;
  const path = join(log.folder, 'held');
  if (files.status(path) === undefined) return Number.POSITIVE_INFINITY;
  const text = files.read(path).toString('utf8').trim();
  return /^\d{1,15}$/.test(text) ? Number(text) : Number.POSITIVE_INFINITY;
}

/** Notes how far the records are here. It never goes back: what was here and is gone was removed. */
export function noteHeld(
  files: FileSystem,
  store: string,
  log: Log,
  { before, has }: { before: number; has: (record: Digest) => boolean },
): void {
  const known = heldEntries(files, store, log);
  let held = Math.min(known, before);
  for (const { index, record } of log.entries.rows(held)) {
    if (index !== held || !has(`sha256:${Buffer.from(record).toString('hex')}`)) break;
    held += 1;
  }
  if (held !== known) writeWhole(files, store, join('log', log.writer, 'held'), `${held}\n`);
}

/** Whether this store is where the log is written. */
export function isOwnLog(files: FileSystem, store: string, writer: string): boolean {
  const path = join(logFolder(store), writer, 'place');
  return files.sharesKernel && files.status(path) !== undefined && files.read(path).toString('utf8') === placeOf(store);
}
