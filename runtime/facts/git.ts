/** Which sources git knows. */
import { relative, resolve } from 'node:path';
import { factKey } from '../../grammar/rules/facts.ts';
import { globFolder, isGlob } from '../data/sources.ts';
import { git } from '../ledger/git.ts';

export type GitState = 'tracked' | 'untracked' | 'ignored';

/**
 * The state of each path; nothing for any outside a repository. A folder or a glob is tracked where git tracks
 * something in it.
 *
 * @param keys absolute paths as `factKey` spells them
 */
export async function gitStates(folder: string, keys: string[]): Promise<Map<string, GitState>> {
  const states = new Map<string, GitState>();
  // The way up rather than the top itself, whose path may differ from the folder's by a symbolic link.
  const up = await git(folder, ['rev-parse', '--show-cdup']);
  if (up.code !== 0) return states;
  const root = resolve(folder, up.stdout.toString('utf8').trim());
  const paths = keys.map((key) => ({ key, path: relative(root, isGlob(key) ? globFolder(key) : key) }));
  const inside = paths.filter(({ path }) => path !== '' && !path.startsWith('..'));
  if (inside.length === 0) return states;
  const listed = await git(root, ['ls-files', '-z', '--', ...inside.map(({ path }) => `:(literal)${path}`)]);
  if (listed.code !== 0) return states;
  const tracked = namesIn(listed.stdout).map((name) => factKey(resolve(root, name)));
  const passedOver = await git(root, [
    ...['ls-files', '-z', '--others', '--ignored', '--exclude-standard', '--directory', '--'],
    ...inside.map(({ path }) => `:(literal)${path}`),
  ]);
  const ignored = namesIn(passedOver.stdout).map((name) => factKey(resolve(root, name)));
  for (const { key, path } of inside) {
    const absolute = factKey(resolve(root, path));
    const isTracked = tracked.some((name) => isWithin(name, absolute));
    // An ignored folder is listed in the place of what is in it.
    const isIgnored = ignored.some((name) => isWithin(name, absolute) || isWithin(absolute, name));
    states.set(key, isTracked ? 'tracked' : isIgnored ? 'ignored' : 'untracked');
  }
  return states;
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

function namesIn(output: Buffer): string[] {
  return output
    .toString('utf8')
    .split('\0')
    .filter((name) => name !== '');
}
