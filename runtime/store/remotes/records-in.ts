/** Records on their way in: which there are, what lies beside them, and what of it is believed. */
import { createHash } from 'node:crypto';
import { digestOf } from '../../../grammar/plan/canonical.ts';
import type { Digest } from '../../../grammar/plan/plan.ts';
import { type NamesCache, publishedNames, readSmall } from './catalogue.ts';
import { inParallel } from './concurrency.ts';
import { corruptOnRemote, remoteFailure } from './failure.ts';
import { nameOf, parseName, recordName } from './names.ts';
import { FEW } from './presence.ts';
import type { Line } from './transfer.ts';

export const RECORD = '.json';
/** What lies beside a record is a signature or the like; more is nothing that belongs there. */
export const LARGEST = 16 * 2 ** 20;

export interface ArrivedRecord {
  digest: Digest;
  /** The record itself, and what lies beside it, by what follows the digest in the name. */
  files: Map<string, Buffer>;
}

/** The names of the records of one remote, found once. */
export interface RecordNames {
  line: Line;
  /** Of a remote that cannot list: every name that its index has. */
  published?: ReadonlySet<string>;
  /** Told of what cannot be believed and is left out. */
  problem: (message: string) => void;
}

/** @param cache for the index of a remote that cannot list */
export async function recordNames(
  line: Line,
  problem: RecordNames['problem'],
  cache?: NamesCache,
): Promise<RecordNames> {
  if (line.driver.abilities.list) return { line, problem };
  return { line, problem, published: await publishedNames(line, cache) };
}

/** Fetches records, checked and not yet stored. One that the remote does not have is not in the answer. */
export async function receiveRecords(
  digests: readonly Digest[],
  names: RecordNames,
): Promise<Map<Digest, ArrivedRecord>> {
  // A listing may be older than the record: who asks for it by name gets it all the same.
  const wanted = new Set([...(await namesBeside(digests, names)), ...digests.map(recordName)]);
  const arrived = await receive(wanted, names);
  for (const [digest, { files }] of arrived) if (!files.has(RECORD)) arrived.delete(digest);
  return arrived;
}

/**
 * Fetches what lies beside records that are here, where it is not here, too: a signature may be younger than its record.
 *
 * @param here what lies beside a record, by what follows the digest in the names
 */
export async function receiveBeside(
  digests: readonly Digest[],
  here: (digest: Digest) => ReadonlySet<string>,
  names: RecordNames,
): Promise<ArrivedRecord[]> {
  const beside = new Map(digests.map((digest) => [digest, here(digest)]));
  const wanted = [...(await namesBeside(digests, names))].filter((name) => {
    const parsed = parseName(name);
    return parsed && parsed.rest !== RECORD && !beside.get(parsed.digest)?.has(parsed.rest);
  });
  return [...(await receive(wanted, names)).values()];
}

/** Every record that a remote has. */
export async function recordsOn({ line, published }: RecordNames, prefix = 'records/'): Promise<Digest[]> {
  const digests = new Set<Digest>();
  const note = (name: string) => {
    const parsed = parseName(name);
    if (parsed?.rest === RECORD) digests.add(parsed.digest);
  };
  if (published) {
    for (const name of published) if (name.startsWith(prefix)) note(name);
    return [...digests].sort();
  }
  try {
    await line.attempt(async ({ signal, alive }) => {
      for await (const { name } of line.driver.list(prefix, signal)) {
        alive();
        note(name);
      }
    });
  } catch (error) {
    if (line.signal?.aborted) throw error;
    throw remoteFailure(line.driver.address, 'the list of its records', error);
  }
  return [...digests].sort();
}

/** Whether content is what its name says; nothing where the name does not say. */
export function fitsName(digest: Digest, rest: string, content: Buffer): boolean | undefined {
  if (rest === RECORD) return digestOf(content) === digest;
  const own = /^\.([0-9a-f]{16})\.sig\.json$/.exec(rest)?.[1];
  return own === undefined ? undefined : createHash('sha256').update(content).digest('hex').startsWith(own);
}

async function receive(names: Iterable<string>, { line, problem }: RecordNames): Promise<Map<Digest, ArrivedRecord>> {
  const { driver, pace, signal } = line;
  const arrived = new Map<Digest, ArrivedRecord>();
  await inParallel(
    names,
    pace,
    async (name, inner) => {
      const parsed = parseName(name);
      if (parsed === undefined) return;
      const { digest, rest } = parsed;
      try {
        const content = await readSmall(line, name, LARGEST, inner);
        if (content === undefined) return;
        if (fitsName(digest, rest, content) === false) {
          if (rest === RECORD)
            throw corruptOnRemote(driver.address, `the record ${digest}`, 'they do not fit its digest');
          problem(`${driver.address} sends wrong bytes for a signature of the record ${digest}, which is left out.`);
          return;
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
  return arrived;
}

async function namesBeside(digests: readonly Digest[], { line, published }: RecordNames): Promise<Set<string>> {
  const { driver, pace, signal } = line;
  const wanted = new Set(digests);
  const names = new Set<string>();
  if (published) {
    for (const name of published) {
      const parsed = parseName(name);
      if (parsed?.room === 'records' && wanted.has(parsed.digest)) names.add(name);
    }
    return names;
  }
  const prefixes =
    digests.length <= FEW
      ? digests.map((digest) => nameOf('records', digest))
      : [...new Set(digests.map((digest) => nameOf('records', digest).slice(0, 'records/ab/'.length)))];
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
  return names;
}
