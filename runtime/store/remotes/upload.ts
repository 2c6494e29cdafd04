/**
 * Sends objects. Files go before the manifests that name them, parts before what is made of them, so that whatever has
 * its name on the remote has all that it names there, too: who breaks off at any point leaves nothing that is half.
 */
import type { Bytes, Digest } from '../../../grammar/plan/plan.ts';
import type { ObjectSource } from '../source.ts';
import { PackBook } from './book.ts';
import { inParallel } from './concurrency.ts';
import { remoteFailure } from './failure.ts';
import { isCompressed } from './media.ts';
import { nameOf } from './names.ts';
import { contentOfObject } from './outgoing.ts';
import { CHUNKED_FROM, PACKED_BELOW, WORTH_PACKING } from './pack-format.ts';
import { mend } from './repair.ts';
import { type Line, type Progress, settled } from './transfer.ts';
import { sendPacked } from './upload-packed.ts';
import { arrange, type Leaving, planUpload, type UploadPlan } from './upload-plan.ts';

export interface Sent {
  objects: number;
  /** What went over the line, packs' indexes and the like among it. */
  bytes: Bytes;
  /** Were there already. */
  present: number;
  /** Are neither here nor there, and so is nothing that needs them. */
  missing: Set<Digest>;
}

export interface SendOptions {
  /** The `.mlpipe` folder that keeps copies of what the remote says of its packs. */
  store: string;
  /** Trusts nothing that is there: it is read again, and replaced where its bytes are wrong. */
  repair?: boolean;
}

/** @param roots what is to be there in the end, with everything that it names */
export async function sendObjects(
  source: ObjectSource,
  roots: readonly Digest[],
  line: Line,
  progress: Progress,
  { store, repair = false }: SendOptions,
): Promise<Sent> {
  const book = line.chunking === undefined ? undefined : new PackBook(store, line);
  const plan = await planUpload(source, roots, line, book, repair);
  let bytes = repair ? await mend(source, plan, line, book) : 0;
  if (!repair) for (const [digest] of plan.folders) if (!plan.absent.has(digest)) plan.folders.delete(digest);
  arrange(plan);
  const waiting = [...plan.absent].filter(([digest]) => !plan.missing.has(digest));
  const total = waiting.reduce((sum, [, known]) => sum + known.bytes, 0);
  progress.begin('objects', waiting.length, total);
  const deepest = waiting.reduce((most, [, { depth }]) => Math.max(most, depth), 0);
  for (let depth = 0; depth <= deepest; depth += 1) {
    const level = waiting.filter(([, known]) => known.depth === depth);
    const { packed, chunked, loose } = divide(source, level, plan, line);
    if (book)
      bytes += await sendPacked({ store, source, line, book, plan, progress }, { packed, chunked, level, repair });
    bytes += await sendLoose(source, loose, plan, line, progress);
  }
  for (const name of plan.obsolete) await removed(name, line);
  return { objects: waiting.length, bytes, present: plan.present, missing: plan.missing };
}

/** In which of three ways each of them goes. */
function divide(
  source: ObjectSource,
  level: readonly Leaving[],
  { replace }: UploadPlan,
  line: Line,
): { packed: Leaving[]; chunked: Leaving[]; loose: Leaving[] } {
  const ways = { packed: [] as Leaving[], chunked: [] as Leaving[], loose: [] as Leaving[] };
  for (const leaving of level) {
    const [digest, { bytes, named, root }] = leaving;
    // What lies there by its name and is wrong must go: readers would find it.
    const mayBePacked = line.chunking !== undefined && replace.get(digest)?.as !== 'loose';
    // Lists are fetched before what they name, so that a hundred of them should be one request, too.
    const isSmall = bytes < (named === undefined ? PACKED_BELOW : CHUNKED_FROM);
    if (mayBePacked && !root && isSmall) ways.packed.push(leaving);
    else if (mayBePacked && named === undefined && isWorthChunks(source, digest, bytes, line))
      ways.chunked.push(leaving);
    else ways.loose.push(leaving);
  }
  if (ways.packed.length < WORTH_PACKING) ways.loose.push(...ways.packed.splice(0));
  return ways;
}

/** Without a listing nobody knows which chunks are there, so that none would be saved. */
function isWorthChunks(source: ObjectSource, digest: Digest, bytes: Bytes, line: Line): boolean {
  return line.driver.abilities.list && bytes >= CHUNKED_FROM && !isCompressed(source.head(digest) ?? Buffer.alloc(0));
}

async function sendLoose(
  source: ObjectSource,
  loose: readonly Leaving[],
  plan: UploadPlan,
  line: Line,
  progress: Progress,
): Promise<Bytes> {
  if (loose.length === 0) return 0;
  // Large ones first: what is begun last should not take longest.
  const sorted = [...loose].sort(([, one], [, other]) => other.bytes - one.bytes);
  await inParallel(
    sorted,
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
  return loose.reduce((sum, [, { bytes }]) => sum + bytes, 0);
}

async function removed(name: string, line: Line): Promise<void> {
  try {
    await line.attempt(({ signal }) => line.driver.delete(name, signal));
  } catch (error) {
    if (line.signal?.aborted) throw error;
    throw remoteFailure(line.driver.address, `the file \`${name}\``, error);
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
