/**
 * Public keys, written as OpenSSH writes them (RFC 4253, section 6.6; RFC 8709 for Ed25519): `ssh-ed25519 AAAA…`. A key
 * of GPG is named by its fingerprint alone: `openpgp4fpr:` and 40 digits.
 */
import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { MlpipeError } from '../../errors.ts';

/** The first 32 hexadecimal digits of the SHA-256 of the key: what signatures and files call it. */
export type KeyId = string;

export interface PublicKey {
  id: KeyId;
  /** One line, without a comment. */
  text: string;
  type: string;
}

/** DER of a SubjectPublicKeyInfo with an Ed25519 key, but for the key's 32 bytes (RFC 8410, section 4). */
const ED25519_DER = Buffer.from('302a300506032b6570032100', 'hex');

/** Keys as they were read: the signatures of a ledger are of few. */
const known = new Map<string, PublicKey>();
const KNOWN_AT_MOST = 1000;

/** @throws MlpipeError `key-unreadable` */
export function parsePublicKey(line: string): PublicKey {
  const found = known.get(line);
  if (found) return found;
  const parsed = parse(line);
  // Whoever has many keys written into signatures fills no memory.
  if (known.size >= KNOWN_AT_MOST) known.clear();
  known.set(line, parsed);
  return parsed;
}

function parse(line: string): PublicKey {
  const gpg = /^openpgp4fpr:([0-9A-Fa-f]{40})\s*$/.exec(line.trim());
  if (gpg?.[1]) {
    const text = `openpgp4fpr:${gpg[1].toUpperCase()}`;
    return { id: idOf(Buffer.from(text)), text, type: 'openpgp' };
  }
  const [type = '', encoded = ''] = line.trim().split(/\s+/);
  const blob = Buffer.from(encoded, 'base64');
  // The blob says its type once more; where they differ, one of them lies.
  if (blob.toString('base64') !== encoded || readString(blob, 0).toString('latin1') !== type || type === '')
    throw unreadable(line);
  if (type === 'ssh-ed25519' && (blob.length !== 51 || readString(blob, 15).length !== 32)) throw unreadable(line);
  return { id: idOf(blob), text: `${type} ${encoded}`, type };
}

export function publicKeyOf(key: KeyObject): PublicKey {
  const der = (key.type === 'private' ? createPublicKey(key) : key).export({ type: 'spki', format: 'der' });
  if (!der.subarray(0, ED25519_DER.length).equals(ED25519_DER)) throw new TypeError('This is no Ed25519 key.');
  const blob = Buffer.concat([sshString('ssh-ed25519'), sshString(der.subarray(ED25519_DER.length))]);
  return parsePublicKey(`ssh-ed25519 ${blob.toString('base64')}`);
}

/** The 32 bytes of an Ed25519 key, or nothing for a key of another kind. */
export function ed25519Bytes({ type, text }: PublicKey): Buffer | undefined {
  return type === 'ssh-ed25519' ? readString(Buffer.from(text.split(' ')[1] ?? '', 'base64'), 15) : undefined;
}

const objects = new Map<string, KeyObject>();

/** For checking; nothing for a key that is not Ed25519. */
export function verifyingKey(key: PublicKey): KeyObject | undefined {
  const found = objects.get(key.text);
  if (found) return found;
  const bytes = ed25519Bytes(key);
  if (bytes === undefined) return undefined;
  if (objects.size >= KNOWN_AT_MOST) objects.clear();
  const made = createPublicKey({ key: Buffer.concat([ED25519_DER, bytes]), format: 'der', type: 'spki' });
  objects.set(key.text, made);
  return made;
}

/** A string as SSH writes it: its length in four bytes, then it (RFC 4251, section 5). */
export function sshString(content: Uint8Array | string): Buffer {
  const bytes = Buffer.from(content);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** The string that begins at an offset; empty where there is none. */
export function readString(bytes: Buffer, offset: number): Buffer {
  if (offset + 4 > bytes.length) return Buffer.alloc(0);
  const end = offset + 4 + bytes.readUInt32BE(offset);
  return end > bytes.length ? Buffer.alloc(0) : bytes.subarray(offset + 4, end);
}

function idOf(bytes: Uint8Array): KeyId {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 32);
}

function unreadable(line: string): MlpipeError {
  return new MlpipeError(`${JSON.stringify(line.trim().slice(0, 40))} is no public key.`, {
    code: 'key-unreadable',
    todo: 'Write it as OpenSSH does (`ssh-ed25519 AAAA…`), or a key of GPG as `openpgp4fpr:` and its fingerprint.',
    exit: 2,
  });
}
