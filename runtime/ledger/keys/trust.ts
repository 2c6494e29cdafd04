/**
 * Whose key is whose: the folder `.mlpipe-keys` at the project's root, committed, one file a key. Two branches that add
 * people never touch the same file, and two that say different things of one key conflict where everybody sees it.
 *
 * It is believed because it is in the project's history and reviewed like the code, not because of anything in it.
 */
import fs from 'node:fs';
import { join } from 'node:path';
import { canonicalJson } from '../../../grammar/plan/canonical.ts';
import { EXIT, MlpipeError } from '../../errors.ts';
import { readFailure } from '../../store/errors.ts';
import { hasCode } from '../../store/filesystem.ts';
import { writeWhole } from '../../store/small-file.ts';
import { type KeyId, type PublicKey, parsePublicKey } from './public-key.ts';

export const TRUST_FORMAT = 'mlpipe-key/1';
export const TRUST_FOLDER = '.mlpipe-keys';

export interface TrustedKey {
  format: typeof TRUST_FORMAT;
  /** As `PublicKey.text`. */
  key: string;
  name: string;
  email?: string;
  /** ISO 8601, UTC. Records that ended before it are not this person's. */
  from?: string;
  /** A key that was replaced: nothing after it. */
  until?: string;
  /** A key that somebody else may have. */
  revoked?: Revocation;
}

export interface Revocation {
  at: string;
  reason?: string;
  /**
   * How many entries each of the key's logs had: those keep standing, and nothing else does, whatever time it claims,
   * because whoever has the key can claim any time.
   */
  logs: Record<string, number>;
}

export type Trust = ReadonlyMap<KeyId, TrustedKey>;

/** @throws MlpipeError `trust-damaged` for a file that cannot be understood: trusting nobody would be as wrong */
export function readTrust(root: string): Trust {
  const folder = join(root, TRUST_FOLDER);
  let names: string[];
  try {
    names = fs.readdirSync(folder);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return new Map();
    throw readFailure(folder, error);
  }
  const trust = new Map<KeyId, TrustedKey>();
  for (const name of names.filter((each) => each.endsWith('.json')).sort()) {
    const trusted = readTrusted(join(folder, name));
    const { id } = parsePublicKey(trusted.key);
    if (name !== `${id}.json`) throw damaged(join(folder, name), `is about the key ${id}`);
    trust.set(id, trusted);
  }
  return trust;
}

/** Writes what is to be believed of a key; the file is to be committed. */
export function writeTrusted(root: string, trusted: TrustedKey): string {
  const path = join(root, TRUST_FOLDER, `${parsePublicKey(trusted.key).id}.json`);
  // Sorted, one value a line: a change is one line of a review.
  writeWhole(path, `${JSON.stringify(JSON.parse(canonicalJson(trusted)), undefined, 2)}\n`);
  return path;
}

/**
 * The trusted key that a person means by a name, an e-mail address or the beginning of its id.
 *
 * @throws MlpipeError `key-unknown`, `key-ambiguous`
 */
export function findTrusted(trust: Trust, reference: string): [KeyId, TrustedKey] {
  const fits = [...trust].filter(
    ([id, { name, email }]) =>
      name === reference || email === reference || (/^[0-9a-f]{4,}$/.test(reference) && id.startsWith(reference)),
  );
  const [only] = fits;
  if (only && fits.length === 1) return only;
  throw new MlpipeError(
    only ? `${reference} may be ${fits.length} keys.` : `No key of this project is called ${reference}.`,
    {
      code: only ? 'key-ambiguous' : 'key-unknown',
      todo: only ? `Name one of ${fits.map(([id]) => id).join(', ')}.` : '`mlpipe keys list` lists them.',
      exit: EXIT.usage,
    },
  );
}

function readTrusted(path: string): TrustedKey {
  let value: Partial<TrustedKey>;
  let key: PublicKey;
  try {
    const text = fs.readFileSync(path, 'utf8');
    if (/^(?:<{7}|={7}|>{7})/m.test(text)) throw damaged(path, 'has the marks of a merge conflict');
    value = JSON.parse(text) as Partial<TrustedKey>;
    key = parsePublicKey(String(value.key));
  } catch (error) {
    if (error instanceof MlpipeError && error.code === 'trust-damaged') throw error;
    throw damaged(path, 'cannot be understood');
  }
  if (value.format !== TRUST_FORMAT) throw damaged(path, `has the format ${JSON.stringify(value.format)}`);
  const { name, email, from, until, revoked } = value;
  if (typeof name !== 'string') throw damaged(path, 'names nobody');
  if ([from, until].some((time) => time !== undefined && !isTime(time))) throw damaged(path, 'has a time that is none');
  if (revoked !== undefined && (!isTime(revoked.at) || typeof revoked.logs !== 'object'))
    throw damaged(path, 'does not say when the key was revoked, or which records still stand');
  return {
    format: TRUST_FORMAT,
    key: key.text,
    name,
    ...(from === undefined ? {} : { from }),
    ...(email === undefined ? {} : { email }),
    ...(until === undefined ? {} : { until }),
    ...(revoked === undefined ? {} : { revoked }),
  };
}

function isTime(text: unknown): text is string {
  return typeof text === 'string' && !Number.isNaN(Date.parse(text));
}

function damaged(path: string, how: string): MlpipeError {
  return new MlpipeError(`${path} ${how}.`, {
    code: 'trust-damaged',
    todo: 'Take the file as a commit that you believe has it, or write it again with `mlpipe keys trust`.',
    exit: EXIT.no,
  });
}
