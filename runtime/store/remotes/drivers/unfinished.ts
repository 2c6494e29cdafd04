/**
 * Uploads in parts that were begun and not finished, remembered beside the store: who was killed over one goes on with it.
 * A file here is only a hint. What is really there is asked of the remote, and without the file the upload begins again.
 */
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import type { Bytes } from '../../../../grammar/plan/plan.ts';
import { isRunning } from '../../../processes.ts';
import { OWNER } from '../../content.ts';
import { hasCode, nodeFileSystem } from '../../filesystem.ts';

const FORMAT = 'mlpipe-upload/1';
/** Nobody comes back to what is older; the remote is asked to throw it away. */
const STALE = 7 * 24 * 3_600_000;

export interface Unfinished {
  /** Of the remote, with its bucket. */
  address: string;
  key: string;
  /** Of the whole content, in hexadecimal. */
  sha256: string;
  bytes: Bytes;
  /** Bytes a part. */
  part: Bytes;
  uploadId: string;
}

interface Kept extends Unfinished {
  format: typeof FORMAT;
}

/** Those that this process works on. */
const active = new Set<string>();

/** An upload that is this process's until it says that it is over. */
export interface Claim {
  upload: Unfinished;
  /** Finished, or given up: nothing is to be gone on with. */
  forget(): void;
  /** Broken off: the next one goes on with it. */
  leave(): void;
}

export class UnfinishedUploads {
  readonly #folder: string;

  /** @param store the `.mlpipe` folder */
  constructor(store: string) {
    this.#folder = join(store, 'uploads');
  }

  /** What was begun of the same content, whose process is gone. Renaming decides who goes on with it, where two want to. */
  claim(wanted: Omit<Unfinished, 'uploadId'>): Claim | undefined {
    for (const name of this.#names()) {
      if (!name.startsWith(beginning(wanted)) || !isLeft(name)) continue;
      const path = join(this.#folder, fileName(wanted));
      try {
        fs.renameSync(join(this.#folder, name), path);
      } catch (error) {
        if (hasCode(error, 'ENOENT')) continue;
        throw error;
      }
      const upload = read(path);
      const fits = upload !== undefined && upload.sha256 === wanted.sha256 && upload.bytes === wanted.bytes;
      if (fits && upload.part === wanted.part && upload.address === wanted.address && upload.key === wanted.key)
        return claimed(path, upload);
      fs.rmSync(path, { force: true });
    }
    return undefined;
  }

  /** Remembers one that has just begun; durable on return. */
  begin(upload: Unfinished): Claim {
    fs.mkdirSync(this.#folder, { recursive: true });
    const path = join(this.#folder, fileName(upload));
    const kept: Kept = { format: FORMAT, ...upload };
    const file = fs.openSync(`${path}.new`, 'wx', 0o600);
    try {
      fs.writeSync(file, JSON.stringify(kept));
      fs.fsyncSync(file);
    } finally {
      fs.closeSync(file);
    }
    fs.renameSync(`${path}.new`, path);
    nodeFileSystem.syncFolder(this.#folder);
    return claimed(path, upload);
  }

  /** Those of a remote that nobody comes back to, taken away here; the remote is to be asked to throw them away. */
  takeStale(address: string, now = Date.now()): Unfinished[] {
    return this.#names().flatMap((name) => {
      const path = join(this.#folder, name);
      const age = now - (fs.statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? now);
      if (age < STALE) return [];
      if (name.endsWith('.new')) fs.rmSync(path, { force: true });
      if (!isLeft(name)) return [];
      const upload = read(path);
      if (upload !== undefined && upload.address !== address) return [];
      fs.rmSync(path, { force: true });
      return upload ?? [];
    });
  }

  #names(): string[] {
    return fs.existsSync(this.#folder) ? fs.readdirSync(this.#folder) : [];
  }
}

function claimed(path: string, upload: Unfinished): Claim {
  active.add(path);
  return {
    upload,
    forget() {
      active.delete(path);
      fs.rmSync(path, { force: true });
    },
    leave: () => void active.delete(path),
  };
}

/** What it is of, then whose it is. */
function fileName(upload: Omit<Unfinished, 'uploadId'>): string {
  return `${beginning(upload)}${OWNER}-${randomBytes(4).toString('hex')}`;
}

function beginning({ address, key, sha256 }: Omit<Unfinished, 'uploadId'>): string {
  return `${createHash('sha256').update(`${address}\n${key}\n${sha256}`).digest('hex').slice(0, 32)}-`;
}

/** Whether whoever began it does not work on it any more, as far as this machine can tell. */
function isLeft(name: string): boolean {
  const [, machine, pid, nonce] = name.split('-');
  // Being written, or what a process has left that was killed over just that.
  if (nonce === undefined || name.endsWith('.new')) return false;
  const [ownMachine] = OWNER.split('-');
  if (machine !== ownMachine) return false;
  if (Number(pid) === process.pid) return ![...active].some((path) => path.endsWith(name));
  return !isRunning(Number(pid));
}

function read(path: string): Unfinished | undefined {
  try {
    const value: unknown = JSON.parse(fs.readFileSync(path, 'utf8'));
    return isKept(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isKept(value: unknown): value is Kept {
  if (typeof value !== 'object' || value === null) return false;
  const fields: Record<string, unknown> = { ...value };
  return (
    fields.format === FORMAT &&
    ['address', 'key', 'sha256', 'uploadId'].every((name) => typeof fields[name] === 'string') &&
    ['bytes', 'part'].every((name) => Number.isSafeInteger(fields[name]))
  );
}
