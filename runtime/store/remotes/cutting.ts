/** An object in chunks, each with its digest. Of a large one another thread cuts, while this one hashes the whole. */
import { createHash } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { digestOf } from '../../../grammar/plan/canonical.ts';
import type { Bytes, Digest } from '../../../grammar/plan/plan.ts';
import { objectCorrupt, objectMissing } from '../errors.ts';
import { storeWorkerFile } from '../pool.ts';
import type { ObjectSource } from '../source.ts';
import { type Chunking, chunksOf } from './chunker.ts';
import type { CutChunks, CuttingTask } from './cutting-thread.ts';
import { contentOfObject } from './outgoing.ts';

/** A thread takes some 30 ms to start, in which so much is cut without it. */
export const WORTH_THREAD = 16 * 2 ** 20;

export interface Chunk {
  digest: Digest;
  content: Uint8Array;
}

/**
 * The chunks in order, each in memory that may be another's when the next is asked for. The last comes only when the
 * whole fits the object's digest.
 *
 * @throws MlpipeError `object-missing`, `object-corrupt`
 */
export async function* cutObject(
  source: ObjectSource,
  digest: Digest,
  bytes: Bytes,
  chunking: Chunking,
): AsyncGenerator<Chunk> {
  if (bytes < WORTH_THREAD) {
    for await (const content of chunksOf(contentOfObject(source, digest, bytes).read(), chunking)) {
      yield { digest: digestOf(content), content };
    }
    return;
  }
  const place = source.locate(digest);
  if (place === undefined) throw objectMissing(digest);
  const { path, offset } = place;
  const hash = createHash('sha256');
  let position = 0;
  let held: Chunk | undefined;
  for await (const { content, ends, digests } of cutInThread({ kind: 'cut', path, offset, bytes, chunking })) {
    hash.update(content.subarray(0, ends.at(-1)));
    let begin = 0;
    for (const [index, end] of ends.entries()) {
      if (held) yield held;
      held = {
        digest: `sha256:${digests.slice(64 * index, 64 * (index + 1))}`,
        content: content.subarray(begin, end),
      };
      begin = end;
    }
    position += begin;
    // The memory of the lot goes back for the next one.
    if (held) held = { ...held, content: Buffer.from(held.content) };
  }
  if (position < bytes) throw objectCorrupt(digest, path, `has only ${position} of ${bytes} bytes`);
  if (`sha256:${hash.digest('hex')}` !== digest) {
    throw objectCorrupt(digest, path, 'holds bytes that do not fit its digest');
  }
  if (held) yield held;
}

/** Lots of chunks, as they come; each goes back when the next is asked for. Whoever stops early ends the thread. */
async function* cutInThread(task: CuttingTask): AsyncGenerator<CutChunks> {
  const worker = new Worker(storeWorkerFile(), { workerData: task });
  const lots: CutChunks[] = [];
  let end: { error?: unknown } | undefined;
  let wake: () => void = () => undefined;
  worker.on('message', (lot: CutChunks) => {
    lots.push(lot);
    wake();
  });
  worker.once('error', (error) => {
    end ??= { error };
    wake();
  });
  worker.once('exit', () => {
    end ??= {};
    wake();
  });
  try {
    for (;;) {
      const lot = lots.shift();
      if (lot) {
        yield lot;
        worker.postMessage(lot.content.buffer, [lot.content.buffer]);
      } else if (end) {
        if (end.error !== undefined) throw end.error;
        return;
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    await worker.terminate();
  }
}
