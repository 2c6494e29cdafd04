/** How many requests run at once: a few more while all goes well, half as many when a remote is overtaxed. */
import { isTransient } from './retry.ts';

export interface Pace {
  /** How many may run now. */
  readonly width: number;
  succeeded(milliseconds: number): void;
  /** Of a single try, whether or not a later one works. */
  failed(error: unknown): void;
}

/** A request that takes so many times what the quickest took says that more at once only wait for each other. */
const CROWDED = 4;

/**
 * Additive increase, multiplicative decrease, as TCP finds its share of a line: each round of successes adds one; an
 * error that may pass (429, 503, a reset, silence) halves, at most once in a round trip.
 */
export function adaptingPace(
  { first, most }: { first: number; most: number },
  now: () => number = () => performance.now(),
): Pace {
  let width = Math.min(first, most);
  let quickest = Number.POSITIVE_INFINITY;
  let typical = 0;
  let lastCut = Number.NEGATIVE_INFINITY;
  return {
    get width() {
      return Math.max(1, Math.floor(width));
    },
    succeeded(milliseconds) {
      quickest = Math.min(quickest, Math.max(1, milliseconds));
      typical = typical === 0 ? milliseconds : typical * 0.9 + milliseconds * 0.1;
      // Where requests queue up at the remote, more of them make nothing faster.
      if (typical < quickest * CROWDED || width < first) width = Math.min(most, width + 1 / width);
    },
    failed(error) {
      if (!isTransient(error)) return;
      const time = now();
      if (time - lastCut < Math.max(50, typical)) return;
      lastCut = time;
      width = Math.max(1, width / 2);
    },
  };
}

/**
 * Does all of it, as many at once as the pace allows. The first failure ends the rest: nothing new begins, and what runs
 * is waited for, so that nothing goes on behind the caller's back.
 */
export async function inParallel<Item>(
  items: Iterable<Item>,
  pace: Pace,
  work: (item: Item, signal: AbortSignal) => Promise<void>,
  outer?: AbortSignal,
): Promise<void> {
  const own = new AbortController();
  const signal = outer === undefined ? own.signal : AbortSignal.any([own.signal, outer]);
  const iterator = items[Symbol.iterator]();
  const running = new Set<Promise<void>>();
  let failure: { error: unknown } | undefined;
  const begin = (item: Item): void => {
    const started = performance.now();
    const task = work(item, signal)
      .then(
        () => pace.succeeded(performance.now() - started),
        (error: unknown) => {
          failure ??= { error };
          own.abort(error);
        },
      )
      .finally(() => running.delete(task));
    running.add(task);
  };
  for (;;) {
    while (running.size < pace.width && failure === undefined && !signal.aborted) {
      const next = iterator.next();
      if (next.done) break;
      begin(next.value);
    }
    if (running.size === 0) break;
    await Promise.race(running);
  }
  outer?.throwIfAborted();
  if (failure) throw failure.error;
}
