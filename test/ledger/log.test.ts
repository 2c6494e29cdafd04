import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { keyToSignWith } from '../../runtime/ledger/keys/key-folder.ts';
import { EntryFile } from '../../runtime/ledger/log/entries.ts';
import { alone, exclusive } from '../../runtime/ledger/log/exclusive.ts';
import { lastCheckpoint, logsIn, ownLog } from '../../runtime/ledger/log/logs.ts';
import {
  consistencyProof,
  equal,
  GrowingTree,
  inclusionProof,
  isConsistent,
  leafHash,
  rootFromInclusion,
} from '../../runtime/ledger/log/merkle.ts';
import { nodeFileSystem } from '../../runtime/store/filesystem.ts';
import { SignedProject } from './support.ts';

const ROW = 72;
const hashOf = (text: string) => createHash('sha256').update(text).digest();
const hashes = (count: number) => Array.from({ length: count }, (_, index) => hashOf(`record ${index}`));

let project: SignedProject;
beforeEach(() => {
  project = new SignedProject();
});
afterEach(() => project.remove());
const path = () => join(project.root, 'entries');
const open = () => new EntryFile(nodeFileSystem, path(), alone);

describe('the entries of a log', () => {
  it('give the roots and the proofs of the tree, from the file alone', () => {
    const records = hashes(130);
    const roots = [new GrowingTree().root()];
    const tree = new GrowingTree();
    for (const record of records) {
      tree.add(leafHash(record));
      roots.push(tree.root());
      open().append([record], 0, 0);
    }
    const entries = open();
    const subtrees = entries.subtrees();
    for (let size = 1; size <= records.length; size += 1) {
      const root = entries.root(size);
      assert.ok(equal(root, roots[size] ?? new Uint8Array()));
      for (const index of [0, Math.floor(size / 2), size - 1]) {
        const leaf = leafHash(records[index] ?? new Uint8Array());
        const found = rootFromInclusion(index, size, leaf, inclusionProof(index, size, subtrees));
        assert.ok(found && equal(found, root));
      }
      for (const first of [1, Math.ceil(size / 3), size]) {
        const older = { size: first, root: entries.root(first) };
        assert.ok(isConsistent(older, { size, root }, consistencyProof(first, size, subtrees)));
      }
    }
  });

  it('read few rows for a proof', () => {
    open().append(hashes(5000), 0, 0);
    let reads = 0;
    const counting = {
      ...nodeFileSystem,
      readPart: (...words: Parameters<typeof nodeFileSystem.readPart>) => {
        reads += 1;
        return nodeFileSystem.readPart(...words);
      },
    };
    const entries = new EntryFile(counting, path(), alone);
    inclusionProof(1234, 5000, entries.subtrees());
    assert.ok(reads <= 13 * 13, `${reads} reads`);
  });

  it('are the same however they are cut into appends', () => {
    const records = hashes(40);
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 8 }),
        fc.boolean(),
        (cuts, anew) => {
          fs.rmSync(path(), { force: true });
          const one = open();
          let at = 0;
          for (const cut of cuts) {
            (anew ? open() : one).append(records.slice(at, at + cut), at, at);
            at = Math.min(at + cut, records.length);
          }
          const tree = new GrowingTree();
          for (const record of records.slice(0, at)) tree.add(leafHash(record));
          assert.equal(open().size(), at);
          assert.ok(equal(open().root(at), tree.root()));
        },
      ),
      { numRuns: 40 },
    );
  });

  it('lose what a crash has torn at the end, and nothing before it', () => {
    open().append(hashes(9), 0, 0);
    const whole = fs.readFileSync(path());
    const more = hashOf('more');
    for (const torn of [
      whole.subarray(0, 9 * ROW - 1),
      whole.subarray(0, 8 * ROW + 1),
      Buffer.concat([whole.subarray(0, 8 * ROW), Buffer.alloc(ROW)]),
      Buffer.concat([whole, Buffer.alloc(3 * ROW)]),
    ]) {
      fs.writeFileSync(path(), torn);
      const kept = torn.length > 9 * ROW ? 9 : 8;
      assert.equal(open().size(), kept);
      assert.equal(open().append([more], 0, kept), kept + 1);
      assert.deepEqual(Buffer.from([...open().rows()].at(-1)?.record ?? []), more);
      assert.ok(
        fs
          .readFileSync(path())
          .subarray(0, kept * ROW)
          .equals(whole.subarray(0, kept * ROW)),
      );
    }
  });

  it('take nothing more where entries that were promised are gone', () => {
    open().append(hashes(9), 0, 0);
    fs.truncateSync(path(), 5 * ROW);
    assert.throws(() => open().append([hashOf('more')], 0, 9), { code: 'log-damaged' });
    fs.writeFileSync(path(), Buffer.alloc(2000 * ROW));
    assert.throws(() => open().append([hashOf('more')], 0, 0), { code: 'log-damaged' });
  });

  it('have a record once, though two processes would add it', () => {
    const one = open();
    one.append(hashes(3), 0, 0);
    const since = open().length;
    open().append([hashOf('late')], since, 0);
    assert.equal(one.append([hashOf('late')], since, 0), 4);
  });

  it('fail for good when the disk fails', () => {
    let failing = true;
    const files = {
      ...nodeFileSystem,
      sync(file: number) {
        if (failing) throw Object.assign(new Error('EIO'), { code: 'EIO' });
        nodeFileSystem.sync(file);
      },
    };
    const entries = new EntryFile(files, path(), alone);
    assert.throws(() => entries.append(hashes(1), 0, 0), { code: 'store-write-failed' });
    failing = false;
    assert.throws(() => entries.append(hashes(1), 0, 0), { code: 'store-write-failed' });
  });
});

describe('several processes of one writer', () => {
  const PROCESSES = 4;
  const EACH = 60;

  it('append to one log at once, and every record that was promised is in it, once', async function () {
    this.timeout(120_000);
    keyToSignWith(project.keys);
    const module = (name: string) => JSON.stringify(fileURLToPath(new URL(name, import.meta.url)));
    const program = `
      const { openLedger } = await import(${module('../../runtime/ledger/ledger.ts')});
      const { identityIn } = await import(${module('../../runtime/ledger/keys/identity.ts')});
      const { recordOf } = await import(${module('../runtime/records.ts')});
      const [root, store, keys, name] = process.argv.slice(1);
      const ledger = openLedger(store, { identity: identityIn(root, keys) });
      for (let number = 0; number < ${EACH}; number += 1)
        console.log(await ledger.append(recordOf({ reason: name + ' ' + number })));
      ledger.close();`;
    const run = promisify(execFile);
    const words = ['--input-type=module', '--eval', program, project.root, project.store, project.keys];
    const answers = await Promise.all(
      Array.from({ length: PROCESSES }, (_, index) => run(process.execPath, [...words, `process ${index}`])),
    );
    const promised = answers.flatMap(({ stdout }) => stdout.trim().split('\n')).sort();
    const { logs } = logsIn(nodeFileSystem, project.store);
    assert.equal(logs.length, 1);
    const logged = [...(logs[0]?.entries.rows() ?? [])].map(
      ({ record }) => `sha256:${Buffer.from(record).toString('hex')}`,
    );
    assert.equal(promised.length, PROCESSES * EACH);
    assert.deepEqual(logged.sort(), promised);
    assert.deepEqual((await project.verify()).problems, []);
  });

  for (const [how, name] of [
    ['through the kernel', 'sqlite'],
    ['by a file, where there is no SQLite', 'file'],
  ] as const) {
    it(`wait for each other ${how}`, async function () {
      this.timeout(60_000);
      const lock = join(project.root, 'lock');
      const counter = join(project.root, 'counter');
      fs.writeFileSync(counter, '0');
      const module = JSON.stringify(fileURLToPath(new URL('../../runtime/ledger/log/exclusive.ts', import.meta.url)));
      const program = `
        const fs = await import('node:fs');
        const { exclusive, fileLock } = await import(${module});
        const [lock, counter, name, folder] = process.argv.slice(1);
        const held = name === 'file' ? fileLock(lock) : exclusive(lock);
        // All begin at once, or they would have nothing to wait for.
        fs.writeFileSync(counter + '-' + process.pid, '');
        while (fs.readdirSync(folder).filter((each) => each.startsWith('counter-')).length < 4);
        for (let number = 0; number < 100; number += 1)
          held.within(() => fs.writeFileSync(counter, String(Number(fs.readFileSync(counter, 'utf8')) + 1)));
        held.close();`;
      const run = promisify(execFile);
      const words = ['--input-type=module', '--eval', program, lock, counter, name, project.root];
      await Promise.all(Array.from({ length: 4 }, () => run(process.execPath, words)));
      assert.equal(fs.readFileSync(counter, 'utf8'), '400');
    });
  }

  it('do not wait for one that died', async () => {
    const lock = join(project.root, 'lock');
    const module = JSON.stringify(fileURLToPath(new URL('../../runtime/ledger/log/exclusive.ts', import.meta.url)));
    for (const make of ['exclusive', 'fileLock']) {
      const program = `const locks = await import(${module});
        locks.${make}(process.argv[1]).within(() => process.kill(process.pid, 'SIGKILL'));`;
      await assert.rejects(promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program, lock]));
      const { fileLock } = await import('../../runtime/ledger/log/exclusive.ts');
      const held = make === 'fileLock' ? fileLock(lock) : exclusive(lock);
      assert.equal(
        held.within(() => 'mine'),
        'mine',
      );
      held.close();
    }
  });
});

describe('a writer', () => {
  it('begins another log in a copy of the store, and goes on with its own where it is', async () => {
    await project.append(2);
    await project.append(2, { step: 'again' });
    const { key } = keyToSignWith(project.keys);
    const own = ownLog(nodeFileSystem, project.store, key);
    assert.equal(own.entries.size(), 4);
    const copy = new SignedProject(project.keys);
    fs.cpSync(project.store, copy.store, { recursive: true });
    await copy.append(1, { step: 'in the copy' });
    const writers = logsIn(nodeFileSystem, copy.store).logs.map(({ writer, entries }) => [
      writer === own.writer,
      entries.size(),
    ]);
    assert.deepEqual(writers.sort(), [
      [false, 1],
      [true, 4],
    ]);
    assert.deepEqual((await copy.verify()).problems, []);
    own.close();
    copy.remove();
  });

  it('says in a checkpoint how far it has come, and begins another log where that is not so', async () => {
    await project.append(3);
    const [log] = logsIn(nodeFileSystem, project.store).logs;
    assert.ok(log);
    const said = lastCheckpoint(nodeFileSystem, project.store, log);
    assert.ok(said && 'size' in said && said.size === 3);
    fs.truncateSync(log.entries.path, ROW);
    await project.append(1, { step: 'after that' });
    assert.ok(project.warnings.some((message) => /damaged, so that another is begun/.test(message)));
    assert.deepEqual(
      logsIn(nodeFileSystem, project.store)
        .logs.map(({ entries }) => entries.size())
        .sort(),
      [1, 1],
    );
    assert.ok((await project.verify()).problems.some(({ code }) => code === 'log-shorter'));
  });
});
