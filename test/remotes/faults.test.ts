/** A remote that fails in every way it can: nothing wrong is stored, no record comes before its objects, and it is told. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { MlpipeError } from '../../runtime/errors.ts';
import { openProject, type Project } from '../../runtime/project.ts';
import { pull } from '../../runtime/share/pull.ts';
import { push } from '../../runtime/share/push.ts';
import type { Listed } from '../../runtime/store/remotes/driver.ts';
import type { TransferOptions } from '../../runtime/store/remotes/transfer.ts';
import { LosingRemote, mustCompleteAfterAnyFault } from './failing.ts';
import { FaultServer } from './servers/faults.ts';
import {
  cloneLocks,
  filesIn,
  MemoryRemote,
  mustBeSound,
  projectAt,
  QUICK,
  remove,
  temporaryFolder,
  withRecords,
} from './support.ts';

const IMPATIENT: TransferOptions = { ...QUICK, silence: 300 };

describe('a remote that fails', function () {
  this.timeout(30_000);
  let folder: string;
  let author: Project;
  let server: FaultServer;
  let stranger: Project;
  let largest: string;
  const at = (...names: string[]) => join(folder, ...names);

  before(async () => {
    folder = temporaryFolder();
    author = projectAt(at('author'), at('whole'));
    await withRecords(author, 3, 3_000_000);
    await push(author);
    const objects = [...filesIn(at('whole'))].sort(([, one], [, other]) => other.length - one.length);
    largest = objects[0]?.[0] ?? '';
  });
  after(() => {
    author.close();
    remove(folder);
  });
  beforeEach(async () => {
    server = new FaultServer();
    for (const [name, content] of filesIn(at('whole'))) server.files.set(name, content);
    const url = await server.start();
    cloneLocks(at('author'), at('stranger'));
    stranger = projectAt(at('stranger'), url);
  });
  afterEach(() => {
    stranger.close();
    server.stop();
    remove(at('stranger'));
  });

  const arrives = async () => {
    const got = await pull(stranger, [], IMPATIENT);
    assert.deepEqual(got.missing, []);
    assert.equal(got.records, 2);
    mustBeSound(filesIn(at('stranger', '.mlpipe')));
    assert.deepEqual((await stranger.store.verify()).problems, []);
  };
  const refuses = async (pattern: RegExp, code: string) => {
    await assert.rejects(pull(stranger, [], IMPATIENT), (error) => {
      assert.ok(error instanceof MlpipeError, String(error));
      assert.match(error.message, pattern);
      assert.equal(error.code, code);
      assert.ok(error.todo, 'it says what to do');
      return true;
    });
    assert.equal(mustBeSound(filesIn(at('stranger', '.mlpipe'))).records, 0);
    assert.deepEqual((await stranger.store.verify()).problems, []);
  };

  it('by 503 and 429 is asked again until it answers', async () => {
    server.fault = (_, times, response) => {
      if (times > 2) return false;
      response.writeHead(times === 1 ? 503 : 429, { 'Retry-After': '0' }).end();
      return true;
    };
    await arrives();
  });

  it('by breaking off in the middle is gone on with from there', async () => {
    server.fault = (name, times, response, content) => {
      if (name !== largest || times > 1) return false;
      response.writeHead(200, { 'Content-Length': content.length });
      response.write(content.subarray(0, 2_000_000), () => setTimeout(() => response.destroy(), 50));
      return true;
    };
    await arrives();
    const ranges = server.asked.filter(({ name }) => name === largest).map(({ range }) => range);
    assert.equal(ranges.length, 2);
    assert.match(ranges[1] ?? '', /^bytes=[1-9]\d*-$/);
  });

  it('by a body that ends too early without a word is gone on with, too', async () => {
    server.fault = (name, times, response, content) => {
      if (name !== largest || times > 1) return false;
      // Without a length nobody but the digest can tell that something is missing.
      response.writeHead(200);
      response.end(content.subarray(0, 1_500_000));
      return true;
    };
    await arrives();
  });

  it('by wrong bytes once, as a line may garble, is asked again', async () => {
    server.fault = (name, times, response, content) => {
      if (name !== largest || times > 1) return false;
      const wrong = Buffer.from(content);
      wrong.writeUInt8((wrong[1000] ?? 0) ^ 1, 1000);
      response.writeHead(200, { 'Content-Length': wrong.length }).end(wrong);
      return true;
    };
    await arrives();
  });

  it('by wrong bytes of the right length is told, and nothing of them is stored', async () => {
    const wrong = Buffer.from(server.files.get(largest) ?? '');
    wrong.writeUInt8((wrong[1000] ?? 0) ^ 1, 1000);
    server.files.set(largest, wrong);
    await refuses(/sends wrong bytes for the object sha256:/, 'remote-corrupt');
  });

  it('by wrong bytes for a record is told, too', async () => {
    const name = [...server.files.keys()].find((each) => /^records\/..\/[0-9a-f]{62}\.json$/.test(each)) ?? '';
    server.files.set(name, Buffer.from('{}'));
    await refuses(/sends wrong bytes for the record sha256:/, 'remote-corrupt');
  });

  it('by silence is given up in time, and says where to look', async () => {
    server.fault = (name, _, response, content) => {
      if (name !== largest) return false;
      response.writeHead(200, { 'Content-Length': content.length });
      response.write(content.subarray(0, 1000));
      return true;
    };
    await refuses(/failed with the object sha256:.*nothing came for 0\.3 s/, 'remote-unreachable');
  });

  it('by 403 is not asked again', async () => {
    server.fault = (name, _, response) => {
      if (name !== largest) return false;
      response.writeHead(403).end();
      return true;
    };
    await refuses(/does not let you reach the object sha256:/, 'remote-denied');
    assert.equal(server.asked.filter(({ name }) => name === largest).length, 1);
  });

  it('by having lost an object names it, and the folder that needs it does not get its name', async () => {
    server.files.delete(largest);
    const got = await pull(stranger, [], IMPATIENT);
    assert.ok(got.missing.length > 0);
    const files = filesIn(at('stranger', '.mlpipe'));
    assert.ok(!files.has(largest));
    assert.deepEqual((await stranger.store.verify()).problems, []);
  });

  it('is left at once on Ctrl-C, with nothing half', async () => {
    const cancel = new AbortController();
    server.fault = (name, _, response, content) => {
      if (name !== largest) return false;
      response.writeHead(200, { 'Content-Length': content.length });
      response.write(content.subarray(0, 1000));
      cancel.abort();
      return true;
    };
    await assert.rejects(
      pull(stranger, [], { ...IMPATIENT, silence: 20_000, signal: cancel.signal }),
      (error) => error instanceof MlpipeError && error.code === 'cancelled' && error.exit === 130,
    );
    assert.equal(mustBeSound(filesIn(at('stranger', '.mlpipe'))).records, 0);
  });

  describe('while things are sent', () => {
    const sending = (remoteInstead: MemoryRemote) => push(author, [], { ...IMPATIENT, around: () => remoteInstead });

    it('at any single request leaves nothing without what it names, and the next push completes it', async () => {
      assert.ok((await mustCompleteAfterAnyFault(sending, { sent: true })) > 0);
    });

    it('with lost answers and lost races still comes to the same', async () => {
      const racing = new LosingRemote();
      await sending(racing);
      assert.equal(mustBeSound(racing.files, { sent: true }).records, 2);
    });

    it('with listings that show what is gone does not believe them of what records name', async () => {
      const whole = new MemoryRemote();
      await sending(whole);
      const stale = new (class extends MemoryRemote {
        override async *list(prefix: string): AsyncGenerator<Listed> {
          this.calls.list += 1;
          if (!prefix.startsWith('objects/')) return;
          for (const [name, content] of whole.files) if (name.startsWith(prefix)) yield { name, bytes: content.length };
        }
      })();
      const many = projectAt(at('many'), at('whole'));
      let sent: Awaited<ReturnType<typeof push>>;
      try {
        // Enough objects that names are listed, in one folder and over all records.
        for (let index = 0; index < 20; index += 1) await withRecords(many, index + 100);
        await push(many, [], { ...IMPATIENT, around: () => whole });
        sent = await push(many, [], { ...IMPATIENT, around: () => stale });
      } finally {
        many.close();
      }
      assert.ok(stale.calls.list > 0);
      assert.ok(sent.records > 20, `${sent.records} records`);
      assert.equal(mustBeSound(stale.files).records, sent.records);
    });

    it('sends nothing that is damaged here', async () => {
      const broken = at('broken');
      fs.cpSync(at('author'), broken, { recursive: true });
      const path = join(broken, '.mlpipe', largest);
      fs.chmodSync(path, 0o644);
      fs.writeFileSync(path, Buffer.alloc(fs.statSync(path).size));
      const project = openProject(broken);
      const target = new MemoryRemote();
      await assert.rejects(push(project, [], { ...IMPATIENT, around: () => target }), /is corrupt/);
      project.close();
      assert.equal(mustBeSound(target.files).records, 0);
    });

    it('mends with --repair what has gone wrong there', async () => {
      const target = new MemoryRemote();
      await sending(target);
      const wrong = Buffer.from(target.files.get(largest) ?? '');
      wrong.writeUInt8((wrong[5] ?? 0) ^ 1, 5);
      target.files.set(largest, wrong);
      await push(author, [], { ...IMPATIENT, repair: true, around: () => target });
      mustBeSound(target.files);
    });
  });
});
