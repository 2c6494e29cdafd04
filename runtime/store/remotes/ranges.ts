/** Reads parts of packs, with few requests for many neighbours, and the small files that describe packs. */
import type { Bytes, Digest } from '../../../grammar/plan/plan.ts';
import { readSmall } from './catalogue.ts';
import { bytesOf, RemoteFault, rangeOf } from './driver.ts';
import { corruptOnRemote, remoteFailure } from './failure.ts';
import type { LocalSpan } from './local-spans.ts';
import { nameOf } from './names.ts';
import { LARGEST_DESCRIPTION, type Span } from './pack-format.ts';
import { guarded } from './retry.ts';
import type { Line } from './transfer.ts';

/** One request is never for more: it is kept in memory until it is whole. */
const LARGEST_REQUEST = 8 * 2 ** 20;
/** What is not wanted between two parts is read with them, where that is quicker than a further request. */
const SMALL_GAP = 128 * 2 ** 10;
/** Bytes may be wrong once by the line; a second time they are the remote's own. */
const TRIES = 2;

/** What one request reads: neighbouring bytes of a pack, and which of these are wanted. */
export interface RangeRequest<Part extends Span> {
  pack: Digest;
  offset: Bytes;
  bytes: Bytes;
  parts: Part[];
}

/** In the order of the spans, each that lies here by itself. Who wants the fewest requests sorts them by pack and offset before. */
export function requestsFor<Part extends Span>(spans: Iterable<Part>): RangeRequest<Part>[] {
  const requests: RangeRequest<Part>[] = [];
  for (const span of spans) {
    const last = requests.at(-1);
    const gap = last && last.pack === span.pack ? span.offset - (last.offset + last.bytes) : -1;
    const end = span.offset + span.bytes;
    const isFree = 'local' in span || (last?.parts.some((part) => 'local' in part) ?? false);
    if (last && !isFree && gap >= 0 && gap <= SMALL_GAP && end - last.offset <= LARGEST_REQUEST) {
      last.bytes = end - last.offset;
      last.parts.push(span);
    } else requests.push({ pack: span.pack, offset: span.offset, bytes: span.bytes, parts: [span] });
  }
  return requests;
}

/** Spans of which none is larger than a request may be. */
export function* piecesOf(spans: Iterable<Span | LocalSpan>): Generator<Span | LocalSpan> {
  for (const span of spans) {
    for (let at = 0; at < span.bytes; at += LARGEST_REQUEST) {
      const piece = { pack: span.pack, offset: span.offset + at, bytes: Math.min(LARGEST_REQUEST, span.bytes - at) };
      yield 'local' in span ? { ...piece, local: { path: span.local.path, at: span.local.at + at } } : piece;
    }
  }
}

/**
 * Neighbouring bytes of a pack; nothing where there is no such pack.
 *
 * @throws MlpipeError `remote-corrupt` where the pack ends before them, and what reaching it throws
 */
export async function readRange(
  line: Line,
  { pack, offset, bytes }: Span,
  signal: AbortSignal | undefined,
): Promise<Buffer | undefined> {
  const { driver } = line;
  const name = nameOf('packs', pack);
  try {
    return await line.attempt(async (guard) => {
      const end = offset + bytes;
      const body = await driver.get(name, { start: offset, end, signal: guard.signal });
      if (body === undefined) return undefined;
      const chunks = rangeOf({ ...body, chunks: guarded(body.chunks, guard) }, offset, end);
      const content = await bytesOf({ start: offset, chunks });
      if (content.length === bytes) return content;
      const size = await driver.head(name, guard.signal);
      if (size !== undefined && size >= end) {
        throw new RemoteFault(`it broke off after ${content.length} of ${bytes} bytes`, 'transient');
      }
      throw corruptOnRemote(driver.address, `the pack ${pack}`, `it ends at ${size} and should go on to ${end}`);
    }, signal);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw remoteFailure(driver.address, `the pack ${pack}`, error);
  }
}

/**
 * A file that describes packs. Where it cannot be understood it is asked for once more, as a line may garble.
 *
 * @param parse answers nothing where the bytes are not what they should be
 */
export async function readDescription<Content extends object>(
  line: Line,
  name: string,
  signal: AbortSignal | undefined,
  parse: (content: Buffer) => Content | undefined,
): Promise<Content | 'absent' | 'wrong'> {
  const { driver } = line;
  try {
    for (let tries = 1; ; tries += 1) {
      const content = await readSmall(line, name, LARGEST_DESCRIPTION, signal);
      if (content === undefined) return 'absent';
      const parsed = parse(content);
      if (parsed !== undefined) return parsed;
      if (tries >= TRIES) return 'wrong';
    }
  } catch (error) {
    if (signal?.aborted) throw error;
    throw remoteFailure(driver.address, `its file \`${name}\``, error);
  }
}

/** Requests side by side, answered in their order. What was begun is ended before it returns. */
export async function* inOrder<Request, Answer>(
  requests: Iterable<Request>,
  atOnce: number,
  read: (request: Request, signal: AbortSignal) => Promise<Answer>,
  outer?: AbortSignal,
): AsyncGenerator<{ request: Request; answer: Answer }> {
  const own = new AbortController();
  const signal = outer === undefined ? own.signal : AbortSignal.any([own.signal, outer]);
  const iterator = requests[Symbol.iterator]();
  const ahead: { request: Request; answer: Promise<Answer> }[] = [];
  const begin = () => {
    const next = iterator.next();
    if (next.done) return;
    const answer = read(next.value, signal);
    // It is looked at when its turn comes.
    answer.catch(() => undefined);
    ahead.push({ request: next.value, answer });
  };
  try {
    for (let count = 0; count < atOnce; count += 1) begin();
    for (let first = ahead.shift(); first; first = ahead.shift()) {
      const answer = await first.answer;
      begin();
      yield { request: first.request, answer };
    }
  } finally {
    own.abort(new Error('It is not wanted any more.'));
    await Promise.allSettled(ahead.map(({ answer }) => answer));
  }
}
