/** Fetches records, and the objects that are needed to use or to make again what they are about. */
import type { Bytes, Digest } from '../../grammar/plan/plan.ts';
import { EXIT, MlpipeError } from '../errors.ts';
import { RECORD_FORMAT, type RunRecord, type StoredRecord } from '../ledger/record.ts';
import type { Project } from '../project.ts';
import { modelOf } from '../reproduce/recorded.ts';
import { fetchObjects } from '../store/remotes/download.ts';
import { mustBeMade } from '../store/remotes/format.ts';
import { parseName } from '../store/remotes/names.ts';
import { type ArrivedRecord, hasRecord, receiveRecords, recordsOn, storeRecords } from '../store/remotes/records.ts';
import { chosenRemote, type NamedRemote } from '../store/remotes/settings.ts';
import { type Line, openLine, Progress, type TransferOptions } from '../store/remotes/transfer.ts';
import { orCancelled } from './cancelled.ts';
import { rememberOnRemote } from './known.ts';
import { lockedRecords } from './locks.ts';
import { addBehind, namedBy } from './named.ts';
import { withDriver } from './remotes.ts';

export interface PullOptions extends TransferOptions {
  /** The default one where none is named. */
  remote?: string;
  /** Every record that the remote has, whatever the project names. */
  all?: boolean;
  warn?: (message: string) => void;
}

export interface PullAnswer {
  remote: string;
  /** New here. */
  records: number;
  objects: number;
  bytes: Bytes;
  /** Were here already. */
  present: number;
  /** Named by the project or its records, and not on the remote. */
  missing: { kind: 'record' | 'object'; digest: Digest; of: string }[];
}

/**
 * @param references models; what the lock files name where there are none
 * @throws MlpipeError `remote-missing`, `remote-unknown`, `remote-empty`, `reference-unknown`, and what
 *   `store/remotes/failure.ts` names
 */
export async function pull(
  project: Project,
  references: readonly string[] = [],
  options: PullOptions = {},
): Promise<PullAnswer> {
  return transfer(project, references, options, true);
}

/** Records alone; objects come when they are needed. */
export async function fetchAll(project: Project, options: PullOptions = {}): Promise<PullAnswer> {
  return transfer(project, [], options, false);
}

async function transfer(
  project: Project,
  references: readonly string[],
  options: PullOptions,
  objects: boolean,
): Promise<PullAnswer> {
  const remote = chosenRemote(project.root, options.remote);
  return orCancelled(options.signal, () =>
    withDriver(
      project,
      remote,
      async (driver) => {
        const line = openLine(driver, options);
        const progress = new Progress(line, 'down');
        await mustBeMade(line);
        progress.begin('records');
        const locked = await lockedRecords(project.root, options.warn);
        const wanted = options.all ? [...new Set([...locked, ...(await recordsOn(line))])] : locked;
        const { records, missing } = await fetchRecords(project, wanted, line);
        const meant =
          references.length === 0 ? [...records.values()] : await meantBy(project, references, records, line, missing);
        const answer: PullAnswer = { remote: remote.name, records: 0, objects: 0, bytes: 0, present: 0, missing };
        if (objects) await withObjects(project, meant, line, progress, remote, answer);
        answer.records = storeArrived(project, records);
        return answer;
      },
      options,
    ),
  );
}

/** A record that is here, or has arrived and is not yet stored. */
interface Known extends StoredRecord {
  arrived?: ArrivedRecord;
}

interface FetchedRecords {
  records: Map<Digest, Known>;
  missing: PullAnswer['missing'];
}

/** Goes back from these to all that they came from. */
export async function fetchRecords(
  project: Project,
  start: readonly Digest[],
  line: Line,
  records = new Map<Digest, Known>(),
): Promise<FetchedRecords> {
  const missing: PullAnswer['missing'] = [];
  let round = new Map(start.map((digest) => [digest, 'the lock files']));
  while (round.size > 0) {
    const absent: Digest[] = [];
    for (const digest of round.keys()) {
      const here = hasRecord(project.store.folder, digest) ? project.ledger.get(digest) : undefined;
      if (here) records.set(digest, here);
      else absent.push(digest);
    }
    const arrived = await receiveRecords(absent, line);
    for (const digest of absent) {
      const files = arrived.get(digest);
      const record = files && recordIn(files);
      if (record) records.set(digest, { digest, record, arrived: files });
      else missing.push({ kind: 'record', digest, of: round.get(digest) ?? '' });
    }
    const next = new Map<Digest, string>();
    for (const digest of round.keys()) {
      const known = records.get(digest);
      for (const parent of known ? namedBy(known.record).records : []) {
        if (!records.has(parent) && !round.has(parent)) next.set(parent, known?.record.step ?? '');
      }
    }
    round = next;
  }
  return { records, missing };
}

/** Its digest proves that these bytes were written as a record; a later format is left to a later mlpipe. */
function recordIn({ files }: ArrivedRecord): RunRecord | undefined {
  try {
    const record = JSON.parse(files.get('.json')?.toString('utf8') ?? '') as RunRecord;
    return record.format === RECORD_FORMAT ? record : undefined;
  } catch {
    // Counted as missing by the caller, who knows for whom it is.
    return undefined;
  }
}

function storeArrived(project: Project, records: ReadonlyMap<Digest, Known>): number {
  const arrived = [...records.values()].flatMap(({ arrived: files }) => files ?? []);
  if (arrived.length === 0) return 0;
  const count = storeRecords(project.store.folder, arrived);
  project.ledger.refresh();
  return count;
}

async function withObjects(
  project: Project,
  meant: readonly StoredRecord[],
  line: Line,
  progress: Progress,
  remote: NamedRemote,
  answer: PullAnswer,
): Promise<void> {
  const wanted = new Map<Digest, string>();
  for (const { record } of meant) for (const object of namedBy(record).objects) wanted.set(object, record.step);
  const fetched = await fetchObjects(project.store.folder, [...wanted.keys()], line, progress);
  answer.objects = fetched.objects;
  answer.bytes = fetched.bytes;
  answer.present = fetched.present;
  for (const digest of fetched.missing) {
    answer.missing.push({ kind: 'object', digest, of: wanted.get(digest) ?? 'a folder' });
  }
  const there = [...wanted.keys()].filter((digest) => !fetched.missing.has(digest));
  rememberOnRemote(project.store.folder, remote.name, there);
}

/**
 * The records behind references, which may name what only the remote knows: a step of a lock file, or the beginning of a
 * record's digest.
 */
async function meantBy(
  project: Project,
  references: readonly string[],
  records: Map<Digest, Known>,
  line: Line,
  missing: PullAnswer['missing'],
): Promise<StoredRecord[]> {
  // Names are resolved by the ledger, so what has arrived goes there first; records alone take nothing from anybody.
  storeArrived(project, records);
  const meant = new Map<Digest, StoredRecord>();
  for (const reference of references) {
    const model = await resolved(project, reference, line, missing);
    addBehind(project, model, meant);
    for (const { digest } of Object.values(model.record.outputs)) {
      for (const reader of project.ledger.readers(digest))
        if (reader.record.kind === 'evaluate') addBehind(project, reader, meant);
    }
  }
  return [...meant.values()];
}

async function resolved(
  project: Project,
  reference: string,
  line: Line,
  missing: PullAnswer['missing'],
): Promise<StoredRecord> {
  try {
    return modelOf(project, reference);
  } catch (error) {
    if (!(error instanceof MlpipeError) || error.code !== 'reference-unknown') throw error;
    const found = await beginningWith(reference, line);
    if (found === undefined) throw error;
    const fetched = await fetchRecords(project, [found], line);
    missing.push(...fetched.missing);
    storeArrived(project, fetched.records);
    return modelOf(project, reference);
  }
}

/** The one record on a remote whose digest begins so. */
async function beginningWith(reference: string, line: Line): Promise<Digest | undefined> {
  const digits = reference.replace(/^sha256:/, '').toLowerCase();
  if (!/^[0-9a-f]{4,64}$/.test(digits) || !line.driver.abilities.list) return undefined;
  const found = new Set<Digest>();
  await line.attempt(async ({ signal }) => {
    for await (const { name } of line.driver.list(`records/${digits.slice(0, 2)}/${digits.slice(2)}`, signal)) {
      const parsed = parseName(name);
      if (parsed) found.add(parsed.digest);
    }
  });
  if (found.size <= 1) return [...found][0];
  throw new MlpipeError(`${reference} is the beginning of ${found.size} records on ${line.driver.address}.`, {
    code: 'reference-ambiguous',
    todo: 'Write more of it.',
    exit: EXIT.usage,
  });
}
