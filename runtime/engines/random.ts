/**
 * The one source of chance in a training: a seeded stream whose state is a number that a checkpoint keeps.
 *
 * tfjs draws every number that has no seed of its own from `Math.random` (initialisers, dropout, noise), and the seeds
 * that it takes are not usable: the same dropout seed drops the same units in each step, and seed 0 is ignored. So
 * nothing is given a seed, and `Math.random` is this stream while a model is built or trained.
 */

/** Mulberry32 (T. Ettinger): 32 bits of state, period 2³², passes gjrand's tests for streams of this length. */
export class RandomStream {
  /** Everything there is to keep: a stream with the same state goes on with the same numbers. */
  state: number;

  /** @param seed any finite number; 0 is a seed like others, and fractions and large numbers are told apart */
  constructor(seed: number) {
    this.state = mixedSeed(seed);
  }

  /** The next number, 0 ≤ x < 1, with 32 random bits. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }

  /** A whole number, 0 ≤ n < bound. The bias of at most bound / 2³² does not matter to a shuffle. */
  below(bound: number): number {
    return Math.floor(this.next() * bound);
  }

  /** Runs `work`, which must not be asynchronous, with `Math.random` drawing from this stream. */
  during<T>(work: () => T): T {
    const original = Math.random;
    Math.random = () => this.next();
    try {
      return work();
    } finally {
      Math.random = original;
    }
  }
}

/** A stream for one purpose that shares no numbers with the streams of the same seed for others. */
export function streamFor(seed: number, purpose: string): RandomStream {
  const stream = new RandomStream(seed);
  for (const character of purpose) stream.state = Math.imul(stream.state ^ character.charCodeAt(0), 0x01000193);
  stream.next();
  return stream;
}

/** Fisher–Yates: every order is as likely as every other. */
export function shuffle(indices: Uint32Array, stream: RandomStream): void {
  for (let last = indices.length - 1; last > 0; last--) {
    const other = stream.below(last + 1);
    const moved = indices[last] as number; // `last` is an index of the array
    indices[last] = indices[other] as number; // 0 ≤ other ≤ last
    indices[other] = moved;
  }
}

/** FNV-1a over the eight bytes of the number, so that near seeds give far states. */
function mixedSeed(seed: number): number {
  const bytes = new Uint8Array(new Float64Array([seed]).buffer);
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash | 0;
}
