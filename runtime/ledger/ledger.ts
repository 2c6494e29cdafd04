/** The ledger: every record of every run of a step, each a file that never changes. */
import fs from 'node:fs';
import { join } from 'node:path';
import { canonicalJson, digestOf } from '../../grammar/plan/canonical.ts';
import type { Digest } from '../../grammar/plan/plan.ts';
import { EXIT, MlpipeError } from '../errors.ts';
import type { ContentFolder } from '../store/content.ts';
import { type FileSystem, hasCode, nodeFileSystem } from '../store/filesystem.ts';
import { prepareStore, recordFolder } from '../store/layout.ts';
import { withoutUrlCredentials } from './credentials.ts';
import { type IndexRow, memoryIndex, openIndex, type RecordIndex, renewIndex } from './index-database.ts';
import { lockedRecord, writeLock } from './lock.ts';
import { runName } from './names.ts';
import { RECORD_FORMAT, type RunRecord, type StoredRecord } from './record.ts';

export interface RecordProblem {
  digest: Digest;
  problem: string;
}

export interface LedgerOptions {
  /** Told of what is not as it should be and stops nothing. */
  warn?: (message: string) => void;
  files?: FileSystem;
}

export class Ledger {
  /** Records that cannot be read; found when the index caught up. */
  readonly problems: RecordProblem[] = [];
  readonly #records: ContentFolder;
  readonly #files: FileSystem;
  readonly #folder: string;
  readonly #warn: (message: string) => void;
  readonly #read = new Map<Digest, RunRecord>();
  #index: RecordIndex;

  constructor(folder: string, options: LedgerOptions = {}) {
    const files = options.files ?? nodeFileSystem;
    prepareStore(files, folder);
    this.#files = files;
    this.#records = recordFolder(files, folder);
    this.#folder = folder;
    this.#warn = options.warn ?? (() => undefined);
    this.#index = openIndex(folder, this.#warn);
    this.refresh();
  }

  /** What the index is kept in. */
  get index(): string {
    return this.#index.description;
  }

  /** Brings the index to what the records say: another process, or git, may have brought some. */
  refresh(): void {
    const known = this.#ask((index) => index.digests());
    const present = new Set<Digest>();
    const added: StoredRecord[] = [];
    this.problems.length = 0;
    for (const name of this.#records.names()) {
      if (!('digest' in name)) continue;
      present.add(name.digest);
      if (known.has(name.digest)) continue;
      const read = this.#readFile(name.digest);
      if ('record' in read) added.push({ digest: name.digest, record: read.record });
      else this.#report(name.digest, read.problem);
    }
    const gone = [...known].filter((digest) => !present.has(digest));
    if (added.length > 0) this.#ask((index) => index.add(added));
    if (gone.length > 0) this.#ask((index) => index.remove(gone));
  }

  /** Keeps a record. Durable when it returns; the objects that it names must be stored before. */
  async append(record: RunRecord): Promise<Digest> {
    const text = canonicalJson(withoutCredentialsInside(record));
    const digest = digestOf(text);
    const staged = this.#records.has(digest) ? [] : [this.#records.stage(digest, Buffer.from(text), true)];
    this.#records.publish(staged, [digest]);
    // From here on the record is kept, whatever becomes of the index.
    this.#ask((index) => index.add([{ digest, record: JSON.parse(text) as RunRecord }]));
    return digest;
  }

  /** A record by its whole digest, where it is there and whole. */
  get(digest: Digest): StoredRecord | undefined {
    const known = this.#read.get(digest);
    if (known) return { digest, record: known };
    const read = this.#readFile(digest);
    if (!('record' in read)) {
      this.#report(digest, read.problem);
      return undefined;
    }
    this.#read.set(digest, read.record);
    return { digest, record: read.record };
  }

  /** The newest first. */
  list(
    filter: Partial<Pick<IndexRow, 'run' | 'file' | 'step' | 'key'>> = {},
    limit = Number.POSITIVE_INFINITY,
  ): StoredRecord[] {
    const records: StoredRecord[] = [];
    for (const row of this.#ask((index) => index.rows(filter))) {
      if (records.length >= limit) break;
      const stored = this.get(row.digest);
      if (stored) records.push(stored);
    }
    return records;
  }

  withKey(key: Digest): StoredRecord[] {
    return this.list({ key });
  }

  last(file: string, step: string): StoredRecord | undefined {
    return this.list({ file, step }, 1)[0];
  }

  newRunName(): string {
    return runName((name) => {
      if (this.#ask((index) => index.rows({ run: name })).length > 0) return true;
      // Making the run's folder is what takes the name: of two processes that draw the same one, one fails here.
      const runs = join(this.#folder, 'runs');
      fs.mkdirSync(runs, { recursive: true });
      try {
        fs.mkdirSync(join(runs, name));
        return false;
      } catch (error) {
        if (hasCode(error, 'EEXIST')) return true;
        throw error;
      }
    });
  }

  /** The record that the lock file of a step names. @throws MlpipeError `lock-damaged` */
  locked(pipelineFile: string, step: string): Digest | undefined {
    return lockedRecord(pipelineFile, step);
  }

  async lock(pipelineFile: string, stored: StoredRecord): Promise<void> {
    writeLock(pipelineFile, stored);
  }

  readers(object: Digest): StoredRecord[] {
    return this.#ask((index) => index.readers(object)).flatMap((digest) => this.get(digest) ?? []);
  }

  writers(object: Digest): StoredRecord[] {
    return this.#ask((index) => index.writers(object)).flatMap((digest) => this.get(digest) ?? []);
  }

  /**
   * Which record a person means: a step's name (`recognise`, `recognise@rate=0.01`), which means its newest record; a
   * run's name (`quiet-heron-41`, or `quiet-heron-41:step`); the beginning of a record's digest, or of the digest of
   * something that a record wrote; `newest`.
   *
   * @throws MlpipeError `reference-unknown`, `reference-ambiguous`
   */
  resolve(reference: string): StoredRecord {
    const rows = this.#ask((index) => index.rows({}));
    const byStep = rows.find(({ step }) => step === reference) ?? rows.find(({ step }) => blockOf(step) === reference);
    if (byStep) return this.#must(byStep.digest);
    if (reference === 'newest' && rows[0]) return this.#must(rows[0].digest);
    const [run = '', step] = reference.split(':');
    const byRun = rows.filter((row) => row.run === run && (step === undefined || row.step === step));
    if (byRun[0]) return this.#must((byRun.find(({ kind }) => kind === 'train') ?? byRun[0]).digest);
    const hexadecimal = hexadecimalOf(reference);
    if (hexadecimal !== undefined) {
      const byDigest = rows.filter(({ digest }) => digest.startsWith(`sha256:${hexadecimal}`));
      if (byDigest.length > 1)
        throw ambiguous(
          reference,
          'records',
          byDigest.map(({ digest }) => digest),
        );
      if (byDigest[0]) return this.#must(byDigest[0].digest);
      const written = this.#ask((index) => index.written(`sha256:${hexadecimal}`));
      if (written.length > 1) throw ambiguous(reference, 'objects', written);
      if (written[0]) {
        const writers = new Set(this.#ask((index) => index.writers(written[0] ?? 'sha256:')));
        const newest = rows.find(({ digest }) => writers.has(digest));
        if (newest) return this.#must(newest.digest);
      }
    }
    throw new MlpipeError(`Nothing here is called ${reference}.`, {
      code: 'reference-unknown',
      todo: 'Name a step, a run or the first characters of a digest; `mlpipe log` lists them.',
      exit: EXIT.usage,
    });
  }

  /**
   * The object that a record read or wrote and whose digest begins so, or nothing.
   *
   * @throws MlpipeError `reference-ambiguous`
   */
  object(beginning: string): Digest | undefined {
    const hexadecimal = hexadecimalOf(beginning);
    if (hexadecimal === undefined) return undefined;
    const found = this.#ask((index) => index.named(`sha256:${hexadecimal}`));
    if (found.length > 1) throw ambiguous(beginning, 'objects', found);
    return found[0];
  }

  close(): void {
    this.#index.close();
  }

  /** Asks the index; one that turns out to be broken is made again from the records. */
  #ask<Answer>(question: (index: RecordIndex) => Answer): Answer {
    try {
      return question(this.#index);
    } catch (error) {
      this.#warn(
        `The index of the records could not be used (${error instanceof Error ? error.message : String(error)}) and is made again.`,
      );
      this.#index.close();
      this.#index = hasCode(error, 'SQLITE_BUSY', 'SQLITE_LOCKED')
        ? memoryIndex()
        : renewIndex(this.#folder, this.#warn);
      const everything: StoredRecord[] = [];
      for (const name of this.#records.names()) {
        if (!('digest' in name)) continue;
        const read = this.#readFile(name.digest);
        if ('record' in read) everything.push({ digest: name.digest, record: read.record });
      }
      this.#index.add(everything);
      return question(this.#index);
    }
  }

  #report(digest: Digest, problem: string): void {
    if (this.problems.some((each) => each.digest === digest)) return;
    this.problems.push({ digest, problem });
    this.#warn(`The record ${digest} cannot be used: ${problem}.`);
  }

  #must(digest: Digest): StoredRecord {
    const stored = this.get(digest);
    if (stored) return stored;
    throw new MlpipeError(`The record ${digest} is damaged.`, {
      code: 'record-damaged',
      todo: 'Bring it back from a copy.',
    });
  }

  #readFile(digest: Digest): { record: RunRecord } | { problem: string } {
    let content: Buffer;
    try {
      content = this.#files.read(this.#records.path(digest));
    } catch (error) {
      return { problem: `cannot be read: ${error instanceof Error ? error.message : String(error)}` };
    }
    if (digestOf(content) !== digest) return { problem: 'its content is not what its digest says' };
    // The digest proves that these bytes were written by `append`, or by another mlpipe.
    let record: RunRecord;
    try {
      record = JSON.parse(content.toString('utf8')) as RunRecord;
    } catch {
      return { problem: 'it is not JSON' };
    }
    if (record.format !== RECORD_FORMAT) return { problem: `its format is ${JSON.stringify(record.format)}` };
    return { record };
  }
}

/** The beginning of a digest, long enough to mean something by it. */
function hexadecimalOf(reference: string): string | undefined {
  const hexadecimal = reference.replace(/^sha256:/, '').toLowerCase();
  return /^[0-9a-f]{4,64}$/.test(hexadecimal) ? hexadecimal : undefined;
}

function ambiguous(reference: string, what: string, digests: readonly Digest[]): MlpipeError {
  return new MlpipeError(`${reference} is the beginning of ${digests.length} ${what}.`, {
    code: 'reference-ambiguous',
    todo: `Write more of it: ${digests
      .slice(0, 4)
      .map((digest) => digest.slice('sha256:'.length, 19))
      .join(', ')}.`,
    exit: EXIT.usage,
  });
}

/** `recognise@rate=0.01` → `recognise` */
function blockOf(step: string): string {
  return step.split('@', 1)[0] ?? step;
}

/** A URL with a password must not reach a record, wherever in it somebody wrote one. */
function withoutCredentialsInside<Value>(value: Value): Value {
  // The replacer gives strings for strings, so the value keeps its type.
  return JSON.parse(
    JSON.stringify(value, (_, each: unknown) => (typeof each === 'string' ? withoutUrlCredentials(each) : each)),
  ) as Value;
}

/** Opens the ledger in a `.mlpipe` folder. */
export function openLedger(folder: string, options: LedgerOptions = {}): Ledger {
  return new Ledger(folder, options);
}
