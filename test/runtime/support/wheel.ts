/** Zip files for tests: stored, not compressed, as large as needed. */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';

export interface WheelFile {
  name: string;
  /** Bytes, or the path of a file that has them. */
  content: Buffer | string;
}

const PIECE = 2 ** 22;

/** Writes a wheel and answers its SHA-256 in hexadecimal. Sizes must be below 4 GiB. */
export function writeWheel(path: string, files: readonly WheelFile[]): string {
  const descriptor = openSync(path, 'w');
  const hash = createHash('sha256');
  let offset = 0;
  const write = (bytes: Uint8Array): void => {
    for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
    hash.update(bytes);
    offset += bytes.length;
  };
  try {
    const directory: Buffer[] = [];
    for (const { name, content } of files) {
      const common = headerOf(name, checksum(content), bytesOf(content));
      const start = offset;
      write(Buffer.concat([signature(0x04034b50), common, Buffer.from(name)]));
      for (const piece of pieces(content)) write(piece);
      const rest = Buffer.alloc(14);
      rest.writeUInt32LE(start, 10);
      directory.push(Buffer.concat([signature(0x02014b50), Buffer.from([20, 0]), common, rest, Buffer.from(name)]));
    }
    const start = offset;
    for (const entry of directory) write(entry);
    const end = Buffer.alloc(22);
    end.writeUInt32LE(0x06054b50, 0);
    end.writeUInt16LE(files.length, 8);
    end.writeUInt16LE(files.length, 10);
    end.writeUInt32LE(offset - start, 12);
    end.writeUInt32LE(start, 16);
    write(end);
  } finally {
    closeSync(descriptor);
  }
  return hash.digest('hex');
}

function signature(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** From the version needed to the lengths of the name and of what is extra: the same in both headers. */
function headerOf(name: string, crc: number, bytes: number): Buffer {
  const header = Buffer.alloc(26);
  header.writeUInt16LE(20, 0);
  header.writeUInt32LE(crc, 10);
  header.writeUInt32LE(bytes, 14);
  header.writeUInt32LE(bytes, 18);
  header.writeUInt16LE(Buffer.byteLength(name), 22);
  return header;
}

function bytesOf(content: Buffer | string): number {
  return typeof content === 'string' ? statSync(content).size : content.length;
}

function checksum(content: Buffer | string): number {
  let crc = 0;
  for (const piece of pieces(content)) crc = crc32(piece, crc);
  return crc;
}

function* pieces(content: Buffer | string): Generator<Buffer> {
  if (typeof content !== 'string') {
    yield content;
    return;
  }
  const descriptor = openSync(content, 'r');
  try {
    for (;;) {
      const piece = Buffer.alloc(PIECE);
      const count = readSync(descriptor, piece, 0, PIECE, null);
      if (count === 0) return;
      yield piece.subarray(0, count);
    }
  } finally {
    closeSync(descriptor);
  }
}
