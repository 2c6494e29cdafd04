/** The part of the façade that makes the ledger evident: keys, publishing, fetching, verifying. */
import type { Digest } from '../grammar/plan/plan.ts';
import { EXIT, MlpipeError } from './errors.ts';
import { givenKey, givenKeyName } from './ledger/keys/given-key.ts';
import { currentKey, keyFolder } from './ledger/keys/key-folder.ts';
import * as keys from './ledger/keys/manage.ts';
import { type Fetched, fetchLedger, type Pushed, pushLedger } from './ledger/refs/exchange.ts';
import { type PublishedLog, publish } from './ledger/refs/publish.ts';
import type { Scheme } from './ledger/signature.ts';
import { type VerifyOptions, verifyBehind } from './ledger/verify/behind.ts';
import { type Verification, verifyProject } from './ledger/verify/verify.ts';
import type { Project } from './project.ts';
import { knowledgeOf } from './share/known.ts';
import { hasRecord } from './store/remotes/records.ts';
import { resolveReference } from './versions/resolve.ts';

export type { SignedRecord } from './ledger/judged.ts';
export type { ListedKey, Person } from './ledger/keys/manage.ts';
export { type JudgedSignature, type SignatureState, signersOf } from './ledger/signature.ts';
export type { VerifyProgress } from './ledger/verify/behind.ts';
export type { Verification } from './ledger/verify/verify.ts';

/** Whether objects, records, signatures, logs and lock files are whole, and what cannot be told. */
export function verify(project: Project, onProgress?: (what: string) => void): Promise<Verification> {
  return verifyProject(project.root, project.store, project.ledger, onProgress);
}

/**
 * The same of one record and everything that stands behind it alone.
 *
 * @throws MlpipeError `reference-unknown`, `reference-ambiguous`, `record-damaged`, `cancelled`
 */
export async function verifyRecord(
  project: Project,
  reference: string,
  options: Omit<VerifyOptions, 'remote'> = {},
): Promise<Verification> {
  // By its whole digest a record is found that cannot be read: that is what is to be told then.
  const isWhole = /^sha256:[0-9a-f]{64}$/.test(reference) && hasRecord(project.store.folder, reference as Digest);
  const start = isWhole ? (reference as Digest) : resolveReference(project, reference).digest;
  const remote = knowledgeOf(project.root, project.store.folder);
  try {
    return await verifyBehind(project, start, { ...options, ...(remote === undefined ? {} : { remote }) });
  } catch (error) {
    if (!options.signal?.aborted) throw error;
    throw new MlpipeError('The verification was cancelled.', { code: 'cancelled', exit: EXIT.cancelled });
  }
}

export function listKeys(project: Project): Promise<keys.ListedKey[]> {
  return keys.listKeys(placeOf(project));
}

/** Names one's own keys in the project. @returns the files that were written, to be committed */
export function addKeys(project: Project, person: keys.Person = {}): Promise<string[]> {
  return keys.addOwnKeys(project.root, person);
}

/** The same, in a project that names nobody yet: whoever begins it is its first person. */
export async function addFirstKeys(project: Project): Promise<string[]> {
  return keys.namesAnybody(project.root) ? [] : keys.addOwnKeys(project.root);
}

/** Names somebody else's key. */
export function trustKey(project: Project, reference: string, person: keys.Person & { from?: string }): string {
  return keys.trustKey(placeOf(project), reference, person);
}

export function rotateKey(project: Project): ReturnType<typeof keys.rotateKey> {
  return keys.rotateKey(project.root);
}

export function revokeKey(project: Project, reference: string, reason?: string): string {
  return keys.revokeKey(placeOf(project), reference, reason);
}

/** Writes what was logged here, and a checkpoint of it, into refs of the git repository. */
export function publishLog(project: Project): Promise<PublishedLog[]> {
  return publish(project.root, project.ledger);
}

/** Logs every record of this person that no log has. @returns how many they were */
export function mendLog(project: Project): Promise<number> {
  return project.ledger.mend();
}

export function push(project: Project, remote: string): Promise<Pushed> {
  return pushLedger(project.root, project.ledger, remote);
}

export function fetch(project: Project, remote: string): Promise<Fetched> {
  return fetchLedger(project.root, project.ledger, remote);
}

export interface Countersigned {
  record: Digest;
  run: string;
  step: string;
  /** Those of this person's keys that had not signed it. */
  added: { key: string; scheme: Scheme }[];
}

/**
 * Signs records, whoever made them, with this person's keys. All are found before the first is signed.
 *
 * @throws MlpipeError `reference-unknown`, `reference-ambiguous`, `record-damaged`, `key-missing`
 */
export async function countersign(project: Project, references: readonly string[]): Promise<Countersigned[]> {
  const stored = references.map((reference) => resolveReference(project, reference));
  const signed: Countersigned[] = [];
  for (const { digest, record } of stored) {
    const added = await project.ledger.countersign(digest);
    const { run, step } = record;
    signed.push({ record: digest, run, step, added: added.map(({ key, scheme }) => ({ key: key.id, scheme })) });
  }
  return signed;
}

function placeOf({ root, store, ledger }: Project): keys.KeyPlace {
  return { root, store: store.folder, files: ledger.files };
}

/** With which key records are signed here, for `doctor`. */
export function signingKey(): { name: string; ok: boolean; found: string; todo?: string } {
  const folder = keyFolder();
  try {
    const given = givenKey();
    if (given) return { name: 'key', ok: true, found: `${given.key.id}, given by ${givenKeyName()}` };
    const id = currentKey(folder)?.key.id;
    return {
      name: 'key',
      ok: true,
      found: id === undefined ? `none yet; the first run makes one in ${folder}` : `${id} in ${folder}`,
    };
  } catch (error) {
    if (!(error instanceof MlpipeError)) throw error;
    return { name: 'key', ok: false, found: error.message, ...(error.todo === undefined ? {} : { todo: error.todo }) };
  }
}
