/** Entry of a hashing thread: does its share, answers once, ends. */
import { parentPort, workerData } from 'node:worker_threads';
import { MlpipeError } from '../errors.ts';
import { nodeFileSystem } from './filesystem.ts';
import { objectFolder } from './layout.ts';
import type { Answer, Task } from './pool.ts';
import { hashFile, type StagedFile, stageFile } from './work.ts';

async function answer(task: Task): Promise<Answer> {
  const files: StagedFile[] = [];
  try {
    const objects = objectFolder(nodeFileSystem, task.store);
    for (const path of task.paths) {
      files.push(task.kind === 'hash' ? hashFile(path) : await stageFile(objects, path, task.durable));
    }
    return { files };
  } catch (error) {
    if (!(error instanceof MlpipeError)) return { files, error: { message: String(error) } };
    const { message, code, todo, exit } = error;
    return { files, error: { message, code, exit, ...(todo !== undefined && { todo }) } };
  }
}

// The task was put there by `inThreads`, which is the only one to start this file.
void answer(workerData as Task).then((files) => parentPort?.postMessage(files));
