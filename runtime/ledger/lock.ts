/** Lock files: what came out of a pipeline's steps, one file a step, committed beside the pipeline. */
import type { Digest } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import { hasCode } from '../store/filesystem.ts';
import { writeWhole } from '../store/small-file.ts';
import { committedPath, committedText, readCommitted } from './committed.ts';
import type { StoredRecord } from './record.ts';

export const LOCK_FORMAT = 'mlpipe-lock/1';

export interface Lock {
  format: typeof LOCK_FORMAT;
  step: string;
  run: string;
  record: Digest;
  key: Digest;
  environment: Digest;
  inputs: Record<string, Digest>;
  outputs: Record<string, { digest: Digest; bytes: number; path?: string }>;
  metrics: Record<string, number>;
}

/** `digits.mlpipe` → `digits.mlpipe.lock/recognise.json`. */
export function lockPath(pipelineFile: string, step: string): string {
  return committedPath(`${pipelineFile}.lock`, step);
}

/** What the lock of a record says. */
export function lockOf({ digest, record }: StoredRecord): Lock {
  return {
    format: LOCK_FORMAT,
    step: record.step,
    run: record.run,
    record: digest,
    key: record.key,
    environment: record.environment.fingerprint,
    inputs: Object.fromEntries(record.inputs.map((input) => [input.name, input.digest])),
    outputs: record.outputs,
    metrics: record.metrics,
  };
}

export function writeLock(pipelineFile: string, stored: StoredRecord): void {
  writeWhole(lockPath(pipelineFile, stored.record.step), committedText(lockOf(stored)).text);
}

/**
 * What a lock file says, or nothing where there is none.
 *
 * @throws MlpipeError `lock-damaged` for conflict markers, a merge of two states, or an edit by hand
 */
export function readLock(pipelineFile: string, step: string): Lock | undefined {
  const path = lockPath(pipelineFile, step);
  let lock: Lock;
  try {
    lock = readLockFile(path);
  } catch (error) {
    if (error instanceof MlpipeError && hasCode(error.cause, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
  // Git pairs files that look alike, and may merge one step's lock into another's.
  if (lock.step !== step) throw damaged(path, `is about the step ${lock.step}`);
  return lock;
}

/** What a lock file says. @throws MlpipeError `lock-damaged`, `path-missing` */
export function readLockFile(path: string): Lock {
  return readCommitted<Lock>(path, LOCK_FORMAT, (how) => damaged(path, how)).value;
}

export function lockedRecord(pipelineFile: string, step: string): Digest | undefined {
  return readLock(pipelineFile, step)?.record;
}

function damaged(path: string, how: string): MlpipeError {
  return new MlpipeError(`The lock file ${path} ${how}.`, {
    code: 'lock-damaged',
    todo: 'Take one side of the merge whole, or remove the file and run the step again: a cached result is found by its key.',
  });
}
