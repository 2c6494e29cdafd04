/**
 * Reads again what is there and here, and mends it. A pack whose wrong bytes are all here is made again under its name,
 * so that whatever names it is right again, also for others. Else what is right of it goes into a new pack, and the old
 * index goes.
 */
import { digestOf } from '../../../grammar/plan/canonical.ts';
import type { Bytes, Digest } from '../../../grammar/plan/plan.ts';
import type { ObjectSource } from '../source.ts';
import type { PackBook } from './book.ts';
import { chunksOf } from './chunker.ts';
import { adaptingPace, inParallel } from './concurrency.ts';
import type { KnownPack } from './digest-table.ts';
import { bytesOf, RemoteFault } from './driver.ts';
import { isDamage, remoteFailure } from './failure.ts';
import { nameOf } from './names.ts';
import { contentOfObject, readObject } from './outgoing.ts';
import { blobsIn } from './pack-format.ts';
import { inPieces, Packer } from './packer.ts';
import { isWhole } from './receive.ts';
import { isWholeByRecipe, readRecipe } from './recipes.ts';
import { guarded } from './retry.ts';
import { type Line, settled } from './transfer.ts';
import type { Known, UploadPlan } from './upload-plan.ts';

/** A pack is in memory while it is looked at. */
const PACKS_AT_ONCE = 3;

interface BadPack {
  known: KnownPack;
  /** By digest; what is missing is to be found here. */
  right: Map<Digest, Uint8Array>;
  wrong: Set<Digest>;
}

/**
 * Goes through the plan's suspects: each is present in the end, or absent and to be sent again.
 *
 * @returns how many bytes were sent
 */
export async function mend(
  source: ObjectSource,
  plan: UploadPlan,
  line: Line,
  book: PackBook | undefined,
): Promise<Bytes> {
  const broken = new Set<Digest>();
  /** Of objects whose content did not come out right, with the packs of their recipes. */
  const suspectPacks = new Map<Digest, Digest[]>();
  await inParallel(
    plan.suspects,
    line.pace,
    async ([digest, { kept }], signal) => {
      if (kept.as === 'loose' && !(await isWhole(line, digest))) broken.add(digest);
      if (kept.as === 'recipe') {
        const packs = await packsOfBroken(digest, line, signal);
        if (packs === undefined) return;
        broken.add(digest);
        suspectPacks.set(digest, packs);
      }
    },
    line.signal,
  );
  const sent = book === undefined ? 0 : await mendPacks(source, plan, line, book, suspectPacks, broken);
  for (const [digest, { kept, known }] of plan.suspects) {
    if (!broken.has(digest)) {
      plan.present += 1;
      continue;
    }
    if (kept.as !== 'packed') plan.replace.set(digest, kept);
    plan.absent.set(digest, known);
  }
  return sent;
}

/** The packs that an object is made of, where it does not come out right; none of them where its recipe is wrong. */
async function packsOfBroken(digest: Digest, line: Line, signal: AbortSignal): Promise<Digest[] | undefined> {
  const recipe = await readRecipe(line, digest, signal);
  if (typeof recipe === 'string') return [];
  const whole = await isWholeByRecipe(recipe, line, signal).catch((error: unknown) => {
    if (signal.aborted || !isDamage(error)) throw error;
    return false;
  });
  return whole ? undefined : [...new Set(recipe.spans.map(({ pack }) => pack))];
}

async function mendPacks(
  source: ObjectSource,
  plan: UploadPlan,
  line: Line,
  book: PackBook,
  suspectPacks: ReadonlyMap<Digest, Digest[]>,
  broken: Set<Digest>,
): Promise<Bytes> {
  await book.loadAll();
  const packs = new Map<Digest, KnownPack>();
  for (const [digest, { kept }] of plan.suspects) {
    const place = kept.as === 'packed' ? book.object(digest) : undefined;
    if (place) packs.set(place.in.index.pack, place.in);
  }
  for (const pack of [...suspectPacks.values()].flat()) {
    const known = book.ofPack(pack);
    if (known) packs.set(pack, known);
    // Nobody knows what lies in it; made again it must not be taken for there.
    else book.damaged.add(pack);
  }
  const bad = new Map<Digest, BadPack>();
  await inParallel(
    packs,
    adaptingPace({ first: PACKS_AT_ONCE, most: PACKS_AT_ONCE }),
    async ([pack, known], signal) => {
      const found = await lookInto(pack, known, line, signal);
      if (found) bad.set(pack, found);
    },
    line.signal,
  );
  for (const each of bad.values()) takeObjects(source, each);
  for (const [digest, of] of suspectPacks) await takeChunks(source, digest, plan, line, of, bad);
  let sent = 0;
  const mended = new Set<Digest>();
  for (const [pack, each] of bad) {
    const content = each.wrong.size === 0 ? contentFrom(each) : undefined;
    if (content === undefined || digestOf(content) !== pack) sent += await salvage(each, plan, line, book);
    else {
      sent += await replacePack(pack, content, line);
      book.isThereNow(pack);
      mended.add(pack);
    }
  }
  await settled(line);
  for (const [digest, of] of suspectPacks) {
    // With its packs right again so is the object; one whose recipe was wrong itself has none.
    const isRight = of.length > 0 && of.every((pack) => mended.has(pack) || (packs.has(pack) && !bad.has(pack)));
    if (isRight && of.some((pack) => mended.has(pack))) broken.delete(digest);
  }
  for (const [digest, { kept }] of plan.suspects) {
    if (kept.as === 'packed' && book.object(digest) === undefined) broken.add(digest);
  }
  return sent;
}

/** What is wrong with a pack; nothing where it is whole. */
async function lookInto(pack: Digest, known: KnownPack, line: Line, signal: AbortSignal): Promise<BadPack | undefined> {
  let found: BadPack | undefined;
  // A second look, as a line may garble.
  for (let look = 0; look < 2; look += 1) {
    const content = await contentOfPack(pack, line, signal);
    found = { known, right: new Map(), wrong: new Set() };
    for (const blob of blobsIn(known.index)) {
      const part = content.subarray(blob.offset, blob.offset + blob.bytes);
      if (digestOf(part) === blob.digest) found.right.set(blob.digest, part);
      else found.wrong.add(blob.digest);
    }
    if (found.wrong.size === 0 && digestOf(content) === pack) return undefined;
  }
  return found;
}

/** As much as there is of it; nothing of one that is gone. */
async function contentOfPack(pack: Digest, line: Line, signal: AbortSignal): Promise<Buffer> {
  const name = nameOf('packs', pack);
  try {
    return await line.attempt(async (guard) => {
      const body = await line.driver.get(name, { signal: guard.signal });
      if (body === undefined) return Buffer.alloc(0);
      const content = await bytesOf({ ...body, chunks: guarded(body.chunks, guard) });
      const size = await line.driver.head(name, guard.signal);
      if (size !== undefined && content.length < size) throw new RemoteFault('it broke off', 'transient');
      return content;
    }, signal);
  } catch (error) {
    if (signal.aborted) throw error;
    throw remoteFailure(line.driver.address, `the pack ${pack}`, error);
  }
}

function takeObjects(source: ObjectSource, { right, wrong }: BadPack): void {
  for (const digest of [...wrong]) {
    if (!source.has(digest)) continue;
    right.set(digest, readObject(source, digest));
    wrong.delete(digest);
  }
}

/** Cuts an object again, which made some of these packs, and takes of it what is wrong there. */
async function takeChunks(
  source: ObjectSource,
  object: Digest,
  plan: UploadPlan,
  line: Line,
  packs: readonly Digest[],
  bad: ReadonlyMap<Digest, BadPack>,
): Promise<void> {
  const wanting = packs.flatMap((pack) => bad.get(pack) ?? []).filter(({ wrong }) => wrong.size > 0);
  const known: Known | undefined = plan.suspects.get(object)?.known;
  if (wanting.length === 0 || known === undefined || line.chunking === undefined) return;
  for await (const chunk of chunksOf(contentOfObject(source, object, known.bytes).read(), line.chunking)) {
    const digest = digestOf(chunk);
    for (const { right, wrong } of wanting) if (wrong.delete(digest)) right.set(digest, Buffer.from(chunk));
  }
}

function contentFrom({ known, right }: BadPack): Buffer {
  return Buffer.concat([...blobsIn(known.index)].map(({ digest }) => right.get(digest) ?? EMPTY));
}

const EMPTY = new Uint8Array();

async function replacePack(pack: Digest, content: Buffer, line: Line): Promise<Bytes> {
  const sha256 = pack.slice('sha256:'.length);
  try {
    await line.attempt(({ signal, alive }) =>
      line.driver.put(nameOf('packs', pack), inPieces(content, sha256, alive), { replace: true, signal }),
    );
  } catch (error) {
    if (line.signal?.aborted) throw error;
    throw remoteFailure(line.driver.address, `the pack ${pack}`, error);
  }
  return content.length;
}

/** What is right of a pack, and what of it is here, in a new pack. The index goes when all is sent. */
async function salvage({ known, right }: BadPack, plan: UploadPlan, line: Line, book: PackBook): Promise<Bytes> {
  book.forget(known);
  plan.obsolete.add(nameOf('pack-indexes', known.digest));
  // A pack of chunks stays: of others' recipes those that name what is right of it are right.
  if (known.index.holds === 'objects') plan.obsolete.add(nameOf('packs', known.index.pack));
  const packer = new Packer(line, book, known.index.holds);
  try {
    for (const [digest, content] of right) await packer.add(digest, content);
    await packer.finish();
  } finally {
    await packer.leave();
  }
  return packer.sent;
}
