/** What is damaged or lost behind a model comes back from the remotes; what nobody has goes only when that was said. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Digest } from '../../grammar/plan/plan.ts';
import * as api from '../../runtime/api.ts';
import { TemporaryProject } from './project.ts';
import { FILES } from './support/flowers.ts';

describe('repairing a model', function () {
  this.timeout(60_000);
  let project: TemporaryProject;
  let remotes: string;
  let record: string;
  const inside = <Answer>(use: (opened: api.Project) => Promise<Answer> | Answer): Promise<Answer> =>
    api.withProject(project.folder, use);
  const repair = (options: api.RepairOptions = {}) =>
    inside((opened) => api.repairRecord(opened, record, { setAsideLost: false, ...options }));
  const verify = () => inside((opened) => api.verifyRecord(opened, record));
  const object = (digest: string) => project.path(join('.mlpipe', 'objects', digest.slice(7, 9), `${digest.slice(9)}`));
  const damaged = (): string[] => {
    const folder = project.path('.mlpipe/damaged');
    return fs.existsSync(folder) ? fs.readdirSync(folder) : [];
  };
  /** Flips a bit, as a disk does: no time changes that would tell. */
  const flip = (digest: string) => {
    const path = object(digest);
    const { atime, mtime } = fs.statSync(path);
    const bytes = fs.readFileSync(path);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 4;
    fs.chmodSync(path, 0o644);
    fs.writeFileSync(path, bytes);
    fs.utimesSync(path, atime, mtime);
  };
  const model = () => project.record('learn').outputs.model?.digest ?? '';
  const weights = () => {
    const { entries } = JSON.parse(fs.readFileSync(object(model()), 'utf8')) as { entries: { digest: Digest }[] };
    return entries.map(({ digest }) => digest);
  };
  const addRemote = (name: string, push = true) =>
    inside(async (opened) => {
      const { addRemote: add } = await api.sharing.remotes();
      await add(opened, name, { url: join(remotes, name) });
      if (push) await api.sharing.push(opened, [], { remote: name });
    });

  beforeEach(async () => {
    project = new TemporaryProject(FILES);
    remotes = fs.mkdtempSync(join(tmpdir(), 'mlpipe-remotes-'));
    const { step } = await project.run();
    record = step('learn').record ?? '';
  });
  afterEach(() => {
    project.remove();
    fs.rmSync(remotes, { recursive: true, force: true });
  });

  it('brings back flipped and lost objects, and keeps the damaged ones aside', async () => {
    await addRemote('shared');
    const [file = ''] = weights();
    const [data] = project.record('learn').inputs;
    flip(file);
    fs.rmSync(object(data?.digest ?? ''), { force: true });
    assert.deepEqual((await verify()).problems.map(({ code, repairable }) => [code, repairable]).sort(), [
      ['object-corrupt', true],
      ['object-missing', true],
    ]);
    const { ok, repair: done } = await repair();
    assert.equal(ok, true);
    assert.deepEqual(new Set(done.repaired.map(({ digest }) => digest)), new Set([file, data?.digest]));
    assert.deepEqual([done.lost, done.setAside, done.asked, done.silent], [[], [], ['shared'], []]);
    assert.deepEqual(damaged(), [file.slice(7)]);
  });

  it('sees what is wrong inside a folder once the folder is whole again', async () => {
    await addRemote('shared');
    const files = weights();
    for (const digest of [...files, model()]) flip(digest);
    const { ok, repair: done } = await repair();
    assert.equal(ok, true);
    assert.deepEqual(new Set(done.repaired.map(({ digest }) => digest)), new Set([...files, model()]));
  });

  it('leaves what nobody has where it is, until it is said that it may go; then a run makes it again', async () => {
    await addRemote('empty', false);
    const [file = ''] = weights();
    flip(file);
    const kept = await repair();
    assert.deepEqual([kept.ok, kept.repair.lost, kept.repair.setAside], [false, [file], []]);
    assert.deepEqual(
      kept.problems.map(({ code, digest }) => [code, digest]),
      [['object-corrupt', file]],
    );
    assert.deepEqual(damaged(), []);
    const gone = await repair({ setAsideLost: true });
    assert.deepEqual([gone.ok, gone.repair.lost, gone.repair.setAside], [false, [file], [file]]);
    assert.deepEqual(
      gone.problems.map(({ code }) => code),
      ['object-missing'],
    );
    assert.deepEqual(damaged(), [file.slice(7)]);
    // Its folder is there, so that nothing but this makes the step run.
    const { step } = await project.run({ force: true });
    assert.equal(step('learn').status, 'ran');
    assert.equal((await verify()).ok, true);
  });

  it('takes each from the remote that has it, and says which one could not be asked', async () => {
    await addRemote('first');
    const [file = ''] = weights();
    const [data] = project.record('learn').inputs;
    await addRemote('second');
    await addRemote('away');
    fs.rmSync(join(remotes, 'away'), { recursive: true });
    for (const digest of [file, data?.digest ?? '']) flip(digest);
    const onFirst = join(remotes, 'first', 'objects', file.slice(7, 9), file.slice(9));
    fs.rmSync(onFirst, { force: true });
    const { ok, repair: done } = await repair();
    assert.equal(ok, true, JSON.stringify(done));
    assert.deepEqual(done.repaired.find(({ digest }) => digest === file)?.from, 'second');
    const silent = await (async () => {
      flip(file);
      fs.rmSync(join(remotes, 'second'), { recursive: true });
      return repair();
    })();
    assert.deepEqual(
      silent.repair.silent.map(({ remote }) => remote),
      ['second', 'away'],
    );
    assert.deepEqual([silent.repair.lost, silent.repair.setAside], [[file], []]);
  });

  it('mends nothing and touches nothing where everything is whole, or there is no remote', async () => {
    const whole = await repair();
    assert.deepEqual([whole.ok, whole.repair.repaired, whole.repair.lost], [true, [], []]);
    const [file = ''] = weights();
    flip(file);
    const alone = await repair();
    assert.deepEqual([alone.ok, alone.repair.lost, alone.repair.asked, alone.repair.silent], [false, [file], [], []]);
    assert.deepEqual(damaged(), []);
  });

  it('is cancelled, and says so', async () => {
    await addRemote('shared');
    flip(weights()[0] ?? '');
    await assert.rejects(repair({ signal: AbortSignal.abort() }), { code: 'cancelled' });
  });
});

describe('repairing what lies in packs', function () {
  this.timeout(60_000);
  const FILES_IN_PACK = 300;
  let project: TemporaryProject;
  let remote: string;
  let record: string;
  const inside = <Answer>(use: (opened: api.Project) => Promise<Answer> | Answer): Promise<Answer> =>
    api.withProject(project.folder, use);
  const repair = () => inside((opened) => api.repairRecord(opened, record, { setAsideLost: false }));
  const pack = () => {
    const folder = project.path('.mlpipe/packs');
    const [name = ''] = fs.readdirSync(folder).filter((each) => each.endsWith('.pack'));
    return join(folder, name);
  };
  const damage = (change: (bytes: Buffer) => Buffer) => {
    const path = pack();
    fs.chmodSync(path, 0o644);
    fs.writeFileSync(path, change(fs.readFileSync(path)));
  };

  beforeEach(async () => {
    const make = `mkdir -p many && for i in $(seq ${FILES_IN_PACK}); do echo "file $i of many" > many/$i; done`;
    project = new TemporaryProject({
      'p.mlpipe': `pipeline p\n\nstep make {\n  run ${JSON.stringify(make)}\n  writes o "many"\n}\n`,
    });
    remote = fs.mkdtempSync(join(tmpdir(), 'mlpipe-remote-'));
    const { step } = await project.run();
    record = step('make').record ?? '';
    await inside(async (opened) => {
      const { addRemote } = await api.sharing.remotes();
      await addRemote(opened, 'shared', { url: remote });
      await api.sharing.push(opened);
    });
  });
  afterEach(() => {
    project.remove();
    fs.rmSync(remote, { recursive: true, force: true });
  });

  it('brings back one object, and leaves its neighbours where they are', async () => {
    damage((bytes) => {
      const at = bytes.indexOf('file 77 of many');
      bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
      return bytes;
    });
    const { ok, repair: done } = await repair();
    assert.equal(ok, true, JSON.stringify(done));
    assert.deepEqual([done.repaired.length, done.lost, done.setAside], [1, [], []]);
  });

  it('brings back all that a pack held whose index is damaged', async () => {
    damage((bytes) => bytes.subarray(0, -1));
    const { ok, repair: done } = await repair();
    assert.equal(ok, true, JSON.stringify(done));
    assert.deepEqual([done.repaired.length, done.lost], [FILES_IN_PACK, []]);
  });
});
