/** `mlpipe keys`: whose keys there are, and what is to be believed of them. */
import fs from 'node:fs';
import { EXIT, MlpipeError } from '../../errors.ts';
import type { FileSystem } from '../../store/filesystem.ts';
import { logsIn } from '../log/logs.ts';
import { who } from '../provenance.ts';
import { givenKey, givenKeyName } from './given-key.ts';
import { gitSigner } from './identity.ts';
import { currentKey, keyFolder, keyToSignWith, makeKey, ownKey, ownKeys } from './key-folder.ts';
import { type KeyId, type PublicKey, parsePublicKey } from './public-key.ts';
import { findTrusted, type Revocation, readTrust, TRUST_FORMAT, type TrustedKey, writeTrusted } from './trust.ts';

export interface ListedKey {
  key: KeyId;
  public: string;
  type: string;
  /** `trusted`: the project names it; `replaced` and `revoked`: it did; `untrusted`: it does not. */
  state: 'trusted' | 'replaced' | 'revoked' | 'untrusted';
  /** `signing`: new records are signed with it; `kept`: an earlier one of this person; nothing for those of others. */
  own?: 'signing' | 'kept';
  name?: string;
  email?: string;
  from?: string;
  until?: string;
  revoked?: Revocation;
  /** Logs of it that are here. */
  logs: string[];
}

/** Where keys are looked for. */
export interface KeyPlace {
  /** The project's. */
  root: string;
  /** The `.mlpipe` folder. */
  store: string;
  files: FileSystem;
}

export async function listKeys({ root, store, files }: KeyPlace): Promise<ListedKey[]> {
  const trust = readTrust(root);
  const found = new Map<KeyId, { key: PublicKey; own?: ListedKey['own']; logs: string[] }>();
  const note = (key: PublicKey) => {
    const known = found.get(key.id) ?? { key, logs: [] };
    found.set(key.id, known);
    return known;
  };
  const given = givenKey();
  if (given) note(given.key).own = 'signing';
  for (const { id, current } of ownKeys(keyFolder()))
    note(ownKey(keyFolder(), id).key).own = current && !given ? 'signing' : 'kept';
  const git = await gitSigner(root);
  if (git) note(git.key).own = 'signing';
  for (const { key } of trust.values()) note(parsePublicKey(key));
  for (const { key, writer } of logsIn(files, store).logs) note(key).logs.push(writer);
  return [...found.values()].map(({ key, own, logs }) => listed(key, own, logs, trust.get(key.id)));
}

function listed(key: PublicKey, own: ListedKey['own'], logs: string[], trusted: TrustedKey | undefined): ListedKey {
  const state =
    trusted === undefined ? 'untrusted' : trusted.revoked ? 'revoked' : trusted.until ? 'replaced' : 'trusted';
  return {
    key: key.id,
    public: key.text,
    type: key.type,
    state,
    ...(own === undefined ? {} : { own }),
    ...(trusted === undefined ? {} : { name: trusted.name }),
    ...(trusted?.email === undefined ? {} : { email: trusted.email }),
    ...(trusted?.from === undefined ? {} : { from: trusted.from }),
    ...(trusted?.until === undefined ? {} : { until: trusted.until }),
    ...(trusted?.revoked === undefined ? {} : { revoked: trusted.revoked }),
    logs,
  };
}

export interface Person {
  name?: string;
  email?: string;
}

/** Whether the project says of any key whose it is. @throws MlpipeError `trust-damaged` */
export function namesAnybody(root: string): boolean {
  return readTrust(root).size > 0;
}

/**
 * Names one's own keys in the project: the one of mlpipe, which is made where there is none, and git's.
 *
 * @returns the files that were written, to be committed
 */
export async function addOwnKeys(root: string, person: Person = {}): Promise<string[]> {
  const trust = readTrust(root);
  const known = await who(root);
  const name = person.name ?? known.name ?? known.user;
  const email = person.email ?? known.email;
  const git = await gitSigner(root);
  const keys = [(givenKey() ?? keyToSignWith(keyFolder())).key, ...(git ? [git.key] : [])];
  return keys
    .filter(({ id }) => person.name !== undefined || person.email !== undefined || !trust.has(id))
    .map((key) =>
      writeTrusted(root, {
        ...trust.get(key.id),
        ...entryOf(key, { name, ...(email === undefined ? {} : { email }) }),
      }),
    );
}

/**
 * Names somebody else's key: by itself, by a file that has it, or by the beginning of the id of a key whose log is here.
 *
 * @throws MlpipeError `key-unknown`, `key-unreadable`, `usage`
 */
export function trustKey(
  { root, store, files }: KeyPlace,
  reference: string,
  person: Person & { from?: string },
): string {
  if (person.name === undefined) {
    throw new MlpipeError('Whose key it is must be said.', {
      code: 'usage',
      todo: 'Add `--name "Ada Lovelace"`.',
      exit: EXIT.usage,
    });
  }
  const { from } = person;
  if (from !== undefined && Number.isNaN(Date.parse(from))) {
    throw new MlpipeError(`${from} is no time.`, {
      code: 'usage',
      todo: 'Write it like 2026-11-25.',
      exit: EXIT.usage,
    });
  }
  const key = keyMeant(
    reference,
    logsIn(files, store).logs.map((log) => log.key),
  );
  const email = person.email === undefined ? {} : { email: person.email };
  const begin = from === undefined ? {} : { from: new Date(from).toISOString() };
  return writeTrusted(root, {
    ...readTrust(root).get(key.id),
    ...entryOf(key, { name: person.name, ...email }),
    ...begin,
  });
}

function keyMeant(reference: string, known: readonly PublicKey[]): PublicKey {
  if (/^(?:ssh-|ecdsa-|sk-|openpgp4fpr:)/.test(reference)) return parsePublicKey(reference);
  if (fs.existsSync(reference)) return parsePublicKey(fs.readFileSync(reference, 'utf8'));
  const fits = /^[0-9a-f]{4,}$/.test(reference) ? known.filter(({ id }) => id.startsWith(reference)) : [];
  const [only] = fits;
  if (only && fits.every(({ id }) => id === only.id)) return only;
  throw new MlpipeError(`No key is called ${reference}.`, {
    code: 'key-unknown',
    todo: 'Name a public key, a file that has one, or the beginning of an id that `mlpipe keys list` shows.',
    exit: EXIT.usage,
  });
}

/** Signs with a new key from now on. What the old one has signed stays this person's. @throws MlpipeError `key-given` */
export async function rotateKey(root: string): Promise<{ before: KeyId | null; after: KeyId; written: string[] }> {
  const given = givenKeyName();
  if (given !== undefined) {
    throw new MlpipeError(`${given} gives the key that signs here; it is replaced where that is set.`, {
      code: 'key-given',
      todo: 'Set another key there, and name it in the project with `mlpipe keys add`.',
      exit: EXIT.usage,
    });
  }
  const folder = keyFolder();
  const before = currentKey(folder)?.key.id ?? null;
  const trusted = before === null ? undefined : readTrust(root).get(before);
  const after = makeKey(folder, true).key;
  const now = new Date().toISOString();
  const written: string[] = [];
  if (trusted) {
    written.push(writeTrusted(root, { ...trusted, until: now }));
    const { name, email } = trusted;
    written.push(
      writeTrusted(root, { ...entryOf(after, { name, ...(email === undefined ? {} : { email }) }), from: now }),
    );
  }
  return { before, after: after.id, written };
}

/**
 * Says that somebody else may have a key. What its logs have here stands; nothing else that it signs does.
 *
 * @throws MlpipeError `key-unknown`, `key-ambiguous`
 */
export function revokeKey({ root, store, files }: KeyPlace, reference: string, reason?: string): string {
  const [id, trusted] = findTrusted(readTrust(root), reference);
  const own = logsIn(files, store).logs.filter(({ key }) => key.id === id);
  const logs = Object.fromEntries(own.map(({ writer, entries }) => [writer, entries.size()]));
  const revoked = { at: new Date().toISOString(), logs, ...(reason === undefined ? {} : { reason }) };
  return writeTrusted(root, { ...trusted, revoked });
}

function entryOf(key: PublicKey, { name, email }: { name: string; email?: string }): TrustedKey {
  return { format: TRUST_FORMAT, key: key.text, name, ...(email === undefined ? {} : { email }) };
}
