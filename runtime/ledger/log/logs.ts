/**
 * The logs of a store, one folder a writer in `.mlpipe/log/`. A writer is a key in a store: the same person in another
 * clone, or in a copy of this one, writes another log, so that no log ever has two continuations.
 */
import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../../../grammar/plan/plan.ts';
import type { FileSystem } from '../../store/filesystem.ts';
import { writeWhole } from '../../store/layout.ts';
import { type KeyId, type PublicKey, parsePublicKey } from '../keys/public-key.ts';
import type { Place } from '../signature.ts';
import { type Checkpoint, openCheckpoint, signCheckpoint } from './checkpoint.ts';
import { EntryFile } from './entries.ts';
import { alone, type Exclusive, exclusive } from './exclusive.ts';

export const LOG_FORMAT = 'mlpipe-log/1';

/** What makes a log this one; in `log.json`, and in every checkpoint. */
export interface LogHead {
  format: typeof LOG_FORMAT;
  key: string;
  origin: string;
}

export interface Log {
  /** `3fa94c01d2e5b6a7-9c04f1aa`: of the key's id the first 16 digits, and 8 that were drawn. */
  writer: string;
  origin: string;
  key: PublicKey;
  folder: string;
  entries: EntryFile;
  close(): void;
}

export const WRITER = /^[0-9a-f]{16}-[0-9a-f]{8}$/;

export function logFolder(store: string): string {
  return join(store, 'log');
}

export function originOf(writer: string): string {
  return `mlpipe/${writer}`;
}

/** The logs that are here, and the folders that are none. */
export function logsIn(files: FileSystem, store: string): { logs: Log[]; damaged: string[] } {
  const logs: Log[] = [];
  const damaged: string[] = [];
  let names: string[] = [];
  try {
    names = files.list(logFolder(store)).filter((name) => WRITER.test(name));
  } catch {
    // A store of an older mlpipe has no such folder.
  }
  for (const writer of names.sort()) {
    const key = keyOf(files, store, writer);
    if (key) logs.push(logOf(files, store, writer, key, exclusiveFor(files, store, writer)));
    // A folder with nothing in it was being made when its process was killed.
    else if (['log.json', 'entries'].some((name) => files.status(join(logFolder(store), writer, name))))
      damaged.push(writer);
  }
  return { logs, damaged };
}

/** The log that this key writes in this store; made where there is none. @throws MlpipeError what a write throws */
export function ownLog(files: FileSystem, store: string, key: PublicKey): Log {
  const place = files.sharesKernel ? placeOf(store) : '';
  files.makeFolder(logFolder(store));
  const lock = files.sharesKernel ? exclusive(join(logFolder(store), 'lock')) : alone;
  try {
    // Two processes that begin at once begin one log.
    return lock.within(() => {
      const prefix = `${key.id.slice(0, 16)}-`;
      const found = files
        .list(logFolder(store))
        .filter((name) => WRITER.test(name) && name.startsWith(prefix))
        .sort()
        .find(
          (name) => keyOf(files, store, name)?.text === key.text && readText(files, store, name, 'place') === place,
        );
      const writer = found ?? makeLog(files, store, key, place);
      return logOf(files, store, writer, key, exclusiveFor(files, store, writer));
    });
  } finally {
    lock.close();
  }
}

/** Writes no more to a log of one's own. */
export function giveUpLog(files: FileSystem, store: string, { writer }: Log): void {
  writeWhole(files, store, join('log', writer, 'place'), 'given up');
}

/** A log of somebody else, to be brought up to date; nothing where one of that name has another key. */
export function keepForeignLog(files: FileSystem, store: string, writer: string, key: PublicKey): Log | undefined {
  files.makeFolder(join(logFolder(store), writer));
  const known = keyOf(files, store, writer);
  if (known === undefined) writeHead(files, store, writer, key);
  else if (known.text !== key.text) return undefined;
  return logOf(files, store, writer, key, exclusiveFor(files, store, writer));
}

/** The last checkpoint that was made here, or came here with a log, or why it is none; nothing where there is none. */
export function lastCheckpoint(
  files: FileSystem,
  store: string,
  log: Log,
): (Checkpoint & { note: string }) | { problem: string } | undefined {
  const note = readText(files, store, log.writer, 'checkpoint');
  if (note === undefined) return undefined;
  const opened = openCheckpoint(note, log.key);
  if ('problem' in opened) return opened;
  return opened.origin === log.origin ? { ...opened, note } : { problem: 'is of another log' };
}

/** Signs what the log holds now, and keeps that. */
export function makeCheckpoint(
  files: FileSystem,
  store: string,
  log: Log,
  sign: (content: Uint8Array) => Buffer,
): { note: string; checkpoint: Checkpoint } {
  const size = log.entries.size();
  const checkpoint = { origin: log.origin, size, root: log.entries.root(size) };
  const note = signCheckpoint(checkpoint, log.key, sign);
  if (readText(files, store, log.writer, 'checkpoint') !== note)
    writeWhole(files, store, join('log', log.writer, 'checkpoint'), note);
  return { note, checkpoint };
}

/** Keeps the newest checkpoint of somebody else's log, as it came. */
export function keepCheckpoint(files: FileSystem, store: string, { writer }: Log, note: string): void {
  if (readText(files, store, writer, 'checkpoint') !== note)
    writeWhole(files, store, join('log', writer, 'checkpoint'), note);
}

function makeLog(files: FileSystem, store: string, key: PublicKey, place: string): string {
  const writer = `${key.id.slice(0, 16)}-${randomBytes(4).toString('hex')}`;
  files.makeFolder(join(logFolder(store), writer));
  files.syncFolder(logFolder(store));
  writeWhole(files, store, join('log', writer, 'place'), place);
  // Last: what has no head is no log yet.
  writeHead(files, store, writer, key);
  return writer;
}

function writeHead(files: FileSystem, store: string, writer: string, key: PublicKey): void {
  files.syncFolder(logFolder(store));
  const head: LogHead = { format: LOG_FORMAT, key: key.text, origin: originOf(writer) };
  writeWhole(files, store, join('log', writer, 'log.json'), `${JSON.stringify(head)}\n`);
}

function logOf(files: FileSystem, store: string, writer: string, key: PublicKey, lock: Exclusive): Log {
  const folder = join(logFolder(store), writer);
  const entries = new EntryFile(files, join(folder, 'entries'), lock);
  return { writer, origin: originOf(writer), key, folder, entries, close: () => lock.close() };
}

/** Opened when it is first needed: most that look at a log never write to it. */
function exclusiveFor(files: FileSystem, store: string, writer: string): Exclusive {
  if (!files.sharesKernel) return alone;
  let lock: Exclusive | undefined;
  return {
    within(work) {
      lock ??= exclusive(join(logFolder(store), writer, 'lock'));
      return lock.within(work);
    },
    close: () => lock?.close(),
  };
}

function keyOf(files: FileSystem, store: string, writer: string): PublicKey | undefined {
  try {
    const head = JSON.parse(readText(files, store, writer, 'log.json') ?? '') as Partial<LogHead>;
    if (head.format !== LOG_FORMAT || head.origin !== originOf(writer)) return undefined;
    const key = parsePublicKey(String(head.key));
    return key.id.startsWith(writer.slice(0, 16)) ? key : undefined;
  } catch {
    return undefined;
  }
}

function readText(files: FileSystem, store: string, writer: string, name: string): string | undefined {
  try {
    return files.read(join(logFolder(store), writer, name)).toString('utf8');
  } catch {
    return undefined;
  }
}

/** Tells a store from a copy of it. */
export function placeOf(store: string): string {
  return String(statSync(store, { bigint: true }).ino);
}

/** Answers where the logs of a key have a record; each log is read once, when it is first asked about. */
export function placeFinder(files: FileSystem, store: string): (key: KeyId, record: Digest) => readonly Place[] {
  const known = new Map<KeyId, Map<string, Place[]>>();
  return (key, record) => {
    const places = known.get(key) ?? placesIn(files, store, key);
    known.set(key, places);
    return places.get(record) ?? [];
  };
}

function placesIn(files: FileSystem, store: string, key: KeyId): Map<string, Place[]> {
  const places = new Map<string, Place[]>();
  for (const log of logsIn(files, store).logs.filter((each) => each.key.id === key)) {
    for (const { index, record } of log.entries.rows()) {
      const digest = `sha256:${Buffer.from(record).toString('hex')}`;
      places.set(digest, [...(places.get(digest) ?? []), { writer: log.writer, index }]);
    }
  }
  return places;
}
