/** Every kind of remote against a real server: what the interface promises, and a project there and back. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../../grammar/plan/plan.ts';
import { collectRemoteGarbage } from '../../runtime/collect/remote.ts';
import { openProject } from '../../runtime/project.ts';
import { pull } from '../../runtime/share/pull.ts';
import { push } from '../../runtime/share/push.ts';
import { addRemote } from '../../runtime/share/remotes.ts';
import { bytesOf, contentOf, type RemoteDriver, RemoteFault, rangeOf } from '../../runtime/store/remotes/driver.ts';
import { openRemote } from '../../runtime/store/remotes/open.ts';
import { type Server, startS3, startSsh, startWebDav } from './servers/start.ts';
import {
  cloneLocks,
  filesIn,
  mustBeSound,
  projectAt,
  pseudoRandom,
  remove,
  tableOf,
  temporaryFolder,
  withRecords,
} from './support.ts';

interface Kind {
  name: string;
  start: (folder: string) => Promise<Server | undefined>;
  /** Whether of two that create a name the second is told. */
  conditionalCreate: boolean;
  /** In parts, where the kind knows any. */
  largeBytes: number;
}

const KINDS: Kind[] = [
  {
    name: 'a folder',
    start: async (folder) => ({ url: join(folder, 'models'), stop: async () => undefined }),
    conditionalCreate: true,
    largeBytes: 3_000_001,
  },
  // s3rver passes over `If-None-Match`, and the probe has to find that out.
  { name: 's3rver', start: startS3, conditionalCreate: false, largeBytes: 70_000_001 },
  { name: 'OpenSSH', start: startSsh, conditionalCreate: true, largeBytes: 3_000_001 },
  { name: 'WebDAV by Apache', start: startWebDav, conditionalCreate: true, largeBytes: 3_000_001 },
];

for (const kind of KINDS) {
  describe(`a remote on ${kind.name}`, function () {
    this.timeout(60_000);
    let folder: string;
    let server: Server;
    const before_ = { ...process.env };
    const at = (...names: string[]) => join(folder, ...names);

    before(async function () {
      folder = temporaryFolder();
      const started = await kind.start(at('server'));
      if (started === undefined) {
        // On a machine of CI everything is there; elsewhere a missing server is no failure of ours.
        if (process.env.CI) throw new Error(`${kind.name} is not on this machine.`);
        this.skip();
      }
      server = started;
      Object.assign(process.env, server.environment);
    });
    after(async () => {
      await server?.stop();
      for (const name of Object.keys(server?.environment ?? {})) {
        if (before_[name] === undefined) delete process.env[name];
        else process.env[name] = before_[name];
      }
      remove(folder);
    });

    const using = async (work: (driver: RemoteDriver) => Promise<void>) => {
      const driver = await openRemote(folder, { name: 'shared', settings: { url: server.url, ...server.settings } });
      try {
        await work(driver);
      } finally {
        await driver.close();
      }
    };

    it('keeps what it is given, gives it from anywhere, lists and forgets it', () =>
      using(async (driver) => {
        const content = pseudoRandom(200_000);
        assert.equal(await driver.head('objects/aa/none'), undefined);
        assert.equal(await driver.get('objects/aa/none'), undefined);
        assert.equal(await driver.put('objects/aa/one', contentOf(content)), 'created');
        assert.equal(await driver.put('objects/ab/two.json', contentOf(Buffer.from('two'))), 'created');
        assert.equal(await driver.put('objects/ab/empty', contentOf(Buffer.alloc(0))), 'created');
        await driver.settle();
        assert.equal(await driver.head('objects/aa/one'), content.length);
        assert.equal(await driver.head('objects/ab/empty'), 0);
        const whole = await driver.get('objects/aa/one');
        assert.ok(whole && (await bytesOf(whole)).equals(content));
        const part = await driver.get('objects/aa/one', { start: 150_000 });
        assert.equal(part?.start, 150_000);
        assert.ok(part && (await bytesOf(part)).equals(content.subarray(150_000)));
        const [start, end] = [99_990, 165_001];
        const middle = await driver.get('objects/aa/one', { start, end });
        assert.equal(middle?.start, start);
        const cut = middle && (await bytesOf({ start, chunks: rangeOf(middle, start, end) }));
        assert.ok(cut?.equals(content.subarray(start, end)), `${cut?.length} bytes`);
        const names: string[] = [];
        for await (const { name, bytes } of driver.list('objects/')) names.push(`${name} ${bytes}`);
        assert.deepEqual(names.sort(), ['objects/aa/one 200000', 'objects/ab/empty 0', 'objects/ab/two.json 3']);
        const some: string[] = [];
        for await (const { name } of driver.list('objects/ab/t')) some.push(name);
        assert.deepEqual(some, ['objects/ab/two.json']);
        await driver.put('objects/ab/two.json', contentOf(Buffer.from('three')), { replace: true });
        await driver.settle();
        assert.equal(await driver.head('objects/ab/two.json'), 5);
        for (const name of ['objects/aa/one', 'objects/ab/two.json', 'objects/ab/empty', 'objects/ab/none']) {
          await driver.delete(name);
        }
        assert.equal(await driver.head('objects/aa/one'), undefined);
      }));

    it('gets nothing under its name when the sending breaks off', () =>
      using(async (driver) => {
        const broken = {
          bytes: 100_000,
          async *read() {
            yield pseudoRandom(50_000);
            throw new Error('the disk broke');
          },
        };
        await assert.rejects(driver.put('objects/ac/broken', broken), /the disk broke/);
        await driver.settle();
        assert.equal(await driver.head('objects/ac/broken'), undefined);
      }));

    it('is tried when it is added, which says what it cannot do', async () => {
      const project = projectAt(at('adding'), at('nowhere'));
      const added = await addRemote(project, 'shared', { url: server.url, ...server.settings }, { replace: true });
      project.close();
      assert.deepEqual(
        [added.write, added.list, added.ranges, added.conditionalCreate],
        [true, true, true, kind.conditionalCreate],
        added.notes.join('\n'),
      );
      assert.doesNotMatch(fs.readFileSync(at('adding', 'mlpipe.json'), 'utf8'), /secret|S3RVER/);
    });

    it('lets two fill folders that neither has made yet', async () => {
      await using((one) =>
        using(async (other) => {
          for (let round = 0; round < 40; round += 1) {
            const names = Array.from({ length: 8 }, (_, at) => `records/r${round}/${at}`);
            await Promise.all(names.map((name, at) => (at % 2 ? one : other).put(name, contentOf(Buffer.from(name)))));
            await Promise.all([one.settle(), other.settle()]);
            for (const name of names) assert.equal(await one.head(name), name.length);
          }
        }),
      );
    });

    it('carries a project there and back, and again only what is new', async () => {
      const author = projectAt(at('author'), server.url, server.settings);
      await withRecords(author, 80, kind.largeBytes, tableOf(150_000));
      const sent = await push(author);
      assert.deepEqual([sent.records, sent.held], [2, []]);
      assert.ok(sent.objects >= 87, `${sent.objects} objects`);
      await using(async (driver) => {
        const rooms = new Map<string, number>();
        for await (const { name } of driver.list('')) {
          const [room = ''] = name.split('/');
          rooms.set(room, (rooms.get(room) ?? 0) + 1);
        }
        const count = ['packs', 'pack-indexes', 'recipes', 'members'].map((room) => rooms.get(room));
        assert.deepEqual(count, [2, 2, 1, 1], 'small files and chunks in packs');
        assert.ok((rooms.get('objects') ?? 0) < 10, `${rooms.get('objects')} loose objects`);
      });
      const again = await push(author);
      assert.deepEqual([again.objects, again.records], [0, 0]);
      author.close();
      cloneLocks(at('author'), at('stranger'));
      const stranger = openProject(at('stranger'));
      const got = await pull(stranger);
      assert.deepEqual(got.missing, []);
      assert.deepEqual([got.records, got.objects], [2, sent.objects]);
      assert.deepEqual((await stranger.store.verify()).problems, []);
      stranger.close();
      const contents = (name: string) =>
        [...filesIn(at(name, '.mlpipe'))]
          .filter(([path]) => /^(objects|records)\//.test(path))
          .map(([path]) => path)
          .sort();
      assert.deepEqual(contents('stranger'), contents('author'));
      mustBeSound(filesIn(at('stranger', '.mlpipe')));
    });

    it('takes from two at once what each has, and damages nothing', async () => {
      const table = tableOf(120_000);
      const edited = Buffer.concat([Buffer.from('a,row,before,all\n'), table]);
      const people = ['one', 'other'].map((name) => projectAt(at(name), `${server.url}-shared`, server.settings));
      const records: { train: Digest }[] = [];
      for (const [index, person] of people.entries()) {
        records.push(await withRecords(person, 60 + index * 20, 0, index === 0 ? table : edited));
      }
      await Promise.all(people.map((person) => push(person)));
      for (const [index, person] of people.entries()) {
        const name = `third-${index}`;
        cloneLocks(person.root, at(name));
        const third = openProject(at(name));
        const got = await pull(third);
        assert.deepEqual(got.missing, []);
        assert.ok(third.ledger.get(records[index]?.train ?? 'sha256:') !== undefined);
        assert.deepEqual((await third.store.verify()).problems, []);
        third.close();
      }
      for (const person of people) {
        const again = await push(person);
        assert.deepEqual([again.objects, again.records], [0, 0]);
        person.close();
      }
    });

    it('loses what nothing needs when others have had their time for it, and nothing else', async () => {
      const author = projectAt(at('collecting'), `${server.url}-collected`, server.settings);
      await withRecords(author, 70, 0, tableOf(120_000));
      await push(author);
      const names = async () => {
        const found: string[] = [];
        const settings = { url: `${server.url}-collected`, ...server.settings };
        const driver = await openRemote(folder, { name: 'shared', settings });
        for await (const { name } of driver.list('')) if (name !== 'format') found.push(name);
        await driver.close();
        return found.filter((name) => !name.startsWith('trash/')).sort();
      };
      const before = await names();
      const other = projectAt(at('leaving'), `${server.url}-collected`, server.settings);
      await withRecords(other, 90, 0, tableOf(130_000, 7));
      const around = (driver: RemoteDriver): RemoteDriver =>
        new Proxy(driver, {
          get: (target, name) => {
            const value: unknown = Reflect.get(target, name, target);
            if (typeof value !== 'function') return value;
            return name !== 'put'
              ? value.bind(target)
              : (...words: Parameters<RemoteDriver['put']>) => {
                  if (/^(index|records)\//.test(words[0])) throw new Error('killed');
                  return target.put(...words);
                };
          },
        });
      await assert.rejects(push(other, [], { around }), /killed/);
      const left = (await names()).filter((name) => !before.includes(name));
      assert.ok(left.length > 4, left.join());
      const collect = (days: number) =>
        collectRemoteGarbage(author, {
          remote: 'shared',
          scope: 'unreferenced',
          now: () => Date.now() + days * 86_400_000,
        });
      const { marked, needed } = await collect(0);
      assert.deepEqual(
        [marked.files, needed.files],
        [left.length, before.filter((name) => !/^(index|records|log)\//.test(name)).length],
      );
      assert.equal((await collect(15)).deleted.files, left.length);
      assert.deepEqual(await names(), before);
      await push(other);
      cloneLocks(at('leaving'), at('arriving'));
      const stranger = openProject(at('arriving'));
      assert.deepEqual((await pull(stranger)).missing, []);
      for (const project of [author, other, stranger]) project.close();
    });

    it('that does not let one in says so, without trying for long', async function () {
      if (!server.environment || kind.name === 's3rver' || kind.name === 'OpenSSH') this.skip();
      for (const name of Object.keys(server.environment)) delete process.env[name];
      try {
        await using((driver) =>
          assert.rejects(driver.get('format'), (error) => error instanceof RemoteFault && error.kind === 'denied'),
        );
      } finally {
        Object.assign(process.env, server.environment);
      }
    });
  });
}
