/**
 * Checkpoints: what a log holds, said and signed in a few lines that can be sent anywhere. They are written as
 * C2SP's `tlog-checkpoint` inside a C2SP `signed-note`.
 */
import { createHash, verify } from 'node:crypto';
import { ed25519Bytes, type PublicKey, verifyingKey } from '../keys/public-key.ts';
import type { Hash } from './merkle.ts';

export interface Checkpoint {
  /** Which log: unlike that of any other. */
  origin: string;
  size: number;
  root: Hash;
}

/** signed-note: the type of an Ed25519 key. */
const ED25519 = 0x01;
/** An em dash and a space begin a line with a signature. */
const DASH = '\u2014 ';

/** The note with one signature. */
export function signCheckpoint(checkpoint: Checkpoint, key: PublicKey, sign: (content: Uint8Array) => Buffer): string {
  const text = bodyOf(checkpoint);
  const signature = Buffer.concat([keyHash(checkpoint.origin, key), sign(Buffer.from(text))]);
  return `${text}\n${DASH}${checkpoint.origin} ${signature.toString('base64')}\n`;
}

/** What a note says, where it is a checkpoint that the key has signed; else why it is not. */
export function openCheckpoint(note: string, key: PublicKey): Checkpoint | { problem: string } {
  const checkpoint = parseBody(note);
  if (checkpoint === undefined) return { problem: 'is no checkpoint' };
  if (openNote(note, checkpoint.origin, key) === undefined)
    return { problem: 'has no signature of the log’s key that fits' };
  return checkpoint;
}

/** signed-note: the text of a note, where the key has signed it by this name. */
export function openNote(note: string, name: string, key: PublicKey): string | undefined {
  const end = note.lastIndexOf('\n\n');
  const object = verifyingKey(key);
  if (end < 0 || object === undefined) return undefined;
  const text = note.slice(0, end + 1);
  const prefix = `${DASH}${name} `;
  for (const line of note.slice(end + 2).split('\n')) {
    const bytes = Buffer.from(line.startsWith(prefix) ? line.slice(prefix.length) : '', 'base64');
    // Signatures of other keys may stand beside it, by the same name too.
    if (!bytes.subarray(0, 4).equals(keyHash(name, key))) continue;
    if (verify(null, Buffer.from(text), object, bytes.subarray(4))) return text;
  }
  return undefined;
}

/** tlog-checkpoint: origin, size in decimal, root in base64; lines that follow are an extension. */
function bodyOf({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${Buffer.from(root).toString('base64')}\n`;
}

function parseBody(text: string): Checkpoint | undefined {
  const [origin = '', size = '', root = ''] = text.split('\n');
  const hash = Buffer.from(root, 'base64');
  if (origin === '' || !/^(?:0|[1-9]\d{0,15})$/.test(size)) return undefined;
  if (hash.length !== 32 || hash.toString('base64') !== root) return undefined;
  return { origin, size: Number(size), root: hash };
}

/** signed-note: the first four bytes of `SHA-256(name || 0x0A || type || key)`. */
function keyHash(name: string, key: PublicKey): Buffer {
  return createHash('sha256')
    .update(name)
    .update(Uint8Array.of(0x0a, ED25519))
    .update(ed25519Bytes(key) ?? new Uint8Array())
    .digest()
    .subarray(0, 4);
}
