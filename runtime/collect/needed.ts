/**
 * What is needed, by scope. Whatever is written like a digest counts as one, in pipelines, lock files, versions and
 * records alike, also where a later version of mlpipe has written it: too much is kept sooner than too little.
 */
import fs from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import { git } from '../ledger/git.ts';
import type { Project } from '../project.ts';
import { hasRecord } from '../store/remotes/records.ts';

/**
 * `unreferenced`: everything that any record, any commit or the work tree names is needed. The others keep what stands
 * behind the pipelines, lock files and versions of the work tree, and of the tips of branches, of these and tags, or of
 * every commit.
 */
export const SCOPES = ['unreferenced', 'workspace', 'branches', 'tags', 'commits'] as const;
export type Scope = (typeof SCOPES)[number];

/** Where digests stand that somebody relies on. */
const NAMING = ['*.mlpipe', '*.mlpipe.lock/*.json', '*.mlpipe.models/*.json'];

/** @throws MlpipeError `git-failed` where git cannot tell what commits name, `collection-unsure` for a damaged record */
export async function neededBy(project: Project, scope: Scope): Promise<Set<Digest>> {
  const named = new Set<Digest>();
  const note = (text: string) => {
    for (const digest of digestsIn(text)) named.add(digest);
  };
  for (const path of filesIn(project.root)) note(fs.readFileSync(path, 'utf8'));
  if (await isRepository(project.root)) {
    if (scope !== 'workspace') await mustHaveHistory(project.root);
    if (scope === 'branches' || scope === 'tags') {
      const refs = scope === 'tags' ? ['refs/heads', 'refs/remotes', 'refs/tags'] : ['refs/heads', 'refs/remotes'];
      for (const commit of await tips(project.root, refs)) note(await textIn(project.root, commit));
    }
    if (scope === 'commits' || scope === 'unreferenced') note(await historyOf(project.root));
  }
  project.ledger.refresh();
  if (scope === 'unreferenced') {
    for (const { digest, record } of project.ledger.list()) {
      named.add(digest);
      note(JSON.stringify(record));
    }
    // Told of while they were read.
    const [damaged] = project.ledger.problems;
    if (damaged !== undefined) throw unsure(`of ${damaged.digest} ${damaged.problem}.`);
    return named;
  }
  return withRecords(project, named);
}

/** With everything that is named by the records among these, and by those that they came from. */
function withRecords(project: Project, named: Set<Digest>): Set<Digest> {
  // A set tells of what is added while it is walked through.
  for (const digest of named) {
    if (!hasRecord(project.store.folder, digest)) continue;
    const record = project.ledger.get(digest)?.record;
    if (record === undefined) throw unsure(`The record ${digest} cannot be read.`);
    for (const each of digestsIn(JSON.stringify(record))) named.add(each);
  }
  return named;
}

/** Whatever is written like one. */
export function* digestsIn(text: string): Generator<Digest> {
  // The pattern is that of a digest.
  for (const [found] of text.matchAll(/sha256:[0-9a-f]{64}/g)) yield found as Digest;
}

/** Never follows a link, nor goes where no pipeline of this project lies. */
function filesIn(folder: string, isNaming = (name: string) => name.endsWith('.mlpipe')): string[] {
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isFile()) return isNaming(entry.name) ? [path] : [];
    if (!entry.isDirectory() || entry.name.startsWith('.') || entry.name === 'node_modules') return [];
    const named = /\.mlpipe\.(lock|models)$/.test(entry.name);
    return filesIn(path, named ? (name) => name.endsWith('.json') : undefined);
  });
}

async function isRepository(root: string): Promise<boolean> {
  return (await git(root, ['rev-parse', '--git-dir'])).code === 0;
}

/** What commits name that are not here nobody here can tell, and a shallow clone lacks most of them. */
async function mustHaveHistory(root: string): Promise<void> {
  if ((await asked(root, ['rev-parse', '--is-shallow-repository'])).trim() !== 'true') return;
  throw new MlpipeError('This clone is shallow: what the commits name that it lacks cannot be told.', {
    code: 'collection-unsure',
    todo: 'Nothing was collected. Bring the rest with `git fetch --unshallow`.',
  });
}

async function tips(root: string, refs: readonly string[]): Promise<Set<string>> {
  const listed = await asked(root, ['for-each-ref', '--format=%(objectname) %(objecttype) %(*objectname)', ...refs]);
  const commits = new Set<string>();
  for (const line of listed.split('\n')) {
    const [object, type, behind] = line.split(' ');
    // An annotated tag is an object of its own, behind which the commit stands.
    const commit = type === 'tag' ? behind : object;
    if (commit) commits.add(commit);
  }
  return commits;
}

async function textIn(root: string, commit: string): Promise<string> {
  const found = await git(root, ['grep', '-I', '-h', '-o', '-E', 'sha256:[0-9a-f]{64}', commit, '--', ...NAMING]);
  // 1 is the answer that nothing was found.
  if (found.code > 1) throw gitFailed(found.stderr.toString());
  return found.stdout.toString('utf8');
}

/** Every line that any commit, of whatever ref or stash, has added or taken away. */
async function historyOf(root: string): Promise<string> {
  if ((await git(root, ['rev-list', '-n', '1', '--all'])).stdout.length === 0) return '';
  const words = ['log', '--all', '-p', '-U0', '--format=', '--no-ext-diff', '--no-textconv', '--no-color'];
  return asked(root, [...words, '--diff-merges=separate', '--', ...NAMING]);
}

async function asked(root: string, words: string[]): Promise<string> {
  const answer = await git(root, words);
  if (answer.code !== 0) throw gitFailed(answer.stderr.toString());
  return answer.stdout.toString('utf8');
}

function gitFailed(message: string): MlpipeError {
  return new MlpipeError(`Git could not tell what commits need: ${message.trim()}`, {
    code: 'git-failed',
    todo: 'Nothing was collected. Mend the repository (`git fsck`) and run again.',
  });
}

export function unsure(why: string): MlpipeError {
  return new MlpipeError(`What a record needs cannot be told: ${why}`, {
    code: 'collection-unsure',
    todo: 'Nothing was collected. `mlpipe verify` says what is wrong with it.',
  });
}
