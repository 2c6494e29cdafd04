/** Packs that are damaged, lost, or read over a bad line: what comes is right, or it is told what is wrong. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { digestOf } from '../../grammar/plan/canonical.ts';
import type { Digest } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../../runtime/errors.ts';
import { openStore } from '../../runtime/store/open.ts';
import type { Listed } from '../../runtime/store/remotes/driver.ts';
import { openHttp } from '../../runtime/store/remotes/drivers/http.ts';
import { isMade } from '../../runtime/store/remotes/format.ts';
import { blobsIn, encodeIndex, parseIndex } from '../../runtime/store/remotes/pack-format.ts';
import { RemoteObjects } from '../../runtime/store/remotes/stored.ts';
import { openLine } from '../../runtime/store/remotes/transfer.ts';
import type { Store } from '../../runtime/store/store.ts';
import { LosingRemote, mustCompleteAfterAnyFault } from './failing.ts';
import { FaultServer } from './servers/faults.ts';
import { MemoryRemote, mustBeSound, QUICK, receive, remove, send, tableOf, temporaryFolder } from './support.ts';

describe('a remote whose packs fail', function () {
  this.timeout(120_000);
  let folder: string;
  let author: Store;
  let table: Digest;
  let files: Digest;
  let whole: Map<string, Buffer>;
  let remote: MemoryRemote;
  let server: FaultServer;
  let count = 0;
  const at = (...names: string[]) => join(folder, ...names);
  const freshStore = () => openStore(at(`store-${count++}`));

  before(async () => {
    folder = temporaryFolder();
    author = freshStore();
    fs.writeFileSync(at('table.csv'), tableOf(200_000));
    table = (await author.put(at('table.csv'))).digest;
    fs.mkdirSync(at('small'));
    for (let index = 0; index < 150; index += 1) fs.writeFileSync(at('small', `${index}`), `file ${index}`);
    files = (await author.put(at('small'))).digest;
    const memory = new MemoryRemote();
    await send(author, [table, files], memory);
    whole = memory.files;
  });
  after(() => remove(folder));

  beforeEach(async () => {
    remote = new MemoryRemote(new Map(whole));
    server = new FaultServer();
  });
  afterEach(() => server.stop());

  /** Of the packs and what describes them: the names of those of small files, or of chunks. */
  const namesOf = (holds: 'objects' | 'chunks') => {
    for (const [name, content] of whole) {
      const index = name.startsWith('pack-indexes/') ? parseIndex(content) : undefined;
      if (index?.holds !== holds) continue;
      const hexadecimal = index.pack.slice(7);
      return { index: name, pack: `packs/${hexadecimal.slice(0, 2)}/${hexadecimal.slice(2)}` };
    }
    throw new Error('There is no such pack.');
  };
  const nameIn = (room: string) => [...whole.keys()].find((name) => name.startsWith(`${room}/`)) ?? '';
  const damaged = (name: string) => {
    const content = Buffer.from(whole.get(name) ?? '');
    content.writeUInt8((content[content.length >> 1] ?? 0) ^ 1, content.length >> 1);
    return content;
  };
  const shortened = (name: string) => (whole.get(name) ?? Buffer.alloc(0)).subarray(0, -1000);

  const isRight = async (store: Store, digest: Digest) => {
    fs.rmSync(at('out'), { recursive: true, force: true });
    await store.checkout(digest, at('out'));
    assert.equal((await author.digest(at('out'))).digest, digest);
    assert.deepEqual((await store.verify()).problems, []);
  };

  describe('over a bad line', () => {
    beforeEach(() => {
      for (const [name, content] of whole) server.files.set(name, content);
    });
    const arrives = async (digest: Digest) => {
      const driver = openHttp({ name: 'shared', settings: { url: await server.start() } });
      const store = freshStore();
      const got = await receive(store, [digest], driver, { silence: 300 });
      assert.deepEqual([...got.missing], []);
      await isRight(store, digest);
    };
    const packs = () => server.asked.filter(({ name }) => name.startsWith('packs/'));

    for (const what of ['table', 'files'] as const) {
      const digest = () => (what === 'table' ? table : files);

      it(`that answers 503 and 429 brings the ${what} all the same`, async () => {
        server.fault = (_, times, response) => {
          if (times > 2) return false;
          response.writeHead(times === 1 ? 503 : 429, { 'Retry-After': '0' }).end();
          return true;
        };
        await arrives(digest());
      });

      it(`that breaks off in a pack brings the ${what} all the same`, async () => {
        server.fault = (name, times, response, content) => {
          if (!name.startsWith('packs/') || times > 2) return false;
          response.writeHead(206, { 'Content-Length': content.length, 'Content-Range': `bytes 0-9/${content.length}` });
          response.write(content.subarray(0, 500), () => setTimeout(() => response.destroy(), 20));
          return true;
        };
        await arrives(digest());
        assert.ok(packs().length > 2, `${packs().length} requests`);
      });

      it(`that garbles once brings the ${what} all the same`, async () => {
        server.fault = (name, times, response) => {
          if (!/^(packs|recipes|members|pack-indexes)/.test(name) || times > 1) return false;
          const wrong = damaged(name);
          response.writeHead(200, { 'Content-Length': wrong.length }).end(wrong);
          return true;
        };
        await arrives(digest());
      });

      it(`that knows no ranges brings the ${what} all the same`, async () => {
        server.ranges = false;
        await arrives(digest());
      });
    }

    it('is gone on with in the middle of a table by the next process', async () => {
      const { pack } = namesOf('chunks');
      server.fault = (name, _, response) => {
        // All but the first of the ranges are lost.
        if (name !== pack || server.asked.at(-1)?.range?.startsWith('bytes=0-')) return false;
        response.writeHead(404).end();
        return true;
      };
      const driver = openHttp({ name: 'shared', settings: { url: await server.start() } });
      const store = freshStore();
      const got = await receive(store, [table], driver);
      assert.deepEqual([...got.missing], [table]);
      server.fault = () => false;
      server.asked = [];
      await receive(store, [table], driver);
      await isRight(store, table);
      const bytes = packs().map(({ range }) => range);
      assert.ok(bytes.length >= 1 && bytes.every((range) => !range?.startsWith('bytes=0-')), bytes.join(', '));
    });
  });

  describe('that holds something wrong', () => {
    const cases: { name: string; spoil: (files: Map<string, Buffer>) => void; digest: () => Digest; told: RegExp }[] = [
      {
        name: 'a wrong byte in a pack of chunks',
        spoil: (there) => there.set(namesOf('chunks').pack, damaged(namesOf('chunks').pack)),
        digest: () => table,
        told: /sends wrong bytes for the object sha256:/,
      },
      {
        name: 'a pack of chunks that ends too early',
        spoil: (there) => there.set(namesOf('chunks').pack, shortened(namesOf('chunks').pack)),
        digest: () => table,
        told: /sends wrong bytes for the pack sha256:.*it ends at/,
      },
      {
        name: 'a recipe with a wrong byte',
        spoil: (there) => there.set(nameIn('recipes'), damaged(nameIn('recipes'))),
        digest: () => table,
        told: /sends wrong bytes for/,
      },
      {
        name: 'a wrong byte in a pack of small files',
        spoil: (there) => there.set(namesOf('objects').pack, damaged(namesOf('objects').pack)),
        digest: () => files,
        told: /sends wrong bytes for the object sha256:.*its pack is damaged/,
      },
      {
        name: 'a pack of small files that ends too early',
        spoil: (there) => there.set(namesOf('objects').pack, shortened(namesOf('objects').pack)),
        digest: () => files,
        told: /sends wrong bytes for the object sha256:/,
      },
      {
        name: 'an index with a wrong byte',
        spoil: (there) => there.set(namesOf('objects').index, damaged(namesOf('objects').index)),
        digest: () => files,
        told: /sends wrong bytes for the index sha256:/,
      },
    ];

    for (const { name, spoil, digest, told } of cases) {
      it(`says so, and stores nothing wrong: ${name}`, async () => {
        spoil(remote.files);
        const store = freshStore();
        await assert.rejects(receive(store, [digest()], remote), (error) => {
          assert.ok(error instanceof MlpipeError, String(error));
          assert.match(error.message, told);
          assert.equal(error.code, 'remote-corrupt');
          return true;
        });
        assert.deepEqual((await store.verify()).problems, []);
        assert.ok(!store.has(digest()));
      });
    }

    const repairable = [
      ...cases,
      {
        name: 'a pack of chunks that is gone',
        spoil: (there: Map<string, Buffer>) => there.delete(namesOf('chunks').pack),
      },
      {
        name: 'a pack of files that is gone',
        spoil: (there: Map<string, Buffer>) => there.delete(namesOf('objects').pack),
      },
      { name: 'a recipe that is gone', spoil: (there: Map<string, Buffer>) => there.delete(nameIn('recipes')) },
      {
        name: 'members that are wrong',
        spoil: (there: Map<string, Buffer>) => there.set(nameIn('members'), damaged(nameIn('members'))),
      },
      {
        name: 'a pack and its index at once',
        spoil: (there: Map<string, Buffer>) => {
          const { index, pack } = namesOf('chunks');
          there.set(index, damaged(index)).set(pack, damaged(pack));
        },
      },
    ];
    for (const { name, spoil } of repairable) {
      it(`is right again after --repair: ${name}`, async () => {
        spoil(remote.files);
        // From a clone that has no copy of what the remote says of its packs.
        fs.rmSync(join(author.folder, 'cache'), { recursive: true, force: true });
        await send(author, [table, files], remote, { repair: true });
        mustBeSound(remote.files);
        for (const digest of [table, files]) {
          const store = freshStore();
          assert.deepEqual([...(await receive(store, [digest], remote)).missing], []);
          await isRight(store, digest);
        }
        const before = remote.bytes;
        await send(author, [table, files], remote, { repair: true });
        assert.ok(remote.bytes - before < 1000, 'a second time there is nothing to mend');
      });
    }

    it('is mended as far as the bytes are here, and loses nothing of what others sent', async () => {
      // Another one has sent files of its own in the same pack, and only some of them are here.
      const other = openStore(at(`store-${count++}`));
      fs.mkdirSync(at('theirs'), { recursive: true });
      for (let index = 100; index < 200; index += 1) fs.writeFileSync(at('theirs', `${index}`), `file ${index}`);
      const theirs = (await other.put(at('theirs'))).digest;
      const shared = new MemoryRemote();
      await send(other, [theirs], shared);
      const [index = ''] = [...shared.files.keys()].filter((name) => name.startsWith('pack-indexes/'));
      const parsed = parseIndex(shared.files.get(index) ?? Buffer.alloc(0));
      assert.ok(parsed);
      const pack = `packs/${parsed.pack.slice(7, 9)}/${parsed.pack.slice(9)}`;
      const content = Buffer.from(shared.files.get(pack) ?? '');
      // One that is only there, and one that is here, too.
      const spoilt = ['file 180', 'file 120'].map((text) => digestOf(text));
      for (const blob of blobsIn(parsed)) if (spoilt.includes(blob.digest)) content[blob.offset] = 0;
      shared.files.set(pack, content);
      await send(author, [files], shared, { repair: true });
      const mine = freshStore();
      assert.deepEqual([...(await receive(mine, [files], shared)).missing], []);
      await isRight(mine, files);
      const lost = [...(await receive(freshStore(), [theirs], shared)).missing];
      assert.ok(lost.includes(digestOf('file 180')), 'what nobody here has');
      assert.ok(
        !lost.includes(digestOf('file 120')) && !lost.includes(digestOf('file 190')),
        'what was right or is here',
      );
      await send(other, [theirs], shared, { repair: true });
      mustBeSound(shared.files);
      const back = freshStore();
      assert.deepEqual([...(await receive(back, [theirs], shared)).missing], []);
      await isRight(back, theirs);
    });

    it('is not believed an index that lies about its pack', async () => {
      const { index } = namesOf('objects');
      const parsed = parseIndex(whole.get(index) ?? Buffer.alloc(0));
      assert.ok(parsed);
      const [first, second, ...others] = blobsIn(parsed);
      assert.ok(first && second);
      const lie = encodeIndex(parsed.pack, 'objects', [
        { digest: second.digest, bytes: first.bytes },
        { digest: first.digest, bytes: second.bytes },
        ...others,
      ]);
      remote.files.delete(index);
      remote.files.set(`pack-indexes/${lie.digest.slice(7)}`, lie.content);
      const store = freshStore();
      await assert.rejects(receive(store, [files], remote), /its pack is damaged/);
      assert.deepEqual((await store.verify()).problems, []);
      await send(author, [files], remote, { repair: true });
      mustBeSound(remote.files);
    });

    it('makes nobody write outside its names, however its descriptions read', async () => {
      for (const text of ['{', '[]', '{"format":"mlpipe-recipe/1"}', 'null', '{"bytes":1e99}']) {
        remote.files.set(nameIn('recipes'), Buffer.from(text));
        remote.files.set(nameIn('members'), Buffer.from(text));
        await assert.rejects(receive(freshStore(), [table], remote), /sends wrong bytes for the recipe/);
        // Where the members are unknown, a listing of the indexes tells.
        assert.deepEqual([...(await receive(freshStore(), [files], remote)).missing], []);
      }
    });
  });

  it('says without storing anything what it has, and what of it is right', async () => {
    const small = digestOf('file 7');
    const ask = async (there: Map<string, Buffer>, digest: Digest) => {
      const line = openLine(new MemoryRemote(there), QUICK);
      await isMade(line);
      const stored = new RemoteObjects(at(`nowhere-${count++}`), line);
      return [await stored.has(digest), await stored.isWhole(digest)];
    };
    for (const digest of [table, files, small]) assert.deepEqual(await ask(whole, digest), [true, true]);
    assert.deepEqual(await ask(whole, digestOf('never sent')), [false, false]);
    for (const [holds, digest] of [['chunks', table] as const, ['objects', small] as const]) {
      const { pack } = namesOf(holds);
      const wrong = Buffer.alloc(whole.get(pack)?.length ?? 0, 1);
      assert.deepEqual(await ask(new Map(whole).set(pack, wrong), digest), [true, false]);
      const without = new Map(whole);
      without.delete(pack);
      assert.equal((await ask(without, digest))[1], false);
    }
  });

  describe('while things are sent', () => {
    const edited = async () => {
      fs.writeFileSync(at('table.csv'), Buffer.concat([Buffer.from('a,new,row,here\n'), tableOf(200_000)]));
      return (await author.put(at('table.csv'))).digest;
    };

    it('that has lost a pack which its listing still shows is sent its chunks again', async () => {
      const { pack, index } = namesOf('chunks');
      for (const lost of [[pack], [pack, index]]) {
        const stale = new (class extends MemoryRemote {
          override async *list(prefix: string): AsyncGenerator<Listed> {
            for (const [name, { length }] of whole) if (name.startsWith(prefix)) yield { name, bytes: length };
          }
        })(new Map(whole));
        for (const name of lost) stale.files.delete(name);
        const digest = await edited();
        await send(author, [digest], stale);
        const store = freshStore();
        assert.deepEqual([...(await receive(store, [digest], stale)).missing], []);
        await isRight(store, digest);
      }
    });

    it('that lists an index too late is sent more than it needs, and nothing wrong', async () => {
      const late = new (class extends MemoryRemote {
        override async *list(prefix: string): AsyncGenerator<Listed> {
          if (!prefix.startsWith('pack-indexes/')) yield* super.list(prefix);
        }
      })(new Map(whole));
      const digest = await edited();
      await send(author, [digest], late);
      mustBeSound(late.files);
    });

    it('that fails at any single request has everything with what it names, and the next push completes it', async () => {
      const requests = await mustCompleteAfterAnyFault((target) => send(author, [table, files], target));
      assert.ok(requests >= 8, `${requests} requests`);
    });

    it('that has wrong bytes under the name of a pack, which no index names, gets the right ones', async () => {
      const left = new Map([...whole].filter(([name]) => /^(format|packs)/.test(name)));
      for (const holds of ['chunks', 'objects'] as const) left.set(namesOf(holds).pack, damaged(namesOf(holds).pack));
      const target = new MemoryRemote(left);
      await send(author, [table, files], target);
      mustBeSound(target.files);
      const store = freshStore();
      assert.deepEqual([...(await receive(store, [table, files], target)).missing], []);
    });

    it('that loses answers and races still comes to the same', async () => {
      const racing = new LosingRemote();
      await send(author, [table, files], racing, QUICK);
      mustBeSound(racing.files);
      await isRight(author, files);
    });

    it('gets nothing of what is damaged here', async () => {
      for (const digest of [table, digestOf('file 7')]) {
        const path = join(author.folder, 'objects', digest.slice(7, 9), digest.slice(9));
        const content = fs.readFileSync(path);
        fs.chmodSync(path, 0o644);
        fs.writeFileSync(path, Buffer.alloc(content.length, 65));
        const target = new MemoryRemote();
        await assert.rejects(send(author, [table, files], target), /is corrupt|do not fit its digest/);
        fs.writeFileSync(path, content);
        mustBeSound(target.files);
        const { missing } = await receive(freshStore(), [digest], target);
        assert.deepEqual([...missing], [digest]);
      }
    });
  });
});
