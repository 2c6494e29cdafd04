/** Small files in packs, and tables in chunks: how little goes over the line, and who can still read it. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../../runtime/errors.ts';
import { openStore } from '../../runtime/store/open.ts';
import { type Content, type GetOptions, RemoteFault } from '../../runtime/store/remotes/driver.ts';
import { openFolder } from '../../runtime/store/remotes/drivers/folder.ts';
import { NEW_FORMAT, upgradeRemote } from '../../runtime/store/remotes/format.ts';
import { openLine } from '../../runtime/store/remotes/transfer.ts';
import type { Store } from '../../runtime/store/store.ts';
import { filesIn, MemoryRemote, mustBeSound, receive, remove, send, tableOf, temporaryFolder } from './support.ts';

const MIB = 2 ** 20;

/** Read by anybody, listed by nobody, as a server of files is. */
class Unlisted extends MemoryRemote {
  override readonly abilities = { list: false, write: false, pageSize: 1000, concurrency: { first: 4, most: 8 } };
  override list(): never {
    throw new RemoteFault('405 Method Not Allowed', 'refused');
  }
}

describe('packs and chunks on a remote', function () {
  this.timeout(120_000);
  let folder: string;
  let remote: MemoryRemote;
  let author: Store;
  let count = 0;
  const at = (...names: string[]) => join(folder, ...names);
  const freshStore = () => openStore(at(`store-${count++}`));

  beforeEach(() => {
    folder = temporaryFolder();
    remote = new MemoryRemote();
    author = freshStore();
  });
  afterEach(() => remove(folder));

  const putFile = async (content: Uint8Array) => {
    fs.writeFileSync(at('table.csv'), content);
    return (await author.put(at('table.csv'))).digest;
  };
  const putFiles = async (files: number, from = 0) => {
    for (let index = from; index < from + files; index += 1) {
      const parent = at('small', String(index % 7));
      fs.mkdirSync(parent, { recursive: true });
      fs.writeFileSync(join(parent, `${index}.txt`), `this is the file ${index}`);
    }
    return (await author.put(at('small'))).digest;
  };
  const comesBack = async (digest: Digest, from: MemoryRemote = remote) => {
    const stranger = freshStore();
    const got = await receive(stranger, [digest], from);
    assert.deepEqual([...got.missing], []);
    await stranger.checkout(digest, at('out'));
    assert.equal((await author.digest(at('out'))).digest, digest);
    assert.deepEqual((await stranger.verify()).problems, []);
    fs.rmSync(at('out'), { recursive: true });
    return got;
  };

  describe('a table that is changed', () => {
    const rows = 600_000;
    const table = tableOf(rows);
    const lineAt = (byte: number) => table.indexOf('\n', byte) + 1;
    const edited = (places: number[]) =>
      Buffer.concat(
        [...places.map(lineAt), table.length].map((place, index, all) =>
          Buffer.concat([
            table.subarray(all[index - 1] ?? 0, place),
            index < places.length ? Buffer.from(`edited,${index},1,setosa\n`) : Buffer.alloc(0),
          ]),
        ),
      );
    const scattered = Array.from({ length: 10 }, (_, index) => Math.floor(((index + 0.5) * table.length) / 10));
    // Two chunks at most change with an edit, of 64 KiB on the average and 256 KiB at most.
    const CASES = [
      {
        name: 'rows appended',
        content: Buffer.concat([table, tableOf(20_000, 7)]),
        most: tableOf(20_000, 7).length + 0.6 * MIB,
      },
      { name: 'a row in the middle', content: edited([table.length / 2]), most: 0.6 * MIB },
      { name: 'ten scattered edits', content: edited(scattered), most: 3 * MIB },
      {
        name: 'a header before it',
        content: Buffer.concat([Buffer.from('row,state,x,kind\n'), table]),
        most: 0.6 * MIB,
      },
    ];

    for (const { name, content, most } of CASES) {
      it(`costs little: ${name}`, async () => {
        const first = await putFile(table);
        await send(author, [first], remote);
        assert.ok(remote.bytes > table.length && remote.bytes < table.length * 1.01, `${remote.bytes} bytes at first`);
        const before = remote.bytes;
        const second = await putFile(content);
        const sent = await send(author, [second], remote);
        const bytes = remote.bytes - before;
        assert.ok(bytes <= most, `${bytes} of ${content.length} bytes were sent`);
        assert.equal(sent.bytes, bytes, 'what is told is what was sent');
        mustBeSound(remote.files);
        await comesBack(first);
        await comesBack(second, new Unlisted(remote.files));
      });
    }

    it('comes as it went: what lies here of an older version is not fetched', async () => {
      const [first, second] = [await putFile(table), await putFile(edited([table.length / 2, table.length / 5]))];
      for (const damaged of [false, true]) {
        await send(author, [first], remote);
        const colleague = freshStore();
        await receive(colleague, [first], remote);
        await send(author, [second], remote);
        if (damaged) {
          const path = join(colleague.folder, 'objects', first.slice(7, 9), first.slice(9));
          fs.chmodSync(path, 0o644);
          fs.writeFileSync(path, Buffer.alloc(table.length, 65));
        }
        const before = remote.fetched;
        await receive(colleague, [second], remote);
        const fetched = remote.fetched - before;
        if (damaged) assert.ok(fetched > table.length, 'what is wrong here is not believed');
        else assert.ok(fetched < 1.2 * MIB, `${fetched} of ${table.length} bytes were fetched`);
        assert.equal((await colleague.digest(at('table.csv'))).digest, second);
        await colleague.checkout(second, at('checked-out'));
        assert.equal((await author.digest(at('checked-out'))).digest, second);
        fs.rmSync(at('checked-out'));
      }
    });

    it('is known again by another clone, which has sent nothing yet', async () => {
      await send(author, [await putFile(table)], remote);
      const [one, before] = [author, remote.bytes];
      author = freshStore();
      await send(author, [await putFile(edited([table.length / 3]))], remote);
      assert.ok(remote.bytes - before < 0.6 * MIB, `${remote.bytes - before} bytes`);
      assert.notEqual(one.folder, author.folder);
    });

    it('goes whole where nothing can be listed, as nobody knows what is there', async () => {
      const blind = new (class extends MemoryRemote {
        override readonly abilities = { list: false, write: true, pageSize: 1000, concurrency: { first: 4, most: 8 } };
      })();
      const digest = await putFile(table);
      await send(author, [digest], blind);
      assert.deepEqual(
        [...blind.files.keys()].filter((name) => !name.startsWith('objects/')),
        ['format'],
      );
      await comesBack(digest, blind);
    });

    it('is gone on with where a broken push has left chunks', async () => {
      const digest = await putFile(table);
      const breaking = new (class extends MemoryRemote {
        override async put(name: string, content: Content, options = {}) {
          if (name.startsWith('recipes/')) throw new RemoteFault('507 Insufficient Storage', 'refused');
          return super.put(name, content, options);
        }
      })(remote.files);
      await assert.rejects(send(author, [digest], breaking), /507/);
      assert.equal(mustBeSound(remote.files).objects, 0);
      await send(author, [digest], remote);
      assert.ok(remote.bytes < 10_000, `${remote.bytes} bytes were sent again`);
      await comesBack(digest);
    });
  });

  describe('many small files', () => {
    it('go and come with few requests, and one more file with fewer', async () => {
      const digest = await putFiles(3000);
      await send(author, [digest], remote);
      assert.ok(remote.calls.put < 15, `${remote.calls.put} requests to send`);
      mustBeSound(remote.files);
      const reader = new Unlisted(remote.files);
      const got = await comesBack(digest, reader);
      assert.ok(got.objects > 3000);
      assert.ok(reader.calls.get < 15, `${reader.calls.get} requests to fetch`);
      const stored = filesIn(at(`store-${count - 1}`));
      assert.ok(
        [...stored.keys()].some((name) => name.startsWith('packs/')),
        'it lies in a pack here, too',
      );
      const loose = [...stored.keys()].filter((name) => name.startsWith('objects/'));
      assert.ok(loose.length < 100, `${loose.length} files of their own`);
      const before = { ...remote.calls, bytes: remote.bytes };
      const later = await putFiles(1, 3000);
      await send(author, [later], remote);
      const asked = remote.calls.put + remote.calls.head + remote.calls.get - before.put - before.head - before.get;
      assert.ok(asked < 60, `${asked} requests for one file more`);
      assert.ok(remote.bytes - before.bytes < 300_000, `${remote.bytes - before.bytes} bytes for one file more`);
      mustBeSound(remote.files);
      await comesBack(later, new Unlisted(remote.files));
    });

    it('replace what somebody has written into here', async () => {
      const digest = await putFiles(400);
      await send(author, [digest], remote);
      const stranger = freshStore();
      const { digest: one } = await stranger.putBytes('this is the file 17');
      const path = join(stranger.folder, 'objects', one.slice(7, 9), one.slice(9));
      fs.chmodSync(path, 0o644);
      fs.writeFileSync(path, 'THIS IS THE FILE 17');
      await receive(stranger, [digest], remote);
      assert.equal((await stranger.read(one)).toString(), 'this is the file 17');
      assert.deepEqual((await stranger.verify()).problems, []);
    });

    it('that are few go by themselves', async () => {
      const digest = await putFiles(20);
      await send(author, [digest], remote);
      assert.deepEqual(
        [...remote.files.keys()].filter((name) => !name.startsWith('objects/')),
        ['format'],
      );
      await comesBack(digest);
    });

    it('are found by the one who wants but one of them, packed or asked for by itself later', async () => {
      const digest = await putFiles(200);
      await send(author, [digest], remote);
      const one = (await author.putBytes('this is the file 17')).digest;
      assert.ok(!remote.files.has(`objects/${one.slice(7, 9)}/${one.slice(9)}`));
      await comesBack(one);
      // As the root of something it must be found by its name, also by one who cannot list.
      await send(author, [one], remote);
      await comesBack(one, new Unlisted(remote.files));
    });
  });

  describe('two at once', () => {
    it('that send the same and something else each, damage nothing', async () => {
      const place = at('remote');
      const other = freshStore();
      const same = tableOf(200_000);
      const first = await putFile(Buffer.concat([same, tableOf(50_000, 3)]));
      const small = await putFiles(400);
      author = other;
      const second = await putFile(Buffer.concat([tableOf(60_000, 5), same]));
      const smaller = await putFiles(300, 200);
      const [one, two] = [openFolder(place), openFolder(place)];
      await Promise.all([
        send(openStore(at(`store-${count - 2}`)), [first, small], one),
        send(other, [second, smaller], two),
      ]);
      await Promise.all([one.close(), two.close()]);
      const files = filesIn(place);
      mustBeSound(files);
      for (const digest of [first, small, second, smaller]) {
        const got = await receive(freshStore(), [digest], new Unlisted(files));
        assert.deepEqual([...got.missing], []);
      }
    });

    it('of whom one makes the remote while the other looks', async () => {
      const losing = new (class extends MemoryRemote {
        override async get(name: string, options: GetOptions = {}) {
          const body = await super.get(name, options);
          if (name === 'format' && body === undefined) this.files.set('format', Buffer.from('mlpipe-remote/1\n'));
          return body;
        }
      })();
      await send(author, [await putFiles(100)], losing);
      // It was made by an older one, which would not find what lies in packs.
      assert.ok(![...losing.files.keys()].some((name) => name.startsWith('packs/')));
    });
  });

  describe('formats', () => {
    it('of the time before packs are read and written as they are', async () => {
      remote.files.set('format', Buffer.from('mlpipe-remote/1\n'));
      const [small, table] = [await putFiles(100), await putFile(tableOf(200_000))];
      await send(author, [small, table], remote);
      assert.deepEqual(
        new Set([...remote.files.keys()].map((name) => name.split('/')[0])),
        new Set(['format', 'objects']),
      );
      assert.equal(remote.files.get('format')?.toString(), 'mlpipe-remote/1\n');
      await comesBack(small, new Unlisted(remote.files));
      await comesBack(table);
    });

    it('of the time before packs take packs once somebody upgrades them, and keep what they have', async () => {
      remote.files.set('format', Buffer.from('mlpipe-remote/1\n'));
      const old = await putFiles(100);
      await send(author, [old], remote);
      const upgraded = () => upgradeRemote(openLine(remote));
      assert.deepEqual([await upgraded(), await upgraded()], [true, false]);
      const table = await putFile(tableOf(200_000));
      const later = await putFiles(200);
      await send(author, [table, later], remote);
      assert.equal(remote.files.get('format')?.toString(), NEW_FORMAT);
      assert.ok([...remote.files.keys()].some((name) => name.startsWith('packs/')));
      mustBeSound(remote.files);
      for (const digest of [old, table, later]) await comesBack(digest, new Unlisted(remote.files));
      await assert.rejects(upgradeRemote(openLine(new MemoryRemote())), /holds nothing of mlpipe's/);
    });

    it('tell an older mlpipe, which compares the whole file, that it cannot read them', () => {
      assert.notEqual(NEW_FORMAT.trim(), 'mlpipe-remote/1');
      assert.match(NEW_FORMAT, /^mlpipe-remote\/2\n\{.*\}\n$/);
    });

    it('that need more than this mlpipe knows are refused by name', async () => {
      const refused = async (text: string, pattern: RegExp) => {
        remote.files.set('format', Buffer.from(text));
        const store = freshStore();
        await assert.rejects(receive(store, [], remote), (error) => {
          assert.ok(error instanceof MlpipeError);
          assert.equal(error.code, 'remote-format');
          assert.match(error.message, pattern);
          return true;
        });
      };
      await refused(NEW_FORMAT.replace('"packs"', '"packs","encryption"'), /uses \["encryption"\]/);
      await refused('mlpipe-remote/3\n', /has the format "mlpipe-remote\/3"/);
      await refused(NEW_FORMAT.replace('65536', '0'), /cuts chunks by/);
      await refused('mlpipe-remote/2\n', /uses/);
    });
  });
});
