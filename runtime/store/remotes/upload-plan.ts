/** What is to be sent: everything that the roots stand for and the remote does not have. */
import type { Bytes, Digest } from '../../../grammar/plan/plan.ts';
import type { ObjectSource } from '../source.ts';
import type { PackBook } from './book.ts';
import { inParallel } from './concurrency.ts';
import { remoteFailure } from './failure.ts';
import { nameOf } from './names.ts';
import { type Named, namedIn } from './outgoing.ts';
import { CHUNKED_FROM } from './pack-format.ts';
import { presentOn } from './presence.ts';
import type { Line } from './transfer.ts';

export interface Known {
  bytes: Bytes;
  named?: Named;
  /** Files have none, parts less than what is made of them. */
  depth: number;
  /** Asked for by itself, so that it must be found by its name alone. */
  root: boolean;
}

/** An object on its way, with its digest. */
export type Leaving = readonly [Digest, Known];

/** How a remote keeps an object. */
export type Kept = { as: 'loose'; bytes: Bytes } | { as: 'recipe' } | { as: 'packed' };

export interface UploadPlan {
  absent: Map<Digest, Known>;
  /** Of what is absent: what lies there by its name already, and is wrong. */
  replace: Map<Digest, Kept>;
  /** Are neither here nor there. */
  missing: Set<Digest>;
  present: number;
  /** With `repair`: what is there and here, and is to be read again. */
  suspects: Map<Digest, { kept: Kept; known: Known }>;
  /** Names of what is to go when all is sent: what was right of it lies elsewhere. Indexes stand before their packs. */
  obsolete: Set<string>;
  /** The folders among the roots whose manifests are sent, or with `repair` all that are here. */
  folders: Map<Digest, Named>;
}

interface Candidate {
  digest: Digest;
  /** What a folder names as a file is none. */
  mayBeFolder: boolean;
}

/**
 * Goes down from the roots, and no further where the remote has a folder's manifest: what it names came before it.
 *
 * @param book nothing where the remote has no packs
 */
export async function planUpload(
  source: ObjectSource,
  roots: readonly Digest[],
  line: Line,
  book: PackBook | undefined,
  repair: boolean,
): Promise<UploadPlan> {
  const plan: UploadPlan = {
    absent: new Map(),
    replace: new Map(),
    missing: new Set(),
    present: 0,
    suspects: new Map(),
    obsolete: new Set(),
    folders: new Map(),
  };
  const { signal } = line;
  const seen = new Set<Digest>();
  let round: Candidate[] = [...new Set(roots)].map((digest) => ({ digest, mayBeFolder: true }));
  // What records name is asked for by name, too; once a listing was wrong there, none is believed any more.
  let confirm = true;
  for (let root = true; round.length > 0; root = false) {
    for (const { digest } of round) seen.add(digest);
    const sizes = new Map(round.map(({ digest }) => [digest, source.size(digest)]));
    const { there, stale } = await whatIsThere(sizes, confirm, line, root ? undefined : book, repair);
    confirm = stale;
    const next = new Map<Digest, Candidate>();
    for (const { digest, mayBeFolder } of round) {
      signal?.throwIfAborted();
      const bytes = sizes.get(digest);
      const kept = there.get(digest);
      const wrong = kept?.as === 'loose' && bytes !== undefined && kept.bytes !== bytes;
      if (kept !== undefined && !wrong && !(repair && bytes !== undefined)) {
        plan.present += 1;
        continue;
      }
      if (bytes === undefined) {
        plan.missing.add(digest);
        continue;
      }
      const named = mayBeFolder ? namedIn(source.head(digest)) : undefined;
      for (const child of named?.parts ?? [])
        if (!seen.has(child)) next.set(child, { digest: child, mayBeFolder: true });
      for (const { digest: child } of named?.files ?? []) {
        if (!seen.has(child) && !next.has(child)) next.set(child, { digest: child, mayBeFolder: false });
      }
      const known: Known = { bytes, depth: 0, root, ...(named === undefined ? {} : { named }) };
      if (root && named) plan.folders.set(digest, named);
      if (kept !== undefined && !wrong) {
        plan.suspects.set(digest, { kept, known });
        continue;
      }
      if (kept !== undefined) plan.replace.set(digest, kept);
      plan.absent.set(digest, known);
    }
    round = [...next.values()];
  }
  return plan;
}

/** @param book where it is asked first; nothing for what must be found by its name */
async function whatIsThere(
  sizes: ReadonlyMap<Digest, Bytes | undefined>,
  confirm: boolean,
  line: Line,
  book: PackBook | undefined,
  repair: boolean,
): Promise<{ there: Map<Digest, Kept>; stale: boolean }> {
  const there = new Map<Digest, Kept>();
  const names = new Map<string, Digest>();
  const recipes = new Map<string, Digest>();
  if (book) await book.loadAll();
  for (const [digest, bytes] of sizes) {
    // What is to be repaired must be seen first, even where its pack is gone.
    if (book && (repair ? book.object(digest) : await book.certainObject(digest))) {
      there.set(digest, { as: 'packed' });
      continue;
    }
    names.set(nameOf('objects', digest), digest);
    const mayBeInChunks = line.chunking !== undefined && (bytes === undefined || bytes >= CHUNKED_FROM);
    if (mayBeInChunks) recipes.set(nameOf('recipes', digest), digest);
  }
  const { found, stale } = await namesThere([...names.keys(), ...recipes.keys()], confirm, line);
  for (const [name, bytes] of found) {
    const [loose, inChunks] = [names.get(name), recipes.get(name)];
    if (inChunks !== undefined) there.set(inChunks, { as: 'recipe' });
    else if (loose !== undefined && there.get(loose)?.as !== 'recipe') there.set(loose, { as: 'loose', bytes });
  }
  return { there, stale };
}

async function namesThere(
  names: readonly string[],
  confirm: boolean,
  line: Line,
): Promise<{ found: Map<string, Bytes>; stale: boolean }> {
  const { driver, pace, signal, options } = line;
  const asked = { pace, ...(options.retry ? { retry: options.retry } : {}), ...(signal ? { signal } : {}) };
  try {
    let stale = false;
    const present = await presentOn(driver, names, asked);
    const found = new Map([...present].map(([name, { bytes }]) => [name, bytes]));
    const listed = [...present].filter(([, { seen }]) => seen === 'list').map(([name]) => name);
    const ask = (some: readonly string[]) =>
      inParallel(
        some,
        pace,
        async (name, inner) => {
          const bytes = await line.attempt(({ signal: guard }) => driver.head(name, guard), inner);
          if (bytes === undefined) {
            stale = true;
            found.delete(name);
          } else found.set(name, bytes);
        },
        signal,
      );
    // A listing may still show what is gone. A sample tells whether it does; then, and of what records name, all is asked.
    const sample = confirm ? listed : everySoManieth(listed, SAMPLE);
    await ask(sample);
    if (stale && sample.length < listed.length) await ask(listed);
    return { found, stale };
  } catch (error) {
    if (signal?.aborted) throw error;
    throw remoteFailure(driver.address, 'the question what is there', error);
  }
}

/** So many of a listing's names are asked for by themselves. */
const SAMPLE = 16;

function everySoManieth<Item>(items: readonly Item[], count: number): Item[] {
  const step = Math.max(1, Math.floor(items.length / count));
  return items.filter((_, index) => index % step === 0).slice(0, count);
}

/** Gives each manifest its depth, and counts as missing what needs something that is missing. */
export function arrange({ absent, missing }: UploadPlan): void {
  const done = new Set<Digest>();
  const visit = (digest: Digest): number => {
    const known = absent.get(digest);
    if (known === undefined || done.has(digest)) return known?.depth ?? -1;
    done.add(digest);
    if (known.named === undefined) return 0;
    const children = [...known.named.parts, ...known.named.files.map((file) => file.digest)];
    known.depth = 1 + Math.max(0, ...known.named.parts.map(visit));
    if (children.some((child) => missing.has(child))) missing.add(digest);
    return known.depth;
  };
  for (const digest of absent.keys()) visit(digest);
}
