/** Records on a remote, each with whatever files lie beside it: the order in which they go, and what is believed. */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { digestOf } from '../../../grammar/plan/canonical.ts';
import type { Digest } from '../../../grammar/plan/plan.ts';
import { nodeFileSystem } from '../filesystem.ts';
import { recordFolder } from '../layout.ts';
import { inParallel } from './concurrency.ts';
import { bytesOf, contentOf } from './driver.ts';
import { corruptOnRemote, remoteFailure } from './failure.ts';
import { nameOf, parseName, recordName } from './names.ts';
import { FEW, presentOn } from './presence.ts';
import { guarded } from './retry.ts';
import type { Line, Progress } from './transfer.ts';
import { settled } from './upload.ts';

const RECORD = '.json';
/** What lies beside a record is a signature or the like; more is nothing that belongs there. */
const LARGEST = 16 * 2 ** 20;

/** Sends records whose objects are there. What lies beside a record goes before it: a record never waits for its seal. */
export async function sendRecords(
  store: string,
  digests: readonly Digest[],
  line: Line,
  progress: Progress,
): Promise<number> {
  const { driver, pace, signal } = line;
  const files = digests.flatMap((digest) => filesBeside(store, digest).map((path) => ({ digest, path })));
  const named = files.map(({ digest, path }) => ({
    path,
    rest: suffixOf(path),
    name: `${nameOf('records', digest)}${suffixOf(path)}`,
  }));
  const names = named.map(({ name }) => name);
  const there = await presentOn(driver, names, { pace, ...(signal ? { signal } : {}) }).catch((error: unknown) => {
    if (signal?.aborted) throw error;
    throw remoteFailure(driver.address, 'the question which records are there', error);
  });
  const absent = named.filter(({ name }) => !there.has(name));
  progress.begin('records', progress.objectsTotal + absent.length);
  const send = (list: typeof absent) =>
    inParallel(
      list,
      pace,
      async ({ path, name }, inner) => {
        const content = fs.readFileSync(path);
        try {
          await line.attempt(({ signal: guard }) => driver.put(name, contentOf(content), { signal: guard }), inner);
        } catch (error) {
          if (inner.aborted) throw error;
          throw remoteFailure(driver.address, `the record ${name}`, error);
        }
        progress.objects += 1;
        progress.tell();
      },
      signal,
    );
  await send(absent.filter(({ rest }) => rest !== RECORD));
  await settled(line);
  const records = absent.filter(({ rest }) => rest === RECORD);
  await send(records);
  await settled(line);
  return records.length;
}

export interface ArrivedRecord {
  digest: Digest;
  /** The record itself, and what lies beside it, by what follows the digest in the name. */
  files: Map<string, Buffer>;
}

/** Fetches records, checked and not yet stored. One that the remote does not have is not in the answer. */
export async function receiveRecords(digests: readonly Digest[], line: Line): Promise<Map<Digest, ArrivedRecord>> {
  const { driver, pace, signal } = line;
  const arrived = new Map<Digest, ArrivedRecord>();
  const names = await namesBeside(digests, line);
  await inParallel(
    names,
    pace,
    async (name, inner) => {
      const parsed = parseName(name);
      if (parsed === undefined) return;
      const { digest, rest } = parsed;
      try {
        const content = await line.attempt(async (guard) => {
          const body = await driver.get(name, { signal: guard.signal });
          return body && bytesOf({ ...body, chunks: guarded(body.chunks, guard) });
        }, inner);
        if (content === undefined) return;
        if (rest === RECORD && digestOf(content) !== digest) {
          throw corruptOnRemote(driver.address, `the record ${digest}`, 'they do not fit its digest');
        }
        const record = arrived.get(digest) ?? { digest, files: new Map() };
        record.files.set(rest, content);
        arrived.set(digest, record);
      } catch (error) {
        if (inner.aborted) throw error;
        throw remoteFailure(driver.address, `the record ${digest}`, error);
      }
    },
    signal,
  );
  for (const [digest, { files }] of arrived) if (!files.has(RECORD)) arrived.delete(digest);
  return arrived;
}

/** Every record that a remote has. */
export async function recordsOn(line: Line): Promise<Digest[]> {
  const digests = new Set<Digest>();
  try {
    await line.attempt(async ({ signal, alive }) => {
      for await (const { name } of line.driver.list('records/', signal)) {
        alive();
        const parsed = parseName(name);
        if (parsed?.rest === RECORD) digests.add(parsed.digest);
      }
    });
  } catch (error) {
    if (line.signal?.aborted) throw error;
    throw remoteFailure(line.driver.address, 'the list of its records', error);
  }
  return [...digests].sort();
}

/** Whether a record is in the store; whether it is whole, its reader says. */
export function hasRecord(store: string, digest: Digest): boolean {
  return recordFolder(nodeFileSystem, store).has(digest);
}

/** Gives records their names in the store; what lies beside one comes before it, and is never replaced. */
export function storeRecords(store: string, records: Iterable<ArrivedRecord>): number {
  const folder = recordFolder(nodeFileSystem, store);
  const all = [...records];
  for (const { digest, files } of all) {
    for (const [rest, content] of files) {
      const path = folder.path(digest).slice(0, -RECORD.length) + rest;
      if (rest !== RECORD && !fs.existsSync(path)) writeBeside(path, content);
    }
  }
  const absent = all.filter(({ digest }) => !folder.has(digest));
  const staged = absent.map(({ digest, files }) => folder.stage(digest, files.get(RECORD) ?? Buffer.alloc(0), true));
  folder.publish(staged);
  return staged.length;
}

function writeBeside(path: string, content: Buffer): void {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}-${randomBytes(4).toString('hex')}`);
  const file = fs.openSync(temporary, 'wx', 0o444);
  try {
    nodeFileSystem.write(file, content);
    fs.fsyncSync(file);
  } finally {
    fs.closeSync(file);
  }
  fs.renameSync(temporary, path);
  nodeFileSystem.syncFolder(dirname(path));
}

/** A record's file and those whose names go on from its digest. */
function filesBeside(store: string, digest: Digest): string[] {
  const path = recordFolder(nodeFileSystem, store).path(digest).slice(0, -RECORD.length);
  const beginning = basename(path);
  return fs
    .readdirSync(dirname(path))
    .filter((name) => name.startsWith(`${beginning}.`))
    .map((name) => join(dirname(path), name));
}

function suffixOf(path: string): string {
  return basename(path).slice(62);
}

async function namesBeside(digests: readonly Digest[], line: Line): Promise<string[]> {
  const { driver, pace, signal } = line;
  // Without a listing nobody can tell what lies beside a record.
  if (!driver.abilities.list) return digests.map(recordName);
  const wanted = new Set(digests);
  const prefixes =
    digests.length <= FEW
      ? digests.map((digest) => nameOf('records', digest))
      : [...new Set(digests.map((digest) => nameOf('records', digest).slice(0, 'records/ab/'.length)))];
  const names = new Set<string>();
  await inParallel(
    prefixes,
    pace,
    async (prefix, inner) => {
      try {
        await line.attempt(async ({ signal: guard, alive }) => {
          for await (const { name, bytes } of driver.list(prefix, guard)) {
            alive();
            const parsed = parseName(name);
            if (parsed && wanted.has(parsed.digest) && bytes <= LARGEST) names.add(name);
          }
        }, inner);
      } catch (error) {
        if (inner.aborted) throw error;
        throw remoteFailure(driver.address, 'the question which records are there', error);
      }
    },
    signal,
  );
  // A listing may be older than the record: who asks for it by name gets it all the same.
  for (const digest of digests) names.add(recordName(digest));
  return [...names];
}
