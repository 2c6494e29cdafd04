/** Takes the shared libraries out of a `.tar.gz` of Google's archive, piece by piece: they are never all in memory. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createGunzip } from 'node:zlib';
import { MlpipeError } from '../../../errors.ts';
import type { ExtractedLibrary, ExtractOptions } from './wheel.ts';

const BLOCK = 512;

/**
 * Writes the libraries of the folder `lib/` into a folder, under the names by which they look for each other.
 *
 * @returns the one to open first
 * @throws MlpipeError `wheel-without-library`, `archive-damaged`
 */
export async function extractFromTarball(
  path: string,
  folder: string,
  options: ExtractOptions = {},
): Promise<ExtractedLibrary[]> {
  const extracted: ExtractedLibrary[] = [];
  const blocks = new Blocks(createReadStream(path, { highWaterMark: 2 ** 20 }).pipe(createGunzip()));
  try {
    for (;;) {
      options.signal?.throwIfAborted();
      const header = await blocks.take(BLOCK);
      // The end is a block of zeros, or nothing.
      if (header === undefined || header[0] === 0) break;
      const size = sizeIn(header);
      const library = header[156] === 0x30 || header[156] === 0 ? libraryOf(nameIn(header)) : undefined;
      if (library === undefined || extracted.some(({ name }) => name === library)) await blocks.skip(size);
      else extracted.push(await write(blocks, library, size, folder));
      await blocks.skip((BLOCK - (size % BLOCK)) % BLOCK);
    }
  } catch (cause) {
    options.signal?.throwIfAborted();
    if (cause instanceof MlpipeError || isDiskError(cause)) throw cause;
    throw damaged(cause);
  }
  options.onProgress?.(1);
  const main = extracted.find(({ name }) => !name.includes('framework'));
  const framework = extracted.find(({ name }) => name.includes('framework'));
  if (main && framework) return [main, framework];
  throw new MlpipeError('The archive does not hold both libraries of TensorFlow.', {
    code: 'wheel-without-library',
    todo: 'Take another version.',
    exit: 2,
  });
}

/** `lib/libtensorflow.so.2.15.0` is looked for as `libtensorflow.so.2`; what only leads to it is a link, and left out. */
function libraryOf(path: string): string | undefined {
  const [, name, ending] =
    /(?:^|\/)lib\/(libtensorflow(?:_framework)?)\.(?:(so)\.\d+\.\d+\.\d+|\d+\.\d+\.\d+\.dylib)$/.exec(path) ?? [];
  if (name === undefined) return undefined;
  return ending === 'so' ? `${name}.so.2` : `${name}.2.dylib`;
}

async function write(blocks: Blocks, name: string, size: number, folder: string): Promise<ExtractedLibrary> {
  const hash = createHash('sha256');
  const file = await open(join(folder, basename(name)), 'wx', 0o444);
  try {
    for await (const piece of blocks.pieces(size)) {
      hash.update(piece);
      await file.writeFile(piece);
    }
    // On the disk before it is told of.
    await file.sync();
  } finally {
    await file.close();
  }
  return { name, sha256: hash.digest('hex'), bytes: size };
}

/** ustar (POSIX.1-1988): the name, and what stands before it where it is long. */
function nameIn(header: Buffer): string {
  const text = (from: number, length: number): string =>
    header.toString('utf8', from, from + length).replace(/\0.*$/s, '');
  const prefix = text(257, 5) === 'ustar' ? text(345, 155) : '';
  return prefix === '' ? text(0, 100) : `${prefix}/${text(0, 100)}`;
}

/** Octal, or from 8 GiB on binary, which no library is. */
function sizeIn(header: Buffer): number {
  const text = header
    .toString('latin1', 124, 136)
    .replace(/[\0 ]+$/, '')
    .trim();
  if (!/^[0-7]*$/.test(text)) throw damaged();
  return Number.parseInt(text || '0', 8);
}

/** A stream as runs of bytes of a wanted length. */
class Blocks {
  readonly #stream: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(stream: AsyncIterable<Buffer>) {
    this.#stream = stream[Symbol.asyncIterator]();
  }

  async *pieces(length: number): AsyncIterable<Buffer> {
    for (let left = length; left > 0; ) {
      if (this.#rest.length === 0) {
        const { value, done } = await this.#stream.next();
        if (done) throw damaged();
        this.#rest = value;
      }
      const piece = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(piece.length);
      left -= piece.length;
      yield piece;
    }
  }

  /** Nothing at the end of the stream. */
  async take(length: number): Promise<Buffer | undefined> {
    if (this.#rest.length === 0) {
      const { value, done } = await this.#stream.next();
      if (done) return undefined;
      this.#rest = value;
    }
    const pieces: Buffer[] = [];
    for await (const piece of this.pieces(length)) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  async skip(length: number): Promise<void> {
    for await (const _ of this.pieces(length));
  }
}

function damaged(cause?: unknown): MlpipeError {
  return new MlpipeError('The archive is damaged, or no archive at all.', {
    code: 'archive-damaged',
    todo: 'Try again. If it stays so, use another mirror (MLPIPE_TENSORFLOW_ARCHIVE).',
    exit: 2,
    cause,
  });
}

/** A full disk is no damaged archive. */
function isDiskError(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && ['ENOSPC', 'EDQUOT', 'EIO', 'EROFS'].includes(String(cause.code));
}
