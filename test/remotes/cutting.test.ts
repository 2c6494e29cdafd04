/** A large object in chunks: cut by another thread as by this one, and put into packs whose memory is used again. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import { digestOf } from '../../grammar/plan/canonical.ts';
import type { Digest } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../../runtime/errors.ts';
import { openStore } from '../../runtime/store/open.ts';
import { PackBook } from '../../runtime/store/remotes/book.ts';
import { CHUNKING, type Chunking, chunksOf } from '../../runtime/store/remotes/chunker.ts';
import { cutObject, WORTH_THREAD } from '../../runtime/store/remotes/cutting.ts';
import { type CutChunks, cutFile, LOTS_AHEAD } from '../../runtime/store/remotes/cutting-thread.ts';
import { type Content, RemoteFault } from '../../runtime/store/remotes/driver.ts';
import { nameOf } from '../../runtime/store/remotes/names.ts';
import { objectsOf } from '../../runtime/store/remotes/outgoing.ts';
import { Packer } from '../../runtime/store/remotes/packer.ts';
import { openLine } from '../../runtime/store/remotes/transfer.ts';
import type { Store } from '../../runtime/store/store.ts';
import { MemoryRemote, mustBeSound, QUICK, receive, remove, send, tableOf, temporaryFolder } from './support.ts';

const MIB = 2 ** 20;

describe('a large object that is sent in chunks', function () {
  this.timeout(60_000);
  const table = tableOf(500_000);
  let folder: string;
  let store: Store;
  let digest: Digest;
  const put = async (content: Uint8Array) => {
    const path = join(folder, 'content');
    fs.writeFileSync(path, content);
    return (await store.put(path)).digest;
  };

  before(async () => {
    assert.ok(table.length > WORTH_THREAD, `${table.length} bytes`);
    folder = temporaryFolder();
    store = openStore(join(folder, 'store'));
    digest = await put(table);
  });
  after(() => remove(folder));

  const cut = async (which: Digest, bytes: number, chunking: Chunking = CHUNKING) => {
    const chunks: { digest: Digest; content: Buffer }[] = [];
    for await (const chunk of cutObject(objectsOf(store.folder), which, bytes, chunking)) {
      chunks.push({ digest: chunk.digest, content: Buffer.from(chunk.content) });
    }
    return chunks;
  };
  async function* whole(content: Buffer) {
    yield content;
  }

  it('is cut at the same places as by this thread, whatever it is and however large chunks are', async () => {
    const kinds: [string, Buffer, Chunking][] = [
      ['a table', table, CHUNKING],
      ['a table in large chunks', table, { average: 2 ** 20, largest: 2 ** 22, smallest: 2 ** 18 }],
      ['zeros, which are cut at the largest', Buffer.alloc(WORTH_THREAD + 5), CHUNKING],
      ['a table whose last chunk ends with a lot', table.subarray(0, 18 * MIB), CHUNKING],
    ];
    for (const [what, content, chunking] of kinds) {
      const chunks = await cut(await put(content), content.length, chunking);
      const expected: number[] = [];
      for await (const chunk of chunksOf(whole(content), chunking)) expected.push(chunk.length);
      assert.deepEqual(
        chunks.map((chunk) => chunk.content.length),
        expected,
        what,
      );
      for (const chunk of chunks) assert.equal(digestOf(chunk.content), chunk.digest, what);
      assert.ok(Buffer.concat(chunks.map((chunk) => chunk.content)).equals(content), what);
    }
  });

  it('gives away its last chunk only when the whole fits its digest', async () => {
    const all = await cut(digest, table.length);
    const path = join(store.folder, nameOf('objects', digest));
    const failing = async (damage: (content: Buffer) => Buffer, pattern: RegExp) => {
      fs.chmodSync(path, 0o644);
      fs.writeFileSync(path, damage(Buffer.from(table)));
      let count = 0;
      await assert.rejects(
        async () => {
          for await (const _ of cutObject(objectsOf(store.folder), digest, table.length, CHUNKING)) count += 1;
        },
        (error) => error instanceof MlpipeError && error.code === 'object-corrupt' && pattern.test(error.message),
      );
      assert.ok(count < all.length, `${count} chunks`);
      fs.writeFileSync(path, table);
    };
    await failing((content) => {
      content.writeUInt8((content[5 * MIB] ?? 0) ^ 1, 5 * MIB);
      return content;
    }, /do not fit its digest/);
    await failing((content) => content.subarray(0, -1), /has only \d+ of \d+ bytes/);
  });

  it('is told of where it cannot be read', async () => {
    await assert.rejects(
      cut(`sha256:${'0'.repeat(64)}`, WORTH_THREAD),
      (error) => error instanceof MlpipeError && error.code === 'object-missing',
    );
    const source = {
      ...objectsOf(store.folder),
      locate: () => ({ path: join(folder, 'none'), offset: 0, bytes: 1, alone: true, meddled: false }),
    };
    await assert.rejects(async () => {
      for await (const _ of cutObject(source, digest, WORTH_THREAD, CHUNKING)) assert.fail('a chunk of nothing');
    }, /ENOENT/);
  });

  it('ends its thread where nobody wants more of it', async () => {
    const threads = () => fs.readdirSync('/proc/self/task').length;
    if (process.platform !== 'linux') return;
    await cut(digest, table.length);
    const before = threads();
    for (let time = 0; time < 3; time += 1) {
      for await (const _ of cutObject(objectsOf(store.folder), digest, table.length, CHUNKING)) break;
    }
    assert.ok(threads() <= before, `${threads()} threads, ${before} before`);
  });

  it('is read no further ahead than is taken', async () => {
    const { port1, port2 } = new MessageChannel();
    const lots: CutChunks[] = [];
    port2.on('message', (lot: CutChunks) => lots.push(lot));
    const path = join(store.folder, nameOf('objects', digest));
    const task = { kind: 'cut', path, offset: 0, bytes: table.length, chunking: CHUNKING } as const;
    const cutting = cutFile(task, port1);
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal(lots.length, LOTS_AHEAD);
    let bytes = 0;
    const take = (lot: CutChunks) => {
      bytes += lot.ends.at(-1) ?? 0;
      port2.postMessage(lot.content.buffer, [lot.content.buffer]);
    };
    port2.on('message', take);
    for (const lot of [...lots]) take(lot);
    await cutting;
    await new Promise((resolve) => setTimeout(resolve, 50));
    port2.close();
    assert.equal(bytes, table.length);
  });

  it('arrives byte for byte', async () => {
    const remote = new MemoryRemote();
    await send(store, [digest], remote);
    mustBeSound(remote.files, { sent: true });
    assert.ok(remote.files.has(nameOf('recipes', digest)));
    const other = openStore(join(folder, 'other'));
    await receive(other, [digest], remote);
    assert.ok(fs.readFileSync(join(other.folder, nameOf('objects', digest))).equals(table));
  });

  it('is not overwritten in a pack that a request may still read which was given up', async () => {
    const late: { name: string; pieces: Uint8Array[]; rest: AsyncIterator<Uint8Array> }[] = [];
    const remote = new (class extends MemoryRemote {
      override async put(name: string, content: Content, options = {}): Promise<'created' | 'present'> {
        if (!name.startsWith('packs/') || late.length > 0) return super.put(name, content, options);
        const rest = content.read()[Symbol.asyncIterator]();
        const first = await rest.next();
        late.push({ name, pieces: [first.value], rest });
        throw new RemoteFault('nothing came', 'transient');
      }
    })();
    const line = openLine(remote, QUICK);
    const packer = new Packer(line, new PackBook(store.folder, line), 'chunks');
    for (let number = 0; number < 4 * 32 + 1; number += 1) {
      const content = Buffer.alloc(MIB, number);
      await packer.add(digestOf(content), content);
      // Packs are sent meanwhile, so that their memory is free for the next.
      if (number % 32 === 31) await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await packer.finish();
    const packs = [...remote.files].filter(([name]) => name.startsWith('packs/'));
    assert.equal(packs.length, 5);
    for (const [name, content] of packs) assert.equal(nameOf('packs', digestOf(content)), name);
    const [given] = late;
    assert.ok(given);
    for (let next = await given.rest.next(); !next.done; next = await given.rest.next()) given.pieces.push(next.value);
    assert.equal(nameOf('packs', digestOf(Buffer.concat(given.pieces))), given.name);
  });

  it('has room in a pack for what is larger than packs are', async () => {
    const remote = new MemoryRemote();
    const line = openLine(remote, QUICK);
    const packer = new Packer(line, new PackBook(store.folder, line), 'objects');
    const contents = [Buffer.alloc(MIB, 1), Buffer.alloc(40 * MIB, 2), Buffer.alloc(5, 3)];
    for (const content of contents) await packer.add(digestOf(content), content);
    await packer.finish();
    const packs = [...remote.files].filter(([name]) => name.startsWith('packs/')).map(([, content]) => content);
    assert.deepEqual(packs.map(({ length }) => length).sort(), [41 * MIB, 5]);
    for (const [name, content] of remote.files) {
      if (name.startsWith('packs/')) assert.equal(nameOf('packs', digestOf(content)), name);
    }
  });
});
