/** Collecting on a remote: what nothing needs goes after its time, and nothing else, whoever sends meanwhile. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { mock } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { Digest } from '../../grammar/plan/plan.ts';
import { collectRemoteGarbage, type RemoteGarbageOptions } from '../../runtime/collect/remote.ts';
import { MlpipeError } from '../../runtime/errors.ts';
import { openProject, type Project } from '../../runtime/project.ts';
import { pull } from '../../runtime/share/pull.ts';
import { push } from '../../runtime/share/push.ts';
import type { RemoteDriver } from '../../runtime/store/remotes/driver.ts';
import { nameOf, recordName } from '../../runtime/store/remotes/names.ts';
import { recordOf } from '../runtime/records.ts';
import { Mortal } from './mortal.ts';
import {
  cloneLocks,
  MemoryRemote,
  mustBeSound,
  projectAt,
  QUICK,
  remove,
  tableOf,
  temporaryFolder,
  withRecords,
} from './support.ts';

const DAY = 86_400_000;
const GRACE = 14 * 86_400;
const PACKED = /^(packs|pack-indexes|members)\//;

describe('collecting on a remote', function () {
  this.timeout(120_000);
  let folder: string;
  let remote: MemoryRemote;
  let now: number;
  let projects: Project[];
  const at = (...names: string[]) => join(folder, ...names);

  beforeEach(() => {
    folder = temporaryFolder();
    remote = new MemoryRemote();
    now = Date.UTC(2026, 10, 1);
    projects = [];
  });
  afterEach(() => {
    for (const project of projects) project.close();
    remove(folder);
  });

  const open = (name: string): Project => {
    const project = fs.existsSync(at(name)) ? openProject(at(name)) : projectAt(at(name), at('models'));
    projects.push(project);
    return project;
  };
  const around = (driver: RemoteDriver = remote) => ({
    ...QUICK,
    around: () => driver,
    reliance: { now: () => now, pause: 2 },
  });
  const send = (project: Project, driver?: RemoteDriver, references: string[] = []) =>
    push(project, references, around(driver));
  const collect = (project: Project, more: Partial<RemoteGarbageOptions> = {}, driver?: RemoteDriver) =>
    collectRemoteGarbage(project, {
      remote: 'shared',
      scope: 'unreferenced',
      grace: GRACE,
      now: () => now,
      ...around(driver),
      ...more,
    });
  const files = (pattern: RegExp) => [...remote.files.keys()].filter((name) => pattern.test(name));
  /** Records with a folder of so many files, and a table, as one more who works on the project. */
  async function trains(name: string, count: number, table = 0): Promise<Project> {
    const project = open(name);
    await withRecords(project, count, 0, table === 0 ? undefined : tableOf(table, count));
    return project;
  }
  /** What a sending has left that was killed before its records. */
  async function leavings(name: string, count: number, table = 0): Promise<Project> {
    const project = await trains(name, count, table);
    const driver = new Mortal(remote, undefined, async (each) => {
      if (each.startsWith('index/') || each.startsWith('records/')) throw new Error('killed');
    });
    await assert.rejects(send(project, driver));
    return project;
  }
  const arrives = async (lockedBy: Project, name: string) => {
    cloneLocks(lockedBy.root, at(name));
    const clone = open(name);
    const answer = await pull(clone, [], around());
    assert.deepEqual(answer.missing, []);
    return answer;
  };

  it('marks what no record names, deletes it after the grace, and keeps all else', async () => {
    const author = await trains('author', 60, 110_000);
    await send(author);
    const before = new Map(remote.files);
    await leavings('other', 90, 120_000);
    const left = [...remote.files.keys()].filter((name) => !before.has(name));
    assert.ok(left.some((name) => PACKED.test(name)) && left.some((name) => name.startsWith('recipes/')), left.join());
    const marked = await collect(author);
    assert.deepEqual([marked.marked.files, marked.deleted.files], [left.length, 0]);
    assert.ok(left.every((name) => remote.files.has(name)));
    now += 13 * DAY;
    const early = await collect(author);
    assert.deepEqual([early.marked.files, early.waiting.files, early.deleted.files], [0, left.length, 0]);
    now += 2 * DAY;
    const dry = await collect(author, { dryRun: true });
    assert.deepEqual([dry.deleted.files, dry.deleted.bytes], [left.length, marked.marked.bytes]);
    assert.ok(left.every((name) => remote.files.has(name)));
    const late = await collect(author);
    assert.equal(late.deleted.files, left.length);
    for (const [name, content] of before)
      if (name !== 'format') assert.ok(remote.files.get(name)?.equals(content), name);
    assert.deepEqual(
      files(/^trash\//).map((name) => name.replace(/\d{15}/, '')),
      ['trash//done'],
    );
    mustBeSound(remote.files);
    await arrives(author, 'clone');
    // Others who have sent more may go on as if nothing had been.
    await send(await trains('third', 91, 121_000));
    mustBeSound(remote.files);
  });

  it('spares what somebody has come to name meanwhile', async () => {
    const author = await trains('author', 60);
    await send(author);
    const other = await leavings('other', 90, 120_000);
    await collect(author);
    await send(other);
    now += 15 * DAY;
    const { deleted, spared } = await collect(author);
    assert.equal(deleted.files, 0);
    assert.ok(spared > 4, String(spared));
    mustBeSound(remote.files);
    await arrives(other, 'clone');
  });

  it('lets nobody rely on what is being deleted', async () => {
    const author = await trains('author', 60);
    await send(author);
    const other = await leavings('other', 90, 120_000);
    await collect(author);
    now += 15 * DAY;
    // At each place of the deletion somebody begins to send what is going.
    const count = files(PACKED).length;
    let sending: Promise<unknown> | undefined;
    let deletions = 0;
    const driver = new Mortal(remote, undefined, async (name) => {
      if (!PACKED.test(name) && !/^(objects|recipes)\//.test(name)) return;
      deletions += 1;
      if (deletions === 3) sending = send(other);
      await wait(5);
    });
    const { deleted } = await collect(author, {}, driver);
    assert.ok(deleted.files > 3, `${deleted.files} of ${count}`);
    await sending;
    mustBeSound(remote.files);
    await arrives(other, 'clone');
  });

  it('waits for who is still sending what stands between a record and what it relies on', async () => {
    const author = await trains('author', 60);
    await send(author);
    const other = await leavings('other', 90, 120_000);
    // Of what was left the lists are gone that name the rest.
    for (const name of files(/^(objects|recipes)\//)) if (!remoteHolds(author, name)) remote.files.delete(name);
    await collect(author);
    now += 15 * DAY;
    let begun = () => {};
    let goOn = () => {};
    const isSending = new Promise<void>((resolve) => (begun = resolve));
    const may = new Promise<void>((resolve) => (goOn = resolve));
    const slow = new Mortal(remote, undefined, async (name) => {
      if (!name.startsWith('recipes/')) return;
      begun();
      await may;
    });
    const sending = send(other, slow);
    await isSending;
    const { deleted, postponed } = await collect(author);
    assert.deepEqual([deleted.files, postponed], [0, 1]);
    goOn();
    await sending;
    mustBeSound(remote.files);
    const after = await collect(author);
    assert.deepEqual([after.deleted.files, after.postponed], [0, 0]);
    mustBeSound(remote.files);
    await arrives(other, 'clone');
  });

  const remoteHolds = (project: Project, name: string) => {
    const [, room, shard = '', rest] = /^(objects|recipes)\/(..)\/(.*)$/.exec(name) ?? [];
    return room !== undefined && project.store.has(`sha256:${shard}${rest}` as Digest);
  };

  it('reads all of it again for who was sending when it was deleted', async () => {
    const author = await trains('author', 60);
    await send(author);
    const other = await leavings('other', 90, 120_000);
    // Two whole collections come and go before somebody looks a last time who has seen all of it lying there.
    let [collections, looks] = [0, 0];
    const slow = new Mortal(remote, undefined, async (name) => {
      if (name !== 'trash/' || ++looks !== 3) return;
      collections += 1;
      await collect(author);
      now += 15 * DAY;
      assert.ok((await collect(author)).deleted.files > 4);
    });
    const { objects } = await send(other, slow);
    assert.equal(collections, 1);
    assert.ok(objects > 30, String(objects));
    mustBeSound(remote.files);
    await arrives(other, 'clone');
  });

  it('that is killed at any call loses nothing, and is ended by a later one', async () => {
    const author = await trains('author', 60);
    await send(author);
    const other = await leavings('other', 60, 110_000);
    const third = await leavings('third', 90);
    await collect(author);
    await send(third);
    now += 15 * DAY;
    const [files, later] = [new Map(remote.files), now];
    const { deleted } = await collect(author);
    assert.ok(deleted.files > 4);
    const whole = [...remote.files.keys()].filter((name) => !name.startsWith('trash/'));
    let killed = 0;
    for (let left = 0; ; left += 1) {
      remote = new MemoryRemote(new Map(files));
      now = later;
      const ended = await collect(author, {}, new Mortal(remote, left)).then(
        () => true,
        () => false,
      );
      if (ended) break;
      killed += 1;
      mustBeSound(remote.files, { collecting: true });
      // Who is killed says nothing any more; for so long others wait for him.
      now += 31 * 60_000;
      if (left % 3 === 0) {
        await send(other);
        mustBeSound(remote.files, { collecting: true });
        await arrives(other, `clone-${left}`);
        continue;
      }
      assert.ok((await collect(author)).deleted.files <= deleted.files);
      now += 15 * DAY;
      await collect(author);
      const names = [...remote.files.keys()].filter((name) => !name.startsWith('trash/'));
      assert.deepEqual(names.sort(), whole.sort(), `after a kill at call ${left}`);
    }
    assert.ok(killed > 25, `${killed} calls`);
  });

  it('says again and again that it deletes, and ends where it has not come to that', async () => {
    const author = await trains('author', 60);
    await send(author);
    await leavings('other', 90, 120_000);
    await collect(author);
    now += 15 * DAY;
    mock.timers.enable({ apis: ['setInterval'] });
    try {
      const said = () => files(/^trash\/.*deleting/);
      let deletions = 0;
      const slow = new Mortal(remote, undefined, async (name) => {
        if (!/^(packs|pack-indexes|members|objects|recipes)\//.test(name) || !files(/^trash\/.*half/).length) return;
        deletions += 1;
        const [before] = said();
        now += deletions < 4 ? 9 * 60_000 : 11 * 60_000;
        if (deletions < 4) mock.timers.tick(60_000);
        for (let turn = 0; turn < 20; turn += 1) await wait(0);
        if (deletions < 4) assert.notDeepEqual(said(), [before]);
        assert.equal(said().length, 1);
        if (deletions === 3) assert.equal((await collect(open('second'))).postponed, 1, 'another steps back');
      });
      slow.abilities.concurrency.most = 1;
      await assert.rejects(collect(author, {}, slow), { code: 'remote-failed' });
      assert.ok(deletions >= 4);
      assert.deepEqual(said(), []);
    } finally {
      mock.timers.reset();
    }
    // Another ends it at once: whoever gave up has said so.
    assert.ok((await collect(open('second'))).deleted.files > 0);
    mustBeSound(remote.files);
    await arrives(author, 'clone');
  });

  it('is done by one alone where two begin at once', async () => {
    const author = await trains('author', 60);
    await send(author);
    await leavings('other', 90, 120_000);
    const second = await trains('second', 60);
    const slowly = () => new Mortal(remote, undefined, () => wait(Math.random() * 3));
    await Promise.all([collect(author, {}, slowly()), collect(second, {}, slowly())]);
    now += 15 * DAY;
    const before = remote.files.size;
    const both = await Promise.all([collect(author, {}, slowly()), collect(second, {}, slowly())]);
    // Both may have stepped back; then one of the next does it.
    assert.ok(
      both.some(({ postponed }) => postponed > 0) || both.filter(({ deleted }) => deleted.files > 0).length < 2,
    );
    await collect(author);
    assert.ok(remote.files.size < before);
    mustBeSound(remote.files);
    await arrives(author, 'clone');
  });

  it('deletes nothing where what is needed cannot be told', async () => {
    const author = await trains('author', 60);
    const { digest: data } = await author.store.put(at('author/data'));
    await send(author);
    await leavings('other', 90);
    const count = remote.files.size;
    const unsure = { code: 'collection-unsure' };
    const breaking = async (name: string, change: (content: Buffer) => Buffer, hereToo = true) => {
      const whole = remote.files.get(name);
      assert.ok(whole, name);
      remote.files.set(name, change(whole));
      const project = hereToo ? author : open(`empty-${name.slice(0, 4)}`);
      await assert.rejects(
        collect(project),
        (error) => error instanceof MlpipeError && error.code === unsure.code,
        name,
      );
      assert.equal(remote.files.size, count);
      remote.files.set(name, whole);
    };
    // A folder's list whose beginning is damaged looks like a file.
    await breaking(nameOf('objects', data), (content) => Buffer.concat([Buffer.from('['), content.subarray(1)]), false);
    const future = Buffer.from(JSON.stringify({ ...recordOf(), format: 'mlpipe-record/99' }));
    const { digestOf } = await import('../../grammar/plan/canonical.ts');
    remote.files.set(recordName(digestOf(future)), future);
    await assert.rejects(collect(author), unsure);
    remote.files.delete(recordName(digestOf(future)));
    // What lies in a pack whose index is damaged may be needed.
    const [index = ''] = files(/^pack-indexes\//);
    remote.files.set(index, Buffer.from('damaged'));
    const { marked } = await collect(open('fresh'));
    assert.equal(marked.files > 0 && files(/^trash\/.*marked/).length, 1);
    const [list = ''] = files(/^trash\/.*marked/);
    assert.doesNotMatch(remote.files.get(list)?.toString() ?? '', /^pack/m);
  });

  it('touches nothing else, whatever a list of what is to go says', async () => {
    const author = await trains('author', 60);
    await send(author);
    await leavings('other', 90);
    await collect(author);
    const [list = ''] = files(/^trash\/.*marked/);
    const names = remote.files.get(list)?.toString().trimEnd().split('\n').slice(1) ?? [];
    for (const strange of ['format', 'index/all', '../../etc/passwd', files(/^records\//)[0] ?? '']) {
      remote.files.set(list, Buffer.from(`mlpipe-trash/1 ${names.length + 1}\n${[...names, strange].join('\n')}\n`));
      now += 15 * DAY;
      const { deleted } = await collect(author);
      assert.equal(deleted.files, 0);
      assert.ok(remote.files.has('format') && remote.files.has('index/all'));
      mustBeSound(remote.files);
      const [next = ''] = files(/^trash\/.*marked/);
      remote.files.set(list, remote.files.get(next) ?? Buffer.alloc(0));
      if (next !== list) remote.files.delete(next);
      for (const done of files(/^trash\/.*done/)) remote.files.delete(done);
    }
  });

  it('by a narrower scope takes what records name, and no sending brings it back unasked', async () => {
    const author = await trains('author', 60, 110_000);
    await send(author);
    const other = await trains('other', 90, 120_000);
    await send(other);
    // The author's work tree names its own alone; records from long ago stay records.
    const { marked } = await collect(author, { scope: 'workspace' });
    assert.ok(marked.files > 4);
    now += 15 * DAY;
    assert.equal((await collect(author, { scope: 'workspace' })).deleted.files, marked.files);
    await arrives(author, 'clone');
    const size = remote.files.size;
    const again = await send(other);
    assert.deepEqual([again.objects, again.held], [0, []]);
    assert.equal(remote.files.size, size);
    const [model] = other.ledger.list({ kind: 'train' });
    assert.ok(model);
    assert.ok((await send(other, remote, [model.digest])).objects > 30);
    mustBeSound(remote.files);
    await arrives(other, 'second-clone');
  });

  it('writes a pack anew of which little is needed, and tells folders so before the old one goes', async () => {
    const author = await trains('author', 300);
    const [old] = author.ledger.list({ kind: 'train' });
    fs.rmSync(at('author/data'), { recursive: true });
    await withRecords(author, 60);
    // Both in one go, so that they share a pack.
    await send(author);
    const [pack = '', ...others] = files(/^packs\//);
    assert.deepEqual(others, []);
    const inScope = () => {
      const gone = author.ledger.list().filter(({ digest }) => digest === old?.digest);
      return new Map([...remote.files].filter(([name]) => !gone.some(({ digest }) => name.includes(digest.slice(9)))));
    };
    const first = await collect(author, { scope: 'workspace' });
    assert.equal(first.repacked, 1);
    assert.equal(files(/^packs\//).length, 2);
    mustBeSound(inScope());
    now += 15 * DAY;
    const second = await collect(author, { scope: 'workspace' });
    assert.equal(second.repacked, 0);
    assert.ok(second.deleted.bytes > (remote.files.get(pack)?.length ?? 0));
    assert.ok(!remote.files.has(pack));
    mustBeSound(inScope());
    await arrives(author, 'clone');
    // Also to who cannot list.
    cloneLocks(author.root, at('blind'));
    const blind = new Mortal(remote);
    Object.assign(blind, { abilities: { ...remote.abilities, list: false } });
    assert.deepEqual((await pull(open('blind'), [], around(blind))).missing, []);
  });

  it('puts many small packs together', async () => {
    const author = open('author');
    for (let round = 0; round < 66; round += 1) {
      fs.rmSync(at('author/data'), { recursive: true, force: true });
      fs.mkdirSync(at('author/data'));
      for (let file = 0; file < 50; file += 1) fs.writeFileSync(at('author/data', `${file}`), `${round} ${file}`);
      const { digest, bytes } = await author.store.put(at('author/data'));
      const { digest: plan } = await author.store.putBytes('plan');
      const inputs = [{ name: 'data:digits', digest, bytes, path: 'data' }];
      await author.ledger.append(recordOf({ plan, keyParts: plan, inputs, reason: String(round) }));
      await send(author);
    }
    assert.equal(files(/^packs\//).length, 66);
    assert.equal((await collect(author)).repacked, 1);
    now += 15 * DAY;
    assert.equal((await collect(author)).deleted.files, 2 * 66);
    assert.equal(files(/^packs\//).length, 1);
    assert.equal(mustBeSound(remote.files).records, 66);
    assert.equal((await collect(author)).marked.files, 0);
  });

  it('by a narrower scope spares what was recorded within the grace', async () => {
    const author = await trains('author', 60);
    await send(author);
    const other = await trains('other', 90, 120_000);
    await send(other);
    now = Date.UTC(2026, 0, 3);
    assert.equal((await collect(author, { scope: 'workspace' })).marked.files, 0);
  });

  it('is refused by a remote that is read only, or from before packs', async () => {
    const author = await trains('author', 60);
    await send(author);
    for (const abilities of [{ list: false }, { write: false }]) {
      const limited = new Mortal(remote);
      Object.assign(limited.abilities, { ...remote.abilities, ...abilities });
      await assert.rejects(collect(author, {}, limited), { code: 'remote-uncollectable' });
      Object.assign(limited.abilities, { list: true, write: true });
    }
    remote.files.set('format', Buffer.from('mlpipe-remote/1\n'));
    await assert.rejects(collect(author), { code: 'remote-uncollectable', todo: /upgrade/ });
  });
});
