/** Checks a table, in a thread of its own where that takes long enough to be felt. */
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { DataPlan } from '../../grammar/plan/plan.ts';
import type { TableFact } from '../../grammar/rules/facts.ts';
import { checkDataset } from '../data/read.ts';

/** Less than this is read within some tens of milliseconds, in pieces that let others speak in between. */
const LARGE = 4 * 1024 * 1024;

export interface TableTask {
  plan: DataPlan;
  path: string;
}

export type TableAnswer = { table: TableFact } | { error: string };

/** @throws Error with the reader's message where the table cannot be read at all */
export async function readTable(
  plan: DataPlan,
  path: string,
  bytes: number,
  signal: AbortSignal | undefined,
): Promise<TableFact> {
  if (bytes < LARGE) return checkDataset(plan, path, signal === undefined ? {} : { signal });
  const answer = await inThread({ plan, path }, signal);
  if ('error' in answer) throw new Error(answer.error);
  return answer.table;
}

function inThread(task: TableTask, signal: AbortSignal | undefined): Promise<TableAnswer> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const worker = new Worker(workerFile(), { workerData: task });
    const stop = (): void => {
      void worker.terminate();
      reject(signal?.reason);
    };
    signal?.addEventListener('abort', stop, { once: true });
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => {
      signal?.removeEventListener('abort', stop);
      reject(new Error(`The thread that reads tables ended with code ${code}.`));
    });
  });
}

/** Beside this file: as TypeScript when run from the sources, as a bundle in what ships. */
function workerFile(): string {
  const here = fileURLToPath(import.meta.url);
  return fileURLToPath(new URL(here.endsWith('.ts') ? 'worker.ts' : 'facts-worker.cjs', import.meta.url));
}
