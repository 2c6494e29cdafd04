/** Which large files are not worth cutting into chunks: those that are compressed, where one change changes all after it. */

/** By their first bytes, each at its offset. */
const COMPRESSED: readonly (readonly [offset: number, bytes: string])[] = [
  [0, 'ffd8ff'], // JPEG
  [0, '89504e470d0a1a0a'], // PNG
  [0, '47494638'], // GIF
  [8, '57454250'], // WebP, in RIFF
  [4, '66747970'], // MP4, QuickTime, HEIC, AVIF
  [0, '1a45dfa3'], // Matroska, WebM
  [0, '4f676753'], // Ogg
  [0, '664c6143'], // FLAC
  [0, '494433'], // MP3 with a tag
  [0, 'fffb'], // MP3
  [0, '1f8b'], // gzip
  [0, '28b52ffd'], // Zstandard
  [0, 'fd377a585a00'], // xz
  [0, '425a68'], // bzip2
  [0, '04224d18'], // LZ4
  [0, '377abcaf271c'], // 7z
  [0, '526172211a07'], // RAR
];
const MAGICS = COMPRESSED.map(([offset, bytes]) => ({ offset, magic: Buffer.from(bytes, 'hex') }));

const ZIP = Buffer.from('504b0304', 'hex');
/** Of the first member of a ZIP: nothing is compressed, as in the checkpoints of PyTorch and in plain `.npz`. */
const STORED = 0;

/** Fewer bytes say nothing of how evenly they are drawn. */
const SAMPLE = 4096;
/** Bits a byte. So many bytes that chance draws have 7.93 to 7.97, the weights of a network 6 to 7.8. */
const EVEN = 7.9;

/** @param head the first 4096 bytes, or at least 16, by which formats are told */
export function isCompressed(head: Uint8Array): boolean {
  const bytes = Buffer.from(head.buffer, head.byteOffset, Math.min(head.byteLength, SAMPLE));
  if (bytes.length >= 10 && bytes.subarray(0, 4).equals(ZIP)) return bytes.readUInt16LE(8) !== STORED;
  if (MAGICS.some(({ offset, magic }) => bytes.subarray(offset, offset + magic.length).equals(magic))) return true;
  return bytes.length === SAMPLE && entropyOf(bytes) > EVEN;
}

/** Of the bytes, each for itself, in bits: what is compressed or encrypted in some other way comes near to 8. */
function entropyOf(bytes: Uint8Array): number {
  const counts = new Uint32Array(256);
  for (const byte of bytes) counts[byte] = (counts[byte] ?? 0) + 1;
  return counts.reduce(
    (sum, count) => (count === 0 ? sum : sum - (count / bytes.length) * Math.log2(count / bytes.length)),
    0,
  );
}
