/** What the index of the records answers, whatever it is kept in. */
import { posix } from 'node:path';
import type { Digest } from '../../grammar/plan/plan.ts';
import type { RunRecord, StoredRecord } from './record.ts';

/** One line of the index: enough to choose records without reading them. */
export interface IndexRow {
  digest: Digest;
  run: string;
  file: string;
  step: string;
  kind: string;
  key: Digest;
  status: string;
  /** ISO 8601. */
  ended: string;
}

/** A line with what else it is looked for by. */
export interface IndexEntry extends IndexRow {
  /** The step's block, as `blockOf` has it. */
  block: string;
  /** What a person may call who ran it, in small letters. */
  names: string[];
}

export interface RowFilter {
  run?: string | undefined;
  file?: string | undefined;
  step?: string | undefined;
  block?: string | undefined;
  kind?: string | undefined;
  key?: Digest | undefined;
  status?: string | undefined;
  /** A part of the account, the name or the e-mail address, in any case. */
  by?: string | undefined;
  /** ISO 8601: that have ended then or later. */
  since?: string | undefined;
}

/** A record with the names of its signatures' files, as `signatureSuffix` makes them. */
export interface IndexedRecord extends StoredRecord {
  signatures: readonly string[];
}

export interface RecordIndex {
  /** What the index is kept in, for `doctor`. */
  readonly description: string;
  /** Whether it was made now: then it knows of nothing that was there before. */
  readonly isNew: boolean;
  /** The records of one of the store's 256 folders, with their signatures. */
  inShard(shard: string): Map<Digest, Set<string>>;
  /** When the names in that folder last changed, as far as the index has taken them up. */
  shards(): Map<string, bigint>;
  /** Remembers that, together with what has changed. */
  update(change: {
    added: readonly IndexedRecord[];
    gone: readonly Digest[];
    shards?: ReadonlyMap<string, bigint>;
  }): void;
  /** The newest first. */
  rows(filter: RowFilter, limit?: number, offset?: number): IndexRow[];
  /** Records whose digest begins so, at most `limit`. */
  beginning(beginning: string, limit: number): Digest[];
  /** The names of a record's signatures. */
  signatures(record: Digest): string[];
  /** Records that have this object among their inputs, the newest first. */
  readers(object: Digest): Digest[];
  /** Records that have this object among their outputs, the newest first. */
  writers(object: Digest): Digest[];
  /** Objects among the outputs of a record whose digest begins so. */
  written(beginning: string): Digest[];
  /** Objects that a record read or wrote, whose digest begins so. */
  named(beginning: string): Digest[];
  /** What was last read from a path, relative to the project's root. */
  readFrom(path: string): Digest | undefined;
  close(): void;
}

export function entryOf({ digest, record }: StoredRecord): IndexEntry {
  const { who } = record;
  return {
    digest,
    run: record.run,
    file: record.pipeline.file,
    step: record.step,
    kind: record.kind,
    key: record.key,
    status: record.exit.status,
    ended: record.when.ended,
    block: blockOf(record.step),
    names: [who.user, who.name, who.email].flatMap((name) => (name === undefined ? [] : [name.toLowerCase()])),
  };
}

/** `recognise@rate=0.01` → `recognise` */
export function blockOf(step: string): string {
  return step.split('@', 1)[0] ?? step;
}

/** Where an input lay, relative to the project's root. */
export function placeOf(record: RunRecord, path: string): string {
  return posix.join(posix.dirname(record.pipeline.file), path);
}
