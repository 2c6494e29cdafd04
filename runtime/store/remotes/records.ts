/** Records on their way to a remote, and into the store: each with whatever files lie beside it, and in which order. */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Digest } from '../../../grammar/plan/plan.ts';
import { nodeFileSystem } from '../filesystem.ts';
import { recordFolder } from '../layout.ts';
import { publishNames, readSmall } from './catalogue.ts';
import { inParallel } from './concurrency.ts';
import { contentOf } from './driver.ts';
import { remoteFailure } from './failure.ts';
import { nameOf, recordName } from './names.ts';
import { type Presence, presentOn } from './presence.ts';
import { type ArrivedRecord, fitsName, LARGEST, RECORD } from './records-in.ts';
import { type Line, type Progress, settled } from './transfer.ts';

export interface SendOptions {
  /** Trusts nothing that is there: it is read again, and replaced where its bytes are wrong. */
  repair?: boolean;
  /** Names that are about to be sent by others and that are to be found by who cannot list, too. */
  named?: readonly string[];
}

/**
 * Sends records whose objects are there. The names go first, for those who cannot list; then what lies beside a record:
 * a record never waits for its seal.
 *
 * @returns how many records were not there
 */
export async function sendRecords(
  store: string,
  digests: readonly Digest[],
  line: Line,
  progress: Progress,
  { repair = false, named: others = [] }: SendOptions = {},
): Promise<number> {
  const { driver, pace, signal } = line;
  const files = digests.flatMap((digest) => filesBeside(store, digest).map((path) => ({ digest, path })));
  const named = files.map(({ digest, path }) => ({
    digest,
    path,
    rest: suffixOf(path),
    name: `${nameOf('records', digest)}${suffixOf(path)}`,
  }));
  const names = named.map(({ name }) => name);
  const there = await namesThere(line, names);
  const wrong = repair ? await wrongOn(line, named, there) : new Set<string>();
  // What is damaged here is told by `mlpipe verify`, and travels nowhere.
  const absent = named.filter(
    ({ name, path, digest, rest }) =>
      (!there.has(name) || wrong.has(name)) && fitsName(digest, rest, fs.readFileSync(path)) !== false,
  );
  const touched = new Set(absent.map(({ digest }) => digest));
  const said = named.filter(({ digest }) => touched.has(digest)).map(({ name }) => name);
  const everything = () => everyName(line);
  await publishNames(line, [...said, ...others, ...(repair ? await everything() : [])], everything);
  progress.begin('records', progress.objectsTotal + absent.length);
  const send = (list: typeof absent) =>
    inParallel(
      list,
      pace,
      async ({ path, name }, inner) => {
        const content = fs.readFileSync(path);
        try {
          await line.attempt(
            ({ signal: guard }) => driver.put(name, contentOf(content), { signal: guard, replace: wrong.has(name) }),
            inner,
          );
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

/** Those of the records that are there already. */
export async function recordsThere(line: Line, digests: readonly Digest[]): Promise<Set<Digest>> {
  const names = new Map(digests.map((digest) => [recordName(digest), digest]));
  const there = await namesThere(line, [...names.keys()]);
  return new Set([...names].filter(([name]) => there.has(name)).map(([, digest]) => digest));
}

async function namesThere({ driver, pace, signal }: Line, names: readonly string[]): Promise<Map<string, Presence>> {
  try {
    return await presentOn(driver, names, { pace, ...(signal ? { signal } : {}) });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw remoteFailure(driver.address, 'the question which records are there', error);
  }
}

/** Those of the names whose bytes on the remote are not the ones that are here. */
async function wrongOn(
  line: Line,
  files: readonly { digest: Digest; rest: string; path: string; name: string }[],
  there: ReadonlyMap<string, unknown>,
): Promise<Set<string>> {
  const wrong = new Set<string>();
  await inParallel(
    files.filter(({ name }) => there.has(name)),
    line.pace,
    async ({ digest, rest, name }, inner) => {
      try {
        const content = await readSmall(line, name, LARGEST, inner);
        if (content === undefined || fitsName(digest, rest, content) === false) wrong.add(name);
      } catch (error) {
        if (inner.aborted) throw error;
        throw remoteFailure(line.driver.address, `the record ${name}`, error);
      }
    },
    line.signal,
  );
  return wrong;
}

/** What is to be said of a remote of which nothing was said yet. */
function everyName(line: Line): Promise<string[]> {
  return line.attempt(async ({ signal, alive }) => {
    const names: string[] = [];
    for (const prefix of ['records/', 'log/checkpoints/']) {
      for await (const { name } of line.driver.list(prefix, signal)) {
        alive();
        names.push(name);
      }
    }
    return names;
  });
}

/** Whether a record is in the store; whether it is whole, its reader says. */
export function hasRecord(store: string, digest: Digest): boolean {
  return recordFolder(nodeFileSystem, store).has(digest);
}

/**
 * Gives records their names in the store; what lies beside one comes before it, and is never replaced.
 *
 * @returns how many records were not there
 */
export function storeRecords(store: string, records: Iterable<ArrivedRecord>): number {
  const folder = recordFolder(nodeFileSystem, store);
  const all = [...records];
  for (const { digest, files } of all) {
    for (const [rest, content] of files) {
      const path = folder.path(digest).slice(0, -RECORD.length) + rest;
      if (rest !== RECORD && !fs.existsSync(path)) writeBeside(path, content);
    }
  }
  const staged = all.flatMap(({ digest, files }) => {
    const content = files.get(RECORD);
    return content === undefined || folder.has(digest) ? [] : [folder.stage(digest, content, true)];
  });
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

/** What lies beside a record here: what follows its digest in the names. */
export function besideHere(store: string, digest: Digest): Set<string> {
  return new Set(filesBeside(store, digest).map(suffixOf));
}
