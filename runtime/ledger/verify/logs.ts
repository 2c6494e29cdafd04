/** Reads every log again, and holds it against its checkpoints and against the records. */
import { join } from 'node:path';
import type { Digest } from '../../../grammar/plan/plan.ts';
import type { FileSystem } from '../../store/filesystem.ts';
import { type Checkpoint, openCheckpoint } from '../log/checkpoint.ts';
import { type Log, lastCheckpoint, logsIn, originOf } from '../log/logs.ts';
import { equal, GrowingTree, type Hash, leafHash } from '../log/merkle.ts';
import { heldEntries } from '../log/tracking.ts';
import type { JudgedSignature } from '../signature.ts';
import { type Problem, problem } from './problem.ts';
import { type CheckedRecords, recordPath } from './records.ts';

/** A checkpoint that was published: in a commit of a ref. */
export interface PublishedCheckpoint {
  writer: string;
  note: string;
  /** The ref and the commit. */
  where: string;
  /** Whether a remote has it: then it cannot be taken back. */
  hasLeft: boolean;
}

export interface CheckedLog {
  writer: string;
  key: string;
  entries: number;
  /** How many of their records were never fetched. */
  elsewhere: number;
  /** How many entries the newest checkpoint of each kind covers. */
  checkpoints: { here: number | null; published: number | null; left: number | null };
}

interface Said extends Checkpoint {
  where: string;
}

/** @param keys the keys whose logs are read; without them every log, and what is no log */
export function verifyLogs(
  files: FileSystem,
  store: string,
  published: readonly PublishedCheckpoint[],
  records: CheckedRecords,
  keys?: ReadonlySet<string>,
): { problems: Problem[]; logs: CheckedLog[]; torn: number } {
  const there = logsIn(files, store);
  const logs = there.logs.filter(({ key }) => keys?.has(key.id) ?? true);
  for (const log of there.logs) if (!logs.includes(log)) log.close();
  // Whose a log was that is damaged or gone cannot be told; that it lacks a record is told of the record.
  const damaged = keys === undefined ? there.damaged : [];
  const problems: Problem[] = damaged.map((writer) =>
    problem('log-damaged', `The log ${writer} does not say whose it is.`, {
      path: join(store, 'log', writer, 'log.json'),
    }),
  );
  const result: CheckedLog[] = [];
  let torn = 0;
  /** What each key has logged. */
  const logged = new Map<string, Set<Digest>>();
  for (const log of logs) {
    const own = logged.get(log.key.id) ?? new Set<Digest>();
    logged.set(log.key.id, own);
    const said = checkpointsOf(files, store, log, published, problems);
    const held = heldEntries(files, store, log);
    const read = verifyEntries(log, said.all, records, { store, held }, own, problems);
    torn += read.torn;
    const { entries, elsewhere } = read;
    result.push({ writer: log.writer, key: log.key.id, entries, elsewhere, checkpoints: said.sizes });
    log.close();
  }
  const here = new Set([...logs.map(({ writer }) => writer), ...damaged]);
  for (const writer of new Set(keys === undefined ? published.map((each) => each.writer) : [])) {
    if (!here.has(writer))
      problems.push(
        problem('log-missing', `The log ${writer} was published, and is not here.`, {
          path: join(store, 'log', writer),
        }),
      );
  }
  for (const [digest, { signatures }] of records.whole) {
    const signer = signatures.find((each) => isLogging(each) && !logged.get(each.key)?.has(digest));
    if (signer) {
      const message = `The record ${digest} is signed by the key ${signer.key} and in none of its logs.`;
      problems.push(problem('record-unlogged', message, { digest, path: recordPath(store, digest) }));
    }
  }
  return { problems, logs: result, torn };
}

/** Keys of mlpipe's own log what they sign; git's keys do not. */
function isLogging({ scheme, state }: JudgedSignature): boolean {
  return scheme === 'ed25519' && state !== 'forged';
}

function checkpointsOf(
  files: FileSystem,
  store: string,
  log: Log,
  published: readonly PublishedCheckpoint[],
  problems: Problem[],
): { all: Said[]; sizes: CheckedLog['checkpoints'] } {
  const all: Said[] = [];
  const sizes: CheckedLog['checkpoints'] = { here: null, published: null, left: null };
  const path = join(log.folder, 'checkpoint');
  const here = lastCheckpoint(files, store, log);
  if (here && 'problem' in here) {
    problems.push(problem('checkpoint-forged', `The checkpoint of the log ${log.writer} ${here.problem}.`, { path }));
  } else if (here) {
    all.push({ ...here, where: path });
    sizes.here = here.size;
  }
  for (const { writer, note, where, hasLeft } of published) {
    if (writer !== log.writer) continue;
    const opened = openCheckpoint(note, log.key);
    if ('problem' in opened || opened.origin !== originOf(writer)) {
      const how = 'problem' in opened ? opened.problem : 'is of another log';
      problems.push(problem('checkpoint-forged', `The checkpoint in ${where} ${how}.`));
      continue;
    }
    all.push({ ...opened, where });
    sizes.published = Math.max(sizes.published ?? 0, opened.size);
    if (hasLeft) sizes.left = Math.max(sizes.left ?? 0, opened.size);
  }
  return { all, sizes };
}

function verifyEntries(
  log: Log,
  said: readonly Said[],
  records: CheckedRecords,
  { store, held }: { store: string; held: number },
  logged: Set<Digest>,
  problems: Problem[],
): { entries: number; elsewhere: number; torn: number } {
  const { path } = log.entries;
  const whole = log.entries.size();
  const tree = new GrowingTree();
  const wanted = new Set(said.map(({ size }) => size));
  const roots = new Map<number, Hash>([[0, tree.root()]]);
  let damagedAt: number | undefined;
  let elsewhere = 0;
  for (const { index, record, subtree } of log.entries.rows(0, whole)) {
    const digest: Digest = `sha256:${Buffer.from(record).toString('hex')}`;
    if (damagedAt === undefined) {
      if (index !== tree.size || !equal(tree.add(leafHash(record)), subtree)) {
        damagedAt = Math.min(index, tree.size);
        const message = `The entry ${damagedAt} of the log ${log.writer} is not what was written.`;
        problems.push(problem('log-damaged', message, { path }));
      } else if (wanted.has(tree.size)) {
        roots.set(tree.size, tree.root());
      }
    }
    if (logged.has(digest))
      problems.push(
        problem('log-duplicate', `The log ${log.writer} has the record ${digest} twice.`, { digest, path }),
      );
    logged.add(digest);
    if (index >= held && !records.present.has(digest)) elsewhere += 1;
    else verifyEntry(log, digest, records, store, problems);
  }
  if (damagedAt === undefined && whole > tree.size)
    problems.push(problem('log-damaged', `The log ${log.writer} has entries that are not whole.`, { path }));
  for (const { size, root, where } of said) {
    const found = roots.get(size);
    if (size > whole) {
      const message = `The log ${log.writer} has ${whole} entries; the checkpoint in ${where} says that there were ${size}.`;
      problems.push(problem('log-shorter', message, { path }));
    } else if (damagedAt === undefined && (found === undefined || !equal(found, root))) {
      const message = `The first ${size} entries of the log ${log.writer} are not those that the checkpoint in ${where} stands for.`;
      problems.push(problem('log-rewritten', message, { path }));
    }
  }
  return { entries: whole, elsewhere, torn: log.entries.length - whole };
}

function verifyEntry(log: Log, digest: Digest, records: CheckedRecords, store: string, problems: Problem[]): void {
  if (!records.present.has(digest)) {
    const message = `The record ${digest} is in the log ${log.writer} and has no file.`;
    problems.push(problem('record-missing', message, { digest, path: recordPath(store, digest) }));
    return;
  }
  // One that is not whole is told of already.
  const checked = records.whole.get(digest);
  if (checked && !checked.signatures.some(({ key, state }) => key === log.key.id && state !== 'forged')) {
    const message = `The record ${digest} is in the log ${log.writer} and lacks the signature of its key.`;
    problems.push(problem('signature-missing', message, { digest }));
  }
}
