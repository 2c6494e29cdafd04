/** Projects with something to send, remotes in memory, and the judge of what a remote or a store may look like. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestOf } from '../../grammar/plan/canonical.ts';
import type { Digest } from '../../grammar/plan/plan.ts';
import { namedBy } from '../../runtime/ledger/named.ts';
import type { RunRecord } from '../../runtime/ledger/record.ts';
import { openProject, type Project } from '../../runtime/project.ts';
import { type Fetched, fetchObjects } from '../../runtime/store/remotes/download.ts';
import type { Content, Listed, RemoteDriver } from '../../runtime/store/remotes/driver.ts';
import { makeRemote, mustBeMade } from '../../runtime/store/remotes/format.ts';
import { nameOf, parseName } from '../../runtime/store/remotes/names.ts';
import { namedIn, objectsOf } from '../../runtime/store/remotes/outgoing.ts';
import { blobsIn, parseIndex, parseMembers, parseRecipe } from '../../runtime/store/remotes/pack-format.ts';
import { openLine, Progress, type TransferOptions } from '../../runtime/store/remotes/transfer.ts';
import { type Sent, sendObjects } from '../../runtime/store/remotes/upload.ts';
import type { Store } from '../../runtime/store/store.ts';
import { recordOf } from '../runtime/records.ts';

export function temporaryFolder(): string {
  return fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'mlpipe-remote-')));
}

export function remove(folder: string): void {
  fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}

/** A project in `folder` whose settings name a remote. */
export function projectAt(folder: string, url: string, more: Record<string, unknown> = {}): Project {
  fs.mkdirSync(folder, { recursive: true });
  const settings = { remotes: { shared: { url, ...more } }, defaultRemote: 'shared' };
  fs.writeFileSync(join(folder, 'mlpipe.json'), JSON.stringify(settings));
  return openProject(folder);
}

/**
 * A training that read a folder of `files` files, a large one that looks compressed and a table, and an evaluation of it,
 * with their lock files.
 */
export async function withRecords(
  project: Project,
  files = 3,
  largeBytes = 0,
  table: Uint8Array = new Uint8Array(),
): Promise<{ train: Digest; evaluate: Digest; data: Digest }> {
  const { store, ledger, root } = project;
  const source = join(root, 'data');
  fs.mkdirSync(source, { recursive: true });
  for (let index = 0; index < files; index += 1) fs.writeFileSync(join(source, `${index}.txt`), `file ${index}\n`);
  if (largeBytes > 0) fs.writeFileSync(join(source, 'large.bin'), compressedLike(largeBytes));
  if (table.length > 0) fs.writeFileSync(join(source, 'table.csv'), table);
  const data = await store.put(source);
  const put = async (text: string) => (await store.putBytes(text)).digest;
  const base = { plan: await put('plan'), keyParts: await put('key parts'), log: await put('log') };
  const file = 'digits.mlpipe';
  const pipeline = { name: 'digits', file, digest: digestOf('text') };
  const model = { digest: await put('model'), bytes: 5 };
  const append = async (changes: Partial<RunRecord>) => {
    const record = recordOf({ ...base, pipeline, ...changes });
    const digest = await ledger.append(record);
    await ledger.lock(join(root, file), { digest, record });
    // What lies beside a record travels with it, whatever it is.
    const hexadecimal = digest.slice('sha256:'.length);
    const beside = join(store.folder, 'records', hexadecimal.slice(0, 2), `${hexadecimal.slice(2)}.test`);
    fs.writeFileSync(beside, `beside ${digest}`);
    return digest;
  };
  const input = { name: 'data:digits', digest: data.digest, bytes: data.bytes, path: 'data' };
  const train = await append({ inputs: [input], outputs: { model } });
  const evaluate = await append({
    step: 'recognise.test',
    kind: 'evaluate',
    inputs: [{ name: 'output:recognise.model', ...model, record: train }],
    outputs: { report: { digest: await put('report'), bytes: 6 } },
  });
  return { train, evaluate, data: data.digest };
}

/** Begins like gzip, so that it is never cut into chunks. */
export function compressedLike(bytes: number): Buffer {
  const content = pseudoRandom(bytes);
  content.set([0x1f, 0x8b]);
  return content;
}

/** Rows of a table, each its own. */
export function tableOf(rows: number, seed = 1): Buffer {
  let state = seed;
  const lines = Array.from({ length: rows }, (_, row) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return `${row},${state},${(state % 9973) / 7},${['setosa', 'virginica', 'versicolor'][state % 3]}\n`;
  });
  return Buffer.from(lines.join(''));
}

export function pseudoRandom(bytes: number): Buffer {
  const content = Buffer.alloc(bytes);
  let state = 1;
  for (let at = 0; at + 4 <= bytes; at += 4) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    content.writeUInt32LE(state, at);
  }
  return content;
}

/** The lock files alone, as git would bring them. */
export function cloneLocks(from: string, to: string): void {
  fs.mkdirSync(to, { recursive: true });
  for (const name of ['digits.mlpipe.lock', 'mlpipe.json']) {
    fs.cpSync(join(from, name), join(to, name), { recursive: true });
  }
}

/** Every file below a folder of a remote or a store, by name. */
export function filesIn(folder: string): Map<string, Buffer> {
  if (!fs.existsSync(folder)) return new Map();
  const names = fs.readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return new Map(
    names
      .filter((name) => fs.statSync(join(folder, name)).isFile())
      .map((name) => [name.replaceAll('\\', '/'), fs.readFileSync(join(folder, name))]),
  );
}

/**
 * Whatever has its name is whole, and has all that it names; where it was sent, the signature of its record, too. What
 * lies in packs can be found by one who cannot list.
 *
 * @param options `collecting`: what no record names may just be half deleted
 */
export function mustBeSound(
  files: ReadonlyMap<string, Buffer>,
  { sent = false, collecting = false } = {},
): { objects: number; records: number } {
  for (const [name, content] of files) if (name.startsWith('log/checkpoints/')) mustHaveEntries(files, name, content);
  const objects = objectsIn(files);
  const records = [...files].filter(([name]) => /^records\/..\/[0-9a-f]{62}\.json$/.test(name));
  const seen = new Set<Digest>();
  const mustHaveAll = (digest: Digest): void => {
    if (seen.has(digest)) return;
    seen.add(digest);
    const named = namedIn(objects.get(digest)?.content);
    for (const part of named === undefined ? [] : [...named.parts, ...named.files.map((file) => file.digest)]) {
      assert.ok(objects.has(part), `${digest} is a folder without ${part}`);
      mustHaveAll(part);
    }
  };
  if (!collecting) for (const digest of objects.keys()) mustHaveAll(digest);
  for (const [name, content] of records) {
    assert.equal(digestOf(content), parseName(name)?.digest, `${name} holds other bytes`);
    for (const object of namedBy(JSON.parse(content.toString('utf8')) as RunRecord).objects) {
      assert.ok(objects.has(object), `the record ${name} is there without ${object}`);
      mustBeFound(object, objects, files);
      mustHaveAll(object);
    }
    const beginning = name.slice(0, -'json'.length);
    const isSigned = [...files.keys()].some((each) => each.startsWith(beginning) && each.endsWith('.sig.json'));
    assert.ok(!sent || isSigned, `the record ${name} is there without its signature`);
  }
  return { objects: objects.size, records: records.length };
}

interface FoundObject {
  content: Buffer;
  /** Nothing where it is found by its own name. */
  indexes: Set<Digest> | undefined;
}

/** Every object, loose or packed, after a look whether all names are true. */
function objectsIn(files: ReadonlyMap<string, Buffer>): Map<Digest, FoundObject> {
  const objects = new Map<Digest, FoundObject>();
  const packAt = (pack: Digest) => {
    const content = files.get(nameOf('packs', pack));
    assert.ok(content, `the pack ${pack} is not there`);
    return content;
  };
  for (const { digest, content } of inStorePacks(files)) objects.set(digest, { content, indexes: undefined });
  for (const [name, content] of files) {
    const { room, digest } = parseName(name) ?? {};
    if (digest === undefined || room === undefined) continue;
    if (room === 'objects' || room === 'packs' || room === 'pack-indexes') {
      assert.equal(digestOf(content), digest, `${name} holds other bytes`);
    }
    if (room === 'objects') objects.set(digest, { content, indexes: undefined });
    if (room === 'recipes') {
      const recipe = parseRecipe(content, digest);
      assert.ok(recipe, `${name} is no recipe`);
      const parts = recipe.spans.map(({ pack, offset, bytes }) => packAt(pack).subarray(offset, offset + bytes));
      const whole = Buffer.concat(parts);
      assert.equal(digestOf(whole), digest, `${name} makes something else`);
      objects.set(digest, { content: whole, indexes: undefined });
    }
    if (room === 'pack-indexes') {
      const index = parseIndex(content);
      assert.ok(index, `${name} is no index`);
      for (const blob of blobsIn(index)) {
        const part = packAt(index.pack).subarray(blob.offset, blob.offset + blob.bytes);
        assert.equal(digestOf(part), blob.digest, `${name} lies about its pack`);
        const found = objects.get(blob.digest);
        if (index.holds !== 'objects' || (found && !found.indexes)) continue;
        objects.set(blob.digest, { content: part, indexes: (found?.indexes ?? new Set<Digest>()).add(digest) });
      }
    }
  }
  return objects;
}

/** What lies in the packs of a store, as docs/store.md has them. */
function* inStorePacks(files: ReadonlyMap<string, Buffer>): Generator<{ digest: Digest; content: Buffer }> {
  for (const [name, content] of files) {
    if (!/^packs\/[0-9a-f]{64}\.pack$/.test(name)) continue;
    const count = Number(content.readBigUInt64LE(content.length - 40));
    const entries = content.subarray(content.length - 40 - count * 48, content.length - 40);
    for (let at = 0; at < entries.length; at += 48) {
      const digest: Digest = `sha256:${entries.toString('hex', at, at + 32)}`;
      const [offset, bytes] = [Number(entries.readBigUInt64LE(at + 32)), Number(entries.readBigUInt64LE(at + 40))];
      assert.equal(digestOf(content.subarray(offset, offset + bytes)), digest, `${name} holds other bytes`);
      yield { digest, content: content.subarray(offset, offset + bytes) };
    }
  }
}

/** By name, or by the members of the folder that a record names. */
function mustBeFound(
  root: Digest,
  objects: ReadonlyMap<Digest, FoundObject>,
  files: ReadonlyMap<string, Buffer>,
): void {
  assert.equal(objects.get(root)?.indexes, undefined, `${root} cannot be found by its name`);
  const members = parseMembers(files.get(nameOf('members', root)) ?? Buffer.alloc(0), root) ?? [];
  const visit = (digest: Digest): void => {
    const named = namedIn(objects.get(digest)?.content);
    for (const inside of named === undefined ? [] : [...named.parts, ...named.files.map((file) => file.digest)]) {
      const indexes = objects.get(inside)?.indexes;
      const isFound = indexes === undefined || members.some((index) => indexes.has(index));
      assert.ok(isFound, `${inside} cannot be found by the members of ${root}`);
      visit(inside);
    }
  };
  visit(root);
}

/** A checkpoint is never there without the entries that it stands for. */
function mustHaveEntries(files: ReadonlyMap<string, Buffer>, name: string, content: Buffer): void {
  const writer = name.split('/')[2];
  const { checkpoint, list } = JSON.parse(content.toString('utf8'));
  const entries = (digest: string) => {
    const found = files.get(`log/entries/${writer}/${digest}`);
    assert.ok(found, `${name} is there without ${digest}`);
    assert.equal(digestOf(found), `sha256:${digest}`);
    return found;
  };
  const pages = entries(list).toString('hex').match(/.{64}/g)?.map(entries);
  const bytes = pages?.reduce((sum, page) => sum + page.length, 0);
  assert.equal(bytes, 32 * Number(checkpoint.split('\n')[1]), `${name} has other entries`);
}

/** A remote in memory. */
export class MemoryRemote implements RemoteDriver {
  readonly address = 'memory';
  readonly abilities = { list: true, write: true, pageSize: 1000, concurrency: { first: 4, most: 8 } };
  readonly files: Map<string, Buffer>;
  readonly calls = { list: 0, pages: 0, head: 0, get: 0, put: 0 };
  /** Of what was put, whether or not it was there. */
  bytes = 0;
  /** Of what was taken of answers. */
  fetched = 0;

  constructor(files = new Map<string, Buffer>()) {
    this.files = files;
  }

  async *list(prefix: string): AsyncGenerator<Listed> {
    this.calls.list += 1;
    for (const [name, content] of this.files) if (name.startsWith(prefix)) yield { name, bytes: content.length };
  }

  async head(name: string) {
    this.calls.head += 1;
    return this.files.get(name)?.length;
  }

  async get(name: string, { start = 0 }: { start?: number } = {}) {
    this.calls.get += 1;
    const content = this.files.get(name);
    return content && { start, chunks: this.#counted(content.subarray(start)) };
  }

  async *#counted(content: Buffer): AsyncGenerator<Uint8Array> {
    for await (const piece of piecesOf(content)) {
      this.fetched += piece.length;
      yield piece;
    }
  }

  async put(name: string, content: Content, { replace = false } = {}): Promise<'created' | 'present'> {
    this.calls.put += 1;
    const chunks: Uint8Array[] = [];
    for await (const chunk of content.read()) chunks.push(chunk);
    this.bytes += content.bytes;
    if (this.files.has(name) && !replace) return 'present';
    this.files.set(name, Buffer.concat(chunks));
    return 'created';
  }

  async delete(name: string) {
    this.files.delete(name);
  }

  async settle() {}
  async close() {}
}

/** Sends from a store, as `push` does, to a remote that is made where it is not. */
export async function send(
  store: Store,
  roots: readonly Digest[],
  driver: RemoteDriver,
  options: TransferOptions & { repair?: boolean } = {},
): Promise<Sent> {
  const line = openLine(driver, { ...QUICK, ...options });
  await makeRemote(line);
  return sendObjects(objectsOf(store.folder), roots, line, new Progress(line, 'up'), {
    store: store.folder,
    ...(options.repair ? { repair: true } : {}),
  });
}

/** Fetches into a store, as `pull` does. */
export async function receive(
  store: Store,
  roots: readonly Digest[],
  driver: RemoteDriver,
  options: TransferOptions = {},
): Promise<Fetched> {
  const line = openLine(driver, { ...QUICK, ...options });
  await mustBeMade(line);
  return fetchObjects(store.folder, roots, line, new Progress(line, 'down'));
}

/** Patience for a test. */
export const QUICK: TransferOptions = { retry: { tries: 4, firstPause: 1, longestPause: 5 }, silence: 2000 };

export async function* piecesOf(content: Buffer, size = 65_536): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size);
}
