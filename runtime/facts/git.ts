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
  const top = await git(folder, ['rev-parse', '--show-toplevel']);
  if (top.code !== 0) return states;
  const root = top.stdout.toString('utf8').trim();
  const paths = keys.map((key) => ({ key, path: relative(root, isGlob(key) ? globFolder(key) : key) }));
  const inside = paths.filter(({ path }) => path !== '' && !path.startsWith('..'));
  if (inside.length === 0) return states;
  const listed = await git(root, ['ls-files', '-z', '--', ...inside.map(({ path }) => `:(literal)${path}`)]);
  if (listed.code !== 0) return states;
  const tracked = namesIn(listed.stdout).map((name) => factKey(resolve(root, name)));
  const ignored = await git(root, ['check-ignore', '-z', '--', ...inside.map(({ path }) => path)]);
  const ignoredKeys = new Set(namesIn(ignored.stdout).map((name) => factKey(resolve(root, name))));
  for (const { key, path } of inside) {
    const absolute = factKey(resolve(root, path));
    const known = tracked.some((name) => name === absolute || name.startsWith(`${absolute}/`));
    states.set(key, known ? 'tracked' : ignoredKeys.has(absolute) ? 'ignored' : 'untracked');
  }
  return states;
}

function namesIn(output: Buffer): string[] {
  return output
    .toString('utf8')
    .split('\0')
    .filter((name) => name !== '');
}
