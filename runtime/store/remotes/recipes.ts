/** Large objects that lie in packs: put together again from the ranges that their recipes name. */
import { createHash } from 'node:crypto';
import type { Bytes, Digest } from '../../../grammar/plan/plan.ts';
import type { Staged } from '../content.ts';
import { corruptOnRemote, notOnRemote } from './failure.ts';
import { Arrival } from './incoming.ts';
import { type LocalSpan, type LocalSpans, readLocal } from './local-spans.ts';
import { nameOf } from './names.ts';
import { encodeRecipe, parseRecipe, type Recipe, type Span } from './pack-format.ts';
import { inOrder, piecesOf, type RangeRequest, readDescription, readRange, requestsFor } from './ranges.ts';
import type { Line } from './transfer.ts';

/** Ranges of one object under way at once. */
const AHEAD = 4;
const WRONG_TWICE = 2;

export function readRecipe(
  line: Line,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<Recipe | 'absent' | 'wrong'> {
  return readDescription(line, nameOf('recipes', digest), signal, (content) => parseRecipe(content, digest));
}

/**
 * The content from `start` on.
 *
 * @param here nothing where only the remote is to be believed
 * @throws MlpipeError `remote-lacks` where a pack is gone, and what `readRange` throws
 */
async function* contentBy(
  recipe: Recipe,
  start: Bytes,
  line: Line,
  signal: AbortSignal | undefined,
  here?: LocalSpans,
): AsyncGenerator<Buffer> {
  const wanted = from(recipe.spans, start);
  const requests = requestsFor(piecesOf(here === undefined ? wanted : here.split(wanted)));
  const read = async (request: RangeRequest<Span | LocalSpan>, inner: AbortSignal) => {
    const [first] = request.parts;
    const local = first && 'local' in first ? await readLocal(first) : undefined;
    return local ?? readRange(line, request, inner);
  };
  for await (const { request, answer } of inOrder(requests, AHEAD, read, signal)) {
    if (answer === undefined) throw notOnRemote(line.driver.address, `pack ${request.pack}`);
    for (const { offset, bytes } of request.parts) {
      const at = offset - request.offset;
      yield answer.subarray(at, at + bytes);
    }
  }
}

function* from(spans: Iterable<Span>, start: Bytes): Generator<Span> {
  let skip = start;
  for (const { pack, offset, bytes } of spans) {
    if (skip < bytes) yield { pack, offset: offset + skip, bytes: bytes - skip };
    skip = Math.max(0, skip - bytes);
  }
}

/**
 * Fetches an object by its recipe, from where an earlier try broke off.
 *
 * @param here what lies here already, and is taken from here
 * @returns a file that waits for its name, or nothing where the remote has no such recipe, or not the packs that it names
 * @throws MlpipeError `remote-corrupt`, `remote-unreachable`, `remote-denied`, `remote-failed`
 */
export async function receiveByRecipe(
  store: string,
  digest: Digest,
  line: Line,
  signal: AbortSignal | undefined,
  onBytes: (bytes: Bytes) => void,
  here?: LocalSpans,
): Promise<Staged | undefined> {
  const { address } = line.driver;
  const recipe = await readRecipe(line, digest, signal);
  if (recipe === 'absent') return undefined;
  if (recipe === 'wrong') throw corruptOnRemote(address, `the recipe of ${digest}`, 'they are no recipe for it');
  const arrival = new Arrival(store, digest, recipe.bytes);
  try {
    // What is damaged here is no fault of the remote's: after a first time nothing here is believed.
    for (let [wrong, believed] = [0, here]; ; believed = undefined) {
      if (arrival.bytes > recipe.bytes) await arrival.empty();
      for await (const content of contentBy(recipe, arrival.bytes, line, signal, believed)) {
        await arrival.write(content);
        onBytes(content.length);
      }
      if (arrival.isWhole()) {
        here?.keep(digest, encodeRecipe(recipe));
        return await arrival.finish();
      }
      const found = `${arrival.bytes} bytes have another digest`;
      await arrival.empty();
      if (believed === undefined) wrong += 1;
      if (wrong >= WRONG_TWICE) throw corruptOnRemote(address, `the object ${digest}`, found);
    }
  } catch (error) {
    await arrival.leave(true);
    throw error;
  }
}

/** Reads all of it, and says whether the bytes are those of its name. */
export async function isWholeByRecipe(recipe: Recipe, line: Line, signal: AbortSignal | undefined): Promise<boolean> {
  const hash = createHash('sha256');
  for await (const content of contentBy(recipe, 0, line, signal)) hash.update(content);
  return `sha256:${hash.digest('hex')}` === recipe.digest;
}
