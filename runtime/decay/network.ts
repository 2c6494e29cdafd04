/** Asks those who are elsewhere about what a pipeline stands on: remotes, and package indexes. */
import fs from 'node:fs';
import { relative } from 'node:path';
import { digestOf } from '../../grammar/plan/canonical.ts';
import type { Digest } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import { git } from '../ledger/git.ts';
import type { Project } from '../project.ts';
import { adaptingPace, inParallel } from '../store/remotes/concurrency.ts';
import type { Looked } from './decay.ts';
import { inIndex, tensorflowInIndex } from './indexes.ts';
import { type LockedPackage, lockedPackages } from './locked.ts';
import { decayed, type Place, resolves, unknown } from './places.ts';
import { askRemotes } from './remotes.ts';

export interface NetworkOptions {
  /** Milliseconds for all of it; what was not asked by then is unknown. */
  time?: number;
  /** Milliseconds without an answer to one question. */
  silence?: number;
  /** How many of the objects that are on a remote alone are read and hashed. */
  sample?: number;
  environment?: NodeJS.ProcessEnv;
}

/** A lock file of an environment, whose packages are asked about. */
export interface LockFile {
  name: string;
  pin: Digest;
  /** Absolute. */
  path: string;
  commit?: string;
}

const TIME = 120_000;
const SILENCE = 10_000;
/** An index is many people's. */
const AT_ONCE = { first: 8, most: 12 };

/**
 * @param items are brought up to what is answered
 * @returns further items: the packages of lock files
 * @throws the signal's reason, where it is aborted
 */
export async function askNetwork(
  project: Project,
  items: readonly Looked[],
  locks: readonly LockFile[],
  options: NetworkOptions,
  cancelled?: AbortSignal,
): Promise<Looked[]> {
  const time = AbortSignal.timeout(options.time ?? TIME);
  const signal = cancelled === undefined ? time : AbortSignal.any([time, cancelled]);
  const { silence = SILENCE, sample = 0, environment } = options;
  const web = { signal, silence, ...(environment === undefined ? {} : { environment }) };
  const [packages] = await Promise.all([
    askIndexes(project, items, locks, web),
    ask(project, items, { signal, silence, sample }),
  ]);
  cancelled?.throwIfAborted();
  return packages;
}

async function ask(
  project: Project,
  items: readonly Looked[],
  options: { signal: AbortSignal; silence: number; sample: number },
): Promise<void> {
  const open = items.filter(({ state, lacks, record }) => state === 'decayed' && (lacks ?? record) !== undefined);
  if (open.length === 0) return;
  const questions = open.map(({ lacks = [], record }) => ({
    objects: [...new Set(lacks)],
    ...(record === undefined ? {} : { record }),
  }));
  const places = await askRemotes(project, questions, options);
  for (const [index, place] of (places ?? []).entries()) {
    const item = open[index];
    if (item) Object.assign(item, joined(item, place));
  }
}

/** What is not here and may be there is unknown; what is neither here nor there is decayed. */
function joined(here: Place, there: Place): Pick<Place, 'state' | 'where'> {
  if (there.state === 'resolves') return there;
  const where = [here.where, there.where].filter((each) => each !== '').join('; ');
  return there.state === 'unknown' ? unknown(where) : decayed(where);
}

async function askIndexes(
  project: Project,
  items: readonly Looked[],
  locks: readonly LockFile[],
  web: Parameters<typeof inIndex>[1],
): Promise<Looked[]> {
  const packages = new Map<string, LockedPackage>();
  const found: Looked[] = [];
  for (const lock of locks) {
    const text = await contentOf(project, lock);
    // That it is not to be had is an item of its own.
    if (text === undefined) continue;
    const locked = lockedPackages(lock.name, text);
    if (locked.length === 0)
      found.push({
        kind: 'package',
        name: lock.name,
        pin: lock.pin,
        ...unknown('not a lock file that can be read here'),
      });
    for (const each of locked) packages.set(`${each.ecosystem} ${each.name} ${each.version} ${each.hashes}`, each);
  }
  const work: (() => Promise<void>)[] = [...packages.values()].map((locked) => async () => {
    const { ecosystem, name, version } = locked;
    found.push({ kind: 'package', name: `${ecosystem} ${name}`, pin: version, ...(await inIndex(locked, web)) });
  });
  for (const item of items.filter(({ kind, name }) => kind === 'engine' && name === 'tensorflow')) {
    const { pin } = item;
    if (pin === null) continue;
    work.push(async () => {
      const place = await tensorflowInIndex(pin, web);
      found.push({ kind: 'package', name: 'engine tensorflow', pin, ...place });
      // What is not installed here can be, where an index has it.
      if (item.state !== 'resolves')
        Object.assign(item, place.state === 'resolves' ? resolves(place.where) : joined(item, place));
    });
  }
  await inParallel(work, adaptingPace(AT_ONCE), (each) => each());
  return found.sort((one, other) => (one.name < other.name ? -1 : 1));
}

/** From its path, the store, or the commit that a record was made from; whatever it is, it has its digest. */
async function contentOf({ root, store }: Project, { path, pin, commit }: LockFile): Promise<string | undefined> {
  const fits = (content: Buffer) => (digestOf(content) === pin ? content.toString('utf8') : undefined);
  const here = fs.existsSync(path) && fs.statSync(path).isFile() ? fits(fs.readFileSync(path)) : undefined;
  if (here !== undefined) return here;
  try {
    if (store.has(pin)) return fits(Buffer.from(await store.read(pin)));
  } catch (error) {
    if (!(error instanceof MlpipeError)) throw error;
  }
  if (commit === undefined || /^0+$/.test(commit)) return undefined;
  const answer = await git(root, ['show', `${commit}:./${relative(root, path).replaceAll('\\', '/')}`]);
  return answer.code === 0 ? fits(answer.stdout) : undefined;
}
