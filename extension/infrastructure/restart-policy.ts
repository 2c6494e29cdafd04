/** How often a process that keeps ending is started again: a few times, ever more slowly, then never by itself. */

export interface RestartLimits {
  /** At most this many restarts … */
  attempts: number;
  /** … within this time. */
  withinMilliseconds: number;
  firstDelayMilliseconds: number;
  factor: number;
}

export const RESTART_LIMITS: RestartLimits = {
  attempts: 4,
  withinMilliseconds: 3 * 60_000,
  firstDelayMilliseconds: 250,
  factor: 4,
};

export class RestartPolicy {
  readonly #limits: RestartLimits;
  #ends: number[] = [];

  constructor(limits: RestartLimits = RESTART_LIMITS) {
    this.#limits = limits;
  }

  /** @returns milliseconds to wait before the next start; nothing when it has ended too often. */
  afterEnd(now: number): number | undefined {
    const { attempts, withinMilliseconds, firstDelayMilliseconds, factor } = this.#limits;
    this.#ends = [...this.#ends.filter((end) => now - end < withinMilliseconds), now];
    if (this.#ends.length > attempts) return undefined;
    return firstDelayMilliseconds * factor ** (this.#ends.length - 1);
  }

  /** A person asked for it, and begins anew. */
  forget(): void {
    this.#ends = [];
  }
}
