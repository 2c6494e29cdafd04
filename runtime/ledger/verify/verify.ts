/**
 * Whether anything in a project's ledger was changed, removed, put in another order or forged, and what of that cannot
 * be told.
 */
import { MlpipeError } from '../../errors.ts';
import type { Store } from '../../store/store.ts';
import { readTrust, type Trust } from '../keys/trust.ts';
import type { Ledger } from '../ledger.ts';
import { placeFinder } from '../log/logs.ts';
import { publishedCheckpoints } from '../refs/published.ts';
import { signersOf } from '../signature.ts';
import { verifyLocks } from './locks.ts';
import { type CheckedLog, verifyLogs } from './logs.ts';
import { objectProblem } from './objects.ts';
import { type Problem, problem } from './problem.ts';
import { type CheckedRecords, verifyRecords } from './records.ts';

export interface Verification {
  ok: boolean;
  objects: number;
  records: number;
  signatures: number;
  locks: number;
  logs: CheckedLog[];
  /** How many records are signed by whom: `trusted` and so on, and `unsigned`. */
  standing: Record<string, number>;
  /** How many records two people of the project or more have signed. */
  countersigned: number;
  problems: Problem[];
  /** What is as it should be and proves less than one might think. */
  notes: string[];
}

export async function verifyProject(
  root: string,
  store: Store,
  ledger: Ledger,
  onProgress: (what: string) => void = () => undefined,
): Promise<Verification> {
  // What a process was killed over is logged first: it is no sign of anything.
  await ledger.complete();
  const problems: Problem[] = [];
  onProgress('objects');
  const objects = await store.verify();
  problems.push(...objects.problems.map(objectProblem));
  const trust = trustIn(root, problems);
  onProgress('records');
  const places = placeFinder(ledger.files, ledger.folder);
  const records = await verifyRecords(ledger.files, ledger.folder, trust, places);
  onProgress('logs');
  const published = await publishedCheckpoints(root, ledger);
  const logs = verifyLogs(ledger.files, ledger.folder, published, records);
  const locks = verifyLocks(
    root,
    (digest) => (records.whole.has(digest) ? ledger.get(digest) : undefined),
    (digest) => records.present.has(digest),
  );
  problems.push(...records.problems, ...logs.problems, ...locks.problems);
  return verification({ objects, records, logs, locks, problems }, records.present.size);
}

interface Checked {
  objects: { objects: number };
  records: CheckedRecords;
  logs: ReturnType<typeof verifyLogs>;
  locks: { locks: number };
  /** Of all of them. */
  problems: Problem[];
}

/** @param count how many records were meant and are there */
export function verification({ objects, records, logs, locks, problems }: Checked, count: number): Verification {
  const standing = standingOf(records);
  return {
    ok: problems.length === 0,
    objects: objects.objects,
    records: count,
    signatures: records.signatures,
    locks: locks.locks,
    logs: logs.logs,
    standing,
    countersigned: countersigned(records),
    problems,
    notes: notesOn(logs.logs, standing, records, logs.torn),
  };
}

/** Whom the project trusts; nobody, and a problem, where that cannot be read. */
export function trustIn(root: string, problems: Problem[]): Trust {
  try {
    return readTrust(root);
  } catch (error) {
    if (!(error instanceof MlpipeError)) throw error;
    problems.push(problem('trust-damaged', error.message));
    return new Map();
  }
}

/** The best that any of a record's signatures says. */
function standingOf({ whole }: CheckedRecords): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { signatures } of whole.values()) {
    const states = new Set(signatures.map(({ state }) => state));
    const best = BEST.find((state) => states.has(state)) ?? 'unsigned';
    counts[best] = (counts[best] ?? 0) + 1;
  }
  return counts;
}

function countersigned({ whole }: CheckedRecords): number {
  return [...whole.values()].filter(({ signatures }) => signersOf(signatures).length > 1).length;
}

const BEST = ['trusted', 'untrusted', 'outside', 'revoked', 'unknown', 'forged'] as const;

function notesOn(
  logs: readonly CheckedLog[],
  standing: Readonly<Record<string, number>>,
  { orphans }: CheckedRecords,
  torn: number,
): string[] {
  const notes: string[] = [];
  const say = (count: number | undefined, one: string, many: string) => {
    if (count) notes.push(`${count.toLocaleString('en-US')} ${count === 1 ? one : many}`);
  };
  say(
    standing.unsigned,
    'record is not signed: anybody who could write here may have written it.',
    'records are not signed: anybody who could write here may have written them.',
  );
  say(
    standing.untrusted,
    'record is signed by a key that the project does not name: `mlpipe keys list` shows which.',
    'records are signed by keys that the project does not name: `mlpipe keys list` shows which.',
  );
  say(
    standing.outside,
    'record is signed by a key at a time that it does not stand for.',
    'records are signed by keys at times that they do not stand for.',
  );
  say(standing.revoked, 'record is signed by a key that was revoked.', 'records are signed by keys that were revoked.');
  say(
    standing.unknown,
    'record has only signatures that cannot be checked here.',
    'records have only signatures that cannot be checked here.',
  );
  say(
    orphans,
    'signature has no record: a process was killed before it had written both.',
    'signatures have no record: processes were killed before they had written both.',
  );
  say(
    torn,
    'entry of a log was never finished: nobody was told of it.',
    'entries of logs were never finished: nobody was told of them.',
  );
  for (const { writer, entries, elsewhere, checkpoints } of logs) {
    say(
      elsewhere,
      `record that the log ${writer} names is not here: \`mlpipe fetch --all\` brings it.`,
      `records that the log ${writer} names are not here: \`mlpipe fetch --all\` brings them.`,
    );
    const left = checkpoints.left ?? 0;
    if (entries > left) {
      notes.push(
        left === 0
          ? `Nothing of the log ${writer} has left this machine, as far as is known here: whoever has the key could write all of it anew. \`mlpipe push\` ends that, and \`mlpipe log push\` does.`
          : `Of the log ${writer} the first ${left.toLocaleString('en-US')} of ${entries.toLocaleString('en-US')} entries have left this machine: whoever has the key could write the others anew.`,
      );
    }
  }
  if (logs.length > 0)
    notes.push('Times are what the writers’ clocks said. The order of a log is proved, its times are not.');
  return notes;
}
