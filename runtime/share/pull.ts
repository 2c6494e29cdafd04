/** Fetches records, and the objects that are needed to use or to make again what they are about. */
import type { Bytes, Digest } from '../../grammar/plan/plan.ts';
import { EXIT, MlpipeError } from '../errors.ts';
import { addBehind, namedBy } from '../ledger/named.ts';
import { RECORD_FORMAT, type RunRecord, type StoredRecord } from '../ledger/record.ts';
import type { Project } from '../project.ts';
import { beginSession } from '../store/collection/sessions.ts';
import { fetchObjects } from '../store/remotes/download.ts';
import { mustBeMade } from '../store/remotes/format.ts';
import { besideHere, hasRecord, storeRecords } from '../store/remotes/records.ts';
import {
  type ArrivedRecord,
  type RecordNames,
  receiveBeside,
  receiveRecords,
  recordNames,
  recordsOn,
} from '../store/remotes/records-in.ts';
import { chosenRemote, type NamedRemote } from '../store/remotes/settings.ts';
import { type Line, openLine, Progress, type TransferOptions } from '../store/remotes/transfer.ts';
import { modelOf } from '../versions/model.ts';
import { orCancelled } from './cancelled.ts';
import { namesCache, rememberOnRemote } from './known.ts';
import { lockedRecords } from './locks.ts';
import { pullLogs } from './logs.ts';
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
  /** Of records that were here already. */
  signatures: number;
  /** Writers whose logs have grown here. */
  logs: string[];
  /** What is not as it should be: logs that part, signatures that are not what they are called. */
  problems: string[];
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
        const problems: string[] = [];
        const problem = (message: string) => void problems.push(message);
        const names = await recordNames(line, problem, namesCache(project.store.folder));
        const locked = new Set(await lockedRecords(project.root, options.warn));
        const wanted = options.all ? [...new Set([...locked, ...(await recordsOn(names))])] : [...locked];
        const { records, missing: lacking } = await fetchRecords(project, wanted, names);
        // An index may name what was never sent; what the project names is another thing.
        const missing = lacking.filter(({ digest, of }) => of !== START || locked.has(digest));
        const meant =
          references.length === 0 ? [...records.values()] : await meantBy(project, references, records, names, missing);
        const empty = { records: 0, objects: 0, bytes: 0, present: 0, signatures: 0, logs: [] };
        const answer: PullAnswer = { remote: remote.name, ...empty, missing, problems };
        // No collection may come between objects and the records that name them.
        const session = beginSession(project.store.folder);
        try {
          if (objects) await withObjects(project, meant, line, progress, remote, answer);
          session.require();
          answer.records = storeArrived(project, records);
        } finally {
          session.end();
        }
        answer.signatures = await fetchSignatures(project, records, names);
        answer.logs = await pullLogs({ ledger: project.ledger, line, remote: remote.name, problem }, names.published);
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

/** By what is named what is asked for first. */
const START = 'the lock files';

/** Goes back from these to all that they came from. */
export async function fetchRecords(
  project: Project,
  start: readonly Digest[],
  names: RecordNames,
  records = new Map<Digest, Known>(),
): Promise<FetchedRecords> {
  const missing: PullAnswer['missing'] = [];
  let round = new Map(start.map((digest) => [digest, START]));
  while (round.size > 0) {
    const absent: Digest[] = [];
    for (const digest of round.keys()) {
      const here = hasRecord(project.store.folder, digest) ? project.ledger.get(digest) : undefined;
      if (here) records.set(digest, here);
      else absent.push(digest);
    }
    const arrived = await receiveRecords(absent, names);
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

/** Signatures that were added to records since those came here. @returns how many */
async function fetchSignatures(
  project: Project,
  records: ReadonlyMap<Digest, Known>,
  names: RecordNames,
): Promise<number> {
  const { folder } = project.store;
  const here = [...records.values()].filter(({ arrived }) => arrived === undefined).map(({ digest }) => digest);
  const added = await receiveBeside(here, (digest) => besideHere(folder, digest), names);
  if (added.length === 0) return 0;
  storeRecords(folder, added);
  project.ledger.refresh();
  return added.reduce((sum, { files }) => sum + files.size, 0);
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
  names: RecordNames,
  missing: PullAnswer['missing'],
): Promise<StoredRecord[]> {
  // Names are resolved by the ledger, so what has arrived goes there first; records alone take nothing from anybody.
  storeArrived(project, records);
  const meant = new Map<Digest, StoredRecord>();
  for (const reference of references) {
    const model = await resolved(project, reference, names, missing);
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
  names: RecordNames,
  missing: PullAnswer['missing'],
): Promise<StoredRecord> {
  try {
    return modelOf(project, reference);
  } catch (error) {
    if (!(error instanceof MlpipeError) || error.code !== 'reference-unknown') throw error;
    const found = await beginningWith(reference, names);
    if (found === undefined) throw error;
    const fetched = await fetchRecords(project, [found], names);
    missing.push(...fetched.missing);
    storeArrived(project, fetched.records);
    return modelOf(project, reference);
  }
}

/** The one record on a remote whose digest begins so. */
async function beginningWith(reference: string, names: RecordNames): Promise<Digest | undefined> {
  const digits = reference.replace(/^sha256:/, '').toLowerCase();
  if (!/^[0-9a-f]{4,64}$/.test(digits)) return undefined;
  const found = await recordsOn(names, `records/${digits.slice(0, 2)}/${digits.slice(2)}`);
  if (found.length <= 1) return found[0];
  throw new MlpipeError(`${reference} is the beginning of ${found.length} records on ${names.line.driver.address}.`, {
    code: 'reference-ambiguous',
    todo: 'Write more of it.',
    exit: EXIT.usage,
  });
}
