/** Reads the records of a large ledger in as many threads as there are cores. */
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Digest } from '../../../grammar/plan/plan.ts';
import { SHARDS } from '../../store/content.ts';
import type { Trust } from '../keys/trust.ts';
import type { JudgedSignature } from '../signature.ts';
import type { Problem } from './problem.ts';
import { type CheckedRecords, nothingChecked } from './records.ts';

export interface VerifyTask {
  store: string;
  trust: Trust;
  only?: ReadonlySet<Digest>;
}

export interface VerifyShare extends VerifyTask {
  shards: string[];
}

/** What a thread answers, made to be small on its way: of a hundred thousand signatures few differ in what they say. */
export interface VerifyAnswer {
  said: JudgedSignature[];
  /** By digest, which of `said` its signatures are. */
  whole: [Digest, number[]][];
  present: Digest[];
  problems: Problem[];
  signatures: number;
  orphans: number;
}

const THREADS = Math.min(availableParallelism(), 8);

export async function verifyInThreads(task: VerifyTask): Promise<CheckedRecords> {
  const shares = Array.from({ length: THREADS }, (_, thread) =>
    SHARDS.filter((_each, index) => index % THREADS === thread),
  );
  const answers = await Promise.all(shares.map((shards) => inThread({ ...task, shards })));
  const found = nothingChecked();
  // Each thread has every so manieth folder; what is told is in the order of the folders all the same.
  const order = (one: Problem, other: Problem) => ((one.path ?? '') < (other.path ?? '') ? -1 : 1);
  for (const { said, whole, present, problems, signatures, orphans } of answers) {
    for (const digest of present) found.present.add(digest);
    for (const [digest, which] of whole)
      found.whole.set(digest, { signatures: which.flatMap((index) => said[index] ?? []) });
    found.problems.push(...problems);
    found.signatures += signatures;
    found.orphans += orphans;
  }
  found.problems.sort(order);
  return found;
}

function inThread(share: VerifyShare): Promise<VerifyAnswer> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(workerFile(), { workerData: share });
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`A verifying thread ended with code ${code}.`)));
  });
}

/** Beside this file: as TypeScript when run from the sources, as a bundle in what ships. */
function workerFile(): string {
  const here = fileURLToPath(import.meta.url);
  return fileURLToPath(new URL(here.endsWith('.ts') ? 'worker.ts' : 'verify-worker.cjs', import.meta.url));
}
