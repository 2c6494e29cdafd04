import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { digestOf } from '../../grammar/plan/canonical.ts';
import type { Digest } from '../../grammar/plan/plan.ts';
import { isDigest } from '../../runtime/store/manifest.ts';
import { openStore } from '../../runtime/store/open.ts';
import { straceWorks, traced } from './strace.ts';

const WRITER = fileURLToPath(new URL('writer.ts', import.meta.url));
const COLLECTOR = fileURLToPath(new URL('collector.ts', import.meta.url));

let folder = '';
const inFolder = (name: string) => join(folder, name);
beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'mlpipe-collect-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

function start(...words: string[]): { child: ChildProcess; ended: Promise<string> } {
  const child = spawn(process.execPath, [WRITER, ...words], { stdio: ['pipe', 'pipe', 'pipe'] });
  let [out, problems] = ['', ''];
  child.stdout?.on('data', (text) => {
    out += text;
  });
  child.stderr?.on('data', (text) => {
    problems += text;
  });
  const ended = new Promise<string>((resolve, reject) => {
    child.once('close', (code) => (code === 0 ? resolve(out) : reject(new Error(`${words[0]}: ${problems}`))));
  });
  return { child, ended };
}

describe('while several write and one collects without end', () => {
  it('nothing that was recorded is lost, though writers are stopped and go on', async function () {
    this.timeout(240_000);
    const store = openStore(inFolder('.mlpipe'));
    const collector = start('collect', inFolder('.mlpipe'));
    const writers = ['1', '2', '3', '4'].map((seed) => start('loop', inFolder('.mlpipe'), seed, '40'));
    let writing = true;
    const stopping = (async () => {
      for (let turn = 0; writing; turn += 1) {
        const { child } = writers[turn % writers.length] ?? collector;
        child.kill('SIGSTOP');
        await wait(40 + (turn % 5) * 60);
        child.kill('SIGCONT');
        await wait(20);
      }
    })();
    let outputs: string[];
    try {
      outputs = await Promise.all(writers.map(({ ended }) => ended));
    } finally {
      writing = false;
      await stopping;
      collector.child.stdin?.end();
      // One that was stopped would never hear of anything gentler.
      for (const { child } of writers) child.kill('SIGKILL');
    }
    const counts = JSON.parse(await collector.ended);
    const promised = new Set(outputs.flatMap((output) => output.split('\n').filter(isDigest)));
    assert.equal(promised.size, 4 * 40 + 40);
    for (const digest of promised) assert.ok(store.has(digest), digest);
    for (const digest of promised) assert.equal(digestOf(await store.read(digest)), digest);
    assert.deepEqual((await store.verify()).problems, []);
    assert.deepEqual(fs.readdirSync(inFolder('.mlpipe/sessions')), []);
    // Had the collector found nothing to do, nothing would have been shown.
    assert.ok(counts.rounds > 5 && counts.collected > 0 && counts.deleted > 0, JSON.stringify(counts));
  });
});

describe('a collection that is killed', () => {
  before(function () {
    if (!straceWorks()) this.skip();
  });

  /** Things that are needed and others that are not, loose and in packs, and a trash that can be emptied. */
  async function prepare(): Promise<{ kept: Digest[]; words: string[] }> {
    const path = inFolder('.mlpipe');
    fs.rmSync(path, { recursive: true, force: true });
    const store = openStore(path);
    const kept: Digest[] = [];
    for (const name of ['one', 'two']) {
      fs.rmSync(inFolder(name), { recursive: true, force: true });
      fs.mkdirSync(inFolder(name));
      for (let number = 0; number < 210; number += 1)
        fs.writeFileSync(inFolder(`${name}/${number}`), `${name} ${number}`);
      await store.put(inFolder(name));
    }
    // Of the one pack little is needed, of the other nothing.
    for (let number = 5; number < 210; number += 1) fs.rmSync(inFolder(`one/${number}`));
    kept.push((await store.put(inFolder('one'))).digest, (await store.putBytes('loose and needed')).digest);
    for (const content of ['a', 'b']) await store.putBytes(content);
    await wait(20);
    await store.collect({ roots: async () => [...kept, digestOf('b'), ...(await packedOf(store))], grace: 0 });
    store.close();
    await wait(20);
    return { kept, words: [COLLECTOR, path, ...kept] };
  }

  async function packedOf(store: ReturnType<typeof openStore>): Promise<Digest[]> {
    // So that the first collection sets aside one loose object, and the one that is killed finds all the rest.
    const entries = ['one', 'two'].flatMap((name) => Array.from({ length: 210 }, (_, number) => `${name} ${number}`));
    return entries.map(digestOf).filter((digest) => store.has(digest));
  }

  it('at any rename, unlink, write or fsync loses nothing that is needed, and the next one ends what it began', async function () {
    this.timeout(400_000);
    const { words } = await prepare();
    const calls = ['rename', 'unlink', 'write', 'fsync', 'rmdir', 'mkdir'];
    const { trace, status, stderr, stdout } = traced(calls.join(','), undefined, words);
    assert.equal(status, 0, stderr);
    const all = JSON.parse(stdout);
    assert.ok(all.rewritten === 1 && all.collected.objects > 400 && all.deleted.objects === 3, stdout);
    const main = trace.split(' ', 1)[0];
    const counts = new Map<string, number>();
    for (const line of trace.split('\n')) {
      const [, process, call] = /^(\d+) +(\w+)\(/.exec(line) ?? [];
      if (call && process === main) counts.set(call, (counts.get(call) ?? 0) + 1);
    }
    let kills = 0;
    for (const [call, count] of counts) {
      for (let number = 1; number <= count; number += 1) {
        const { kept, words } = await prepare();
        const { signal } = traced(call, `${call}:signal=SIGKILL:when=${number}`, words);
        if (signal === 'SIGKILL') kills += 1;
        const store = openStore(inFolder('.mlpipe'));
        const { problems } = await store.verify();
        assert.deepEqual(problems, [], `${call} ${number}`);
        for (const digest of kept)
          await store.checkout(digest, inFolder(`out/${call}-${number}-${digest.slice(7, 15)}`));
        store.close();
        const next = spawnSync(process.execPath, words, { encoding: 'utf8' });
        assert.equal(next.status, 0, next.stderr);
        const after = openStore(inFolder('.mlpipe'));
        assert.deepEqual((await after.verify()).problems, [], `after ${call} ${number}`);
        for (const digest of kept) assert.ok(after.has(digest), `after ${call} ${number}`);
        assert.equal(after.has(digestOf('a')) && JSON.parse(next.stdout).deleted.objects > 0, false);
        after.close();
      }
    }
    assert.ok(kills >= 15, `only ${kills} rounds were killed`);
  });
});
