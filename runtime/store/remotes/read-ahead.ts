/** Reads a file in libuv's threads, one piece ahead of whoever uses them. */
import type { FileHandle } from 'node:fs/promises';
import type { Bytes } from '../../../grammar/plan/plan.ts';

const PIECE = 2 ** 20;

/**
 * The bytes from `start` to before `end`, each piece in memory of its own; fewer where the file ends before. Who stops
 * early may close the file at once: a `FileHandle` waits for what is being read.
 */
export async function* readAhead(file: FileHandle, start: Bytes, end: Bytes): AsyncGenerator<Buffer> {
  const read = async (position: Bytes): Promise<Buffer> => {
    const length = Math.min(PIECE, end - position);
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, position);
    return buffer.subarray(0, bytesRead);
  };
  let position = start;
  let next = position < end ? read(position) : undefined;
  while (next !== undefined) {
    const piece = await next;
    if (piece.length === 0) return;
    position += piece.length;
    next = position < end ? read(position) : undefined;
    // It is looked at when its turn comes.
    next?.catch(() => undefined);
    yield piece;
  }
}
