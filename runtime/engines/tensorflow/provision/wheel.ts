/** Takes the shared libraries out of a wheel, piece by piece: they are some 800 MB and never all in memory. */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Entry, openPromise } from 'yauzl';
import { MlpipeError } from '../../../errors.ts';

export interface ExtractedLibrary {
  name: string;
  /** Hexadecimal. */
  sha256: string;
  bytes: number;
}

export interface ExtractOptions {
  /** 0 … 1 */
  onProgress?: (share: number) => void;
  signal?: AbortSignal | undefined;
}

/**
 * Writes the libraries of the folder `tensorflow/` into a folder.
 *
 * @throws MlpipeError `wheel-without-library`
 */
export async function extractLibraries(
  wheel: string,
  names: readonly string[],
  folder: string,
  options: ExtractOptions = {},
): Promise<ExtractedLibrary[]> {
  const zip = await openPromise(wheel, { lazyEntries: true, autoClose: false });
  try {
    const wanted = new Map(names.map((name) => [`tensorflow/${name}`, name]));
    const entries: Entry[] = [];
    for await (const entry of zip.eachEntry()) if (wanted.has(entry.fileName)) entries.push(entry);
    const missing = names.filter((name) => !entries.some(({ fileName }) => wanted.get(fileName) === name));
    if (missing.length > 0) {
      throw new MlpipeError(`The wheel holds no ${missing.join(' and no ')}.`, {
        code: 'wheel-without-library',
        todo: 'Take a version from 2.12 on: older wheels have the C API only inside a Python extension.',
        exit: 2,
      });
    }
    const all = entries.reduce((total, { uncompressedSize }) => total + uncompressedSize, 0);
    let done = 0;
    const extracted: ExtractedLibrary[] = [];
    for (const entry of entries) {
      const name = wanted.get(entry.fileName) ?? entry.fileName;
      const hash = createHash('sha256');
      const counted = new Transform({
        transform(piece: Buffer, _, next) {
          hash.update(piece);
          done += piece.length;
          options.onProgress?.(done / all);
          next(null, piece);
        },
      });
      await pipeline(
        await zip.openReadStreamPromise(entry),
        counted,
        // On the disk before it is told of.
        createWriteStream(join(folder, name), { flags: 'wx', mode: 0o444, flush: true }),
        { ...(options.signal ? { signal: options.signal } : {}) },
      );
      extracted.push({ name, sha256: hash.digest('hex'), bytes: entry.uncompressedSize });
    }
    return extracted;
  } finally {
    zip.close();
  }
}
