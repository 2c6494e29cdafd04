import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Digest } from '../../grammar/plan/plan.ts';
import { acquireLease, type LeaseOwner } from '../../runtime/lease.ts';
import { bootId, isAlive, processStart } from '../../runtime/processes.ts';

const KEY: Digest = `sha256:${'a'.repeat(64)}`;
const OTHER: Digest = `sha256:${'b'.repeat(64)}`;
const WHO = { run: 'quiet-heron-41', step: 'learn' };

describe('a lease', () => {
  let folder: string;
  const never = new AbortController().signal;
  beforeEach(() => {
    folder = fs.mkdtempSync(join(tmpdir(), 'mlpipe-lease-'));
  });
  afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

  const leave = (owner: Partial<LeaseOwner>, silent = 0) => {
    const file = join(folder, `${KEY.replace(':', '-').slice(0, 47)}.left`);
    const whole = { host: hostname(), boot: bootId(), pid: process.pid, start: processStart(process.pid), ...WHO };
    fs.writeFileSync(file, JSON.stringify({ ...whole, ...owner }));
    const then = new Date(Date.now() - silent);
    fs.utimesSync(file, then, then);
    return file;
  };
  /** Whether it is given at once; nobody waits for somebody who is dead. */
  const given = async (key = KEY) => {
    const abort = new AbortController();
    const waits: (LeaseOwner | null)[] = [];
    try {
      const lease = await acquireLease(folder, key, WHO, {
        signal: abort.signal,
        onWait: (owner) => {
          waits.push(owner);
          abort.abort();
        },
      });
      lease.release();
      return { waits, buried: lease.buried };
    } catch (error) {
      if (!abort.signal.aborted) throw error;
      return { waits, buried: null };
    }
  };

  it('is given to one, and to the next when it is released', async () => {
    const first = await acquireLease(folder, KEY, WHO, { signal: never });
    let waitedFor: LeaseOwner | null | undefined;
    const second = acquireLease(folder, KEY, WHO, {
      signal: never,
      onWait: (owner) => {
        waitedFor = owner;
        first.release();
      },
    });
    (await second).release();
    assert.equal(waitedFor?.run, WHO.run);
    assert.equal(waitedFor?.pid, process.pid);
    assert.deepEqual(fs.readdirSync(folder), []);
  });

  it('lets other keys alone', async () => {
    const first = await acquireLease(folder, KEY, WHO, { signal: never });
    assert.deepEqual((await given(OTHER)).waits, []);
    first.release();
  });

  it('is taken over from a process that has ended, which is named', async () => {
    const { pid } = spawnSync('true');
    const file = leave({ pid, start: '1' });
    const { buried } = await given();
    assert.equal(buried?.[0]?.pid, pid);
    assert.equal(fs.existsSync(file), false);
  });

  it('is taken over from a process whose number another one has now', async function () {
    if (process.platform !== 'linux') this.skip();
    leave({ start: '1' });
    assert.equal((await given()).buried?.length, 1);
  });

  it('is taken over after the machine was started again', async () => {
    leave({ boot: 'another' });
    assert.equal((await given()).buried?.length, 1);
  });

  it('is taken over from another machine when that has been silent for long, not before', async () => {
    leave({ host: 'elsewhere' });
    assert.equal((await given()).waits.length, 1);
    leave({ host: 'elsewhere' }, 120_000);
    assert.equal((await given()).buried?.length, 1);
  });

  it('takes a file that cannot be read for somebody who is just writing it, but not for ever', async () => {
    const file = leave({});
    fs.writeFileSync(file, '{"host":');
    assert.deepEqual((await given()).waits, [null]);
    const then = new Date(Date.now() - 120_000);
    fs.utimesSync(file, then, then);
    assert.deepEqual((await given()).waits, []);
  });

  it('does not take a zombie for alive', async function () {
    if (process.platform !== 'linux') this.skip();
    // The child ends once its parent has become a sleep, which never asks for it.
    const parent = spawn(
      'sh',
      ['-c', `sh -c 'while [ "$(cat /proc/$PPID/comm)" != sleep ]; do :; done' & echo $!; exec sleep 60`],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );
    try {
      const pid = Number(
        await new Promise<string>((resolve) => parent.stdout.once('data', (text) => resolve(`${text}`))),
      );
      while (!/\) [ZX] /.test(fs.readFileSync(`/proc/${pid}/stat`, 'latin1'))) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      assert.equal(isAlive({ host: hostname(), boot: bootId(), pid, start: '', ...WHO }, 0, 60_000), false);
    } finally {
      parent.kill('SIGKILL');
    }
  });

  it('gives up waiting when the run is cancelled', async () => {
    const first = await acquireLease(folder, KEY, WHO, { signal: never });
    const abort = new AbortController();
    const second = acquireLease(folder, KEY, WHO, { signal: abort.signal, onWait: () => abort.abort() });
    await assert.rejects(second, { name: 'AbortError' });
    first.release();
    assert.deepEqual(fs.readdirSync(folder), []);
  });

  it('is never held by two of many processes that come at once', async function () {
    this.timeout(60_000);
    const script = join(folder, 'claim.mts');
    const module = new URL('../../runtime/lease.ts', import.meta.url).href;
    // Each process counts itself in and out of a file that only a holder may have: two at once would see each other.
    fs.writeFileSync(
      script,
      `import fs from 'node:fs';
import { acquireLease } from '${module}';
for (let round = 0; round < 5; round += 1) {
  // All of them look at the same instant, at a key that nobody has yet.
  fs.writeFileSync('${folder}/ready-' + round + '-' + process.argv[2], '');
  while (fs.readdirSync('${folder}').filter((name) => name.startsWith('ready-' + round + '-')).length < 4);
  const key = 'sha256:' + String(round).repeat(64);
  const lease = await acquireLease('${folder}/leases', key, { run: 'r', step: 's' }, { signal: new AbortController().signal });
  fs.closeSync(fs.openSync('${folder}/inside', 'wx'));
  await new Promise((resolve) => setTimeout(resolve, 20));
  fs.rmSync('${folder}/inside');
  lease.release();
}
`,
    );
    const codes = await Promise.all(
      [1, 2, 3, 4].map(
        (number) =>
          new Promise((resolve) =>
            spawn(process.execPath, [script, String(number)], { stdio: ['ignore', 'ignore', 'inherit'] }).once(
              'close',
              resolve,
            ),
          ),
      ),
    );
    assert.deepEqual(codes, [0, 0, 0, 0]);
  });
});
