/** Worker threads that hash and copy files, started when there is much to do and let go when it is done. */
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { type ExitCode, MlpipeError } from '../errors.ts';
import { type PackedFiles, unpackFiles } from './handover.ts';
import type { FileIdentity } from './identity.ts';
import type { StagedPack } from './packs/pack.ts';
import type { StagedFile, StagerOptions } from './work.ts';

export interface Task extends StagerOptions {
  /** Where objects are kept, for `stage`. */
  store: string;
  kind: 'hash' | 'stage';
  paths: string[];
}

export interface Answer {
  /** Those that were done, in order; all, unless there is an error. */
  files: PackedFiles;
  packs: StagedPack[];
  error?: { message: string; code?: string; todo?: string; exit?: ExitCode };
}

/** What became of files. */
export interface Outcome {
  files: StagedFile[];
  packs: StagedPack[];
}

export interface Portion {
  path: string;
  identity: FileIdentity;
}

/** A worker costs some 30 ms to start; below these figures one thread is done sooner. */
const MANY_FILES = 2_000;
const MANY_BYTES = 64 * 2 ** 20;

const THREADS = Math.min(availableParallelism(), 8);

export function isMuch(files: readonly { identity: FileIdentity }[]): boolean {
  return files.length >= MANY_FILES || files.reduce((sum, file) => sum + Number(file.identity.bytes), 0) >= MANY_BYTES;
}

/**
 * Spreads files over threads and answers in the order of `files`.
 *
 * @param onDone told of everything that was staged, also where something else has failed
 * @throws MlpipeError the first failure
 */
export async function inThreads<File extends Portion>(
  task: Omit<Task, 'paths'>,
  files: readonly File[],
  onDone: (done: Outcome) => void,
): Promise<StagedFile[]> {
  const shares = deal(files, THREADS);
  const answers = await Promise.all(shares.map((share) => inThread({ ...task, paths: share.map(({ path }) => path) })));
  const done = new Map<File, StagedFile>();
  shares.forEach((share, index) => {
    const answer = answers[index];
    if (!answer) return;
    const outcome = unpackFiles(answer.files);
    onDone({ files: outcome, packs: answer.packs });
    outcome.forEach((file, position) => {
      const asked = share[position];
      if (asked) done.set(asked, file);
    });
  });
  for (const { error } of answers) if (error) throw revive(error);
  return files.flatMap((file) => done.get(file) ?? []);
}

/** Into shares of about the same number of bytes, each file counting some bytes for being opened. */
function deal<File extends { identity: FileIdentity }>(files: readonly File[], count: number): File[][] {
  const OPENING = 16_384;
  const shares = Array.from({ length: Math.min(count, files.length) }, () => ({ files: [] as File[], load: 0 }));
  const bySize = [...files].sort((one, other) => Number(other.identity.bytes - one.identity.bytes));
  for (const file of bySize) {
    const share = shares.reduce((least, each) => (each.load < least.load ? each : least));
    share.files.push(file);
    share.load += Number(file.identity.bytes) + OPENING;
  }
  return shares.map((share) => share.files);
}

function inThread(task: Task): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(storeWorkerFile(), { workerData: task });
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`A hashing thread ended with code ${code}.`)));
  });
}

/** What a thread of the store runs. Beside this file: as TypeScript when run from the sources, as a bundle in what ships. */
export function storeWorkerFile(): string {
  const here = fileURLToPath(import.meta.url);
  return fileURLToPath(new URL(here.endsWith('.ts') ? 'worker.ts' : 'store-worker.cjs', import.meta.url));
}

function revive({ message, code, todo, exit }: { message: string; code?: string; todo?: string; exit?: ExitCode }) {
  if (code === undefined) return new Error(message);
  return new MlpipeError(message, { code, ...(todo !== undefined && { todo }), ...(exit !== undefined && { exit }) });
}
