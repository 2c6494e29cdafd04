/** Entry of the thread that checks large tables: reads one, answers once, ends. */
import { parentPort, workerData } from 'node:worker_threads';
import { checkDataset } from '../data/read.ts';
import type { TableAnswer, TableTask } from './tables.ts';

// The task was put there by `readTable`, which is the only one to start this file.
const { plan, path } = workerData as TableTask;

async function answer(): Promise<TableAnswer> {
  try {
    return { table: await checkDataset(plan, path) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

void answer().then((message) => parentPort?.postMessage(message));
