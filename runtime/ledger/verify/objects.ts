/** What the store finds, in the words of `mlpipe verify`; and the same asked of some of its objects alone. */
import fs from 'node:fs';
import { digestOf } from '../../../grammar/plan/canonical.ts';
import type { Digest } from '../../../grammar/plan/plan.ts';
import { MlpipeError } from '../../errors.ts';
import { filesOf } from '../../export/contents.ts';
import type { RemoteKnowledge } from '../../share/known.ts';
import { hasCode, nodeFileSystem } from '../../store/filesystem.ts';
import { identityOf } from '../../store/identity.ts';
import { objectFolder } from '../../store/layout.ts';
import { inThreads, isMuch, type Portion } from '../../store/pool.ts';
import type { Store, StoreProblem } from '../../store/store.ts';
import { hashFile } from '../../store/work.ts';
import { type Problem, problem } from './problem.ts';

export function objectProblem({ digest, problem: what, path }: StoreProblem): Problem {
  if (what === 'pack')
    return problem('pack-damaged', `The pack ${path} is damaged, and what it holds cannot be told.`, {
      ...(path === undefined ? {} : { path }),
    });
  if (what === 'corrupt')
    return problem('object-corrupt', `The object ${digest} is not what its digest says.`, { digest });
  if (what === 'missing')
    return problem('object-missing', `The object ${digest} belongs to a folder and is not there.`, { digest });
  return problem('object-unreadable', `The object ${digest} cannot be read.`, { digest });
}

export interface ObjectOptions {
  signal?: AbortSignal;
  onProgress?: (done: number, total: number) => void;
  remote?: RemoteKnowledge;
}

/** So many files are hashed between two looks at the signal; a large one is hashed in a thread. */
const AT_ONCE = 256;

/**
 * Reads these objects again, and of folders every file.
 *
 * @param wanted by digest, what it is, for the message
 * @throws the signal's reason, where it is aborted
 */
export async function verifyObjectsOf(
  store: Store,
  wanted: ReadonlyMap<Digest, string>,
  { signal, onProgress, remote }: ObjectOptions,
): Promise<{ objects: number; problems: Problem[] }> {
  const problems = new Map<Digest, Problem>();
  const say = (code: 'object-missing' | 'object-corrupt' | 'object-unreadable', digest: Digest, what: string) => {
    const how = { 'object-missing': 'is not in the store', 'object-corrupt': 'is not what its digest says' };
    const wrong = code === 'object-unreadable' ? 'cannot be read' : how[code];
    const found = problem(code, `${what} (the object ${digest}) ${wrong}.`, { digest });
    const fetched = code === 'object-missing' && remote?.has(digest);
    const todo = fetched ? `\`mlpipe pull\` fetches it from ${remote?.name}.` : found.todo;
    if (!problems.has(digest)) problems.set(digest, { ...found, todo });
  };
  const files = new Map<Digest, string>();
  for (const [digest, what] of wanted) {
    signal?.throwIfAborted();
    try {
      if (!store.has(digest)) say('object-missing', digest, what);
      else
        for (const file of await filesOf(store, digest, 0))
          files.set(file.digest, file.path === '' ? what : `${what}/${file.path}`);
    } catch (error) {
      if (hasCode(error, 'EACCES', 'EPERM', 'EIO')) say('object-unreadable', digest, what);
      else if (!(error instanceof MlpipeError)) throw error;
      // What describes a folder is itself an object.
      else if (error.code === 'object-missing') say('object-missing', digest, `a part of ${what}`);
      else say(error.code === 'object-corrupt' ? 'object-corrupt' : 'object-unreadable', digest, what);
    }
  }
  const all = [...files];
  for (let from = 0; from < all.length; from += AT_ONCE) {
    onProgress?.(from, all.length);
    for (const { digest, code } of await wrongOf(
      store,
      all.slice(from, from + AT_ONCE).map(([digest]) => digest),
    )) {
      say(code, digest, files.get(digest) ?? '');
    }
    await new Promise((resume) => setImmediate(resume));
    signal?.throwIfAborted();
  }
  onProgress?.(all.length, all.length);
  return { objects: new Set([...wanted.keys(), ...files.keys()]).size, problems: [...problems.values()] };
}

interface Wrong {
  digest: Digest;
  code: 'object-missing' | 'object-corrupt' | 'object-unreadable';
}

async function wrongOf(store: Store, digests: readonly Digest[]): Promise<Wrong[]> {
  const folder = objectFolder(nodeFileSystem, store.folder);
  const portions: (Portion & { digest: Digest })[] = [];
  const wrong: Wrong[] = [];
  for (const digest of digests) {
    const path = folder.path(digest);
    const stats = fs.statSync(path, { throwIfNoEntry: false, bigint: true });
    if (stats !== undefined) portions.push({ digest, path, identity: identityOf(stats) });
    else if (!store.has(digest)) wrong.push({ digest, code: 'object-missing' });
    // Where it is no file of its own, reading it is what checks it.
    else wrong.push(...(await checked(digest, async () => digestOf(await store.read(digest)))));
  }
  if (isMuch(portions)) {
    try {
      const task = { store: store.folder, kind: 'hash', durable: false, pack: false } as const;
      const hashed = await inThreads(task, portions, () => undefined);
      const differing = portions.filter(({ digest }, index) => hashed[index]?.digest !== digest);
      return [...wrong, ...differing.map(({ digest }) => ({ digest, code: 'object-corrupt' as const }))];
    } catch (error) {
      // One of them cannot be read; which one is found out below.
      if (!(error instanceof MlpipeError)) throw error;
    }
  }
  for (const { digest, path } of portions) wrong.push(...(await checked(digest, async () => hashFile(path).digest)));
  return wrong;
}

async function checked(digest: Digest, hash: () => Promise<Digest>): Promise<Wrong[]> {
  try {
    return (await hash()) === digest ? [] : [{ digest, code: 'object-corrupt' }];
  } catch (error) {
    if (!(error instanceof MlpipeError)) throw error;
    return [{ digest, code: error.code === 'object-corrupt' ? 'object-corrupt' : 'object-unreadable' }];
  }
}
