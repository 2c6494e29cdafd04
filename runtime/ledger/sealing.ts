/** What makes an appended record evident: its signatures, and its entry in the writer's log. */
import type { Digest } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import { writeFailure } from '../store/errors.ts';
import type { FileSystem } from '../store/filesystem.ts';
import type { Identity } from './keys/identity.ts';
import type { OwnKey } from './keys/key-folder.ts';
import type { PublicKey } from './keys/public-key.ts';
import { giveUpLog, type Log, lastCheckpoint, logFolder, makeCheckpoint, ownLog } from './log/logs.ts';
import type { Hash } from './log/merkle.ts';
import { type Signer, signatureFile, signedBytes } from './signature.ts';

interface Writer {
  own: OwnKey;
  others: Signer[];
  log: Log;
  /** How many entries the log is known to have had. */
  atLeast: number;
  appended: boolean;
}

export class Sealing {
  readonly #files: FileSystem;
  readonly #store: string;
  readonly #identity: Identity;
  readonly #warn: (message: string) => void;
  readonly #told = new Set<string>();
  #writer: Promise<Writer | undefined> | undefined;
  #opened: Writer | undefined;

  constructor(files: FileSystem, store: string, identity: Identity, warn: (message: string) => void) {
    this.#files = files;
    this.#store = store;
    this.#identity = identity;
    this.#warn = warn;
  }

  /**
   * The files of a record's signatures, and what logs it once they and the record are on the disk.
   *
   * Where there is no key, a record is kept all the same: a run must not fail because of a folder of the user's.
   */
  async seal(content: Buffer, isNew: boolean): Promise<{ signatures: Buffer[]; log: (digest: Digest) => void }> {
    const writer = await this.#open();
    if (writer === undefined) return { signatures: [], log: () => undefined };
    const signed = signedBytes(content);
    const signatures = [signatureFile(writer.own.key, 'ed25519', writer.own.sign(signed))];
    for (const signer of writer.others) {
      const signature = await signer.sign(signed);
      if ('problem' in signature) {
        this.#tell(`A record is not signed with git's key (${signer.key.type}): ${signature.problem}.`);
      } else {
        signatures.push(signatureFile(signer.key, signer.scheme, signature));
      }
    }
    // Another process may log it in our place, but not before it is there to be seen.
    const since = isNew ? writer.log.entries.length : 0;
    return { signatures, log: (digest) => this.#log(writer, [hashOf(digest)], since) };
  }

  /** Logs records of this writer that are not logged yet; what is, is not logged twice. */
  async complete(records: readonly Digest[]): Promise<void> {
    const writer = records.length === 0 ? undefined : await this.#open();
    if (writer) this.#log(writer, records.map(hashOf), 0);
  }

  /** The key that signs here, where there is one already. */
  existingKey(): PublicKey | undefined {
    try {
      return this.#identity.existing()?.key;
    } catch {
      // A key that cannot be read signs nothing; `append` says so.
      return undefined;
    }
  }

  /** The key that signs here, and its log. */
  async writer(): Promise<{ own: OwnKey; log: Log } | undefined> {
    return this.#open();
  }

  /** Looks again which log is its own, when it next needs one. */
  reopen(): void {
    this.close();
    this.#writer = undefined;
    this.#opened = undefined;
  }

  /** Says in a checkpoint how far the log has come, and lets it go. */
  close(): void {
    const writer = this.#opened;
    if (writer === undefined) return;
    try {
      if (writer.appended) makeCheckpoint(this.#files, this.#store, writer.log, writer.own.sign);
    } catch (error) {
      // The records are logged; the next run makes the checkpoint that this one could not.
      this.#tell(`No checkpoint of the log could be made: ${error instanceof Error ? error.message : String(error)}`);
    }
    writer.log.close();
  }

  #log(writer: Writer, records: readonly Hash[], since: number): void {
    writer.atLeast = writer.log.entries.append(records, since, writer.atLeast);
    writer.appended = true;
  }

  #open(): Promise<Writer | undefined> {
    this.#writer ??= this.#begin();
    return this.#writer;
  }

  async #begin(): Promise<Writer | undefined> {
    let own: OwnKey;
    try {
      own = this.#identity.own();
    } catch (error) {
      if (!(error instanceof MlpipeError)) throw error;
      this.#tell(`Records are not signed. ${error.message} ${error.todo ?? ''}`.trimEnd());
      return undefined;
    }
    const others = await this.#identity.others();
    let log = this.#ownLog(own);
    let atLeast = sizeSaid(lastCheckpoint(this.#files, this.#store, log));
    if (atLeast === undefined || log.entries.size() < atLeast) {
      // The run is worth more than its place in this log, and what is damaged is evidence: it stays as it is.
      this.#tell(`The log ${log.writer} is damaged, so that another is begun. \`mlpipe verify\` says what is wrong.`);
      log.close();
      giveUpLog(this.#files, this.#store, log);
      log = this.#ownLog(own);
      atLeast = 0;
    }
    this.#opened = { own, others, log, atLeast, appended: false };
    return this.#opened;
  }

  #ownLog(own: OwnKey): Log {
    try {
      return ownLog(this.#files, this.#store, own.key);
    } catch (error) {
      throw writeFailure(logFolder(this.#store), error);
    }
  }

  #tell(message: string): void {
    if (this.#told.has(message)) return;
    this.#told.add(message);
    this.#warn(message);
  }
}

/** How many entries a checkpoint says there were; nothing where it says nothing that can be believed. */
function sizeSaid(checkpoint: ReturnType<typeof lastCheckpoint>): number | undefined {
  return checkpoint === undefined ? 0 : 'size' in checkpoint ? checkpoint.size : undefined;
}

export function hashOf(digest: Digest): Buffer {
  return Buffer.from(digest.slice('sha256:'.length), 'hex');
}
