/** Fetches small objects that lie in packs: many with one request, each believed by its own digest. */
import { digestOf } from '../../../grammar/plan/canonical.ts';
import type { Digest } from '../../../grammar/plan/plan.ts';
import { MlpipeError } from '../../errors.ts';
import { inParallel } from './concurrency.ts';
import type { Place } from './digest-table.ts';
import type { Span } from './pack-format.ts';
import { type RangeRequest, readRange, requestsFor } from './ranges.ts';
import type { Line } from './transfer.ts';

/** What is wanted, where it lies, and what it is for. */
export interface PackedWish<Item> extends Span {
  digest: Digest;
  item: Item;
}

export function spanAt(place: Place): Span {
  return { pack: place.in.index.pack, offset: place.offset, bytes: place.bytes };
}

/** What did not arrive: its pack is gone, or ends before it or holds wrong bytes for it. */
export interface Left<Item> {
  wish: PackedWish<Item>;
  why: 'gone' | 'wrong';
}

/** A second request is made for what did not fit its digest, as a line may garble. */
const LOOKS = 2;

/**
 * @param onContent told of each that has arrived and fits its digest
 * @returns those that did not
 */
export async function receivePacked<Item>(
  wishes: readonly PackedWish<Item>[],
  line: Line,
  onContent: (wish: PackedWish<Item>, content: Buffer) => void,
): Promise<Left<Item>[]> {
  const sorted = [...wishes].sort((one, other) =>
    one.pack === other.pack ? one.offset - other.offset : one.pack < other.pack ? -1 : 1,
  );
  const left: Left<Item>[] = [];
  await inParallel(
    requestsFor(sorted),
    line.pace,
    async (request, signal) => {
      let wanted = request.parts;
      let why: Left<Item>['why'] = 'wrong';
      for (let look = 0; look < LOOKS && wanted.length > 0; look += 1) {
        const content = await contentFor(request, line, signal);
        if (typeof content === 'string') {
          why = content;
          break;
        }
        wanted = wanted.filter((wish) => {
          const at = wish.offset - request.offset;
          const part = content.subarray(at, at + wish.bytes);
          if (digestOf(part) !== wish.digest) return true;
          onContent(wish, part);
          return false;
        });
      }
      left.push(...wanted.map((wish) => ({ wish, why })));
    },
    line.signal,
  );
  return left;
}

/** Where a pack is not as it should be, it is said and not thrown: something else may have these objects, too. */
async function contentFor<Item>(
  request: RangeRequest<PackedWish<Item>>,
  line: Line,
  signal: AbortSignal,
): Promise<Buffer | Left<Item>['why']> {
  try {
    return (await readRange(line, request, signal)) ?? 'gone';
  } catch (error) {
    if (error instanceof MlpipeError && error.code === 'remote-corrupt') return 'wrong';
    throw error;
  }
}
