/** Holds every lock file of a project against the record that it names. */
import fs from 'node:fs';
import { join } from 'node:path';
import { canonicalJson } from '../../../grammar/plan/canonical.ts';
import type { Digest } from '../../../grammar/plan/plan.ts';
import { MlpipeError } from '../../errors.ts';
import { lockOf, lockPath, readLockFile } from '../lock.ts';
import type { StoredRecord } from '../record.ts';
import { type Problem, problem } from './problem.ts';

/**
 * @param present whether a record has a file; what is wrong with that file is told elsewhere
 * @param only the records that are asked about, and their lock files: one that names another record is left alone
 */
export function verifyLocks(
  root: string,
  get: (digest: Digest) => StoredRecord | undefined,
  present: (digest: Digest) => boolean,
  only?: { records: ReadonlySet<Digest>; paths: ReadonlySet<string> },
): { locks: number; problems: Problem[] } {
  const problems: Problem[] = [];
  let locks = 0;
  for (const path of lockFiles(root)) {
    try {
      const lock = readLockFile(path);
      if (only !== undefined && !only.records.has(lock.record)) continue;
      locks += 1;
      if (!present(lock.record)) {
        const message = `${path} names the record ${lock.record}, which is not here.`;
        problems.push(problem('lock-record-missing', message, { digest: lock.record, path }));
        continue;
      }
      const stored = get(lock.record);
      // A result that was taken from another step's record keeps the name of the step that took it.
      if (
        stored &&
        canonicalJson(lock) !== canonicalJson(lockOf({ ...stored, record: { ...stored.record, step: lock.step } }))
      )
        problems.push(
          problem('lock-differs', `${path} does not say what its record says.`, { digest: lock.record, path }),
        );
      if (!path.endsWith(lockPath('', lock.step).slice('.lock'.length)))
        problems.push(problem('lock-damaged', `${path} is about the step ${lock.step}.`, { path }));
    } catch (error) {
      if (!(error instanceof MlpipeError)) throw error;
      if (only !== undefined && !only.paths.has(path)) continue;
      locks += 1;
      problems.push(problem('lock-damaged', error.message, { path }));
    }
  }
  return { locks, problems };
}

/** Where nothing of a project's own lies, or too much. */
const ELSEWHERE = new Set(['node_modules', '.git', '.mlpipe', '.venv', 'venv']);

function* lockFiles(folder: string): Generator<string> {
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    if (!entry.isDirectory() || ELSEWHERE.has(entry.name)) continue;
    const path = join(folder, entry.name);
    if (entry.name.endsWith('.mlpipe.lock')) {
      for (const name of fs.readdirSync(path)) if (name.endsWith('.json')) yield join(path, name);
    } else {
      yield* lockFiles(path);
    }
  }
}
