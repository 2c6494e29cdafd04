/** Ctrl-C while something travels: whatever layer noticed it first, it is told in one way. */
import { cancelled } from '../store/remotes/failure.ts';

export async function orCancelled<Result>(
  signal: AbortSignal | undefined,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (signal?.aborted) throw cancelled();
    throw error;
  }
}
