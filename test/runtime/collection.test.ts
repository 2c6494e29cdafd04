import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { digestOf } from '../../grammar/plan/canonical.ts';
import type { Digest } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../../runtime/errors.ts';
import type { CollectOptions } from '../../runtime/store/collection/collect.ts';
import { beginSession, livingSessions } from '../../runtime/store/collection/sessions.ts';
import { openStore } from '../../runtime/store/open.ts';
import type { Store } from '../../runtime/store/store.ts';

const WRITER = fileURLToPath(new URL('../faults/writer.ts', import.meta.url));

let folder = '';
let store: Store;
const inFolder = (name: string) => join(folder, name);
const failure = (code: string) => (error: unknown) => error instanceof MlpipeError && error.code === code;

beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'mlpipe-collection-'));
  store = open();
});
afterEach(() => {
  store.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

function open(): Store {
  return openStore(inFolder('.mlpipe'));
}

/** Everything but `roots` goes, whatever its age, unless a test says otherwise. */
async function collect(roots: readonly Digest[], options: Partial<CollectOptions> = {}) {
  // A file that was written in this very tick is not older than now.
  await new Promise((resume) => setTimeout(resume, 20));
  return store.collect({ roots: async () => roots, grace: 0, ...options });
}

function many(name: string, count: number): void {
  fs.mkdirSync(inFolder(name), { recursive: true });
  for (let number = 0; number < count; number += 1)
    fs.writeFileSync(inFolder(`${name}/${number}`), `${name} ${number}`);
}

function filesIn(path: string): string[] {
  if (!fs.existsSync(path)) return [];
  return fs
    .readdirSync(path, { withFileTypes: true, recursive: true })
    .flatMap((each) => (each.isFile() ? each.name : []));
}

async function until(holds: () => boolean): Promise<void> {
  for (const end = Date.now() + 20_000; !holds(); ) {
    if (Date.now() > end) throw new Error('It never came to be.');
    await new Promise((resume) => setTimeout(resume, 20));
  }
}

describe('a collection', () => {
  it('takes away what nothing needs, and keeps a folder with all that is in it', async () => {
    fs.mkdirSync(inFolder('data/deep'), { recursive: true });
    fs.writeFileSync(inFolder('data/deep/a'), 'a');
    const kept = await store.put(inFolder('data'));
    const gone = await store.putBytes('not needed');
    const found = await collect([kept.digest, digestOf('was never here')]);
    assert.deepEqual(found.collected, { objects: 1, bytes: 10 });
    assert.equal(found.needed.objects, 2);
    await store.checkout(kept.digest, inFolder('copy'));
    assert.equal(filesIn(inFolder('.mlpipe/objects')).includes(gone.digest.slice(9)), false);
    assert.deepEqual((await store.verify()).problems, []);
  });

  it('spares what is younger than the grace', async () => {
    const young = await store.putBytes('young');
    const found = await collect([], { grace: 14 * 86_400 });
    assert.deepEqual([found.collected.objects, found.young.objects], [0, 1]);
    assert.ok(store.has(young.digest));
  });

  it('gives back what somebody comes to read, and deletes the rest when nobody can rely on it', async () => {
    const one = await store.putBytes('wanted after all');
    const other = await store.putBytes('never wanted');
    await collect([]);
    assert.equal(filesIn(inFolder('.mlpipe/objects')).length, 0);
    assert.equal((await store.read(one.digest)).toString(), 'wanted after all');
    // Kept for a week.
    assert.equal((await collect([one.digest])).deleted.objects, 0);
    const last = await collect([one.digest], { keep: 0 });
    assert.equal(last.deleted.objects, 1);
    assert.equal(store.has(other.digest), false);
    assert.ok(store.has(one.digest));
    assert.deepEqual(fs.readdirSync(inFolder('.mlpipe/trash')), []);
  });

  it('brings back what is needed by now instead of deleting it', async () => {
    const { digest } = await store.putBytes('named by a record that came late');
    await collect([]);
    const found = await collect([digest], { keep: 0 });
    assert.deepEqual([found.restored, found.deleted.objects], [1, 0]);
    assert.equal(filesIn(inFolder('.mlpipe/objects')).length, 1);
  });

  it('asks again when everything is set aside', async () => {
    const { digest } = await store.putBytes('needed in between');
    let asked = 0;
    const found = await collect([], { roots: async () => (asked++ === 0 ? [] : [digest]) });
    assert.deepEqual([asked, found.restored], [2, 1]);
    assert.equal(filesIn(inFolder('.mlpipe/objects')).length, 1);
  });

  it('changes nothing when it is only asked', async () => {
    many('old', 400);
    await store.put(inFolder('old'));
    await store.putBytes('loose');
    const before = filesIn(inFolder('.mlpipe')).sort();
    const found = await collect([], { dryRun: true });
    assert.equal(found.collected.objects, 402);
    assert.deepEqual(
      filesIn(inFolder('.mlpipe')).filter((name) => before.includes(name)).length >= before.length - 1,
      true,
    );
    assert.equal((await store.read(digestOf('old 7'))).toString(), 'old 7');
  });

  it('writes a pack anew without what nothing needs', async () => {
    many('old', 400);
    many('new', 5);
    const old = await store.put(inFolder('old'));
    for (let number = 0; number < 300; number += 1) fs.rmSync(inFolder(`old/${number}`));
    const rest = await store.put(inFolder('old'));
    const found = await collect([rest.digest]);
    assert.equal(found.collected.objects, 301);
    assert.equal(found.rewritten, 1);
    assert.equal(filesIn(inFolder('.mlpipe/packs')).length, 1);
    await store.checkout(rest.digest, inFolder('copy'));
    assert.equal((await store.digest(inFolder('copy'))).digest, rest.digest);
    // The old pack waits in the trash, from which all of it comes back.
    assert.equal((await store.read(digestOf('old 3'))).toString(), 'old 3');
    await store.checkout(old.digest, inFolder('all'));
  });

  it('puts small packs together', async () => {
    const digests: Digest[] = [];
    for (let pack = 0; pack < 20; pack += 1) {
      many(`p${pack}`, 201);
      digests.push((await store.put(inFolder(`p${pack}`))).digest);
    }
    assert.equal(filesIn(inFolder('.mlpipe/packs')).length, 20);
    const found = await collect(digests);
    assert.deepEqual([found.rewritten, found.collected.objects], [1, 0]);
    assert.equal(filesIn(inFolder('.mlpipe/packs')).length, 1);
    for (const digest of digests) await store.checkout(digest, inFolder(`out/${digest.slice(7, 15)}`));
    assert.deepEqual((await store.verify()).problems, []);
  });

  it('takes nothing where a folder that is needed is damaged', async () => {
    many('data', 3);
    const { digest } = await store.put(inFolder('data'));
    const loose = await store.putBytes('not needed');
    const path = inFolder(`.mlpipe/objects/${digest.slice(7, 9)}/${digest.slice(9)}`);
    for (const at of [0, 30]) {
      const whole = fs.readFileSync(path);
      const bytes = Buffer.from(whole);
      bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
      fs.chmodSync(path, 0o644);
      fs.writeFileSync(path, bytes);
      await assert.rejects(collect([digest]), failure('collection-unsure'));
      fs.writeFileSync(path, whole);
    }
    assert.ok(store.has(loose.digest));
    assert.ok(store.has(digestOf('data 0')));
  });

  it('deletes at once where nobody else is writing, and only there', async () => {
    const { digest } = await store.putBytes('not needed');
    const other = beginSession(inFolder('.mlpipe'));
    await assert.rejects(collect([], { now: true }), failure('store-in-use'));
    assert.equal(fs.existsSync(inFolder('.mlpipe/deleting')), false);
    other.end();
    const found = await collect([], { now: true });
    assert.equal(found.collected.objects, 1);
    assert.equal(store.has(digest), false);
  });
});

describe('a session', () => {
  let child: ChildProcess | undefined;
  afterEach(() => child?.kill('SIGKILL'));

  /** A process that stores something, says so, and waits before it goes on. */
  async function writer(...contents: string[]): Promise<ChildProcess> {
    child = spawn(process.execPath, [WRITER, 'hold', inFolder('.mlpipe'), ...contents], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await new Promise((resume) => child?.stdout?.once('data', resume));
    return child;
  }

  it('keeps what it has written since it began, even while it is stopped', async () => {
    const before = await store.putBytes('from before');
    await new Promise((resume) => setTimeout(resume, 20));
    const process = await writer('from a session');
    process.kill('SIGSTOP');
    const found = await collect([]);
    assert.deepEqual([found.collected.objects, found.young.objects], [1, 1]);
    assert.ok(store.has(digestOf('from a session')));
    assert.ok(store.has(before.digest), 'it can be had back');
  });

  it('keeps what it has found in place from being deleted', async () => {
    const found = await store.putBytes('was there already');
    store.close();
    await writer('was there already');
    await collect([]);
    // However often, and however short the time that it is kept.
    await collect([], { keep: 0 });
    await collect([], { keep: 0 });
    assert.ok(store.has(found.digest));
  });

  it('counts no more when its process has died', async () => {
    const process = await writer('left behind');
    assert.equal(livingSessions(inFolder('.mlpipe')).length, 1);
    process.kill('SIGKILL');
    await until(() => livingSessions(inFolder('.mlpipe')).length === 0);
    assert.deepEqual(fs.readdirSync(inFolder('.mlpipe/sessions')), []);
    assert.equal((await collect([])).collected.objects, 1);
  });

  it('ends with its store and with its process', async () => {
    await store.putBytes('something');
    assert.equal(fs.readdirSync(inFolder('.mlpipe/sessions')).length, 1);
    store.close();
    assert.deepEqual(fs.readdirSync(inFolder('.mlpipe/sessions')), []);
    const process = await writer('something else');
    process.stdin?.end();
    await new Promise((resume) => process.once('exit', resume));
    assert.deepEqual(fs.readdirSync(inFolder('.mlpipe/sessions')), []);
  });

  it('that was taken for dead answers for nothing', async () => {
    await store.putBytes('something');
    for (const name of fs.readdirSync(inFolder('.mlpipe/sessions'))) fs.rmSync(inFolder(`.mlpipe/sessions/${name}`));
    await assert.rejects(store.putBytes('something else'), failure('session-lost'));
  });

  it('does not begin while somebody deletes at once', async () => {
    const { host, boot, pid, start } = JSON.parse(
      fs.readFileSync(inFolder(`.mlpipe/sessions/${await nameOfOwn()}`), 'utf8'),
    );
    fs.writeFileSync(inFolder('.mlpipe/deleting'), JSON.stringify({ host, boot, pid, start }));
    let done = false;
    const waiting = writer('later').then(() => {
      done = true;
    });
    await new Promise((resume) => setTimeout(resume, 1500));
    assert.equal(done, false, 'it wrote meanwhile');
    fs.rmSync(inFolder('.mlpipe/deleting'));
    await waiting;
    assert.ok(open().has(digestOf('later')));
  });

  it('begins where whoever deleted has died', async () => {
    const dead = { host: (await import('node:os')).hostname(), boot: 'an earlier one', pid: 1, start: '1' };
    fs.writeFileSync(inFolder('.mlpipe/deleting'), JSON.stringify(dead));
    await store.putBytes('at once');
    assert.equal(fs.existsSync(inFolder('.mlpipe/deleting')), false);
  });

  async function nameOfOwn(): Promise<string> {
    await store.putBytes('something');
    return fs.readdirSync(inFolder('.mlpipe/sessions'))[0] ?? '';
  }
});
