/**
 * Sends objects. Files go before the manifests that name them, parts before what is made of them, so that whatever has
 * its name on the remote has all that it names there, too: who breaks off at any point leaves nothing that is half.
 */
import type { Bytes, Digest } from '../../../grammar/plan/plan.ts';
import type { ObjectSource } from '../source.ts';
import { inParallel } from './concurrency.ts';
import { remoteFailure } from './failure.ts';
import { nameOf } from './names.ts';
import { contentOfObject, type Named, namedIn } from './outgoing.ts';
import { presentOn } from './presence.ts';
import { isWhole } from './receive.ts';
import type { Line, Progress } from './transfer.ts';

export interface Sent {
  objects: number;
  bytes: Bytes;
  /** Were there already. */
  present: number;
  /** Are neither here nor there, and so is nothing that needs them. */
  missing: Set<Digest>;
}

interface Known {
  bytes: Bytes;
  named?: Named;
  /** Files have none, parts less than what is made of them. */
  depth: number;
}

/**
 * @param roots what is to be there in the end, with everything that it names
 * @param repair trusts nothing that is there: it is read again, and replaced where its bytes are wrong
 */
export async function sendObjects(
  source: ObjectSource,
  roots: readonly Digest[],
  line: Line,
  progress: Progress,
  options: { repair?: boolean } = {},
): Promise<Sent> {
  const plan = await planUpload(source, roots, line, options.repair ?? false);
  const waiting = [...plan.absent].filter(([digest]) => !plan.missing.has(digest));
  const total = waiting.reduce((sum, [, { bytes }]) => sum + bytes, 0);
  progress.begin('objects', waiting.length, total);
  const deepest = waiting.reduce((most, [, { depth }]) => Math.max(most, depth), 0);
  for (let depth = 0; depth <= deepest; depth += 1) {
    // Large ones first: what is begun last should not take longest.
    const level = waiting
      .filter(([, known]) => known.depth === depth)
      .sort(([, one], [, other]) => other.bytes - one.bytes);
    if (level.length === 0) continue;
    await inParallel(
      level,
      line.pace,
      async ([digest, { bytes }], signal) => {
        await sendObject(source, digest, bytes, line, signal, plan.replace.has(digest));
        progress.objects += 1;
        progress.bytes += bytes;
        progress.tell();
      },
      line.signal,
    );
    await settled(line);
  }
  return { objects: waiting.length, bytes: total, present: plan.present, missing: plan.missing };
}

/** Whatever was sent is durable from here on. */
export async function settled(line: Line): Promise<void> {
  try {
    await line.driver.settle();
  } catch (error) {
    throw remoteFailure(line.driver.address, 'what was just sent', error);
  }
}

async function sendObject(
  source: ObjectSource,
  digest: Digest,
  bytes: Bytes,
  line: Line,
  signal: AbortSignal,
  replace: boolean,
): Promise<void> {
  const content = contentOfObject(source, digest, bytes);
  try {
    await line.attempt(async ({ signal: guard, alive }) => {
      const watched = { ...content, read: (start?: Bytes, end?: Bytes) => telling(content.read(start, end), alive) };
      return line.driver.put(nameOf('objects', digest), watched, { replace, signal: guard });
    }, signal);
  } catch (error) {
    if (signal.aborted) throw error;
    throw remoteFailure(line.driver.address, `the object ${digest}`, error);
  }
}

async function* telling(chunks: AsyncIterable<Uint8Array>, alive: () => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    alive();
    yield chunk;
  }
}

interface UploadPlan {
  absent: Map<Digest, Known>;
  replace: Set<Digest>;
  missing: Set<Digest>;
  present: number;
}

/** Goes down from the roots, and no further where the remote has a folder's manifest: what it names came before it. */
async function planUpload(
  source: ObjectSource,
  roots: readonly Digest[],
  line: Line,
  repair: boolean,
): Promise<UploadPlan> {
  const plan: UploadPlan = { absent: new Map(), replace: new Set(), missing: new Set(), present: 0 };
  const { signal } = line;
  const seen = new Set<Digest>();
  let round = [...new Set(roots)];
  // What records name is asked for by name, too; once a listing was wrong there, none is believed any more.
  for (let confirm = true; round.length > 0; ) {
    for (const digest of round) seen.add(digest);
    const { there, stale } = await whatIsThere(round, confirm, line);
    confirm = stale;
    const next = new Set<Digest>();
    for (const digest of round) {
      signal?.throwIfAborted();
      const bytes = source.size(digest);
      const remote = there.get(digest);
      const wrong = remote !== undefined && bytes !== undefined && remote !== bytes;
      const trusted = remote !== undefined && !wrong && !(repair && bytes !== undefined);
      if (trusted) {
        plan.present += 1;
        continue;
      }
      if (bytes === undefined) {
        plan.missing.add(digest);
        continue;
      }
      const named = namedIn(source.head(digest));
      for (const child of named === undefined ? [] : [...named.parts, ...named.files.map((file) => file.digest)]) {
        if (!seen.has(child)) next.add(child);
      }
      if (repair && !wrong && remote !== undefined && (await isWhole(line, digest))) {
        plan.present += 1;
        continue;
      }
      if (remote !== undefined) plan.replace.add(digest);
      plan.absent.set(digest, { bytes, depth: 0, ...(named === undefined ? {} : { named }) });
    }
    round = [...next];
  }
  arrange(plan);
  return plan;
}

async function whatIsThere(
  round: readonly Digest[],
  confirm: boolean,
  line: Line,
): Promise<{ there: Map<Digest, Bytes>; stale: boolean }> {
  const { driver, pace, signal, options } = line;
  const asked = { pace, ...(options.retry ? { retry: options.retry } : {}), ...(signal ? { signal } : {}) };
  const names = new Map(round.map((digest) => [nameOf('objects', digest), digest]));
  try {
    let stale = false;
    const found = await presentOn(driver, [...names.keys()], asked);
    const listed = [...found].filter(([, { seen }]) => seen === 'list').map(([name]) => name);
    const ask = (some: readonly string[]) =>
      inParallel(
        some,
        pace,
        async (name, inner) => {
          const bytes = await line.attempt(({ signal: guard }) => driver.head(name, guard), inner);
          if (bytes === undefined) {
            stale = true;
            found.delete(name);
          } else found.set(name, { bytes, seen: 'head' });
        },
        signal,
      );
    // A listing may still show what is gone. A sample tells whether it does; then, and of what records name, all is asked.
    const sample = confirm ? listed : everySoManieth(listed, SAMPLE);
    await ask(sample);
    if (stale && sample.length < listed.length) await ask(listed);
    const there = new Map(
      [...found].flatMap(([name, { bytes }]) => {
        const digest = names.get(name);
        return digest === undefined ? [] : [[digest, bytes] as const];
      }),
    );
    return { there, stale };
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
function arrange({ absent, missing }: UploadPlan): void {
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
