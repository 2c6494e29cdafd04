/** Large objects: written while they are hashed. What fails meanwhile is told, and what breaks off is gone on with. */
import assert from 'node:assert/strict';
import { pbkdf2 } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Digest } from '../../grammar/plan/plan.ts';
import { openStore } from '../../runtime/store/open.ts';
import type { Content, GetOptions, PutOptions, RemoteDriver } from '../../runtime/store/remotes/driver.ts';
import { openFolder } from '../../runtime/store/remotes/drivers/folder.ts';
import { Arrival } from '../../runtime/store/remotes/incoming.ts';
import { nameOf } from '../../runtime/store/remotes/names.ts';
import { contentOfObject, objectsOf } from '../../runtime/store/remotes/outgoing.ts';
import { guarded } from '../../runtime/store/remotes/retry.ts';
import { MOST_UNSYNCED, MOST_WAITING, WriteBehind } from '../../runtime/store/remotes/write-behind.ts';
import type { Store } from '../../runtime/store/store.ts';
import { straceWorks, traced } from '../faults/strace.ts';
import {
  compressedLike,
  filesIn,
  mustBeSound,
  pseudoRandom,
  receive,
  remove,
  send,
  temporaryFolder,
} from './support.ts';

const CHILD = fileURLToPath(new URL('large-child.ts', import.meta.url));
const MIB = 2 ** 20;
const derive = promisify(pbkdf2);
/** Enough to be synced while it is written, and not a round number. */
const BYTES = 80 * MIB + 12_345;

describe('a large object', function () {
  this.timeout(120_000);
  const content = compressedLike(BYTES);
  let folder: string;
  let author: Store;
  let digest: Digest;
  let count = 0;
  const at = (...names: string[]) => join(folder, ...names);
  const fresh = (what: string) => at(`${what}-${count++}`);

  before(async () => {
    folder = temporaryFolder();
    author = openStore(at('author'));
    fs.writeFileSync(at('large.bin'), content);
    digest = (await author.put(at('large.bin'))).digest;
    const driver = openFolder(at('whole'));
    await send(author, [digest], driver);
    await driver.close();
  });
  after(() => remove(folder));

  const objectIn = (where: string) => join(where, nameOf('objects', digest));
  const left = (where: string) => fs.readdirSync(join(where, 'tmp'));
  const isRight = (where: string) => {
    assert.ok(fs.readFileSync(objectIn(where)).equals(content));
    assert.deepEqual(left(where), []);
    mustBeSound(filesIn(where));
  };
  /** Of this process, below a folder. */
  const openFiles = (where: string) => {
    const names = process.platform === 'linux' ? fs.readdirSync('/proc/self/fd') : [];
    return names
      .map((name) => {
        try {
          return fs.readlinkSync(join('/proc/self/fd', name));
        } catch {
          // That of the folder itself, which was open while it was read.
          return '';
        }
      })
      .filter((path) => path.startsWith(where));
  };

  it('arrives there, and here, byte for byte', async () => {
    const [there, here] = [fresh('remote'), fresh('store')];
    const driver = openFolder(there);
    await send(author, [digest], driver);
    await receive(openStore(here), [digest], driver);
    await driver.close();
    isRight(there);
    isRight(here);
    assert.deepEqual(openFiles(folder), []);
  });

  it('is read from any place to any other, also out of a pack', async () => {
    const packed = openStore(fresh('store'));
    const source = fresh('small');
    fs.mkdirSync(source);
    for (let index = 0; index < 300; index += 1)
      fs.writeFileSync(join(source, `${index}`), pseudoRandom(20_000 + index));
    await packed.put(source);
    const small = await packed.putBytes(pseudoRandom(20_100));
    const cases: [Store, Digest, Buffer, number, number][] = [
      [author, digest, content, 0, BYTES],
      [author, digest, content, MIB + 1, 3 * MIB],
      [author, digest, content, BYTES - 1, BYTES],
      [author, digest, content, 5, 5],
      [packed, small.digest, pseudoRandom(20_100), 0, 20_100],
      [packed, small.digest, pseudoRandom(20_100), 100, 200],
    ];
    for (const [store, which, bytes, start, end] of cases) {
      const pieces: Uint8Array[] = [];
      for await (const piece of contentOfObject(objectsOf(store.folder), which, bytes.length).read(start, end)) {
        pieces.push(piece);
      }
      assert.ok(Buffer.concat(pieces).equals(bytes.subarray(start, end)), `${start} to ${end}`);
    }
    // Who reads no further leaves no file open.
    for await (const _ of contentOfObject(objectsOf(author.folder), digest, BYTES).read()) break;
    assert.deepEqual(openFiles(folder), []);
  });

  describe('that breaks off', () => {
    /** A driver that calls back after so many bytes of what it reads or writes. */
    const counting = (driver: RemoteDriver, bytes: number, then: () => void) => {
      const starts: number[] = [];
      async function* watched(chunks: AsyncIterable<Uint8Array>) {
        let seen = 0;
        for await (const chunk of chunks) {
          if (seen < bytes && seen + chunk.length >= bytes) then();
          seen += chunk.length;
          yield chunk;
        }
      }
      const around: RemoteDriver = {
        address: driver.address,
        abilities: driver.abilities,
        list: (prefix) => driver.list(prefix),
        head: (name) => driver.head(name),
        async get(name: string, options: GetOptions = {}) {
          if (name === nameOf('objects', digest)) starts.push(options.start ?? 0);
          const body = await driver.get(name, options);
          return body && { ...body, chunks: watched(body.chunks) };
        },
        put: (name: string, sent: Content, options: PutOptions) =>
          driver.put(name, { ...sent, read: (start, end) => watched(sent.read(start, end)) }, options),
        delete: (name) => driver.delete(name),
        settle: () => driver.settle(),
        close: () => driver.close(),
      };
      return { around, starts };
    };

    it('on its way here is gone on with from what was written', async () => {
      const here = fresh('store');
      const driver = openFolder(at('whole'));
      const cancel = new AbortController();
      const first = counting(driver, 50 * MIB, () => cancel.abort(new Error('Ctrl-C')));
      await assert.rejects(receive(openStore(here), [digest], first.around, { signal: cancel.signal }), /Ctrl-C/);
      assert.deepEqual(openFiles(here), []);
      const [partial = '', ...more] = left(here);
      assert.deepEqual([partial.startsWith('partial-'), more], [true, []]);
      const begun = fs.readFileSync(join(here, 'tmp', partial));
      assert.ok(begun.length >= 49 * MIB, `${begun.length} bytes`);
      assert.ok(begun.equals(content.subarray(0, begun.length)));
      const second = counting(driver, Number.POSITIVE_INFINITY, () => undefined);
      await receive(openStore(here), [digest], second.around);
      assert.deepEqual(second.starts, [begun.length]);
      isRight(here);
      await driver.close();
    });

    it('on its way there leaves nothing, and nothing that goes on', async () => {
      const there = fresh('remote');
      const driver = openFolder(there);
      const cancel = new AbortController();
      const { around } = counting(driver, 50 * MIB, () => cancel.abort(new Error('Ctrl-C')));
      await assert.rejects(send(author, [digest], around, { signal: cancel.signal }), /Ctrl-C/);
      await driver.close();
      assert.deepEqual(openFiles(folder), []);
      assert.deepEqual(left(there), []);
      assert.ok(!fs.existsSync(objectIn(there)));
    });
  });

  describe('that is given up while nothing of it could be written yet', () => {
    /** Work for each of libuv's threads, before which a write waits. */
    const occupied = () =>
      Promise.all(Array.from({ length: 4 }, () => derive('secret', 'salt', 300_000, 64, 'sha512')));
    /** Opened now, it has the number of the file that was closed last, into which a late write would go. */
    const isLeftAlone = async (work: Promise<unknown>) => {
      const path = fresh('bystander');
      const file = fs.openSync(path, 'wx');
      await work;
      await new Promise((resolve) => setTimeout(resolve, 100));
      fs.closeSync(file);
      assert.equal(fs.statSync(path).size, 0);
    };

    it('is written to its file, and to no other', async () => {
      const here = openStore(fresh('store')).folder;
      const arrival = new Arrival(here, digest, BYTES);
      const busy = occupied();
      const writes = [arrival.write(content.subarray(0, 8 * MIB)), arrival.write(content.subarray(8 * MIB, 16 * MIB))];
      await arrival.leave(true);
      await isLeftAlone(busy);
      await Promise.all(writes);
      const [partial = ''] = left(here);
      assert.ok(fs.readFileSync(join(here, 'tmp', partial)).equals(content.subarray(0, 16 * MIB)));
      await assert.rejects(arrival.write(content), /not waited for/);
      await assert.rejects(arrival.empty(), /not waited for/);
    });

    it('is written to no other file there, either', async () => {
      const driver = openFolder(fresh('remote'));
      const busy = occupied();
      const broken: Content = {
        bytes: BYTES,
        async *read() {
          yield content.subarray(0, 8 * MIB);
          throw new Error('It was given up.');
        },
      };
      await assert.rejects(driver.put(nameOf('objects', digest), broken), /given up/);
      await isLeftAlone(busy);
      await driver.close();
    });
  });

  describe('on a disk that fails', () => {
    before(function () {
      if (!straceWorks()) this.skip();
    });
    const run = (inject: string, direction: 'send' | 'receive', where: string) => {
      const [store, remote] = direction === 'send' ? [author.folder, where] : [where, at('whole')];
      return traced(inject.split(':')[0] ?? '', inject, [CHILD, direction, store, remote, digest]);
    };
    // A store and a remote sync with `fsync` when they are made, so that the first `fdatasync` is in the background.
    const faults: [what: string, inject: string, code: string, partial: boolean][] = [
      ['a sync in the background that fails', 'fdatasync:error=EIO:when=1', 'store-write-failed', false],
      ['a sync in the background that finds it full', 'fdatasync:error=ENOSPC:when=1', 'store-full', false],
      ['a write in the background that fails', 'pwrite64,pwritev:error=EIO:when=5+', 'store-write-failed', false],
      ['a write in the background that finds it full', 'pwrite64,pwritev:error=ENOSPC:when=5+', 'store-full', true],
    ];
    for (const [what, inject, code, partial] of faults) {
      it(`by ${what} is told here, and nothing of it is stored`, async () => {
        const here = fresh('store');
        openStore(here);
        const { status, stderr } = run(inject, 'receive', here);
        assert.equal(status, 1, stderr);
        assert.match(stderr, new RegExp(`code: '${code}'`));
        assert.ok(!fs.existsSync(objectIn(here)));
        assert.deepEqual(
          left(here).map((name) => name.slice(0, 8)),
          partial ? ['partial-'] : [],
        );
        const driver = openFolder(at('whole'));
        await receive(openStore(here), [digest], driver);
        await driver.close();
        isRight(here);
      });

      it(`by ${what} is told there, and nothing of it is left`, async () => {
        const there = fresh('remote');
        const { status, stderr } = run(inject, 'send', there);
        assert.equal(status, 1, stderr);
        assert.match(stderr, /code: 'remote-failed'/);
        assert.match(stderr, inject.includes('EIO') ? /EIO/ : /ENOSPC/);
        assert.ok(!fs.existsSync(objectIn(there)));
        assert.deepEqual(left(there), []);
      });
    }

    it('by its last sync is told, and nothing of it is kept', () => {
      const here = fresh('store');
      openStore(here);
      // Each thread counts its own calls; the main thread syncs folders, and comes to that only afterwards.
      const { status, stderr } = run('fsync:error=EIO:when=1', 'receive', here);
      assert.equal(status, 1, stderr);
      assert.match(stderr, /code: 'store-write-failed'/);
      assert.ok(!fs.existsSync(objectIn(here)));
      assert.deepEqual(left(here), []);
    });

    it('by taking less than it was given is given the rest', async () => {
      const here = fresh('store');
      openStore(here);
      // It says that it has taken bytes which it has never seen, so that they are zeros in the file.
      const { status, stderr } = run('pwrite64,pwritev:retval=1000:when=3', 'receive', here);
      assert.equal(status, 0, stderr);
      const written = fs.readFileSync(objectIn(here));
      assert.equal(written.length, content.length);
      let zeros = 0;
      for (let at = 0; at < BYTES; at += 1) {
        if (written[at] === content[at]) continue;
        assert.equal(written[at], 0, `at ${at}`);
        zeros += 1;
      }
      assert.ok(zeros > 900 && zeros < 10_000, `${zeros} zeros`);
    });

    it('by being slow to sync is not written to further ahead than so much', () => {
      const bytes = MOST_UNSYNCED + 64 * MIB;
      const calls = 'pwrite64,pwritev,fdatasync';
      const slow = 'fdatasync:delay_enter=700000:when=1';
      const { status, stderr, trace } = traced(calls, slow, [CHILD, 'write', fresh('file'), String(bytes)]);
      assert.equal(status, 0, stderr);
      const lines = trace.split('\n').filter((line) => / = \d+( |$)/.test(line));
      const firstSync = lines.findIndex((line) => line.includes('fdatasync'));
      const written = lines.slice(0, firstSync).reduce((sum, line) => sum + Number(line.match(/ = (\d+)/)?.[1]), 0);
      assert.ok(written > MOST_UNSYNCED / 2, `${written} bytes: the sync was waited for`);
      assert.ok(written <= MOST_UNSYNCED + MOST_WAITING, `${written} bytes before the first sync was over`);
    });

    it('by a kill in the middle is gone on with by the next one', async () => {
      const here = fresh('store');
      openStore(here);
      assert.equal(run('fdatasync:signal=SIGKILL:when=1', 'receive', here).signal, 'SIGKILL');
      assert.ok(!fs.existsSync(objectIn(here)));
      const [begun = '', ...more] = left(here);
      assert.deepEqual([begun.endsWith(digest.slice('sha256:'.length)), more], [true, []]);
      assert.ok(fs.statSync(join(here, 'tmp', begun)).size >= 32 * MIB);
      const driver = openFolder(at('whole'));
      await receive(openStore(here), [digest], driver);
      await driver.close();
      isRight(here);
    });
  });

  describe('in memory', () => {
    it('is never more than so much that waits to be written', async () => {
      const path = fresh('file');
      const file = fs.openSync(path, 'wx');
      const behind = new WriteBehind(file);
      let most = 0;
      // Pieces of every size, faster than any disk takes them.
      for (let position = 0, size = 1; position < BYTES; position += size, size = (size * 3) % 1_500_007) {
        await behind.write(content.subarray(position, position + size));
        most = Math.max(most, behind.waiting);
      }
      await behind.sync();
      assert.equal(behind.waiting, 0);
      fs.closeSync(file);
      assert.ok(fs.readFileSync(path).equals(content));
      assert.ok(most > MIB && most <= MOST_WAITING, `${most} bytes`);
    });

    it('goes on from a position, and begins again', async () => {
      const path = fresh('file');
      fs.writeFileSync(path, content.subarray(0, 3 * MIB));
      const file = fs.openSync(path, 'r+');
      const behind = new WriteBehind(file, 3 * MIB);
      await behind.write(content.subarray(3 * MIB, 9 * MIB));
      await behind.flush();
      assert.ok(fs.readFileSync(path).equals(content.subarray(0, 9 * MIB)));
      await behind.write(content.subarray(9 * MIB, 12 * MIB));
      await behind.empty();
      for (const [from, to] of [
        [0, 100],
        [100, 2 * MIB],
      ])
        await behind.write(content.subarray(from, to));
      await behind.sync();
      fs.closeSync(file);
      assert.ok(fs.readFileSync(path).equals(content.subarray(0, 2 * MIB)));
    });

    it('is let go, piece by piece, as it passes the guard', async () => {
      setFlagsFromString('--expose-gc');
      const collect: () => void = runInNewContext('gc');
      const seen: WeakRef<Uint8Array>[] = [];
      async function* pieces() {
        for (let index = 0; index < 50; index += 1) {
          const piece = new Uint8Array(MIB);
          seen.push(new WeakRef(piece));
          yield piece;
        }
      }
      const guard = { signal: new AbortController().signal, alive: () => undefined };
      let alive = 0;
      for await (const _ of guarded(pieces(), guard)) {
        if (seen.length < 50) continue;
        await new Promise((resolve) => setImmediate(resolve));
        collect();
        alive = seen.filter((each) => each.deref() !== undefined).length;
      }
      assert.ok(alive <= 3, `${alive} of 50 pieces are still there`);
    });
  });
});
