import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { digestOf } from '../../grammar/plan/canonical.ts';
import type { Digest } from '../../grammar/plan/plan.ts';
import { identityIn } from '../../runtime/ledger/keys/identity.ts';
import { openLedger } from '../../runtime/ledger/ledger.ts';
import { verifyProject } from '../../runtime/ledger/verify/verify.ts';
import { isDigest } from '../../runtime/store/manifest.ts';
import { openStore } from '../../runtime/store/open.ts';
import { recordOf } from '../runtime/records.ts';
import { straceWorks, traced } from './strace.ts';

const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url));
const CALLS = ['fsync', 'rename', 'write', 'unlink', 'link'];

let folder = '';
const inFolder = (name: string) => join(folder, name);

before(function () {
  if (!straceWorks()) this.skip();
});
beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'mlpipe-kill-'));
  fs.mkdirSync(inFolder('source'));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

function acknowledgedIn(stdout: string): Digest[] {
  return stdout.split('\n').filter(isDigest);
}

/** Content that no earlier round has put, so that every round writes. */
function renew(round: string): void {
  for (const name of ['a', 'b', 'c']) fs.writeFileSync(inFolder(`source/${name}`), `${name} ${round}`);
}

/** How often each call is made by a round that is left alone, in its main thread. */
function countCalls(program: readonly string[]): Map<string, number> {
  const { trace, status, stderr } = traced(CALLS.join(','), undefined, program);
  assert.equal(status, 0, stderr);
  const main = trace.split(' ', 1)[0];
  const counts = new Map<string, number>();
  for (const line of trace.split('\n')) {
    const [, process, call] = /^(\d+) +(\w+)\(/.exec(line) ?? [];
    if (call && process === main) counts.set(call, (counts.get(call) ?? 0) + 1);
  }
  return counts;
}

describe('a process that is killed', () => {
  it('while it makes a store leaves one that opens', function () {
    this.timeout(120_000);
    renew('first');
    const program = [WORKER, 'objects', inFolder('new'), inFolder('source')];
    // A store is a few folders, two times 256 shards and the format file.
    for (const [call, numbers] of Object.entries({ mkdir: [1, 300], fsync: [1, 2, 3, 4], rename: [1] })) {
      for (const number of numbers) {
        fs.rmSync(inFolder('new'), { recursive: true, force: true });
        const { signal, stdout } = traced(call, `${call}:signal=SIGKILL:when=${number}`, program);
        assert.deepEqual([signal, stdout], ['SIGKILL', ''], `${call} ${number}`);
        const { status, stderr } = spawnSync(process.execPath, program, { encoding: 'utf8' });
        assert.equal(status, 0, `${call} ${number}: ${stderr}`);
      }
    }
  });

  it('at any fsync, rename, write or unlink of a put loses nothing that it was promised', async function () {
    this.timeout(120_000);
    renew('never killed');
    const program = [WORKER, 'objects', inFolder('.mlpipe'), inFolder('source')];
    openStore(inFolder('.mlpipe'));
    const promised = new Set<Digest>();
    let kills = 0;
    for (const [call, count] of countCalls(program)) {
      for (let number = 1; number <= count; number += 1) {
        renew(`${call} ${number}`);
        const { signal, stdout } = traced(call, `${call}:signal=SIGKILL:when=${number}`, [
          ...program,
          `${call} ${number}`,
        ]);
        if (signal === 'SIGKILL') kills += 1;
        for (const digest of acknowledgedIn(stdout)) promised.add(digest);
        const store = openStore(inFolder('.mlpipe'));
        const { problems } = await store.verify();
        assert.deepEqual(problems, [], `${call} ${number}`);
        for (const digest of promised) assert.ok(store.has(digest), `${digest} after ${call} ${number}`);
        for (const digest of acknowledgedIn(stdout)) {
          await store.checkout(digest, inFolder(`out/${call}-${number}-${digest.slice(7, 15)}`));
        }
      }
    }
    assert.ok(kills >= 15, `only ${kills} rounds were killed`);
    assert.ok(promised.size >= 15, `only ${promised.size} promises were made`);
  });

  it('while a large file is copied leaves nothing under its digest', async function () {
    this.timeout(60_000);
    const large = Buffer.alloc(3 * 2 ** 20, 'large ');
    fs.writeFileSync(inFolder('source/large'), large);
    openStore(inFolder('.mlpipe'));
    const program = [WORKER, 'objects', inFolder('.mlpipe'), inFolder('source')];
    const { signal, trace } = traced('copy_file_range', 'copy_file_range:signal=SIGKILL:when=1', program);
    assert.equal(signal, 'SIGKILL', trace);
    const store = openStore(inFolder('.mlpipe'));
    assert.deepEqual((await store.verify()).problems, []);
    assert.equal(store.has(digestOf(large)), false);
    await store.put(inFolder('source'));
    assert.ok((await store.read(digestOf(large))).equals(large));
  });

  it('at any fsync, rename, write or unlink of an append loses no record, and none is torn', function () {
    this.timeout(120_000);
    let kills = 0;
    const program = [WORKER, 'record', inFolder('.mlpipe')];
    const counts = countCalls(program);
    for (const [call, count] of counts) {
      for (let number = 1; number <= count; number += 1) {
        // From an empty ledger every time; the folders stay.
        for (const name of fs.readdirSync(inFolder('.mlpipe'))) {
          if (name.startsWith('index.sqlite')) fs.rmSync(inFolder(`.mlpipe/${name}`));
        }
        for (const shard of fs.readdirSync(inFolder('.mlpipe/records'))) {
          for (const name of fs.readdirSync(inFolder(`.mlpipe/records/${shard}`))) {
            fs.rmSync(inFolder(`.mlpipe/records/${shard}/${name}`));
          }
        }
        const { signal, stdout } = traced(call, `${call}:signal=SIGKILL:when=${number}`, program);
        if (signal === 'SIGKILL') kills += 1;
        const ledger = openLedger(inFolder('.mlpipe'));
        assert.deepEqual(ledger.problems, [], `${call} ${number}`);
        const kept = ledger.list().map(({ digest }) => digest);
        for (const digest of acknowledgedIn(stdout))
          assert.ok(kept.includes(digest), `${digest} after ${call} ${number}`);
        ledger.close();
      }
    }
    assert.ok(kills >= 15, `only ${kills} rounds were killed`);
  });

  it('at any fsync, rename, write, unlink or link of an append that is signed loses nothing either', async function () {
    this.timeout(300_000);
    let kills = 0;
    let promises = 0;
    const program = [WORKER, 'record', inFolder('.mlpipe'), inFolder('keys')];
    const store = openStore(inFolder('.mlpipe'));
    const clear = () => {
      for (const name of ['index.sqlite', 'index.sqlite-wal', 'index.sqlite-shm', 'log'])
        fs.rmSync(inFolder(`.mlpipe/${name}`), { recursive: true, force: true });
      fs.rmSync(inFolder('keys'), { recursive: true, force: true });
      for (const shard of fs.readdirSync(inFolder('.mlpipe/records')))
        for (const name of fs.readdirSync(inFolder(`.mlpipe/records/${shard}`)))
          fs.rmSync(inFolder(`.mlpipe/records/${shard}/${name}`));
    };
    for (const [call, count] of countCalls(program)) {
      for (let number = 1; number <= count; number += 1) {
        // From an empty ledger, and without a key, every time.
        clear();
        const { signal, stdout } = traced(call, `${call}:signal=SIGKILL:when=${number}`, program);
        if (signal === 'SIGKILL') kills += 1;
        const promised = acknowledgedIn(stdout);
        promises += promised.length;
        // Another process goes on, with whatever key there is by now.
        const identity = identityIn(folder, inFolder('keys'));
        const ledger = openLedger(inFolder('.mlpipe'), { identity });
        await ledger.append(recordOf({ step: 'after that' }));
        const found = await verifyProject(folder, store, ledger);
        assert.deepEqual(found.problems, [], `${call} ${number}`);
        const kept = ledger.list().map(({ digest }) => digest);
        for (const digest of promised) {
          assert.ok(kept.includes(digest), `${digest} after ${call} ${number}`);
          assert.equal(ledger.signatures(digest).length, 1, `${digest} after ${call} ${number}`);
        }
        const logged = found.logs.reduce((sum, { entries }) => sum + entries, 0);
        assert.ok(logged > promised.length, `${call} ${number}`);
        ledger.close();
      }
    }
    store.close();
    assert.ok(kills >= 40, `only ${kills} rounds were killed`);
    assert.ok(promises >= 20, `only ${promises} promises were made`);
  });
});

describe('a disk that fails', () => {
  const program = () => [WORKER, 'objects', inFolder('.mlpipe'), inFolder('source')];

  it('at any fsync fails the put, and what was promised before it is there', async function () {
    this.timeout(60_000);
    renew('x');
    openStore(inFolder('.mlpipe'));
    for (const number of [1, 2, 3, 4, 5, 8]) {
      for (const shard of fs.readdirSync(inFolder('.mlpipe/objects'))) {
        for (const name of fs.readdirSync(inFolder(`.mlpipe/objects/${shard}`))) {
          fs.rmSync(inFolder(`.mlpipe/objects/${shard}/${name}`));
        }
      }
      const { status, stdout, stderr } = traced('fsync', `fsync:error=EIO:when=${number}`, program());
      assert.notEqual(status, 0);
      assert.match(stderr, /store-write-failed/);
      assert.ok(acknowledgedIn(stdout).length < 3);
      const store = openStore(inFolder('.mlpipe'));
      for (const digest of acknowledgedIn(stdout)) assert.ok(store.has(digest));
      assert.deepEqual((await store.verify()).problems, []);
      assert.deepEqual(fs.readdirSync(inFolder('.mlpipe/tmp')), []);
    }
  });

  it('when many files share one sync fails the put, too', async function () {
    this.timeout(60_000);
    // Too large for a pack.
    const content = (number: number) => String(number).repeat(70_000).slice(0, 70_000);
    for (let number = 0; number < 250; number += 1) fs.writeFileSync(inFolder(`source/${number}`), content(number));
    openStore(inFolder('.mlpipe'));
    const { stdout, stderr, status } = traced('syncfs', 'syncfs:error=EIO', program());
    assert.notEqual(status, 0, 'the put went on after a failed sync');
    assert.match(stderr, /store-write-failed/);
    assert.equal(acknowledgedIn(stdout).length, 2);
    assert.deepEqual(fs.readdirSync(inFolder('.mlpipe/tmp')), []);
    assert.deepEqual((await openStore(inFolder('.mlpipe')).verify()).problems, []);
  });

  it('by being full says so, and leaves nothing half', function () {
    this.timeout(60_000);
    const script = `
      mount -t tmpfs -o size=8m tmpfs "$1" && cd "$1" && mkdir source && head -c 3000000 /dev/urandom > source/a &&
      head -c 3000000 /dev/urandom > source/b
      "$2" "$3" objects "$1/.mlpipe" "$1/source"; echo "status $?"
      ls -A .mlpipe/tmp | wc -l | sed 's/^/left /'
      rm source/b; "$2" "$3" objects "$1/.mlpipe" "$1/source"; echo "status $?"`;
    const args = ['-rm', 'sh', '-c', script, 'sh', inFolder('source'), process.execPath, WORKER];
    const { stdout, stderr } = spawnSync('unshare', args, { encoding: 'utf8' });
    if (/unshare|mount/.test(stderr) && !stdout.includes('status')) {
      if (process.env.CI) throw new Error(`A small disk cannot be made here: ${stderr}`);
      console.warn(`SKIPPED: a small disk cannot be made here: ${stderr.trim()}`);
      this.skip();
    }
    assert.match(stderr, /store-full/);
    assert.match(stderr, /MiB free/);
    assert.deepEqual(
      stdout.split('\n').filter((line) => /^(?:status|left)/.test(line)),
      ['status 1', 'left 0', 'status 0'],
      stdout + stderr,
    );
  });
});
