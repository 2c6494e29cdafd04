/** Sends what travels in packs: many small objects, and the chunks of large ones that the remote does not have yet. */
import { setImmediate as othersTurn } from 'node:timers/promises';
import type { Bytes, Digest } from '../../../grammar/plan/plan.ts';
import type { ObjectSource } from '../source.ts';
import type { PackBook } from './book.ts';
import { inParallel } from './concurrency.ts';
import { cutObject } from './cutting.ts';
import { contentOf } from './driver.ts';
import { remoteFailure } from './failure.ts';
import { LocalSpans } from './local-spans.ts';
import { nameOf } from './names.ts';
import { type Named, namedIn, readObject } from './outgoing.ts';
import { encodeMembers, encodeRecipe, type Span } from './pack-format.ts';
import { type PackedPlace, Packer } from './packer.ts';
import { type Line, type Progress, settled } from './transfer.ts';
import type { Leaving, UploadPlan } from './upload-plan.ts';

export interface PackedUpload {
  /** The `.mlpipe` folder. */
  store: string;
  source: ObjectSource;
  line: Line;
  book: PackBook;
  plan: UploadPlan;
  progress: Progress;
}

/**
 * Packs, then their indexes, then what names these: recipes, and the members of folders. The folders' manifests go after
 * all of it.
 *
 * @returns how many bytes were sent
 */
export async function sendPacked(
  upload: PackedUpload,
  { packed, chunked, level, repair }: { packed: Leaving[]; chunked: Leaving[]; level: Leaving[]; repair: boolean },
): Promise<Bytes> {
  const { source, store, line, book, plan } = upload;
  const small = new Packer(line, book, 'objects');
  const large = new Packer(line, book, 'chunks');
  const recipes: { digest: Digest; bytes: Bytes; places: (PackedPlace | Span)[] }[] = [];
  try {
    await packSmall(upload, packed, small);
    await small.finish();
    if (chunked.length > 0) await book.loadAll();
    for (const [digest, { bytes }] of chunked) {
      recipes.push({ digest, bytes, places: await packChunks(upload, digest, bytes, large) });
    }
    await large.finish();
  } finally {
    await Promise.all([small.leave(), large.leave()]);
  }
  const described = recipes.map(({ digest, bytes, places }) => {
    const content = encodeRecipe({ digest, bytes, spans: places.map(spanOf) });
    // A later version that somebody else sends need not come as a whole.
    new LocalSpans(store, source).keep(digest, content);
    return { name: nameOf('recipes', digest), content, replace: plan.replace.has(digest) };
  });
  for (const [digest, named] of plan.folders) {
    const isDue = repair || level.some(([each]) => each === digest);
    if (!isDue) continue;
    const indexes = await indexesFor(upload, named);
    if (indexes.size === 0) continue;
    described.push({ name: nameOf('members', digest), content: encodeMembers(digest, indexes), replace: repair });
  }
  if (small.sent + large.sent > 0) await settled(line);
  await sendDescriptions(line, described);
  upload.progress.objects += chunked.length;
  upload.progress.tell();
  return small.sent + large.sent + described.reduce((sum, { content }) => sum + content.length, 0);
}

async function packSmall({ source, line, progress }: PackedUpload, packed: Leaving[], packer: Packer): Promise<void> {
  let count = 0;
  for (const [digest, { bytes }] of packed) {
    line.signal?.throwIfAborted();
    await packer.add(digest, readObject(source, digest));
    progress.objects += 1;
    progress.bytes += bytes;
    progress.tell();
    count += 1;
    // Reading does not wait for anybody, so that what is being sent would.
    if (count % 128 === 0) await othersTurn();
  }
}

/** Where each chunk of an object lies: where it lay already, or in a pack that is being sent. */
async function packChunks(
  { source, line, book, progress }: PackedUpload,
  object: Digest,
  bytes: Bytes,
  packer: Packer,
): Promise<(PackedPlace | Span)[]> {
  const places: (PackedPlace | Span)[] = [];
  if (line.chunking === undefined) return places;
  // The last chunk comes only when the whole fits its digest; a recipe is written only when all have come.
  for await (const { digest, content } of cutObject(source, object, bytes, line.chunking)) {
    line.signal?.throwIfAborted();
    const there = packer.find(digest) ?? (await book.blob(digest));
    if (there === undefined) places.push(await packer.add(digest, content));
    else if ('in' in there) places.push({ pack: there.in.index.pack, offset: there.offset, bytes: there.bytes });
    else places.push(there);
    progress.bytes += content.length;
    progress.tell();
  }
  return places;
}

/** Of packs that are sent, all of which have their digests by now. */
function spanOf({ pack, offset, bytes }: PackedPlace | Span): Span {
  const digest = typeof pack === 'string' ? pack : pack.digest;
  if (digest === undefined) throw new Error('A pack without a digest was never sent.');
  return { pack: digest, offset, bytes };
}

/** The indexes that hold what a folder names, at any depth. */
async function indexesFor({ source, book, plan }: PackedUpload, folder: Named): Promise<Set<Digest>> {
  const indexes = new Set<Digest>();
  const note = (digest: Digest) => {
    const place = book.object(digest);
    if (place) indexes.add(place.in.digest);
  };
  const seen = new Set<Digest>();
  const waiting = [folder];
  for (let named = waiting.pop(); named; named = waiting.pop()) {
    for (const { digest } of named.files) note(digest);
    for (const part of named.parts) {
      note(part);
      if (seen.has(part)) continue;
      seen.add(part);
      const inside = plan.absent.get(part)?.named ?? namedIn(source.head(part));
      if (inside) waiting.push(inside);
      // It is there and not here: nobody here can tell what it names.
      else for (const index of book.objectIndexes) indexes.add(index);
    }
  }
  return indexes;
}

async function sendDescriptions(
  line: Line,
  described: readonly { name: string; content: Buffer; replace: boolean }[],
): Promise<void> {
  if (described.length === 0) return;
  await inParallel(
    described,
    line.pace,
    async ({ name, content, replace }, inner) => {
      try {
        await line.attempt(({ signal }) => line.driver.put(name, contentOf(content), { replace, signal }), inner);
      } catch (error) {
        if (inner.aborted) throw error;
        throw remoteFailure(line.driver.address, `the file \`${name}\``, error);
      }
    },
    line.signal,
  );
  await settled(line);
}
