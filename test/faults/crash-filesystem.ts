/**
 * A disk that has crashed: the store runs on a file system in memory that remembers every call, and from that every
 * state is made in which the disk may be found after a loss of power at any instant. What was not synced is kept, torn
 * or lost, each thing for itself; a name that was not synced is there or not.
 */
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Copy, FileStatus, FileSystem } from '../../runtime/store/filesystem.ts';

type Operation =
  | { kind: 'create'; file: number; path: string }
  | { kind: 'write'; file: number; bytes: Buffer }
  | { kind: 'times'; file: number; modified: number }
  | { kind: 'sync'; file: number }
  | { kind: 'rename'; from: string; to: string }
  | { kind: 'unlink'; path: string }
  | { kind: 'open'; file: number; path: string }
  | { kind: 'truncate'; path: string; bytes: number }
  | { kind: 'folder'; path: string }
  | { kind: 'sync-folder'; path: string }
  | { kind: 'sync-everything' };

interface File {
  bytes: Buffer;
  modified: number;
}

export interface Disk {
  files: Map<string, File>;
  folders: Set<string>;
}

/** What is left of a write that was not synced. */
type Fate = 'kept' | 'torn' | 'lost';

export class CrashFileSystem implements FileSystem {
  readonly syncsEverything: boolean;
  readonly sharesKernel = false;
  readonly operations: Operation[] = [];
  /** Whether every file counts as one that was written long ago. */
  isOld = false;
  readonly #files: (File & { path: string | undefined })[] = [];
  readonly #folders = new Set<string>();

  constructor(syncsEverything: boolean, disk?: Disk) {
    this.syncsEverything = syncsEverything;
    for (const folder of disk?.folders ?? []) this.#folders.add(folder);
    for (const [path, file] of disk?.files ?? []) this.#files.push({ ...file, path });
  }

  create(path: string): number {
    if (this.#find(path)) throw failure('EEXIST', path);
    if (!this.#folders.has(dirname(path))) throw failure('ENOENT', path);
    const file = this.#files.push({ path, bytes: Buffer.alloc(0), modified: 1 }) - 1;
    this.operations.push({ kind: 'create', file, path });
    return file;
  }

  append(path: string): number {
    const file = this.#files.findIndex((each) => each.path === path);
    if (file < 0) return this.create(path);
    this.operations.push({ kind: 'open', file, path });
    return file;
  }

  truncate(path: string, bytes: number): void {
    const file = this.#find(path);
    if (!file) throw failure('ENOENT', path);
    file.bytes = file.bytes.subarray(0, bytes);
    this.operations.push({ kind: 'truncate', path, bytes });
  }

  write(file: number, bytes: Uint8Array): void {
    const open = this.#open(file);
    open.bytes = Buffer.concat([open.bytes, bytes]);
    this.operations.push({ kind: 'write', file, bytes: Buffer.from(bytes) });
  }

  setModified(file: number, seconds: number): void {
    this.#open(file).modified = seconds;
    this.operations.push({ kind: 'times', file, modified: seconds });
  }

  sync(file: number): void {
    this.operations.push({ kind: 'sync', file });
  }

  close(): void {
    // Closing promises nothing.
  }

  async syncBeside(file: number): Promise<void> {
    this.sync(file);
  }

  async copy(from: string, to: string): Promise<Copy> {
    const file = this.create(to);
    this.write(file, readFileSync(from));
    return { file, whole: Promise.resolve() };
  }

  readAt(file: number, into: Uint8Array, position: number): number {
    const part = this.#open(file).bytes.subarray(position, position + into.length);
    into.set(part);
    return part.length;
  }

  rename(from: string, to: string): void {
    const file = this.#find(from);
    if (!file || !this.#folders.has(dirname(to))) throw failure('ENOENT', from);
    const replaced = this.#find(to);
    if (replaced) replaced.path = undefined;
    file.path = to;
    this.operations.push({ kind: 'rename', from, to });
  }

  unlink(path: string): void {
    const file = this.#find(path);
    if (!file) throw failure('ENOENT', path);
    file.path = undefined;
    this.operations.push({ kind: 'unlink', path });
  }

  removeFolder(path: string): void {
    if (this.list(path).length > 0) throw failure('ENOTEMPTY', path);
    // A folder that a crash brings back is empty: nobody misses or minds it.
    this.#folders.delete(path);
  }

  freshen(): void {
    // Time stands still on this disk.
  }

  makeFolder(path: string): void {
    for (let at = path; !this.#folders.has(at); at = dirname(at)) {
      this.#folders.add(at);
      this.operations.push({ kind: 'folder', path: at });
      if (dirname(at) === at) return;
    }
  }

  syncFolder(path: string): void {
    this.operations.push({ kind: 'sync-folder', path });
  }

  syncEverything(): void {
    this.operations.push({ kind: 'sync-everything' });
  }

  status(path: string): FileStatus | undefined {
    const file = this.#find(path);
    const changed = this.isOld ? 0n : BigInt(Date.now()) * 1_000_000n;
    return file && { bytes: file.bytes.length, modified: BigInt(file.modified) * 1_000_000_000n, changed };
  }

  read(path: string): Buffer {
    const file = this.#find(path);
    if (!file) throw failure('ENOENT', path);
    return file.bytes;
  }

  readPart(path: string, offset: number, length: number): Buffer {
    return this.read(path).subarray(offset, offset + length);
  }

  namesChanged(): undefined {
    return undefined;
  }

  list(path: string): string[] {
    if (!this.#folders.has(path)) throw failure('ENOENT', path);
    const inside = [...this.#files.flatMap(({ path }) => path ?? []), ...this.#folders];
    return inside.filter((each) => each !== path && dirname(each) === path).map((each) => each.slice(path.length + 1));
  }

  /** The disk as it is without a crash. */
  disk(): Disk {
    const files = new Map<string, File>();
    for (const { path, bytes, modified } of this.#files) if (path !== undefined) files.set(path, { bytes, modified });
    return { files, folders: new Set(this.#folders) };
  }

  #find(path: string): (File & { path: string | undefined }) | undefined {
    return this.#files.find((file) => file.path === path);
  }

  #open(file: number): File {
    const open = this.#files[file];
    if (!open) throw failure('EBADF', String(file));
    return open;
  }
}

/**
 * Every disk that may be found when the power fails after `count` of the operations.
 *
 * Everything that the file system may lose is decided for itself: the bytes of each file that was not synced after its
 * last write (kept, torn, lost), and each name given since its folder was last synced (there or not).
 */
export function* crashStates(before: Disk, operations: readonly Operation[], count: number): Generator<Disk> {
  const done = operations.slice(0, count);
  const writes = done.flatMap((each, index) =>
    each.kind === 'write' && !isSynced(done, index, each.file) ? [index] : [],
  );
  const names = done.flatMap((each, index) => (isName(each) && !isNameSynced(done, index, each) ? [index] : []));
  for (const fates of choices<Fate>(['kept', 'torn', 'lost'], writes.length)) {
    for (const kept of choices([true, false], names.length)) {
      const fate = new Map(writes.map((index, position) => [index, fates[position] ?? 'kept']));
      const lost = new Set(names.filter((_, position) => kept[position] === false));
      yield replay(before, done, fate, lost);
    }
  }
}

function replay(before: Disk, done: readonly Operation[], fate: Map<number, Fate>, lost: Set<number>): Disk {
  const disk: Disk = { files: new Map(before.files), folders: new Set(before.folders) };
  const content = new Map<number, File>();
  const at = new Map<string, File>(disk.files);
  // What the names meant while the machine ran: a rename that survives takes its file along, though the name it had
  // before was never on the disk.
  const live = new Map<string, File>(disk.files);
  const made: string[] = [];
  done.forEach((operation, index) => {
    if (operation.kind === 'create') {
      const file = { bytes: Buffer.alloc(0), modified: 1 };
      content.set(operation.file, file);
      live.set(operation.path, file);
      if (!lost.has(index)) at.set(operation.path, file);
    } else if (operation.kind === 'open') {
      const known = content.get(operation.file) ?? live.get(operation.path);
      // A file of the disk before is not to be changed: other states begin with it, too.
      const file = known && before.files.get(operation.path) === known ? { ...known } : known;
      if (!file) return;
      content.set(operation.file, file);
      for (const names of [live, at]) if (names.get(operation.path) === known) names.set(operation.path, file);
    } else if (operation.kind === 'truncate') {
      const file = live.get(operation.path);
      if (file) file.bytes = file.bytes.subarray(0, operation.bytes);
    } else if (operation.kind === 'write') {
      const file = content.get(operation.file);
      const how = fate.get(index) ?? 'kept';
      if (!file || how === 'lost') return;
      const bytes = how === 'torn' ? Buffer.alloc(operation.bytes.length) : operation.bytes;
      file.bytes = Buffer.concat([file.bytes, bytes]);
    } else if (operation.kind === 'times') {
      const file = content.get(operation.file);
      if (file) file.modified = operation.modified;
    } else if (operation.kind === 'folder') {
      if (lost.has(index) || disk.folders.has(operation.path)) return;
      made.push(operation.path);
      disk.folders.add(operation.path);
    } else if (operation.kind === 'unlink') {
      live.delete(operation.path);
      if (!lost.has(index)) at.delete(operation.path);
    } else if (operation.kind === 'rename') {
      const file = live.get(operation.from);
      if (!file) return;
      live.delete(operation.from);
      live.set(operation.to, file);
      if (lost.has(index)) return;
      at.delete(operation.from);
      at.set(operation.to, file);
    }
  });
  // A file in a folder that was lost is lost with it. What was there before can be reached, and stays.
  const reachable = (path: string): boolean =>
    disk.folders.has(path) && (before.folders.has(path) || dirname(path) === path || reachable(dirname(path)));
  for (const folder of made) if (!reachable(folder)) disk.folders.delete(folder);
  disk.files = new Map([...at].filter(([path]) => disk.folders.has(dirname(path))));
  return disk;
}

function isSynced(done: readonly Operation[], index: number, file: number): boolean {
  return done
    .slice(index + 1)
    .some((later) => later.kind === 'sync-everything' || (later.kind === 'sync' && later.file === file));
}

type Naming = Extract<Operation, { kind: 'create' | 'rename' | 'unlink' | 'folder' }>;

function isName(operation: Operation): operation is Naming {
  return ['create', 'rename', 'unlink', 'folder'].includes(operation.kind);
}

function isNameSynced(done: readonly Operation[], index: number, operation: Naming): boolean {
  const folder = dirname(operation.kind === 'rename' ? operation.to : operation.path);
  return done
    .slice(index + 1)
    .some((later) => later.kind === 'sync-everything' || (later.kind === 'sync-folder' && later.path === folder));
}

/** Every way to choose for `length` things; where that is too many, each thing alone and all together. */
function* choices<Choice>(values: readonly Choice[], length: number): Generator<Choice[]> {
  const [first] = values;
  if (first === undefined) return;
  if (values.length ** length <= 243) {
    for (let number = 0; number < values.length ** length; number += 1) {
      yield Array.from(
        { length },
        (_, position) => values[Math.floor(number / values.length ** position) % values.length] ?? first,
      );
    }
    return;
  }
  for (const all of values) {
    yield Array<Choice>(length).fill(all);
    for (let position = 0; position < length; position += 1) {
      for (const one of values) yield Array.from({ length }, (_, at) => (at === position ? one : all));
    }
  }
}

function failure(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}
