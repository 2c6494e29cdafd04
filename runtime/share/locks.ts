/** The records that a project's lock files name: what somebody has who has git alone. */
import fs from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { Digest } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import { git } from '../ledger/git.ts';
import { readLock } from '../ledger/lock.ts';

/** @param warn told of lock files that cannot be used; the others count all the same */
export async function lockedRecords(
  root: string,
  warn: (message: string) => void = () => undefined,
): Promise<Digest[]> {
  const records = new Set<Digest>();
  for (const path of await lockFiles(root)) {
    try {
      const pipeline = dirname(path).slice(0, -'.lock'.length);
      const step = stepIn(path);
      const record = step === undefined ? undefined : readLock(pipeline, step)?.record;
      if (record !== undefined) records.add(record);
    } catch (error) {
      if (!(error instanceof MlpipeError)) throw error;
      warn(error.message);
    }
  }
  return [...records];
}

/** Absolute. Asks git, which knows them without a walk over everything; where there is none, walks. */
async function lockFiles(root: string): Promise<string[]> {
  const words = ['ls-files', '-z', '-co', '--exclude-standard', '--', ':(glob)**/*.mlpipe.lock/*.json'];
  const listed = await git(root, words);
  if (listed.code !== 0) return walk(root);
  const names = listed.stdout.toString('utf8').split('\0');
  return names.filter((name) => name !== '').map((name) => resolve(root, name));
}

function walk(folder: string): string[] {
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (!entry.isDirectory() || entry.name.startsWith('.') || entry.name === 'node_modules') return [];
    const path = join(folder, entry.name);
    if (!entry.name.endsWith('.mlpipe.lock')) return walk(path);
    return fs
      .readdirSync(path)
      .filter((name) => name.endsWith('.json'))
      .map((name) => join(path, name));
  });
}

/** Its file's name says it, but for characters that a name may not have; the file itself says it whole. */
function stepIn(path: string): string | undefined {
  if (!fs.existsSync(path)) return undefined;
  const match = /"step":\s*("(?:[^"\\]|\\.)*")/.exec(fs.readFileSync(path, 'utf8'));
  // The pattern is that of a JSON string.
  return match?.[1] === undefined ? basename(path, '.json') : (JSON.parse(match[1]) as string);
}
