/** Who runs this, where, and on which state of the code. */
import fs from 'node:fs';
import { hostname, tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import type { Store } from '../store/store.ts';
import { withoutUrlCredentials } from './credentials.ts';
import { type Changes, changedPaths, git } from './git.ts';
import type { CodeState, RunRecord } from './record.ts';

/** A changed file above this size is named and not kept: it belongs into a data set, which is pinned and stored. */
export const LARGEST_KEPT = 8 * 2 ** 20;

/** What a run itself writes does not make the code another. */
const RESULTS = /\.mlpipe\.(?:lock|models)\/|(?:^|\/)\.mlpipe\//;

/** Untracked files of these names are named and not kept. */
const SECRETS =
  /(?:^|\/)(?:\.env(?:\..*)?|\.netrc|\.npmrc|\.pypirc|id_[a-z0-9]+|.*\.(?:pem|key|p12|pfx|kdbx|keystore)|credentials(?:\.json)?)$/i;

/** How git writes the commit that is none. */
const NO_COMMIT = '0'.repeat(40);

/**
 * The commit, and what differs from it as one patch in the store: `git apply` on the commit gives the code that ran.
 *
 * @param warn is told what could not be found out
 * @returns `null` outside a repository, or where there is no git
 */
export async function codeState(
  folder: string,
  store: Store,
  warn: (message: string) => void = () => undefined,
): Promise<CodeState | null> {
  const top = await git(folder, ['rev-parse', '--show-toplevel']);
  if (top.code !== 0) {
    if (top.code === -1) warn('git is not installed here: the state of the code is not recorded.');
    else if (!/not a git repository/i.test(top.stderr)) warn(`The state of the code is not recorded: ${top.stderr}`);
    return null;
  }
  const root = text(top.stdout);
  const [head, branch, remote] = await Promise.all([
    git(root, ['rev-parse', '--verify', '--quiet', 'HEAD']),
    git(root, ['symbolic-ref', '--short', '--quiet', 'HEAD']),
    git(root, ['config', '--get', 'remote.origin.url']),
  ]);
  const state: CodeState = { commit: head.code === 0 ? text(head.stdout) : NO_COMMIT, dirty: false };
  if (branch.code === 0) state.branch = text(branch.stdout);
  if (remote.code === 0) state.remote = withoutUrlCredentials(text(remote.stdout));
  let changes: Changes;
  try {
    changes = await changedPaths(root);
  } catch (error) {
    state.dirty = true;
    warn(`git cannot tell what has changed: ${error instanceof Error ? error.message.trim() : String(error)}`);
    return state;
  }
  await addChanges(state, root, changes, store, warn);
  return state;
}

async function addChanges(
  state: CodeState,
  root: string,
  changes: Changes,
  store: Store,
  warn: (message: string) => void,
): Promise<void> {
  const kept: string[] = [];
  const omitted: NonNullable<CodeState['omitted']> = [];
  const submodules: NonNullable<CodeState['submodules']> = [];
  const untracked = new Set(changes.untracked);
  const paths = [...changes.tracked, ...changes.untracked].filter((path) => !RESULTS.test(path)).sort();
  for (const path of paths) {
    const stats = fs.lstatSync(join(root, path), { throwIfNoEntry: false });
    const bytes = stats?.isFile() ? stats.size : 0;
    if (bytes > LARGEST_KEPT) omitted.push({ path, bytes, reason: 'too large' });
    else if (untracked.has(path) && SECRETS.test(path)) omitted.push({ path, bytes, reason: 'may hold secrets' });
    else kept.push(path);
    if (!stats?.isDirectory()) continue;
    const inside = await codeState(join(root, path), store, warn);
    if (inside) submodules.push({ path, state: inside });
  }
  state.dirty = paths.length > 0;
  if (omitted.length > 0) state.omitted = omitted;
  if (submodules.length > 0) state.submodules = submodules;
  if (kept.length === 0) return;
  const patch = await patchOf(root, state.commit === NO_COMMIT ? undefined : 'HEAD', kept);
  if (!patch) warn('git could not write the uncommitted changes as a patch: the record only says that there are some.');
  else if (patch.length > 0) state.diff = (await store.putBytes(patch)).digest;
}

/**
 * One patch of tracked and untracked files. It is made with an index and an object folder of its own, so that nothing
 * in the repository changes.
 */
async function patchOf(root: string, base: string | undefined, paths: readonly string[]): Promise<Buffer | undefined> {
  const folder = fs.mkdtempSync(join(tmpdir(), 'mlpipe-index-'));
  try {
    const objects = text((await git(root, ['rev-parse', '--git-path', 'objects'])).stdout);
    const own = join(folder, 'objects');
    fs.mkdirSync(own);
    const environment = {
      GIT_INDEX_FILE: join(folder, 'index'),
      GIT_OBJECT_DIRECTORY: own,
      GIT_ALTERNATE_OBJECT_DIRECTORIES: fs.realpathSync(resolve(root, objects)),
    };
    const list = join(folder, 'paths');
    fs.writeFileSync(list, paths.join('\0'));
    if (base !== undefined && (await git(root, ['read-tree', base], environment)).code !== 0) return undefined;
    const added = await git(
      root,
      ['--literal-pathspecs', 'add', '--all', `--pathspec-from-file=${list}`, '--pathspec-file-nul'],
      environment,
    );
    if (added.code !== 0) return undefined;
    const against =
      base ?? text((await git(root, ['hash-object', '-w', '-t', 'tree', '/dev/null'], environment)).stdout);
    const diff = await git(
      root,
      ['diff', '--cached', '--binary', '--no-renames', '--no-ext-diff', '--no-textconv', '--no-color', against],
      environment,
    );
    return diff.code === 0 ? diff.stdout : undefined;
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
