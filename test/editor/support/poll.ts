/** Waits for what can be observed, never for time to pass. */
import { setTimeout as pause } from 'node:timers/promises';

export interface PollOptions {
  /** What is waited for, as the rest of a sentence that begins "waited in vain for". */
  what: string;
  seconds?: number;
  /** What was last seen, for the message. */
  seen?: () => unknown;
}

/** The first answer of `probe` that is neither undefined, null nor false. A probe that throws has not answered yet. */
export async function poll<T>(
  probe: () => T | undefined | null | false | Promise<T | undefined | null | false>,
  options: PollOptions,
): Promise<T> {
  const deadline = Date.now() + (options.seconds ?? 30) * 1000;
  let trouble: unknown;
  for (;;) {
    try {
      const answer = await probe();
      if (answer !== undefined && answer !== null && answer !== false) return answer;
      trouble = undefined;
    } catch (error) {
      trouble = error;
    }
    if (Date.now() > deadline) {
      const seen = options.seen ? `\nLast seen: ${JSON.stringify(options.seen(), undefined, 2)}` : '';
      const why = trouble ? `\nLast trouble: ${trouble instanceof Error ? trouble.stack : trouble}` : '';
      throw new Error(`Waited in vain for ${options.what}.${seen}${why}`);
    }
    await pause(40);
  }
}
