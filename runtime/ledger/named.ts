/** What a record names: what a stranger must have to use or to make again what it is about. */
import type { Digest } from '../../grammar/plan/plan.ts';
import { hasRecord } from '../store/remotes/records.ts';
import type { Store } from '../store/store.ts';
import type { Ledger } from './ledger.ts';
import type { CodeState, RetainedItem, RunRecord, StoredRecord } from './record.ts';

export interface NamedByRecord {
  /** Without these the record is not sent. */
  objects: Digest[];
  /** The records of what it read. */
  records: Digest[];
}

export function namedBy(record: RunRecord): NamedByRecord {
  const objects = new Set<Digest>([record.plan, record.keyParts]);
  for (const diff of diffsOf(record.code)) objects.add(diff);
  if (record.log !== undefined) objects.add(record.log);
  if (record.origin !== undefined) objects.add(record.origin.evidence);
  for (const { digest } of Object.values(record.outputs)) objects.add(digest);
  for (const { digest } of retainedBy(record)) objects.add(digest);
  const records = new Set<Digest>();
  for (const { name, digest, record: from } of record.inputs) {
    if (from !== undefined) records.add(from);
    // The lock file of an environment lies in git, with the pipeline that pins it.
    if (!name.startsWith('lock:')) objects.add(digest);
  }
  return { objects: [...objects], records: [...records] };
}

/** What is kept of the environment's bytes. */
export function retainedBy({ environment }: RunRecord): RetainedItem[] {
  return Object.values(environment.retained ?? {});
}

function diffsOf(code: CodeState | null): Digest[] {
  if (code === null) return [];
  const own = code.diff === undefined ? [] : [code.diff];
  return [...own, ...(code.submodules ?? []).flatMap(({ state }) => diffsOf(state))];
}

/** Adds a record and all that it was made from, as far as it is here. */
export function addBehind(
  { store, ledger }: { store: Pick<Store, 'folder'>; ledger: Ledger },
  stored: StoredRecord,
  found: Map<Digest, StoredRecord>,
): void {
  if (found.has(stored.digest)) return;
  found.set(stored.digest, stored);
  for (const digest of namedBy(stored.record).records) {
    const parent = hasRecord(store.folder, digest) ? ledger.get(digest) : undefined;
    if (parent) addBehind({ store, ledger }, parent, found);
  }
}
