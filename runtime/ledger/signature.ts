/**
 * Signatures of records: DSSE (Dead Simple Signing Envelope 1.0) over a record's canonical JSON. The record lies beside
 * the signature, so that the envelope is kept without its `payload`; with the record's bytes there, in base64, it is a
 * whole one.
 */
import { hash, verify } from 'node:crypto';
import { isMainThread } from 'node:worker_threads';
import { isSignedByGpg } from './keys/gpg-signature.ts';
import { type KeyId, type PublicKey, parsePublicKey, verifyingKey } from './keys/public-key.ts';
import { isSignedBySsh } from './keys/ssh-signature.ts';
import type { Trust, TrustedKey } from './keys/trust.ts';
import type { RunRecord } from './record.ts';

export const PAYLOAD_TYPE = 'application/vnd.mlpipe.record+json';

export type Scheme = 'ed25519' | 'sshsig' | 'openpgp';

/** What a signature's file says; canonical JSON. */
export interface SignatureEnvelope {
  payloadType: typeof PAYLOAD_TYPE;
  /** How `sig` is to be checked. */
  scheme: Scheme;
  /** The public key: who meets a key for the first time can check, and then decide whom to believe. */
  key: string;
  signatures: [{ keyid: KeyId /** Base64. */; sig: string }];
}

/** Something that can sign. */
export interface Signer {
  key: PublicKey;
  scheme: Scheme;
  /** @returns the signature, or why there is none */
  sign(content: Uint8Array): Promise<Buffer | { problem: string }>;
}

/** DSSE, "Signature Definition": `PAE(type, body)`. */
export function preAuthenticationEncoding(type: string, body: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`DSSEv1 ${Buffer.byteLength(type)} ${type} ${body.length} `), body]);
}

/** What is signed of a record. */
export function signedBytes(record: Uint8Array): Buffer {
  return preAuthenticationEncoding(PAYLOAD_TYPE, record);
}

/** The file that a signature is kept in. */
export function signatureFile(key: PublicKey, scheme: Scheme, signature: Buffer): Buffer {
  // Canonical JSON: the names in order, and of texts alone, which JSON writes in one way. Written out, as every record that
  // is appended or verified passes here.
  const envelope: SignatureEnvelope = {
    key: key.text,
    payloadType: PAYLOAD_TYPE,
    scheme,
    signatures: [{ keyid: key.id, sig: signature.toString('base64') }],
  };
  return Buffer.from(JSON.stringify(envelope));
}

/** The last part of such a file's name: it begins with the digest of its content, so that equal ones are one. */
export function signatureSuffix(content: Uint8Array): string {
  return `.${hash('sha256', content).slice(0, 16)}.sig.json`;
}

/** `cdef….0123456789abcdef.sig.json` → the rest of the record's digest, and the suffix. */
export function parseSignatureName(name: string): { rest: string; suffix: string } | undefined {
  const match = /^([0-9a-f]{62})(\.[0-9a-f]{16}\.sig\.json)$/.exec(name);
  return match?.[1] && match[2] ? { rest: match[1], suffix: match[2] } : undefined;
}

export interface ReadSignature {
  key: PublicKey;
  scheme: Scheme;
  signature: Buffer;
}

/** Nothing where the file is no signature. */
export function readSignature(content: Buffer): ReadSignature | undefined {
  try {
    const value = JSON.parse(content.toString('utf8')) as Partial<SignatureEnvelope>;
    const [entry] = value.signatures ?? [];
    if (value.payloadType !== PAYLOAD_TYPE || typeof value.key !== 'string' || typeof entry?.sig !== 'string')
      return undefined;
    const key = parsePublicKey(value.key);
    const signature = Buffer.from(entry.sig, 'base64');
    const { scheme } = value;
    if (scheme !== 'ed25519' && scheme !== 'sshsig' && scheme !== 'openpgp') return undefined;
    // One way to write it, or one signature could be many files.
    return signatureFile(key, scheme, signature).equals(content) ? { key, scheme, signature } : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the key has signed the record; nothing where that cannot be told on this machine. */
export async function isSigned(record: Uint8Array, read: ReadSignature): Promise<boolean | undefined> {
  const content = signedBytes(record);
  if (read.scheme === 'sshsig') return isSignedBySsh(read.key, content, read.signature);
  if (read.scheme === 'openpgp') return isSignedByGpg(read.key, content, read.signature);
  const key = verifyingKey(read.key);
  if (key === undefined) return false;
  // A thread of ours has a core to itself; else it is done in a thread of the pool, while others are read.
  if (!isMainThread) return verify(null, content, key, read.signature);
  return new Promise((resolve) =>
    verify(null, content, key, read.signature, (error, fits) => resolve(error === null && fits)),
  );
}

/**
 * - `trusted`: by a person whom the project's keys name;
 * - `untrusted`: whole, by a key that they do not name;
 * - `outside`: by such a person's key, at a time that it does not stand for;
 * - `revoked`: by a key that was revoked before this was logged;
 * - `forged`: not what the key has signed;
 * - `unknown`: cannot be checked on this machine.
 */
export type SignatureState = 'trusted' | 'untrusted' | 'outside' | 'revoked' | 'forged' | 'unknown';

export interface JudgedSignature {
  key: KeyId;
  scheme: Scheme;
  state: SignatureState;
  name?: string;
  email?: string;
}

/** Where a record stands in the logs of a key: the log's name and the entry's number. */
export type Place = { writer: string; index: number };

/** What a signature is worth, once it is known whether it fits. */
export function judge(
  read: ReadSignature,
  fits: boolean | undefined,
  record: RunRecord,
  trust: Trust,
  places: () => readonly Place[],
): JudgedSignature {
  const trusted = trust.get(read.key.id);
  const state =
    fits === undefined ? 'unknown' : !fits ? 'forged' : trusted ? stateAt(trusted, record, places) : 'untrusted';
  return {
    key: read.key.id,
    scheme: read.scheme,
    state,
    ...(trusted === undefined ? {} : { name: trusted.name }),
    ...(trusted?.email === undefined ? {} : { email: trusted.email }),
  };
}

function stateAt(
  { from, until, revoked }: TrustedKey,
  { when }: RunRecord,
  places: () => readonly Place[],
): SignatureState {
  if (revoked && !places().some(({ writer, index }) => index < (revoked.logs[writer] ?? 0))) return 'revoked';
  const ended = Date.parse(when.ended);
  return (from !== undefined && ended < Date.parse(from)) || (until !== undefined && ended > Date.parse(until))
    ? 'outside'
    : 'trusted';
}

/**
 * What a record's signatures are worth beside each other. Who countersigns does so after the record was made, perhaps with
 * a key that began later: where somebody stands for the record in its time, that is nothing against it.
 */
export function judgeTogether(
  judged: readonly JudgedSignature[],
  { when }: Pick<RunRecord, 'when'>,
  trust: Trust,
): JudgedSignature[] {
  if (!judged.some(({ state }) => state === 'trusted')) return [...judged];
  const beganLater = (from: string | undefined) => from !== undefined && Date.parse(when.ended) < Date.parse(from);
  return judged.map((each) =>
    each.state === 'outside' && beganLater(trust.get(each.key)?.from) ? { ...each, state: 'trusted' } : each,
  );
}

/** By how many people of the project a record is signed: one person's keys count once. */
export function signersOf(judged: readonly JudgedSignature[]): string[] {
  const trusted = judged.filter(({ state }) => state === 'trusted');
  return [...new Set(trusted.map(({ email, name, key }) => email ?? name ?? key))];
}
