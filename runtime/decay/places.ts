/** Where content and commits can still be had. */
import fs from 'node:fs';
import { digestOf } from '../../grammar/plan/canonical.ts';
import type { Digest } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import { digestSource } from '../execute/inputs.ts';
import { git } from '../ledger/git.ts';
import { nodeFileSystem } from '../store/filesystem.ts';
import { objectFolder } from '../store/layout.ts';
import { filesOf } from '../store/listing.ts';
import type { Store } from '../store/store.ts';
import { hashFile } from '../store/work.ts';

export interface Place {
  /** `unknown`: whoever could tell could not be asked, which says nothing of what was asked about. */
  state: 'resolves' | 'decayed' | 'unknown';
  /** In words: where it is, or what is there instead. */
  where: string;
  /** Objects that a remote would have to have, where this is to resolve after all. */
  lacks?: Digest[];
}

export const resolves = (where: string): Place => ({ state: 'resolves', where });
export const decayed = (where: string): Place => ({ state: 'decayed', where });
export const unknown = (where: string): Place => ({ state: 'unknown', where });

/** Whether a file, a folder or a glob has that content now. */
export async function atPath(store: Store, path: string, shown: string, digest: Digest): Promise<Place> {
  try {
    const now = (await digestSource(store, path)).digest;
    if (now === digest) return resolves(shown);
    return decayed(`${shown} is another now (${now.slice(0, 19)}…)`);
  } catch (error) {
    // What cannot be read is not there, for whoever wants to run it.
    if (!(error instanceof MlpipeError)) throw error;
    return decayed(`${shown} is not there`);
  }
}

/** Whether the store has that content whole: every file of it is hashed. */
export async function inStore(store: Store, digest: Digest): Promise<Place> {
  if (!store.has(digest)) return { ...decayed('not in the store'), lacks: [digest] };
  const objects = objectFolder(nodeFileSystem, store.folder);
  const lacks: Digest[] = [];
  let wrong = '';
  try {
    for (const { digest: each } of await filesOf(store, digest, 0)) {
      const path = objects.path(each);
      // Where it is no file of its own, reading it is what checks it.
      const found = !store.has(each)
        ? undefined
        : fs.existsSync(path)
          ? hashFile(path).digest
          : digestOf(await store.read(each));
      if (found === each) continue;
      lacks.push(each);
      wrong ||=
        found === undefined
          ? `the store lacks ${each.slice(0, 19)}… of it`
          : `damaged in the store (${each.slice(0, 19)}…)`;
    }
  } catch (error) {
    if (!(error instanceof MlpipeError)) throw error;
    return { ...decayed(error.message), lacks: [digest] };
  }
  return lacks.length === 0 ? resolves('the store') : { ...decayed(wrong), lacks };
}

/** Whether a commit has that content in one file. */
export async function inCommit(root: string, commit: string, path: string, digest: Digest): Promise<Place> {
  const answer = await git(root, ['show', `${commit}:./${path}`]);
  const has = answer.code === 0 && digestOf(answer.stdout) === digest;
  return has ? resolves(`commit ${commit.slice(0, 12)}`) : decayed('not in the commit');
}

/** The first place that has it; where none has, what is wrong with each, and what a remote would have to have. */
export async function first(places: readonly (() => Promise<Place>)[]): Promise<Place> {
  const wrong: string[] = [];
  const lacks: Digest[] = [];
  for (const look of places) {
    const place = await look();
    if (place.state === 'resolves') return place;
    wrong.push(place.where);
    lacks.push(...(place.lacks ?? []));
  }
  return { ...decayed(wrong.join('; ')), ...(lacks.length === 0 ? {} : { lacks }) };
}

/** A commit that only this clone has is one disk away from being gone. */
export async function commitPlace(root: string, commit: string): Promise<Place> {
  const here = await git(root, ['cat-file', '-e', `${commit}^{commit}`]);
  if (here.code !== 0) return decayed('not in this repository');
  const branches = await git(root, [
    'for-each-ref',
    '--count=1',
    '--format=%(refname:short)',
    '--contains',
    commit,
    'refs/remotes',
  ]);
  const branch = branches.code === 0 ? branches.stdout.toString('utf8').trim() : '';
  if (branch !== '') return resolves(branch);
  return decayed('on no branch of a remote: push it');
}
