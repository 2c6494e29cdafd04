/** Who runs this, where, and on which state of the code. */
import fs from 'node:fs';
import { hostname, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { Store } from '../store/store.ts';
import { changedPaths, git } from './git.ts';
import type { CodeState, RunRecord } from './record.ts';

/** An untracked file above this size is named in the diff's absence only: it belongs into a data set. */
const LARGEST_UNTRACKED = 8 * 2 ** 20;

/** What a run itself writes does not make the code another. */
const RESULTS = /\.mlpipe\.lock\//;

/**
 * The commit, and what differs from it as one patch in the store: `git apply` on the commit gives the code that ran.
 *
 * @returns `null` outside a repository, in one without a commit, or where there is no git
 */
export async function codeState(folder: string, store: Store): Promise<CodeState | null> {
  const head = await git(folder, ['rev-parse', '--verify', 'HEAD']);
  if (head.code !== 0) return null;
  const [branch, remote, changed] = await Promise.all([
    git(folder, ['symbolic-ref', '--short', '--quiet', 'HEAD']),
    git(folder, ['config', '--get', 'remote.origin.url']),
    changedPaths(folder),
  ]);
  const root = text((await git(folder, ['rev-parse', '--show-toplevel'])).stdout) || folder;
  const state: CodeState = { commit: text(head.stdout), dirty: false };
  if (branch.code === 0) state.branch = text(branch.stdout);
  if (remote.code === 0) state.remote = withoutCredentials(text(remote.stdout));
  const paths = [...(changed?.tracked ?? []), ...(changed?.untracked ?? [])].filter((path) => !RESULTS.test(path));
  state.dirty = paths.length > 0;
  if (!state.dirty) return state;
  const patch = await patchOf(root, paths);
  if (patch && patch.length > 0) state.diff = (await store.putBytes(patch)).digest;
  return state;
}

/** One patch of tracked and untracked files, made with an index of its own so that the person's index stays as it is. */
async function patchOf(root: string, paths: readonly string[]): Promise<Buffer | undefined> {
  const folder = fs.mkdtempSync(join(tmpdir(), 'mlpipe-index-'));
  try {
    const objects = text((await git(root, ['rev-parse', '--git-path', 'objects'])).stdout);
    const own = join(folder, 'objects');
    fs.mkdirSync(own);
    const environment = {
      GIT_INDEX_FILE: join(folder, 'index'),
      GIT_OBJECT_DIRECTORY: own,
      GIT_ALTERNATE_OBJECT_DIRECTORIES: fs.realpathSync(join(root, objects)),
    };
    const small = paths.filter((path) => {
      const stats = fs.lstatSync(join(root, path), { throwIfNoEntry: false });
      return !stats?.isFile() || stats.size <= LARGEST_UNTRACKED;
    });
    const list = join(folder, 'paths');
    fs.writeFileSync(list, small.join('\0'));
    if ((await git(root, ['read-tree', 'HEAD'], environment)).code !== 0) return undefined;
    const added = await git(root, ['add', '--all', `--pathspec-from-file=${list}`, '--pathspec-file-nul'], environment);
    if (added.code !== 0) return undefined;
    const diff = await git(
      root,
      ['diff', '--cached', '--binary', '--no-ext-diff', '--no-textconv', 'HEAD'],
      environment,
    );
    return diff.code === 0 ? diff.stdout : undefined;
  } catch {
    // The commit is told all the same; that there is no patch is told by its absence.
    return undefined;
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** The person, by git's configuration and the system's account. */
export async function who(folder: string): Promise<RunRecord['who']> {
  const [name, email] = await Promise.all([
    git(folder, ['config', '--get', 'user.name']),
    git(folder, ['config', '--get', 'user.email']),
  ]);
  return {
    user: account(),
    ...(name.code === 0 ? { name: text(name.stdout) } : {}),
    ...(email.code === 0 ? { email: text(email.stdout) } : {}),
  };
}

export function where(): RunRecord['where'] {
  return { host: hostname(), platform: process.platform, architecture: process.arch };
}

/** `https://user:token@host/x` → `https://host/x` */
export function withoutCredentials(url: string): string {
  return url
    .replace(/^([a-z][a-z0-9+.-]*:\/\/)[^@/]*@/i, '$1')
    .replace(/([?&](?:[^=&]*(?:token|key|secret|password)[^=&]*)=)[^&]*/gi, '$1…');
}

function account(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run as a number that no account has.
    return String(process.getuid?.() ?? 'unknown');
  }
}

function text(bytes: Buffer): string {
  return bytes.toString('utf8').trim();
}
