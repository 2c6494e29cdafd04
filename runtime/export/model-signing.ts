/**
 * An OpenSSF Model Signing bundle, version 1.0: every file of a model by its digest, signed with a key, in a Sigstore
 * bundle that `model_signing verify key` accepts.
 */
import { createHash } from 'node:crypto';
import { canonicalJson } from '../../grammar/plan/canonical.ts';
import { EXIT, MlpipeError } from '../errors.ts';
import type { ContentFile } from '../store/listing.ts';
import { type Envelope, envelopeOf, IN_TOTO_PAYLOAD, publicKeyDigest, type SigningKey } from './envelope.ts';
import { type Evidence, modelFiles } from './evidence.ts';
import type { Statement } from './in-toto.ts';
import { hex } from './names.ts';

export interface SigningBundle {
  mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json';
  verificationMaterial: { publicKey: { hint: string }; tlogEntries: [] };
  dsseEnvelope: Envelope;
}

/** What the specification leaves out by default: they belong to the repository and not to the model. */
const IGNORED = ['.git', '.gitattributes', '.github', '.gitignore'];

/**
 * The statement that is signed.
 *
 * The digest of its one subject is SHA-256 over the raw digests of the resources, in the order of their names by code
 * points (OpenSSF Model Signing 1.0, "in-toto statement").
 */
export function signingStatement(name: string, files: readonly ContentFile[]): Statement {
  const resources = files
    .filter(({ path }) => !IGNORED.some((ignored) => path === ignored || path.startsWith(`${ignored}/`)))
    .map(({ path, digest }) => ({ name: path, algorithm: 'sha256', digest: hex(digest) }))
    .sort((one, other) => Buffer.compare(Buffer.from(one.name), Buffer.from(other.name)));
  const root = createHash('sha256');
  for (const { digest } of resources) root.update(Buffer.from(digest, 'hex'));
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name, digest: { sha256: root.digest('hex') } }],
    predicateType: 'https://model_signing/signature/v1.0',
    predicate: {
      resources,
      serialization: { method: 'files', hash_type: 'sha256', allow_symlinks: false, ignore_paths: IGNORED },
    },
  };
}

/** @throws MlpipeError `model-unknown`, `key-missing`, `key-unusable` for Ed25519, which verifiers need not know */
export function signingBundle(evidence: Evidence, key: SigningKey | undefined): SigningBundle {
  if (key === undefined) {
    throw new MlpipeError('A model is signed with a key, and none was named.', {
      code: 'key-missing',
      todo: 'Name one with --key; `openssl ecparam -name prime256v1 -genkey -noout -out key.pem` makes it.',
      exit: EXIT.usage,
    });
  }
  if (key.hash === null) {
    throw new MlpipeError('OpenSSF Model Signing knows P-256, P-384 and P-521; this is an Ed25519 key.', {
      code: 'key-unusable',
      todo: 'Sign with another key: `openssl ecparam -name prime256v1 -genkey -noout -out key.pem` makes one.',
      exit: EXIT.usage,
    });
  }
  const statement = signingStatement(evidence.stored.record.step, modelFiles(evidence));
  return {
    mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
    verificationMaterial: { publicKey: { hint: publicKeyDigest(key) }, tlogEntries: [] },
    dsseEnvelope: envelopeOf(canonicalJson(statement), IN_TOTO_PAYLOAD, key, ''),
  };
}
