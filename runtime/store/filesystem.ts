/**
 * Everything that the object writer asks of a disk, as one small port, so that a test can put a file system in its
 * place that crashes, fills up or fails. Synchronous on purpose: a call costs microseconds, a promise costs more, and
 * long work is done in worker threads with the same code.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { release } from 'node:os';
import { promisify } from 'node:util';

export interface FileSystem {
  /** Makes a new, empty, read-only file and opens it for writing. Fails if the name is taken. */
  create(path: string): number;
  /** Opens a file to write at its end, and makes it where there is none. */
  append(path: string): number;
  write(file: number, bytes: Uint8Array): void;
  /** Sets the modification time, in seconds since 1970. */
  setModified(file: number, seconds: number): void;
  /** The file's bytes and size are on the disk when it returns. */
  sync(file: number): void;
  close(file: number): void;
  /** Replaces what `to` names, atomically. */
  rename(from: string, to: string): void;
  unlink(path: string): void;
  /** Only an empty one. */
  removeFolder(path: string): void;
  /** Lets a file count as changed now, and gives it a modification time, in seconds since 1970. */
  freshen(path: string, seconds: number): void;
  /** Takes away everything after the first `bytes`; on the disk when it returns. */
  truncate(path: string, bytes: number): void;
  /** Parents too; nothing happens where it exists. */
  makeFolder(path: string): void;
  /** The folder's names are on the disk when it returns. */
  syncFolder(path: string): void;
  /** Whether it is a disk of this machine, where processes meet that the kernel keeps apart. */
  readonly sharesKernel: boolean;
  /** Whether `syncEverything` can be trusted here. */
  readonly syncsEverything: boolean;
  /** Everything written so far to the file system that holds `path` is on the disk when it returns. */
  syncEverything(path: string): void;
  /** As `sync`, while other work goes on. */
  syncBeside(file: number): Promise<void>;
  /** Begins to copy a file to a name that is not taken, sharing its blocks where the disk can. */
  copy(from: string, to: string): Promise<Copy>;
  /** How many bytes were read; none where there is nothing, or nothing yet. */
  readAt(file: number, into: Uint8Array, position: number): number;
  /** Nothing where the path names nothing. */
  status(path: string): FileStatus | undefined;
  read(path: string): Buffer;
  /** As many of `length` bytes as there are from an offset on. */
  readPart(path: string, offset: number, length: number): Buffer;
  /** Names in a folder. */
  list(path: string): string[];
  /** When a name was last added to a folder or taken from it, in nanoseconds since 1970; nothing where that is not told. */
  namesChanged(path: string): bigint | undefined;
}

/** A copy that is being made. It can be read as far as it has got. */
export interface Copy {
  /** Open for reading and writing. */
  file: number;
  /** Settles when all is copied and the file is read-only. */
  whole: Promise<void>;
}

export interface FileStatus {
  bytes: number;
  /** Nanoseconds since 1970. */
  modified: bigint;
  /** Nanoseconds since 1970; no program can set it back. */
  changed: bigint;
}

/** The disk of this machine. */
export const nodeFileSystem: FileSystem = {
  create: (path) => fs.openSync(path, 'wx', 0o444),
  append: (path) => fs.openSync(path, 'a', 0o644),
  write(file, bytes) {
    let offset = 0;
    while (offset < bytes.length) offset += fs.writeSync(file, bytes, offset);
  },
  setModified: (file, seconds) => fs.futimesSync(file, seconds, seconds),
  sync: (file) => fs.fsyncSync(file),
  close: (file) => fs.closeSync(file),
  rename(from, to) {
    try {
      fs.renameSync(from, to);
    } catch (error) {
      // Windows does not rename over a read-only file. An object that is there already has the same content.
      if (process.platform !== 'win32' || !hasCode(error, 'EPERM', 'EACCES') || !fs.existsSync(to)) throw error;
      fs.unlinkSync(from);
    }
  },
  unlink: (path) => fs.unlinkSync(path),
  removeFolder: (path) => fs.rmdirSync(path),
  freshen: (path, seconds) => fs.utimesSync(path, seconds, seconds),
  truncate(path, bytes) {
    const file = fs.openSync(path, 'r+');
    try {
      fs.ftruncateSync(file, bytes);
      fs.fsyncSync(file);
    } finally {
      fs.closeSync(file);
    }
  },
  makeFolder: (path) => void fs.mkdirSync(path, { recursive: true }),
  syncFolder(path) {
    // A folder cannot be opened on Windows; NTFS journals the names.
    if (process.platform === 'win32') return;
    const folder = fs.openSync(path, 'r');
    try {
      fs.fsyncSync(folder);
    } finally {
      fs.closeSync(folder);
    }
  },
  sharesKernel: true,
  syncsEverything: canSyncEverything(),
  syncEverything(path) {
    const { status, error, stderr } = spawnSync('sync', ['-f', path], { stdio: ['ignore', 'ignore', 'pipe'] });
    if (error) throw error;
    if (status !== 0) throw Object.assign(new Error(String(stderr).trim()), { code: codeIn(String(stderr)) });
  },
  syncBeside: promisify(fs.fsync),
  async copy(from, to) {
    const { COPYFILE_EXCL, COPYFILE_FICLONE } = fs.constants;
    if (hasHoles(from)) {
      const file = fs.openSync(to, 'wx+', 0o600);
      const copied = async () => {
        for (const _ of copyWithHoles(from, file)) await new Promise((resume) => setImmediate(resume));
        fs.fchmodSync(file, 0o444);
      };
      return { file, whole: copied() };
    }
    if (process.platform === 'linux') {
      const file = fs.openSync(to, 'wx+', 0o600);
      const whole = fs.promises.copyFile(from, to, COPYFILE_FICLONE).then(() => fs.fchmodSync(file, 0o444));
      return { file, whole };
    }
    // Elsewhere a copy may have its last size before it has its content, so nobody may follow it.
    await fs.promises.copyFile(from, to, COPYFILE_EXCL | COPYFILE_FICLONE);
    fs.chmodSync(to, 0o600);
    const file = fs.openSync(to, 'r+');
    fs.fchmodSync(file, 0o444);
    return { file, whole: Promise.resolve() };
  },
  readAt: (file, into, position) => fs.readSync(file, into, 0, into.length, position),
  status(path) {
    const status = fs.statSync(path, { bigint: true, throwIfNoEntry: false });
    return status?.isFile()
      ? { bytes: Number(status.size), modified: status.mtimeNs, changed: status.ctimeNs }
      : undefined;
  },
  read: (path) => fs.readFileSync(path),
  readPart(path, offset, length) {
    const file = fs.openSync(path, 'r');
    try {
      const bytes = Buffer.allocUnsafe(length);
      let filled = 0;
      for (let count = -1; count !== 0 && filled < length; filled += count)
        count = fs.readSync(file, bytes, filled, length - filled, offset + filled);
      return bytes.subarray(0, filled);
    } finally {
      fs.closeSync(file);
    }
  },
  list: (path) => fs.readdirSync(path),
  namesChanged: (path) => fs.statSync(path, { bigint: true, throwIfNoEntry: false })?.mtimeNs,
};

/** Whether a file takes less of the disk than it is long: a copy by the kernel would fill in what is not there. */
function hasHoles(path: string): boolean {
  const { size, blocks } = fs.statSync(path);
  return process.platform !== 'win32' && size > HOLE && blocks * 512 < size - HOLE;
}

const HOLE = 2 ** 20;
const ZEROS = Buffer.alloc(HOLE);

/** Zeros are not written where there is room for a hole. Yields after each piece. */
function* copyWithHoles(from: string, to: number): Generator<void> {
  const source = fs.openSync(from, 'r');
  try {
    const piece = Buffer.allocUnsafeSlow(HOLE);
    for (let position = 0; ; ) {
      const count = fs.readSync(source, piece, 0, HOLE, position);
      if (count === 0) {
        fs.ftruncateSync(to, position);
        return;
      }
      const part = piece.subarray(0, count);
      if (!part.equals(ZEROS.subarray(0, count))) fs.writeSync(to, part, 0, count, position);
      position += count;
      yield;
    }
  } finally {
    fs.closeSync(source);
  }
}

/** Copies a file to a name that is not taken, with its holes. */
export function copyFile(from: string, to: string): void {
  if (!hasHoles(from)) {
    fs.copyFileSync(from, to, fs.constants.COPYFILE_EXCL);
    return;
  }
  const file = fs.openSync(to, 'wx+', 0o600);
  try {
    for (const _ of copyWithHoles(from, file));
  } finally {
    fs.closeSync(file);
  }
}

/**
 * Linux reports a failed write to `syncfs` since 5.8; before that, success would prove nothing. The call is reached
 * through the `sync` program, because Node has no other way to it.
 */
function canSyncEverything(): boolean {
  if (process.platform !== 'linux' || !['/bin/sync', '/usr/bin/sync'].some((path) => fs.existsSync(path))) return false;
  const [major = 0, minor = 0] = release().split('.').map(Number);
  return major > 5 || (major === 5 && minor >= 8);
}

function codeIn(message: string): string {
  return /no space left/i.test(message) ? 'ENOSPC' : 'EIO';
}

/** Whether an error is a system error with one of these codes. */
export function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}
