/** Reads some objects again, and of folders every file: what stands behind one model is soon read, a whole store is not. */
import fs from 'node:fs';
import { digestOf } from '../../grammar/plan/canonical.ts';
import type { Digest } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import type { ContentFolder } from './content.ts';
import { type FileSystem, hasCode, nodeFileSystem } from './filesystem.ts';
import { identityOf } from './identity.ts';
import { filesOf } from './listing.ts';
import { inThreads, isMuch, type Portion } from './pool.ts';
import type { ObjectSource } from './source.ts';
import type { Selected, Selection, Store, StoreProblem, StoreVerification } from './store.ts';
import { hashFile } from './work.ts';

/** So many files are hashed between two looks at the signal; a large one is hashed in a thread. */
const AT_ONCE = 256;

/**
 * Of each object the first problem alone is told. What lies in a folder that several of the selection have is told of the
 * last of them.
 *
 * @throws the signal's reason, where it is aborted
 */
export async function verifySome(
  store: Store,
  files: FileSystem,
  objects: ContentFolder,
  source: ObjectSource,
  { digests, signal, onProgress }: Selection,
): Promise<StoreVerification> {
  const problems = new Map<Digest, StoreProblem>();
  const say = (digest: Digest, problem: StoreProblem['problem'], of: Selected) => {
    if (!problems.has(digest)) problems.set(digest, { digest, problem, of });
  };
  const selected = new Set(digests);
  const inside = new Map<Digest, Selected>();
  for (const digest of selected) {
    signal?.throwIfAborted();
    const itself = { digest, path: '' };
    try {
      if (!store.has(digest)) say(digest, 'missing', itself);
      else for (const file of await filesOf(store, digest, 0)) inside.set(file.digest, { digest, path: file.path });
    } catch (error) {
      if (hasCode(error, 'EACCES', 'EPERM', 'EIO')) say(digest, 'unreadable', itself);
      else if (!(error instanceof MlpipeError)) throw error;
      // What describes a folder is itself an object.
      else if (error.code === 'object-missing') say(digest, 'missing', { digest });
      else say(digest, error.code === 'object-corrupt' ? 'corrupt' : 'unreadable', itself);
    }
  }
  const all = [...inside];
  for (let from = 0; from < all.length; from += AT_ONCE) {
    onProgress?.(from, all.length);
    const portion = new Map(all.slice(from, from + AT_ONCE));
    for (const { digest, problem } of await wrongOf(store, files, objects, [...portion.keys()])) {
      say(digest, problem, portion.get(digest) ?? { digest });
    }
    await new Promise((resume) => setImmediate(resume));
    signal?.throwIfAborted();
  }
  onProgress?.(all.length, all.length);
  const read = new Set([...selected, ...inside.keys()]);
  const whole = [...read].filter((digest) => !problems.has(digest));
  return {
    objects: read.size,
    bytes: whole.reduce((sum, digest) => sum + (source.size(digest) ?? 0), 0),
    problems: [...problems.values()],
  };
}

type Wrong = Pick<StoreProblem, 'digest' | 'problem'>;

async function wrongOf(
  store: Store,
  files: FileSystem,
  objects: ContentFolder,
  digests: readonly Digest[],
): Promise<Wrong[]> {
  const portions: (Portion & { digest: Digest })[] = [];
  const wrong: Wrong[] = [];
  for (const digest of digests) {
    const path = objects.path(digest);
    const stats = fs.statSync(path, { throwIfNoEntry: false, bigint: true });
    if (stats !== undefined) portions.push({ digest, path, identity: identityOf(stats) });
    else if (!store.has(digest)) wrong.push({ digest, problem: 'missing' });
    // Where it is no file of its own, reading it is what checks it.
    else wrong.push(...(await checked(digest, async () => digestOf(await store.read(digest)))));
  }
  if (files === nodeFileSystem && isMuch(portions)) {
    try {
      const task = { store: store.folder, kind: 'hash', durable: false, pack: false } as const;
      const hashed = await inThreads(task, portions, () => undefined);
      const differing = portions.filter(({ digest }, index) => hashed[index]?.digest !== digest);
      return [...wrong, ...differing.map(({ digest }) => ({ digest, problem: 'corrupt' as const }))];
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
    return (await hash()) === digest ? [] : [{ digest, problem: 'corrupt' }];
  } catch (error) {
    if (!(error instanceof MlpipeError)) throw error;
    return [{ digest, problem: error.code === 'object-corrupt' ? 'corrupt' : 'unreadable' }];
  }
}
