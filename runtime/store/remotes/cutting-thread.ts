/** What a thread does of sending a large object: it reads, cuts, and hashes each chunk. */
import { hash } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import type { MessagePort } from 'node:worker_threads';
import type { Bytes } from '../../../grammar/plan/plan.ts';
import { type Chunking, Cutter } from './chunker.ts';

export interface CuttingTask {
  kind: 'cut';
  path: string;
  offset: Bytes;
  bytes: Bytes;
  chunking: Chunking;
}

/** Chunks that are neighbours, one directly behind the other. */
export interface CutChunks {
  content: Uint8Array<ArrayBuffer>;
  /** Where in the content each chunk ends. */
  ends: number[];
  /** 64 digits for each. */
  digests: string;
}

/** So many lots may wait until they are taken. */
export const LOTS_AHEAD = 4;
const READ = 2 ** 20;

/** Sends lots of chunks, and after the last nothing more. Each message that comes brings the memory of one that was taken. */
export async function cutFile({ path, offset, bytes, chunking }: CuttingTask, port: MessagePort | null): Promise<void> {
  if (port === null) return;
  const size = 2 * Math.max(READ, chunking.largest);
  const free: Buffer<ArrayBuffer>[] = [];
  let waiting = 0;
  port.on('message', (memory: ArrayBuffer) => {
    waiting -= 1;
    free.push(Buffer.from(memory));
  });
  const file = fs.openSync(path, 'r');
  try {
    const memory = () => free.pop() ?? Buffer.allocUnsafeSlow(size);
    for (const lot of lotsOf(file, offset, bytes, new Cutter(chunking), memory)) {
      while (waiting >= LOTS_AHEAD) await once(port, 'message');
      waiting += 1;
      port.postMessage(lot, [lot.content.buffer]);
    }
  } finally {
    fs.closeSync(file);
    // Closed it might drop what is not delivered yet.
    port.unref();
  }
}

/** @param memory for a lot, at least twice as much as the largest chunk has, so that a whole one ends in each */
function* lotsOf(
  file: number,
  offset: Bytes,
  bytes: Bytes,
  cutter: Cutter,
  memory: () => Buffer<ArrayBuffer>,
): Generator<CutChunks> {
  let content = memory();
  let filled = 0;
  let ends: number[] = [];
  for (let position = 0; position < bytes; ) {
    const length = Math.min(READ, content.length - filled, bytes - position);
    const count = fs.readSync(file, content, filled, length, offset + position);
    // Who takes the lots sees that something is missing.
    if (count === 0) break;
    const piece = content.subarray(filled, filled + count);
    for (let from = 0; from < count; ) {
      const end = cutter.cut(piece, from);
      if (end === undefined) break;
      ends.push(filled + end);
      from = end;
    }
    filled += count;
    position += count;
    if (filled < content.length || position >= bytes) continue;
    // The memory of a lot goes with it; what is of the next chunk begins the next lot.
    const next = memory();
    const rest = content.copy(next, 0, ends.at(-1) ?? 0, filled);
    yield lotIn(content, ends);
    content = next;
    filled = rest;
    ends = [];
  }
  if (filled > (ends.at(-1) ?? 0)) ends.push(filled);
  if (filled > 0) yield lotIn(content, ends);
}

function lotIn(content: Buffer<ArrayBuffer>, ends: number[]): CutChunks {
  const digests = ends.map((end, index) => hash('sha256', content.subarray(ends[index - 1] ?? 0, end), 'hex'));
  return { content, ends, digests: digests.join('') };
}
