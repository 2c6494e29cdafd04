/** Logs and signatures travel with the records, over every kind of remote; a log that parts from another is told. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { digestOf } from '../../grammar/plan/canonical.ts';
import { fetchAll } from '../../runtime/share/pull.ts';
import { push } from '../../runtime/share/push.ts';
import type { RemoteDriver } from '../../runtime/store/remotes/driver.ts';
import { RemoteFault } from '../../runtime/store/remotes/driver.ts';
import { ensureBuilt, mlpipe } from '../cli/support.ts';
import { recordOf } from '../runtime/records.ts';
import { codes, People } from './people.ts';
import { type Server, startS3, startWebDav } from './servers/start.ts';
import { mustBeSound, remove } from './support.ts';

/** Reads a folder and nothing else: a server that cannot list. */
async function serveFiles(folder: string): Promise<Server> {
  const server = http.createServer((request, response) => {
    const path = join(folder, decodeURIComponent(new URL(request.url ?? '', 'http://localhost').pathname));
    if (!fs.statSync(path, { throwIfNoEntry: false })?.isFile()) {
      response.writeHead(404).end();
      return;
    }
    const content = fs.readFileSync(path);
    response.writeHead(200, { 'Content-Length': content.length });
    response.end(request.method === 'HEAD' ? undefined : content);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  return {
    url: `http://127.0.0.1:${port}`,
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

interface Kind {
  name: string;
  /** What is written, and what is read where that is another. */
  start: (folder: string) => Promise<{ write: Server; read?: Server } | undefined>;
}

const KINDS: Kind[] = [
  { name: 'a folder', start: async (folder) => ({ write: { url: folder, stop: async () => undefined } }) },
  {
    name: 's3rver',
    start: async (folder) => {
      const write = await startS3(folder);
      return write && { write };
    },
  },
  {
    name: 'WebDAV by Apache, read by HTTP alone',
    start: async (folder) => {
      const write = await startWebDav(folder);
      return write && { write, read: { ...write, url: write.url.replace('dav:', 'http:') } };
    },
  },
  {
    name: 'a folder, read by HTTP alone',
    start: async (folder) => {
      const read = await serveFiles(folder);
      return { write: { url: folder, stop: read.stop }, read };
    },
  },
];

for (const kind of KINDS) {
  describe(`logs over ${kind.name}`, function () {
    this.timeout(60_000);
    let people: People;
    let servers: { write: Server; read?: Server };

    before(async function () {
      people = new People();
      const started = await kind.start(people.at('server'));
      if (started === undefined) {
        if (process.env.CI) throw new Error(`${kind.name} is not on this machine.`);
        this.skip();
      }
      servers = started;
      Object.assign(process.env, servers.write.environment);
      people.settings = { url: servers.write.url, ...servers.write.settings };
    });
    after(async () => {
      await servers?.write.stop();
      for (const name of Object.keys(servers?.write.environment ?? {})) delete process.env[name];
      remove(people.folder);
    });

    it('bring two people the records, signatures and logs of both, which `verify` knows to have left', async () => {
      const reading = servers.read ? { ...people.settings, url: servers.read.url } : people.settings;
      await people.append('ada', 5);
      const ada = await people.writer('ada');
      const sent = await people.push('ada');
      assert.deepEqual([sent.records, sent.logs, sent.problems], [5, [ada], []]);
      assert.deepEqual((await people.push('ada')).logs, []);
      const got = await people.fetch('bob', reading);
      assert.deepEqual([got.records, got.logs, got.problems, got.missing], [5, [ada], [], []]);
      const seen = await people.verify('bob');
      assert.deepEqual(codes(seen), []);
      assert.deepEqual(seen.logs[0]?.checkpoints, { here: 5, published: 5, left: 5 });
      assert.equal(seen.standing.untrusted, 5);
      assert.equal((await people.verify('ada')).logs[0]?.checkpoints.left, 5);

      await people.append('bob', 3);
      await people.append('ada', 2, 'later');
      assert.deepEqual((await people.push('bob')).problems, []);
      assert.deepEqual((await people.push('ada')).logs, [ada]);
      for (const name of ['ada', 'bob', 'eve']) assert.deepEqual((await people.fetch(name, reading)).problems, []);
      for (const name of ['ada', 'bob', 'eve']) {
        assert.deepEqual(Object.values(await people.logs(name)).sort(), [3, 7], name);
        assert.deepEqual(codes(await people.verify(name)), [], name);
      }
      const again = await people.fetch('eve', reading);
      assert.deepEqual([again.records, again.signatures, again.logs], [0, 0, []]);
    });
  });
}

describe('logs on a remote', function () {
  this.timeout(60_000);
  let people: People;

  beforeEach(() => {
    people = new People();
  });
  afterEach(() => remove(people.folder));

  it('never show a checkpoint without its entries, or a record that is not found, wherever the sending ends', async () => {
    await people.append('ada', 3);
    for (let point = 0; ; point += 1) {
      fs.rmSync(people.at('remote'), { recursive: true, force: true });
      let puts = 0;
      const failing = (driver: RemoteDriver): RemoteDriver =>
        new Proxy(driver, {
          get(target, name) {
            const value: unknown = Reflect.get(target, name);
            if (name !== 'put') return typeof value === 'function' ? value.bind(target) : value;
            return async (...words: Parameters<RemoteDriver['put']>) => {
              if (puts === point) throw new RemoteFault('the line is cut', 'refused');
              puts += 1;
              const answer = await target.put(...words);
              await target.settle();
              return answer;
            };
          },
        });
      const whole = await people.push('ada', failing).then(
        () => true,
        () => false,
      );
      const files = people.remote();
      mustBeSound(files, { sent: true });
      const said = [...files].filter(([name]) => name.endsWith('.names')).map(([, content]) => content.toString());
      for (const name of files.keys())
        if (/^(records|log\/checkpoints)\//.test(name))
          assert.ok(said.join().includes(`${name}\n`), `${name} is unsaid`);
      if (whole) {
        assert.ok(point > 12, `${point} files were sent`);
        assert.ok([...files.keys()].some((name) => name.startsWith('log/checkpoints/')));
        return;
      }
    }
  });

  it('come whole to one who cannot list, whoever pushes at the same time', async () => {
    ensureBuilt();
    const server = await serveFiles(people.at('remote'));
    try {
      const expected = new Set<string>();
      for (let round = 0; round < 3; round += 1) {
        for (const name of ['ada', 'bob', 'cem'])
          for (const digest of await people.append(name, 2, `${name} in round ${round}`)) expected.add(digest);
        const pushed = await Promise.all(
          ['ada', 'bob', 'cem'].map((name) =>
            mlpipe(['push'], {
              folder: people.at(name),
              environment: { MLPIPE_CONFIG: people.at('keys', name) },
            }),
          ),
        );
        for (const { code, stderr } of pushed) assert.equal(code, 0, stderr);
        await people.fetch('eve', { url: server.url });
        const found = await people.as('eve', async ({ ledger }) => ledger.list().map(({ digest }) => digest));
        assert.deepEqual(found.sort(), [...expected].sort());
        assert.deepEqual(
          Object.values(await people.logs('eve')),
          [1, 1, 1].map((each) => each * 2 * (round + 1)),
        );
        const seen = await people.verify('eve');
        assert.deepEqual([codes(seen), seen.standing.unsigned], [[], undefined]);
      }
    } finally {
      await server.stop();
    }
  });

  it('send the later entries alone where a log has grown, and bring them whole', async () => {
    await people.append('ada', 2);
    await people.push('ada');
    await people.fetch('bob');
    await people.append('ada', 1030, 'more');
    await people.push('ada');
    const got = await people.fetch('bob');
    assert.deepEqual([got.problems, got.logs.length], [[], 1]);
    assert.deepEqual(codes(await people.verify('bob')), []);
    const before = people.remote();
    await people.append('ada', 1, 'last');
    await people.push('ada');
    const added = [...people.remote().keys()].filter((name) => !before.has(name) && name.startsWith('log/entries/'));
    assert.equal(added.length, 2);
    assert.equal((await people.fetch('bob')).logs.length, 1);
    assert.deepEqual(Object.values(await people.logs('bob')), [1033]);
  });

  it('bring no records that nobody asked for; `verify` says that they are elsewhere, and finds one that was removed', async () => {
    const digests = await people.append('ada', 4);
    await people.push('ada');
    await people.as('ada', async ({ ledger, root }) => {
      const stored = ledger.get(digests[0] ?? 'sha256:');
      if (stored) await ledger.lock(join(root, 'digits.mlpipe'), stored);
    });
    fs.cpSync(people.at('ada', 'digits.mlpipe.lock'), people.at('bob', 'digits.mlpipe.lock'), { recursive: true });
    const got = await people.as('bob', (project) => fetchAll(project));
    assert.deepEqual([got.records, got.logs.length], [1, 1]);
    const seen = await people.verify('bob');
    assert.deepEqual([codes(seen), seen.logs[0]?.elsewhere], [[], 3]);
    assert.match(seen.notes.join('\n'), /3 records that the log .* names are not here: `mlpipe fetch --all`/);
    assert.equal((await people.fetch('bob')).records, 3);
    assert.equal((await people.verify('bob')).logs[0]?.elsewhere, 0);
    const removed = digests[2] ?? '';
    fs.rmSync(people.at('bob', '.mlpipe', 'records', removed.slice(7, 9), `${removed.slice(9)}.json`));
    assert.deepEqual(codes(await people.verify('bob')), ['record-missing']);
  });

  it('that part are told by who sends and by who fetches, and stay what they are', async () => {
    await people.append('ada', 3);
    const back = people.keep('ada');
    await people.append('ada', 2, 'one way');
    await people.push('ada');
    await people.fetch('bob');
    back();
    await people.append('ada', 4, 'another way');
    const before = people.remote();
    for (let times = 0; times < 2; times += 1) {
      const sent = await people.push('ada');
      assert.match(sent.problems.join('\n'), /The log \S+ parts: this store and .* disagree about its first 5 entries/);
      assert.deepEqual(sent.logs, []);
    }
    for (const [name, content] of before)
      if (name.startsWith('log/')) assert.deepEqual(people.remote().get(name), content);
    assert.deepEqual([...people.remote().keys()].filter((name) => name.startsWith('log/checkpoints/')).length, 1);
    assert.ok(codes(await people.verify('ada')).includes('log-rewritten'));

    // The other log reaches another remote, and from there one who has the first, and one who has neither.
    const first = people.settings;
    people.settings = { url: people.at('other') };
    await people.push('ada');
    const logs = await people.logs('bob');
    for (let times = 0; times < 2; times += 1) {
      const got = await people.fetch('bob');
      assert.match(got.problems.join('\n'), /The log \S+ parts: /);
      assert.deepEqual(await people.logs('bob'), logs);
    }
    assert.ok(codes(await people.verify('bob')).includes('log-shorter'));
    people.settings = first;
    fs.cpSync(people.at('other', 'log'), people.at('remote', 'log'), { recursive: true });
    const both = await people.fetch('eve');
    assert.match(
      both.problems.join('\n'),
      /The log \S+ parts: two checkpoints on .* disagree about its first 5 entries/,
    );
    assert.deepEqual(await people.logs('eve'), {});
  });

  it('let an older copy of a store find out that it is one, and begin another log', async () => {
    await people.append('ada', 3);
    const back = people.keep('ada');
    const [lost] = await people.append('ada', 1, 'later');
    await people.push('ada');
    const writer = await people.writer('ada');
    back();
    const sent = await people.push('ada');
    assert.match(sent.problems.join('\n'), /has 3 entries here and 4 on .*: this store is an older copy/);
    const got = await people.as('ada', async (project) => {
      const answer = await fetchAll(project, { all: true });
      await project.ledger.append(recordOf({ reason: 'after' }));
      return answer;
    });
    assert.match(got.problems.join('\n'), /this store is an older copy .* From now on another log is written here/);
    assert.ok(await people.as('ada', async ({ ledger }) => ledger.get(lost ?? 'sha256:')));
    const logs = await people.logs('ada');
    assert.equal(logs[writer], 4);
    assert.deepEqual(Object.values(logs).sort(), [1, 4]);
    assert.deepEqual(codes(await people.verify('ada')), []);
  });

  it('are not believed where the remote has changed them', async () => {
    await people.append('ada', 3);
    await people.push('ada');
    const [entries] = [...people.remote()].filter(([name, { length }]) => /^log\/entries/.test(name) && length === 96);
    const path = people.at('remote', entries?.[0] ?? '');
    const content = fs.readFileSync(path);
    fs.chmodSync(path, 0o644);
    fs.writeFileSync(path, Buffer.from(content).fill(7, 0, 32));
    const got = await people.fetch('bob');
    assert.match(got.problems.join('\n'), /is not taken up: not all of its entries are there/);
    assert.deepEqual(await people.logs('bob'), {});
    assert.equal(got.records, 3);
    const mended = await people.as('ada', (project) => push(project, [], { repair: true }));
    assert.deepEqual(mended.problems, []);
    assert.deepEqual((await people.fetch('bob')).problems, []);
    const [[name = ''] = []] = [...people.remote()].filter(([each]) => each.startsWith('log/checkpoints/'));
    fs.renameSync(people.at('remote', name), people.at('remote', name.replace('000000000003', '000000000002')));
    assert.match((await people.fetch('eve')).problems.join('\n'), /is of another size than its name says/);
  });

  it('bring signatures that are what they are called, also to a record that came without', async () => {
    const [digest = ''] = await people.append('ada', 1);
    await people.push('ada');
    const [[signature = '', content = Buffer.alloc(0)] = []] = [...people.remote()].filter(([name]) =>
      name.endsWith('.sig.json'),
    );
    fs.chmodSync(people.at('remote', signature), 0o644);
    fs.writeFileSync(people.at('remote', signature), 'garbled');
    const got = await people.fetch('bob');
    assert.match(got.problems.join('\n'), new RegExp(`wrong bytes for a signature of the record ${digest}`));
    assert.equal(got.records, 1);
    fs.writeFileSync(people.at('remote', signature), content);
    const again = await people.fetch('bob');
    assert.deepEqual([again.records, again.signatures, again.problems], [0, 1, []]);
    assert.deepEqual(codes(await people.verify('bob')), []);
    assert.equal(digestOf(fs.readFileSync(people.at('bob', '.mlpipe', signature))), digestOf(content));
  });
});
