/** Every version that a project has, and what is wrong with any of them. */
import fs from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { MlpipeError } from '../errors.ts';
import { git } from '../ledger/git.ts';
import type { Project } from '../project.ts';
import { readVersion, type StoredVersion } from './version.ts';

export interface FoundVersions {
  versions: StoredVersion[];
  /** Files that cannot be read, with why. */
  damaged: { path: string; problem: MlpipeError }[];
}

/** Folders in which no pipeline lies. */
const PASSED_OVER = /^\.|^node_modules$|\.mlpipe\.lock$/;

/** By name and number, the oldest first. */
export function findVersions(root: string): FoundVersions {
  const found: FoundVersions = { versions: [], damaged: [] };
  const visit = (folder: string): void => {
    for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
      if (!entry.isDirectory() || PASSED_OVER.test(entry.name)) continue;
      const path = join(folder, entry.name);
      if (entry.name.endsWith('.mlpipe.models')) readFolder(path, found);
      else visit(path);
    }
  };
  visit(root);
  found.versions.sort(
    ({ version: one }, { version: other }) =>
      (one.name < other.name ? -1 : one.name > other.name ? 1 : 0) || one.version - other.version,
  );
  return found;
}

/** The versions of one pipeline. */
export function readFolder(folder: string, found: FoundVersions = { versions: [], damaged: [] }): FoundVersions {
  if (!fs.existsSync(folder)) return found;
  for (const name of fs.readdirSync(folder).sort()) {
    if (!/@\d+\.json$/.test(name)) continue;
    const path = join(folder, name);
    try {
      found.versions.push(readVersion(path));
    } catch (error) {
      if (!(error instanceof MlpipeError)) throw error;
      found.damaged.push({ path, problem: error });
    }
  }
  return found;
}

/**
 * What shows that a version is not what it was, by its path: a gap or an exchange among those of one name, a record
 * that says otherwise, or a commit that has changed its file.
 */
export async function problemsOf(project: Project, { versions }: FoundVersions): Promise<Map<string, string>> {
  const problems = new Map<string, string>();
  for (const { path, version } of versions) {
    const before = versions.find(
      (other) =>
        other.version.name === version.name &&
        dirname(other.path) === dirname(path) &&
        other.version.version === version.version - 1,
    );
    if (version.version > 1 && before === undefined)
      problems.set(path, `${version.name}@${version.version - 1} is missing`);
    else if ((before?.digest ?? null) !== version.previous)
      problems.set(path, `${version.name}@${version.version - 1} is not the one that it was kept after`);
    const record = project.ledger.get(version.record)?.record;
    if (record !== undefined && record.outputs.model?.digest !== version.model)
      problems.set(path, 'its record is of another model');
  }
  for (const path of await changedInHistory(project.root)) {
    const whole = versions.find((each) => relative(project.root, each.path).replaceAll('\\', '/') === path);
    if (whole !== undefined) problems.set(whole.path, 'a commit has changed it since it was kept');
  }
  return problems;
}

/** Files of versions that some commit has changed, relative to the root. */
async function changedInHistory(root: string): Promise<string[]> {
  const words = [
    'log',
    '--format=',
    '--name-only',
    '--diff-filter=M',
    '--relative',
    '-z',
    '--',
    ':(glob)**/*.mlpipe.models/*',
  ];
  const answer = await git(root, words);
  return answer.code === 0
    ? answer.stdout
        .toString('utf8')
        .split('\0')
        .map((path) => path.trim())
    : [];
}
