/** The ledger: every record of every run of a step, each a file that never changes. */
import { canonicalJson, digestOf } from '../../grammar/plan/canonical.ts';
import type { Digest } from '../../grammar/plan/plan.ts';
import { EXIT, MlpipeError } from '../errors.ts';
import type { ContentFolder } from '../store/content.ts';
import { type FileSystem, nodeFileSystem } from '../store/filesystem.ts';
import { prepareStore, recordFolder } from '../store/layout.ts';
import { type IndexRow, openIndex, type RecordIndex } from './index-database.ts';
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
  readonly #index: RecordIndex;
  readonly #read = new Map<Digest, RunRecord>();

  constructor(folder: string, options: LedgerOptions = {}) {
    const files = options.files ?? nodeFileSystem;
    prepareStore(files, folder);
    this.#files = files;
    this.#records = recordFolder(files, folder);
    this.#index = openIndex(folder, options.warn ?? (() => undefined));
    this.refresh();
  }

  /** What the index is kept in. */
  get index(): string {
    return this.#index.description;
  }

  /** Brings the index to what the records say: another process, or git, may have brought some. */
  refresh(): void {
    const known = this.#index.digests();
    const present = new Set<Digest>();
    const added: StoredRecord[] = [];
    this.problems.length = 0;
    for (const name of this.#records.names()) {
      if (!('digest' in name)) continue;
      present.add(name.digest);
      if (known.has(name.digest)) continue;
      const read = this.#readFile(name.digest);
      if ('record' in read) added.push({ digest: name.digest, record: read.record });
      else this.problems.push({ digest: name.digest, problem: read.problem });
    }
    const gone = [...known].filter((digest) => !present.has(digest));
    if (added.length > 0) this.#index.add(added);
    if (gone.length > 0) this.#index.remove(gone);
  }

  /** Keeps a record. Durable when it returns; the objects that it names must be stored before. */
  async append(record: RunRecord): Promise<Digest> {
    const text = canonicalJson(record);
    const digest = digestOf(text);
    const staged = this.#records.has(digest) ? [] : [this.#records.stage(digest, Buffer.from(text), true)];
    this.#records.publish(staged, [digest]);
    this.#index.add([{ digest, record }]);
    return digest;
  }

  /** A record by its whole digest, where it is there and whole. */
  get(digest: Digest): StoredRecord | undefined {
    const known = this.#read.get(digest);
    if (known) return { digest, record: known };
    const read = this.#readFile(digest);
    if (!('record' in read)) return undefined;
    this.#read.set(digest, read.record);
    return { digest, record: read.record };
  }

  /** The newest first. */
  list(
    filter: Partial<Pick<IndexRow, 'run' | 'file' | 'step' | 'key'>> = {},
    limit = Number.POSITIVE_INFINITY,
  ): StoredRecord[] {
    const records: StoredRecord[] = [];
    for (const row of this.#index.rows(filter)) {
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
    return runName((name) => this.#index.rows({ run: name }).length > 0);
  }

  /** The record that the lock file of a step names. @throws MlpipeError `lock-damaged` */
  locked(pipelineFile: string, step: string): Digest | undefined {
    return lockedRecord(pipelineFile, step);
  }

  async lock(pipelineFile: string, stored: StoredRecord): Promise<void> {
    writeLock(pipelineFile, stored);
  }

  readers(object: Digest): StoredRecord[] {
    return this.#index.readers(object).flatMap((digest) => this.get(digest) ?? []);
  }

  writers(object: Digest): StoredRecord[] {
    return this.#index.writers(object).flatMap((digest) => this.get(digest) ?? []);
  }

  /**
   * Which record a person means: a digest's beginning, a run's name (`quiet-heron-41`, or `quiet-heron-41:step`), or a
   * step's name, which means its newest record.
   *
   * @throws MlpipeError `reference-unknown`, `reference-ambiguous`
   */
  resolve(reference: string): StoredRecord {
    const rows = this.#index.rows({});
    const byStep = rows.filter(({ step }) => step === reference);
    if (byStep[0]) return this.#must(byStep[0].digest);
    const [run = '', step] = reference.split(':');
    const byRun = rows.filter((row) => row.run === run && (step === undefined || row.step === step));
    if (byRun[0]) return this.#must((byRun.find(({ kind }) => kind === 'train') ?? byRun[0]).digest);
    const hexadecimal = reference.replace(/^sha256:/, '').toLowerCase();
    if (/^[0-9a-f]{4,64}$/.test(hexadecimal)) {
      const byDigest = rows.filter(({ digest }) => digest.startsWith(`sha256:${hexadecimal}`));
      if (byDigest.length > 1) {
        throw new MlpipeError(`${reference} is the beginning of ${byDigest.length} records.`, {
          code: 'reference-ambiguous',
          todo: `Write more of it: ${byDigest
            .slice(0, 4)
            .map(({ digest }) => digest.slice(7, 19))
            .join(', ')}.`,
          exit: EXIT.usage,
        });
      }
      if (byDigest[0]) return this.#must(byDigest[0].digest);
      const writer = this.#index.writers(`sha256:${hexadecimal}`)[0];
      if (writer) return this.#must(writer);
    }
    throw new MlpipeError(`Nothing here is called ${reference}.`, {
      code: 'reference-unknown',
      todo: 'Name a step, a run or the first characters of a digest; `mlpipe log` lists them.',
      exit: EXIT.usage,
    });
  }

  close(): void {
    this.#index.close();
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
    const record = JSON.parse(content.toString('utf8')) as RunRecord;
    if (record.format !== RECORD_FORMAT) return { problem: `its format is ${JSON.stringify(record.format)}` };
    return { record };
  }
}

/** Opens the ledger in a `.mlpipe` folder. */
export function openLedger(folder: string, options: LedgerOptions = {}): Ledger {
  return new Ledger(folder, options);
}
