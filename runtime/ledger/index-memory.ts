/** The index where SQLite cannot be had: gone with the process. */
import type { Digest } from '../../grammar/plan/plan.ts';
import {
  entryOf,
  type IndexEntry,
  type IndexedRecord,
  type IndexRow,
  placeOf,
  type RecordIndex,
  type RowFilter,
} from './index-rows.ts';

export class MemoryIndex implements RecordIndex {
  readonly description = 'in memory';
  readonly isNew = true;
  readonly #records = new Map<Digest, IndexedRecord>();

  inShard(shard: string): Map<Digest, Set<string>> {
    const inside = [...this.#records.values()].filter(({ digest }) => digest.startsWith(`sha256:${shard}`));
    return new Map(inside.map(({ digest, signatures }) => [digest, new Set(signatures)]));
  }

  shards(): Map<string, bigint> {
    // Listing all folders costs little beside reading every record.
    return new Map();
  }

  update({ added, gone }: { added: readonly IndexedRecord[]; gone: readonly Digest[] }): void {
    for (const digest of gone) this.#records.delete(digest);
    for (const each of added) {
      const before = this.#records.get(each.digest)?.signatures ?? [];
      this.#records.set(each.digest, { ...each, signatures: [...new Set([...before, ...each.signatures])] });
    }
  }

  rows(filter: RowFilter, limit = Number.POSITIVE_INFINITY, offset = 0): IndexRow[] {
    return [...this.#records.values()]
      .map(entryOf)
      .filter((entry) => fits(entry, filter))
      .sort((one, other) =>
        one.ended === other.ended ? compare(one.digest, other.digest) : compare(other.ended, one.ended),
      )
      .slice(offset, offset + limit)
      .map(({ block: _, names: __, ...row }) => row);
  }

  beginning(beginning: string, limit: number): Digest[] {
    const fitting = [...this.#records.keys()].filter((digest) => digest.startsWith(beginning));
    return fitting.sort().slice(0, limit);
  }

  signatures(record: Digest): string[] {
    return [...(this.#records.get(record)?.signatures ?? [])].sort();
  }

  readers(object: Digest): Digest[] {
    return this.#with(({ record }) => record.inputs.some(({ digest }) => digest === object));
  }

  writers(object: Digest): Digest[] {
    return this.#with(({ record }) => Object.values(record.outputs).some(({ digest }) => digest === object));
  }

  written(beginning: string): Digest[] {
    const objects = [...this.#records.values()].flatMap(({ record }) => Object.values(record.outputs));
    return [...new Set(objects.map(({ digest }) => digest).filter((digest) => digest.startsWith(beginning)))];
  }

  named(beginning: string): Digest[] {
    const read = [...this.#records.values()].flatMap(({ record }) => record.inputs.map(({ digest }) => digest));
    return [...new Set([...read.filter((digest) => digest.startsWith(beginning)), ...this.written(beginning)])];
  }

  readFrom(path: string): Digest | undefined {
    for (const { digest } of this.rows({})) {
      const record = this.#records.get(digest)?.record;
      const input = record?.inputs.find((each) => each.path !== undefined && placeOf(record, each.path) === path);
      if (input) return input.digest;
    }
    return undefined;
  }

  close(): void {
    this.#records.clear();
  }

  #with(has: (stored: IndexedRecord) => boolean): Digest[] {
    const found = [...this.#records.values()].filter(has);
    return found
      .sort((one, other) => compare(other.record.when.ended, one.record.when.ended))
      .map(({ digest }) => digest);
  }
}

function fits(entry: IndexEntry, { by, since, ...equal }: RowFilter): boolean {
  return (
    Object.entries(equal).every(
      ([name, value]) => value === undefined || entry[name as keyof typeof equal] === value,
    ) &&
    (by === undefined || entry.names.some((name) => name.includes(by.toLowerCase()))) &&
    (since === undefined || entry.ended >= since)
  );
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
