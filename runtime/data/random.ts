/**
 * Seeded random numbers in integer arithmetic alone, so that they are the same on every platform and engine.
 *
 * The generator is xoshiro128** 1.1 (D. Blackman, S. Vigna, "Scrambled linear pseudorandom number generators", ACM TOMS
 * 47, 2021); its state is filled from the seed by splitmix32 over the seed's low and high half.
 */
export class Random {
  readonly #state = new Uint32Array(4);

  /** @param seed a whole number; its low 53 bits count */
  constructor(seed: number) {
    let mixed = (seed % 0x1_0000_0000) >>> 0;
    const high = Math.floor(seed / 0x1_0000_0000) >>> 0;
    for (let index = 0; index < 4; index++) {
      mixed = (mixed + 0x9e3779b9) >>> 0;
      let word = mixed ^ high;
      word = Math.imul(word ^ (word >>> 16), 0x21f0aaad);
      word = Math.imul(word ^ (word >>> 15), 0x735a2d97);
      this.#state[index] = word ^ (word >>> 15);
    }
    if (this.#state.every((word) => word === 0)) this.#state[0] = 1;
  }

  /** 32 random bits as a whole number from 0 to 2³² − 1. */
  bits(): number {
    const state = this.#state;
    const [a = 0, b = 0, c = 0, d = 0] = state;
    const scrambled = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    const mixedC = c ^ a;
    const mixedD = d ^ b;
    state[1] = b ^ mixedC;
    state[0] = a ^ mixedD;
    state[2] = mixedC ^ (b << 9);
    state[3] = rotate(mixedD, 11);
    return scrambled;
  }

  /** A whole number from 0 to `count − 1`, each as likely as the others (by rejection). */
  below(count: number): number {
    const limit = 0x1_0000_0000 - (0x1_0000_0000 % count);
    for (;;) {
      const bits = this.bits();
      if (bits < limit) return bits % count;
    }
  }

  /** Fisher and Yates's shuffle, from the end, in place. */
  shuffle<T extends { [index: number]: number; readonly length: number }>(items: T): T {
    for (let index = items.length - 1; index > 0; index--) {
      const other = this.below(index + 1);
      const item = items[index] as number; // both are in range
      items[index] = items[other] as number;
      items[other] = item;
    }
    return items;
  }
}

function rotate(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by));
}
