/** The clean place in which a model is made again: the recorded code, and the recorded data laid over it. */
import fs from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import type { Digest } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import { placeOf } from '../execute/inputs.ts';
import { git } from '../ledger/git.ts';
import type { CodeState, StoredRecord } from '../ledger/record.ts';
import type { Store } from '../store/store.ts';

/** Something that could not be made as it was. */
export interface Missing {
  /** `code`, `submodule`, `file`. */
  kind: string;
  name: string;
  why: string;
}

export interface Place {
  /** The project's root in the clean place. */
  root: string;
  missing: Missing[];
}

/**
 * A work tree of the recorded commit with the recorded uncommitted changes, made from the project's own repository and
 * independent of its work tree. Without a recorded commit it is an empty folder.
 *
 * @param folder where it is made; empty
 * @param project the root of the project, whose repository is asked for the commit
 * @throws MlpipeError `commit-missing`, `patch-failed`
 */
export async function layCode(
  code: CodeState | null,
  folder: string,
  project: { root: string; store: Store },
): Promise<Place> {
  fs.mkdirSync(folder, { recursive: true });
  if (code === null) return { root: folder, missing: [] };
  const top = await git(project.root, ['rev-parse', '--show-toplevel']);
  if (top.code !== 0) {
    throw new MlpipeError('The code was recorded with a commit, and this project is in no repository.', {
      code: 'commit-missing',
      todo: 'Clone the repository that the record names, and reproduce there.',
    });
  }
  const repository = top.stdout.toString('utf8').trim();
  const born = !/^0+$/.test(code.commit);
  if (born) await checkOut(repository, code, folder);
  else await must(folder, ['init', '--quiet'], 'commit-missing');
  if (code.diff !== undefined) await applyChanges(project.store, code.diff, folder);
  const missing: Missing[] = [
    ...(code.omitted ?? []).map(({ path, reason }) => ({ kind: 'file', name: path, why: `was not kept: ${reason}` })),
    ...(code.submodules ?? []).map(({ path }) => ({ kind: 'submodule', name: path, why: 'is not checked out' })),
  ];
  const inside = relative(fs.realpathSync(repository), fs.realpathSync(project.root));
  const root = join(folder, inside);
  fs.mkdirSync(root, { recursive: true });
  return { root, missing };
}

async function checkOut(repository: string, code: CodeState, folder: string): Promise<void> {
  const known = await git(repository, ['cat-file', '-e', `${code.commit}^{commit}`]);
  if (known.code !== 0) {
    throw new MlpipeError(`The commit ${code.commit.slice(0, 12)} is not in this repository.`, {
      code: 'commit-missing',
      todo: `Fetch it first: \`git fetch ${code.remote ?? 'origin'} ${code.commit}\`.`,
    });
  }
  // Shares the repository's objects and nothing else: no hooks, no configuration, no work tree.
  await must(
    folder,
    ['clone', '--quiet', '--shared', '--no-checkout', '--template=', repository, '.'],
    'commit-missing',
  );
  await must(folder, ['checkout', '--quiet', '--detach', code.commit], 'commit-missing');
}

async function applyChanges(store: Store, diff: Digest, folder: string): Promise<void> {
  if (!store.has(diff)) {
    throw new MlpipeError(`The uncommitted changes ${diff.slice(0, 19)}… are not in the store.`, {
      code: 'patch-missing',
      todo: 'Fetch them from where the record came from: `mlpipe pull`.',
    });
  }
  const patch = join(folder, '.git', 'mlpipe.patch');
  fs.writeFileSync(patch, await store.read(diff));
  await must(folder, ['apply', '--whitespace=nowarn', '--index', patch], 'patch-failed');
}

async function must(folder: string, words: readonly string[], code: string): Promise<void> {
  const answer = await git(folder, words);
  if (answer.code === 0) return;
  throw new MlpipeError(`git ${words[0]} failed: ${answer.stderr || 'git is not installed'}.`, {
    code,
    todo: 'See what git says; the project itself was not changed.',
  });
}

/**
 * Lays every file and data set that these records read where they read it, from the store; what lies there with the
 * recorded content stays.
 *
 * @param file the pipeline's file in the clean place
 * @throws MlpipeError `data-gone` naming everything that is nowhere any more
 */
export async function layInputs(
  records: readonly StoredRecord[],
  file: string,
  root: string,
  stores: { project: Store; place: Store },
): Promise<void> {
  const gone: string[] = [];
  const done = new Set<string>();
  for (const { record } of records) {
    for (const { name, digest, path, record: from } of record.inputs) {
      // What another step wrote is made again.
      if (path === undefined || from !== undefined || done.has(path)) continue;
      done.add(path);
      const place = inside(root, resolve(dirname(file), placeOf(path, undefined)), name);
      if (fs.existsSync(place) && (await stores.place.digest(place)).digest === digest) continue;
      if (!stores.project.has(digest)) {
        gone.push(`${path} (${digest.slice(0, 19)}…)`);
        continue;
      }
      fs.rmSync(place, { recursive: true, force: true });
      await stores.project.checkout(digest, place);
    }
  }
  if (gone.length === 0) return;
  throw new MlpipeError(`Nowhere any more: ${gone.join(', ')}.`, {
    code: 'data-gone',
    todo: 'Neither the store nor a default remote has it: add the remote that does (`mlpipe remote add`), or bring it back from a copy; it is known by its digest.',
  });
}

/** A record is input: it may not lay anything outside of the clean place. */
function inside(root: string, place: string, name: string): string {
  const way = relative(root, place);
  if (!way.startsWith('..') && !isAbsolute(way)) return place;
  throw new MlpipeError(`${name} was read from outside of its project.`, {
    code: 'path-outside',
    todo: 'A pipeline that is to be reproduced reads what lies in its project.',
  });
}
