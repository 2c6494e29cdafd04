/** A large file from the web: goes on where it broke off, and is what its digest says or is not there. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream, mkdirSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { MlpipeError } from '../../../errors.ts';
import { withoutCredentials } from './index-configuration.ts';
import { get, WebError, type WebOptions } from './web.ts';

const ATTEMPTS = 5;
/** Even where each attempt brings something: a server that knows no ranges begins anew each time. */
const MOST_ATTEMPTS = 50;
const FIRST_PAUSE = 500;

export interface DownloadOptions extends WebOptions {
  /** What the file must be, hexadecimal. */
  digest: string;
  algorithm?: 'sha256' | 'md5';
  /** Bytes so far, and in all where that is known. */
  onProgress?: (done: number, all: number | undefined) => void;
}

/**
 * Fetches a file to `path`. What an earlier attempt has left there, of this process or another one, is the beginning.
 *
 * @throws WebError after several attempts; MlpipeError `download-differs`; the signal's reason
 */
export async function download(address: string, path: string, options: DownloadOptions): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  const { signal } = options;
  let all = 0;
  for (let attempt = 1; ; attempt++) {
    all += 1;
    signal?.throwIfAborted();
    const before = sizeOf(path);
    try {
      const digest = await attemptFrom(address, path, options);
      if (digest === options.digest) return;
      // Nothing of it can be told right from wrong.
      rmSync(path, { force: true });
      // The beginning was another attempt's.
      if (before > 0) continue;
      throw new MlpipeError(
        `${withoutCredentials(address)} has the digest ${digest}; the index says ${options.digest}.`,
        {
          code: 'download-differs',
          todo: 'Try again. If it stays so, the index or what stands in between changes files: use another index.',
          exit: 2,
        },
      );
    } catch (error) {
      signal?.throwIfAborted();
      const passing = error instanceof WebError && (error.status === undefined || error.status >= 500);
      // An attempt that has brought something is not counted: a bad line gets there in the end.
      if (passing && sizeOf(path) > before) attempt = 0;
      if (!passing || attempt >= ATTEMPTS || all >= MOST_ATTEMPTS) throw error;
      await delay(FIRST_PAUSE * 2 ** attempt, undefined, signal ? { signal } : {});
    }
  }
}

/** One connection's worth. @returns the digest of the whole file */
async function attemptFrom(address: string, path: string, options: DownloadOptions): Promise<string> {
  const { algorithm = 'sha256' } = options;
  const hash = createHash(algorithm);
  const have = await addTo(hash, path);
  const { answer } = await get(address, {
    ...options,
    headers: { ...options.headers, ...(have > 0 ? { range: `bytes=${have}-` } : {}) },
  });
  const { statusCode = 0 } = answer;
  // The whole file was here already.
  if (statusCode === 416) {
    answer.resume();
    return hash.digest('hex');
  }
  if (statusCode !== 200 && statusCode !== 206) {
    answer.resume();
    throw new WebError(`${withoutCredentials(address)} answers ${statusCode}.`, { status: statusCode });
  }
  const goesOn = statusCode === 206;
  const whole = goesOn ? hash : createHash(algorithm);
  const length = Number(answer.headers['content-length'] ?? Number.NaN);
  let done = goesOn ? have : 0;
  const all = Number.isFinite(length) ? done + length : undefined;
  const file = await open(path, goesOn ? 'a' : 'w');
  try {
    for await (const piece of answer) {
      const bytes = piece as Buffer; // no encoding is set, so pieces are bytes
      await file.writeFile(bytes);
      whole.update(bytes);
      done += bytes.length;
      options.onProgress?.(done, all);
    }
    await file.sync();
  } catch (cause) {
    if (isDiskError(cause)) throw cause;
    throw new WebError(`${withoutCredentials(address)} broke off after ${done} bytes.`, { cause });
  } finally {
    await file.close();
  }
  if (all !== undefined && done < all) {
    throw new WebError(`${withoutCredentials(address)} ended after ${done} of ${all} bytes.`);
  }
  return whole.digest('hex');
}

async function addTo(hash: Hash, path: string): Promise<number> {
  const have = sizeOf(path);
  if (have > 0) for await (const piece of createReadStream(path)) hash.update(piece as Buffer); // no encoding is set
  return have;
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** A full disk is not mended by another attempt. */
function isDiskError(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && ['ENOSPC', 'EDQUOT', 'EIO', 'EROFS'].includes(String(cause.code));
}
