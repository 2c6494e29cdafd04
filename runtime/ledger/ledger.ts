/** The ledger: every record of every run of a step, each a file that never changes, with its signatures beside it. */
import fs from 'node:fs';
import { join } from 'node:path';
import { canonicalJson, digestOf } from '../../grammar/plan/canonical.ts';
import type { Digest } from '../../grammar/plan/plan.ts';
import { EXIT, MlpipeError } from '../errors.ts';
import { SHARDS } from '../store/content.ts';
import { type FileSystem, hasCode, nodeFileSystem } from '../store/filesystem.ts';
import { prepareStore } from '../store/layout.ts';
import { withoutUrlCredentials } from './credentials.ts';
import { memoryIndex, openIndex, renewIndex } from './index-database.ts';
import type { IndexedRecord, RecordIndex, RowFilter } from './index-rows.ts';
import type { Identity } from './keys/identity.ts';
import { lockedRecord, writeLock } from './lock.ts';
import { logsIn } from './log/logs.ts';
import { runName } from './names.ts';
import type { RunRecord, StoredRecord } from './record.ts';
import { RecordFiles } from './record-files.ts';
import { resolveObject, resolveReference } from './references.ts';
import { Sealing } from './sealing.ts';
import { isSigned, type ReadSignature, readSignature, signatureSuffix } from './signature.ts';

export interface RecordProblem {
  digest: Digest;
  problem: string;
}

export interface LedgerOptions {
  /** Told of what is not as it should be and stops nothing. */
  warn?: (message: string) => void;
  files?: FileSystem;
  /** With what records are signed and logged; without it they are neither. */
  identity?: Identity;
}

/** The names in a folder are believed to be known when they have not changed for so long: clocks of disks are coarse. */
const SETTLED = 2_000_000_000n;

export class Ledger {
  /** Records that cannot be read; found when the index caught up. */
  readonly problems: RecordProblem[] = [];
  /** The `.mlpipe` folder. */
  readonly folder: string;
  readonly files: FileSystem;
  readonly #records: RecordFiles;
  readonly #warn: (message: string) => void;
  readonly #read = new Map<Digest, RunRecord>();
  readonly #sealing: Sealing | undefined;
  /** Records that came to light when the index caught up: what a process that was killed has left may be among them. */
  #discovered: Digest[] = [];
  #index: RecordIndex;

  constructor(folder: string, options: LedgerOptions = {}) {
    const files = options.files ?? nodeFileSystem;
    prepareStore(files, folder);
    this.files = files;
    this.#records = new RecordFiles(files, folder);
    this.folder = folder;
    this.#warn = options.warn ?? (() => undefined);
    this.#sealing = options.identity && new Sealing(files, folder, options.identity, this.#warn);
    this.#index = openIndex(folder, this.#warn);
    this.refresh();
  }

  /** What the index is kept in. */
  get index(): string {
    return this.#index.description;
  }

  /**
   * Brings the index to what the records say: another process, or git, may have brought some. Folders whose names have
   * not changed since the index took them up are not listed: a million records are looked through in 256 glances.
   */
  refresh(): void {
    const known = this.#ask((index) => index.shards());
    this.problems.length = 0;
    for (const shard of SHARDS) {
      const changed = this.#records.folder.namesChanged(shard);
      if (changed === undefined || known.get(shard) !== changed) this.#ask(() => this.#catchUp(shard, changed));
    }
  }

  /**
   * Keeps a record: the record, its signatures, then its entry in the log. Durable when it returns; the objects that it
   * names must be stored before.
   */
  async append(record: RunRecord): Promise<Digest> {
    await this.complete();
    const kept = withoutCredentialsInside(record);
    const content = Buffer.from(canonicalJson(kept));
    const digest = digestOf(content);
    const { folder } = this.#records;
    const isNew = !folder.has(digest);
    const seal = await this.#sealing?.seal(content, isNew);
    const staged = isNew ? [folder.stage(digest, content, true)] : [];
    const suffixes: string[] = [];
    for (const signature of seal?.signatures ?? []) {
      const suffix = signatureSuffix(signature);
      suffixes.push(suffix);
      if (isNew || !this.files.status(folder.path(digest, suffix)))
        staged.push(folder.stageBeside(digest, suffix, signature));
    }
    folder.publish(staged, [digest]);
    seal?.log(digest);
    // From here on the record is kept, whatever becomes of the index.
    this.#ask((index) => index.update({ added: [{ digest, record: kept, signatures: suffixes }], gone: [] }));
    return digest;
  }

  /**
   * Signs a record that is there, whoever wrote it, and logs it. What this person has signed already is not signed again.
   *
   * @returns the signatures that were added
   * @throws MlpipeError `record-damaged`, `key-missing`
   */
  async countersign(digest: Digest): Promise<ReadSignature[]> {
    await this.complete();
    const read = this.#records.read(digest);
    if (!('record' in read)) throw damaged(digest);
    const seal = await this.#sealing?.seal(read.content, false);
    if (seal === undefined || seal.signatures.length === 0) {
      throw new MlpipeError('There is no key to sign with.', {
        code: 'key-missing',
        todo: 'Make one with `mlpipe keys add`, and see what it says.',
        exit: EXIT.usage,
      });
    }
    const signed = new Set<string>();
    // One that only pretends to be this person's is no reason not to sign.
    for (const each of this.signatures(digest))
      if (await isSigned(read.content, each)) signed.add(`${each.scheme} ${each.key.text}`);
    const added = seal.signatures.flatMap((content) => {
      const signature = readSignature(content);
      return signature && !signed.has(`${signature.scheme} ${signature.key.text}`) ? [{ content, signature }] : [];
    });
    const { folder } = this.#records;
    folder.publish(added.map(({ content }) => folder.stageBeside(digest, signatureSuffix(content), content)));
    // Also where nothing was added: a process may have been killed before it had logged what it signed.
    seal.log(digest);
    this.refresh();
    return added.map(({ signature }) => signature);
  }

  /** Logs what a process of this writer was killed over: records that it had signed, and promised nobody. */
  async complete(): Promise<void> {
    const discovered = this.#discovered;
    this.#discovered = [];
    if (this.#sealing && discovered.length > 0) await this.#sealing.complete(await this.#unlogged(discovered));
  }

  /** Logs every record of this writer that no log of its key has. */
  async mend(): Promise<number> {
    const all = this.#ask((index) => index.rows({})).map(({ digest }) => digest);
    const unlogged = await this.#unlogged(all);
    await this.#sealing?.complete(unlogged);
    return unlogged.length;
  }

  /** The key that signs here, and its log. */
  async writer(): ReturnType<Sealing['writer']> {
    await this.complete();
    return this.#sealing?.writer();
  }

  /** The same, where something was logged here already; no key is made. */
  async existingWriter(): ReturnType<Sealing['writer']> {
    const own = this.#sealing?.existingKey();
    const { logs } = logsIn(this.files, this.folder);
    return logs.some(({ key }) => key.text === own?.text) ? this.writer() : undefined;
  }

  /** Another process, or a remote, has changed what is known of the logs: the next record finds its own anew. */
  reopenLog(): void {
    this.#sealing?.reopen();
  }

  /** A record by its whole digest, where it is there and whole. */
  get(digest: Digest): StoredRecord | undefined {
    const known = this.#read.get(digest);
    if (known) return { digest, record: known };
    const read = this.#records.read(digest);
    if (!('record' in read)) {
      this.#report(digest, read.problem);
      return undefined;
    }
    // So that a walk through a million does not keep them all.
    if (this.#read.size >= REMEMBERED) this.#read.clear();
    this.#read.set(digest, read.record);
    return { digest, record: read.record };
  }

  /** The signatures beside a record, unchecked. */
  signatures(digest: Digest): ReadSignature[] {
    return this.#ask((index) => index.signatures(digest)).flatMap(
      (suffix) => this.#records.signature(digest, suffix) ?? [],
    );
  }

  /** The bytes of a record, as they are signed. */
  content(digest: Digest): Buffer {
    return this.files.read(this.#records.folder.path(digest));
  }

  /** The newest first. */
  list(filter: RowFilter = {}, limit = Number.POSITIVE_INFINITY): StoredRecord[] {
    const records: StoredRecord[] = [];
    // One that is damaged does not count, so that more may have to be asked for.
    for (let offset = 0; records.length < limit; ) {
      const rows = this.#ask((index) => index.rows(filter, limit - records.length, offset));
      records.push(...rows.flatMap(({ digest }) => this.get(digest) ?? []));
      offset += rows.length;
      if (rows.length === 0 || !Number.isFinite(limit)) break;
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
      if (this.#ask((index) => index.rows({ run: name }, 1)).length > 0) return true;
      // Making the run's folder is what takes the name: of two processes that draw the same one, one fails here.
      const runs = join(this.folder, 'runs');
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

  /** Also of records that cannot be read any more. */
  digestsOfReaders(object: Digest): Digest[] {
    return this.#ask((index) => index.readers(object));
  }

  writers(object: Digest): StoredRecord[] {
    return this.#ask((index) => index.writers(object)).flatMap((digest) => this.get(digest) ?? []);
  }

  /** Which record a person means. @throws MlpipeError `reference-unknown`, `reference-ambiguous`, `record-damaged` */
  resolve(reference: string): StoredRecord {
    const digest = this.#ask((index) => resolveReference(index, reference));
    const stored = this.get(digest);
    if (stored) return stored;
    throw damaged(digest);
  }

  /** The object that a record read or wrote and whose digest begins so. @throws MlpipeError `reference-ambiguous` */
  object(beginning: string): Digest | undefined {
    return this.#ask((index) => resolveObject(index, beginning));
  }

  /** What was last read from a path, relative to the project's root. */
  readFrom(path: string): Digest | undefined {
    return this.#ask((index) => index.readFrom(path));
  }

  close(): void {
    this.#sealing?.close();
    this.#index.close();
  }

  /** Asks the index; one that turns out to be broken is made again from the records. */
  #ask<Answer>(question: (index: RecordIndex) => Answer): Answer {
    try {
      return question(this.#index);
    } catch (error) {
      // A question may have an answer that is an error.
      if (error instanceof MlpipeError) throw error;
      this.#warn(
        `The index of the records could not be used (${error instanceof Error ? error.message : String(error)}) and is made again.`,
      );
      this.#index.close();
      this.#index = hasCode(error, 'SQLITE_BUSY', 'SQLITE_LOCKED')
        ? memoryIndex()
        : renewIndex(this.folder, this.#warn);
      for (const shard of SHARDS) this.#catchUp(shard, undefined);
      return question(this.#index);
    }
  }

  /** Takes up what has changed in one of the 256 folders. */
  #catchUp(shard: string, changed: bigint | undefined): void {
    const present = this.#records.list(shard).records;
    const known = this.#index.inShard(shard);
    const added: IndexedRecord[] = [];
    let whole = true;
    for (const [digest, signatures] of present) {
      const before = known.get(digest);
      if (before && signatures.every((each) => before.has(each))) continue;
      const read = this.#records.read(digest);
      if ('record' in read) {
        added.push({ digest, record: read.record, signatures });
        if (!before) this.#discovered.push(digest);
      } else {
        whole = false;
        this.#report(digest, read.problem);
      }
    }
    const gone = [...known.keys()].filter((digest) => !present.has(digest));
    const now = BigInt(Date.now()) * 1_000_000n;
    // What is damaged is to be said again by whoever opens the ledger next.
    const settled = whole && changed !== undefined && now - changed > SETTLED;
    if (added.length > 0 || gone.length > 0 || settled)
      this.#index.update({ added, gone, ...(settled ? { shards: new Map([[shard, changed]]) } : {}) });
  }

  /** Those that the key which signs here has signed, and that are in none of its logs. */
  async #unlogged(digests: readonly Digest[]): Promise<Digest[]> {
    const own = this.#sealing?.existingKey();
    if (own === undefined) return [];
    const logged = new Set<string>();
    const { logs } = logsIn(this.files, this.folder);
    for (const log of logs.filter(({ key }) => key.text === own.text))
      for (const { record } of log.entries.rows()) logged.add(`sha256:${Buffer.from(record).toString('hex')}`);
    const unlogged: Digest[] = [];
    for (const digest of digests.filter((each) => !logged.has(each))) {
      const signatures = this.signatures(digest).filter(({ key }) => key.text === own.text);
      // What only pretends to be signed would be made true by being logged.
      const checked = await Promise.all(signatures.map((each) => isSigned(this.content(digest), each)));
      if (checked.includes(true)) unlogged.push(digest);
    }
    return unlogged;
  }

  #report(digest: Digest, problem: string): void {
    if (this.problems.some((each) => each.digest === digest)) return;
    this.problems.push({ digest, problem });
    this.#warn(`The record ${digest} cannot be used: ${problem}.`);
  }
}

function damaged(digest: Digest): MlpipeError {
  return new MlpipeError(`The record ${digest} is damaged.`, {
    code: 'record-damaged',
    todo: 'Bring it back from a copy.',
  });
}

/** How many records are kept in memory once they are read. */
const REMEMBERED = 20_000;

/** A URL with a password must not reach a record, wherever in it somebody wrote one. */
function withoutCredentialsInside<Value>(value: Value): Value {
  const text = JSON.stringify(value);
  // JSON writes `://` as it is; most records have none, and to look at each of their texts would take longer than the rest.
  const clean = text.includes('://')
    ? JSON.stringify(value, (_, each: unknown) => (typeof each === 'string' ? withoutUrlCredentials(each) : each))
    : text;
  // The replacer gives strings for strings, so the value keeps its type.
  return JSON.parse(clean) as Value;
}

/** Opens the ledger in a `.mlpipe` folder. */
export function openLedger(folder: string, options: LedgerOptions = {}): Ledger {
  return new Ledger(folder, options);
}
