/** Reads every record and every signature again. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Digest } from '../../../grammar/plan/plan.ts';
import { SHARDS } from '../../store/content.ts';
import { type FileSystem, nodeFileSystem } from '../../store/filesystem.ts';
import type { KeyId } from '../keys/public-key.ts';
import type { Trust } from '../keys/trust.ts';
import type { RunRecord } from '../record.ts';
import { RecordFiles } from '../record-files.ts';
import { isSigned, type JudgedSignature, judge, judgeTogether, type Place } from '../signature.ts';
import { type Problem, problem } from './problem.ts';

export interface CheckedRecord {
  signatures: JudgedSignature[];
}

export interface CheckedRecords {
  problems: Problem[];
  /** By digest: those that are what their name says. */
  whole: Map<Digest, CheckedRecord>;
  /** Those that have a file, whole or not. */
  present: Set<Digest>;
  signatures: number;
  /** Signatures whose record is not there: what a crash between two names may leave. */
  orphans: number;
}

/** How many are checked at once: enough for every core, little enough for any memory. */
const AT_ONCE = 256;

/** Fewer are read sooner than threads are started; and two cores are busy with one, whose signatures the pool checks. */
const MANY = 4000;
const CORES = 4;

/**
 * Many are read in threads, where the disk is this machine's.
 *
 * @param places where a key has logged a record; asked for revoked keys only
 * @param only those that are read; of the others it is only said that they are there
 */
export async function verifyRecords(
  files: FileSystem,
  store: string,
  trust: Trust,
  places: (key: KeyId, record: Digest) => readonly Place[],
  only?: ReadonlySet<Digest>,
): Promise<CheckedRecords> {
  const many = () => (only?.size ?? estimate(files, store)) >= MANY;
  if (files === nodeFileSystem && availableParallelism() >= CORES && many()) {
    const { verifyInThreads } = await import('./threads.ts');
    return verifyInThreads({ store, trust, ...(only === undefined ? {} : { only }) });
  }
  return verifyShards(files, store, SHARDS, { trust, places, ...(only === undefined ? {} : { only }) });
}

/** How many records there are, about: digests spread evenly over the folders. */
function estimate(files: FileSystem, store: string): number {
  const records = new RecordFiles(files, store);
  const some = SHARDS.slice(0, 4).reduce((sum, shard) => sum + records.list(shard).records.size, 0);
  return (some * SHARDS.length) / 4;
}

export interface VerifyContext {
  trust: Trust;
  places: (key: KeyId, record: Digest) => readonly Place[];
  only?: ReadonlySet<Digest>;
}

export function nothingChecked(): CheckedRecords {
  return { problems: [], whole: new Map(), present: new Set(), signatures: 0, orphans: 0 };
}

/** Reads the records of some of the 256 folders. */
export async function verifyShards(
  files: FileSystem,
  store: string,
  shards: readonly string[],
  { trust, places, only }: VerifyContext,
): Promise<CheckedRecords> {
  const records = new RecordFiles(files, store);
  const found = nothingChecked();
  for (const shard of shards) {
    const listing = records.list(shard);
    for (const digest of listing.records.keys()) found.present.add(digest);
    found.orphans += listing.orphans.filter(({ digest }) => only?.has(digest) ?? true).length;
    const strangers = only === undefined ? listing.strangers : [];
    for (const path of strangers.filter((each) => !/[\\/]\.[^\\/]+$/.test(each)))
      found.problems.push(problem('stranger', `${path} is neither a record nor a signature.`, { path }));
    const all = [...listing.records].filter(([digest]) => only?.has(digest) ?? true);
    for (let from = 0; from < all.length; from += AT_ONCE) {
      const piece = all.slice(from, from + AT_ONCE);
      await Promise.all(
        piece.map(([digest, suffixes]) => verifyRecord(records, digest, suffixes, trust, places, found)),
      );
    }
  }
  return found;
}

async function verifyRecord(
  records: RecordFiles,
  digest: Digest,
  suffixes: readonly string[],
  trust: Trust,
  places: (key: KeyId, record: Digest) => readonly Place[],
  found: CheckedRecords,
): Promise<void> {
  const read = records.read(digest);
  if ('problem' in read) {
    const path = records.folder.path(digest);
    found.problems.push(
      problem('record-edited', `The record ${digest} is not whole: ${read.problem}.`, { digest, path }),
    );
    return;
  }
  const signatures: JudgedSignature[] = [];
  for (const suffix of suffixes) {
    const judged = await verifySignature(records, { digest, ...read }, suffix, trust, places, found.problems);
    if (judged) signatures.push(judged);
  }
  found.signatures += suffixes.length;
  found.whole.set(digest, { signatures: judgeTogether(signatures, read.record, trust) });
}

async function verifySignature(
  records: RecordFiles,
  stored: { digest: Digest; record: RunRecord; content: Buffer },
  suffix: string,
  trust: Trust,
  places: (key: KeyId, record: Digest) => readonly Place[],
  problems: Problem[],
): Promise<JudgedSignature | undefined> {
  const { digest, record, content } = stored;
  const about = { digest, path: records.folder.path(digest, suffix) };
  const read = records.signature(digest, suffix);
  if (read === undefined) {
    problems.push(problem('signature-edited', `A signature of the record ${digest} is not what was written.`, about));
    return undefined;
  }
  const judged = judge(read, await isSigned(content, read), record, trust, () => places(read.key.id, digest));
  if (judged.state === 'forged') {
    const who = judged.name === undefined ? `the key ${judged.key}` : `${judged.name} (key ${judged.key})`;
    problems.push(
      problem(
        'signature-forged',
        `The record ${digest} bears a signature of ${who} that this key did not make.`,
        about,
      ),
    );
  }
  return judged;
}

/** What a record's path is, for messages. */
export function recordPath(store: string, digest: Digest): string {
  return join(store, 'records', digest.slice(7, 9), `${digest.slice(9)}.json`);
}
