/** Trying again: what may pass by itself is tried a few times, ever later; what will not is told at once. */
import { setTimeout as wait } from 'node:timers/promises';
import { RemoteFault } from './driver.ts';

export interface RetryOptions {
  /** Tries in all. */
  tries?: number;
  /** The longest pause before the second try, in milliseconds; it doubles with each. */
  firstPause?: number;
  longestPause?: number;
  signal?: AbortSignal;
  /** Told of each try that came to nothing. */
  onFault?: (fault: unknown) => void;
}

const TRIES = 6;
const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 20_000;

/**
 * Does something until it works, or will not.
 *
 * Pauses are drawn evenly between nothing and their longest ("full jitter"), so that many who failed together do not
 * come back together; a remote that says when to come back is obeyed.
 */
export async function persistently<Result>(
  attempt: (number: number) => Promise<Result>,
  options: RetryOptions = {},
): Promise<Result> {
  const { tries = TRIES, firstPause = FIRST_PAUSE, longestPause = LONGEST_PAUSE, signal } = options;
  for (let number = 1; ; number += 1) {
    signal?.throwIfAborted();
    try {
      return await attempt(number);
    } catch (error) {
      signal?.throwIfAborted();
      options.onFault?.(error);
      if (!isTransient(error) || number >= tries) throw error;
      const asked = error instanceof RemoteFault ? (error.retryAfter ?? 0) * 1000 : 0;
      const drawn = Math.random() * Math.min(longestPause, firstPause * 2 ** (number - 1));
      await wait(Math.min(longestPause, Math.max(asked, drawn)), undefined, signal === undefined ? {} : { signal });
    }
  }
}

export function isTransient(error: unknown): boolean {
  if (error instanceof RemoteFault) return error.kind === 'transient';
  return codesOf(error).some((code) => PASSING.has(code));
}

/** Of the system and of Node's HTTP client: connections that broke, names that could not be looked up just now. */
const PASSING = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EAI_AGAIN',
  'ENETUNREACH',
  'EHOSTUNREACH',
  'UND_ERR_SOCKET',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
]);

function codesOf(error: unknown): string[] {
  if (!(error instanceof Error)) return [];
  const own = 'code' in error ? [String(error.code)] : [];
  return [...own, ...codesOf(error.cause)];
}

/**
 * Ends what makes no progress: a signal that is aborted when `alive` was not called for so long.
 *
 * @param milliseconds of silence
 */
export function watchdog(
  milliseconds: number,
  outer?: AbortSignal,
): { signal: AbortSignal; alive: () => void; end: () => void } {
  const own = new AbortController();
  const expire = () => own.abort(new RemoteFault(`nothing came for ${milliseconds / 1000} s`, 'transient'));
  let timer = setTimeout(expire, milliseconds);
  return {
    signal: outer === undefined ? own.signal : AbortSignal.any([own.signal, outer]),
    alive() {
      clearTimeout(timer);
      timer = setTimeout(expire, milliseconds);
    },
    end: () => clearTimeout(timer),
  };
}

/** Passes chunks on; where none comes and the signal is aborted, ends with the signal's reason. */
export async function* guarded(
  chunks: AsyncIterable<Uint8Array>,
  guard: { signal: AbortSignal; alive: () => void },
): AsyncGenerator<Uint8Array> {
  const { signal } = guard;
  const iterator = chunks[Symbol.asyncIterator]();
  let give: (reason: unknown) => void = () => undefined;
  const onAbort = () => give(signal.reason);
  signal.addEventListener('abort', onAbort);
  let whole = false;
  try {
    for (;;) {
      signal.throwIfAborted();
      // No race with a promise that outlives it, which would keep every chunk until the last has come.
      const next = await new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
        give = reject;
        iterator.next().then(resolve, reject);
      });
      guard.alive();
      if (next.done) {
        whole = true;
        return;
      }
      yield next.value;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    // Not waited for: what hangs would hang here, too.
    if (!whole) void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}
