/** The questions of `mlpipe verify`, asked of one record and of everything that stands behind it alone. */
import { join } from 'node:path';
import type { Digest } from '../../../grammar/plan/plan.ts';
import type { Store } from '../../store/store.ts';
import type { Ledger } from '../ledger.ts';
import { lockPath } from '../lock.ts';
import { placeFinder } from '../log/logs.ts';
import { namedBy } from '../named.ts';
import { RecordFiles } from '../record-files.ts';
import { publishedCheckpoints } from '../refs/published.ts';
import { verifyLocks } from './locks.ts';
import { verifyLogs } from './logs.ts';
import { type RemoteKnowledge, verifyObjectsOf } from './objects.ts';
import { type Problem, problem } from './problem.ts';
import { verifyRecords } from './records.ts';
import { trustIn, type Verification, verification } from './verify.ts';

export interface VerifyProgress {
  what: 'records' | 'logs' | 'objects';
  done: number;
  total: number;
}

export interface VerifyOptions {
  signal?: AbortSignal;
  onProgress?: (progress: VerifyProgress) => void;
  /** The default remote and what it is known to have, so that what is missing can be said to be fetched from there. */
  remote?: RemoteKnowledge;
}

/**
 * A record, the evaluations of what it made, and every record that these came from; of all of them the objects, the
 * signatures, the logs of the keys that signed, and the lock files that name one of them.
 *
 * @throws the signal's reason, where it is aborted
 */
export async function verifyBehind(
  { root, store, ledger }: { root: string; store: Store; ledger: Ledger },
  start: Digest,
  options: VerifyOptions = {},
): Promise<Verification> {
  const { signal, onProgress = () => undefined, remote } = options;
  // What a process was killed over is logged first: it is no sign of anything.
  await ledger.complete();
  const problems: Problem[] = [];
  const trust = trustIn(root, problems);
  const files = new RecordFiles(ledger.files, ledger.folder);
  const { only, objects, locks: paths, absent } = behind(files, root, start, (model) => ledger.digestsOfReaders(model));
  problems.push(...absent);
  onProgress({ what: 'records', done: 0, total: only.size });
  const places = placeFinder(ledger.files, ledger.folder);
  const records = await verifyRecords(ledger.files, ledger.folder, trust, places, only);
  signal?.throwIfAborted();
  onProgress({ what: 'logs', done: 0, total: 0 });
  const signers = new Set([...records.whole.values()].flatMap(({ signatures }) => signatures.map(({ key }) => key)));
  const logs = verifyLogs(ledger.files, ledger.folder, await publishedCheckpoints(root, ledger), records, signers);
  const locks = verifyLocks(
    root,
    (digest) => (records.whole.has(digest) ? ledger.get(digest) : undefined),
    (digest) => records.present.has(digest),
    { records: only, paths },
  );
  signal?.throwIfAborted();
  // What is wrong with other records of the same logs is not asked here.
  const concerning = logs.problems.filter(({ digest }) => digest === undefined || only.has(digest));
  const named = new Set(absent.map(({ digest }) => digest));
  problems.push(
    ...records.problems,
    ...[...concerning, ...locks.problems].filter(({ code, digest }) => code !== 'record-missing' || !named.has(digest)),
  );
  const content = await verifyObjectsOf(store, objects, {
    ...(signal === undefined ? {} : { signal }),
    ...(remote === undefined ? {} : { remote }),
    onProgress: (done, total) => onProgress({ what: 'objects', done, total }),
  });
  problems.push(...content.problems);
  const present = [...only].filter((digest) => records.present.has(digest));
  return verification({ objects: content, records, logs, locks, problems }, present.length);
}

interface Behind {
  /** The records, whole or not. */
  only: Set<Digest>;
  /** What each object is to whom, in words. */
  objects: Map<Digest, string>;
  /** Where their lock files are, or would be. */
  locks: Set<string>;
  absent: Problem[];
}

/** Where a record is missing or damaged, what stood behind it cannot be told any more; its problem says so. */
function behind(files: RecordFiles, root: string, start: Digest, readers: (model: Digest) => Digest[]): Behind {
  const found: Behind = { only: new Set(), objects: new Map(), locks: new Set(), absent: [] };
  const waiting: { digest: Digest; of: string }[] = [{ digest: start, of: '' }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { digest, of } = next;
    if (found.only.has(digest)) continue;
    found.only.add(digest);
    if (!files.folder.has(digest)) {
      const message = `The record ${digest}${of === '' ? '' : `, from which ${of} was made,`} has no file.`;
      found.absent.push(problem('record-missing', message, { digest, path: files.folder.path(digest) }));
      continue;
    }
    const read = files.read(digest);
    if ('problem' in read) continue;
    const { record } = read;
    found.locks.add(lockPath(join(root, record.pipeline.file), record.step));
    const named = namedBy(record);
    for (const object of named.objects) {
      const output = Object.entries(record.outputs).find(([, each]) => each.digest === object)?.[0];
      const input = record.inputs.find((each) => each.digest === object);
      const what = input?.path ?? input?.name ?? (output === undefined ? `what ${record.step} ran with` : undefined);
      if (!found.objects.has(object)) found.objects.set(object, what ?? `${record.step}.${output}`);
    }
    waiting.push(...named.records.map((parent) => ({ digest: parent, of: record.step })));
    const model = record.kind === 'train' ? record.outputs.model?.digest : undefined;
    if (model === undefined) continue;
    for (const reader of readers(model)) {
      const evaluation = files.read(reader);
      // Of one that cannot be read nobody can say that it was no evaluation.
      if ('problem' in evaluation || evaluation.record.kind === 'evaluate') waiting.push({ digest: reader, of: '' });
    }
  }
  return found;
}
