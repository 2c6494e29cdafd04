/** Entry of a hashing thread: does its share, answers, ends. */
import { parentPort, workerData } from 'node:worker_threads';
import { MlpipeError } from '../errors.ts';
import { nodeFileSystem } from './filesystem.ts';
import { packFiles } from './handover.ts';
import { objectFolder, packFolder } from './layout.ts';
import type { Answer, Task } from './pool.ts';
import { type CuttingTask, cutFile } from './remotes/cutting-thread.ts';
import { hashFile, type StagedFile, Stager } from './work.ts';

async function answer(task: Task): Promise<Answer> {
  const files: StagedFile[] = [];
  const stager = new Stager(objectFolder(nodeFileSystem, task.store), packFolder(nodeFileSystem, task.store), task);
  try {
    for (const path of task.paths) files.push(task.kind === 'hash' ? hashFile(path) : await stager.add(path));
    return { files: packFiles(files), packs: stager.finish() };
  } catch (error) {
    stager.discard();
    const done = { files: packFiles(files), packs: [] };
    if (!(error instanceof MlpipeError)) return { ...done, error: { message: String(error) } };
    const { message, code, todo, exit } = error;
    return { ...done, error: { message, code, exit, ...(todo !== undefined && { todo }) } };
  }
}

// The task was put there by `inThreads` or `cutInThread`, the only ones to start this file.
const task = workerData as Task | CuttingTask;
if (task.kind === 'cut') void cutFile(task, parentPort);
else void answer(task).then((files) => parentPort?.postMessage(files));
