/** DSSE: a document and signatures of it in one envelope (secure-systems-lab/dsse, protocol.md). */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import fs from 'node:fs';
import { EXIT, MlpipeError } from '../errors.ts';

export const IN_TOTO_PAYLOAD = 'application/vnd.in-toto+json';

export interface Envelope {
  payload: string;
  payloadType: string;
  signatures: { keyid: string; sig: string }[];
}

export interface SigningKey {
  privateKey: KeyObject;
  publicKey: KeyObject;
  /** What is hashed before it is signed; nothing for Ed25519, which hashes itself. */
  hash: 'sha256' | 'sha384' | 'sha512' | null;
}

const HASHES: Record<string, SigningKey['hash']> = { prime256v1: 'sha256', secp384r1: 'sha384', secp521r1: 'sha512' };

/**
 * Reads a private key: P-256, P-384, P-521 or Ed25519, in PEM. One with a passphrase takes it from
 * `MLPIPE_KEY_PASSPHRASE`.
 *
 * @throws MlpipeError `key-unusable`
 */
export function readSigningKey(path: string, environment: NodeJS.ProcessEnv = process.env): SigningKey {
  let privateKey: KeyObject;
  try {
    const passphrase = environment.MLPIPE_KEY_PASSPHRASE;
    privateKey = createPrivateKey({
      key: fs.readFileSync(path),
      format: 'pem',
      ...(passphrase === undefined ? {} : { passphrase }),
    });
  } catch (cause) {
    // The library's own words could hold parts of what it read.
    throw unusable(path, 'it cannot be read as a private key in PEM', cause);
  }
  const curve = privateKey.asymmetricKeyDetails?.namedCurve ?? '';
  const hash = privateKey.asymmetricKeyType === 'ed25519' ? null : HASHES[curve];
  if (hash === undefined) throw unusable(path, `it is a key of another kind (${privateKey.asymmetricKeyType})`);
  return { privateKey, publicKey: createPublicKey(privateKey), hash };
}

function unusable(path: string, why: string, cause?: unknown): MlpipeError {
  return new MlpipeError(`The key ${path} cannot be used: ${why}.`, {
    code: 'key-unusable',
    todo: 'Make one with `openssl ecparam -name prime256v1 -genkey -noout -out key.pem`, or set MLPIPE_KEY_PASSPHRASE.',
    exit: EXIT.usage,
    cause,
  });
}

/** DSSE's pre-authentication encoding: `DSSEv1 LEN(type) type LEN(body) body`. */
export function preAuthentication(type: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`DSSEv1 ${Buffer.byteLength(type)} ${type} ${body.length} `, 'utf8'), body]);
}

/** @param keyId how a verifier may find the key; empty where the format has another place for it */
export function envelopeOf(text: string, type: string, key: SigningKey, keyId = publicKeyDigest(key)): Envelope {
  const body = Buffer.from(text, 'utf8');
  const signature = sign(key.hash, preAuthentication(type, body), key.privateKey);
  return {
    payload: body.toString('base64'),
    payloadType: type,
    signatures: [{ keyid: keyId, sig: signature.toString('base64') }],
  };
}

/** SHA-256 of the public key in PEM, which is also Sigstore's hint for a key that no certificate names. */
export function publicKeyDigest({ publicKey }: SigningKey): string {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'pem' }))
    .digest('hex');
}
