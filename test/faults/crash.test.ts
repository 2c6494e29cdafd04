import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestOf } from '../../grammar/plan/canonical.ts';
import type { Digest } from '../../grammar/plan/plan.ts';
import { ContentFolder } from '../../runtime/store/content.ts';
import { objectFolder, packFolder, prepareStore } from '../../runtime/store/layout.ts';
import { openStore } from '../../runtime/store/open.ts';
import { Stager } from '../../runtime/store/work.ts';
import { CrashFileSystem, crashStates, type Disk } from './crash-filesystem.ts';

const STORE = '/store/.mlpipe';

/** A disk with an empty store on it, all of it synced. */
function emptyStore(): Disk {
  const files = new CrashFileSystem(true);
  prepareStore(files, STORE);
  return files.disk();
}

interface Verdict {
  states: number;
  corrupt: number;
  lost: number;
  unopened: number;
}

/** Puts contents one after the other, and judges every disk that a crash may leave behind. */
async function judge(before: Disk, contents: readonly string[], syncsEverything: boolean): Promise<Verdict> {
  const files = new CrashFileSystem(syncsEverything, before);
  const store = openStore(STORE, { files });
  const acknowledged: { digest: Digest; after: number }[] = [];
  for (const content of contents) {
    const { digest } = await store.putBytes(content);
    acknowledged.push({ digest, after: files.operations.length });
  }
  const verdict: Verdict = { states: 0, corrupt: 0, lost: 0, unopened: 0 };
  for (let count = 0; count <= files.operations.length; count += 1) {
    for (const disk of crashStates(before, files.operations, count)) {
      verdict.states += 1;
      judgeDisk(
        disk,
        acknowledged.filter(({ after }) => after <= count).map(({ digest }) => digest),
        verdict,
      );
    }
  }
  return verdict;
}

function judgeDisk(disk: Disk, acknowledged: readonly Digest[], verdict: Verdict): void {
  const files = new CrashFileSystem(true, disk);
  try {
    openStore(STORE, { files });
  } catch {
    verdict.unopened += 1;
    return;
  }
  const objects = objectFolder(files, STORE);
  for (const [path, { bytes }] of disk.files) {
    if (path.startsWith(`${STORE}/objects/`) && objects.path(digestOf(bytes)) !== path) verdict.corrupt += 1;
  }
  for (const digest of acknowledged) if (!objects.has(digest)) verdict.lost += 1;
}

describe('after a loss of power', () => {
  it('no object is corrupt, none that was acknowledged is lost, and the store opens', async () => {
    const verdict = await judge(emptyStore(), ['one', 'two', 'one', 'three'], false);
    assert.ok(verdict.states > 100, `only ${verdict.states} states`);
    assert.deepEqual({ ...verdict, states: 0 }, { states: 0, corrupt: 0, lost: 0, unopened: 0 });
  });

  it('a store that was just being made opens', async () => {
    const files = new CrashFileSystem(true);
    prepareStore(files, STORE);
    const nothing: Disk = { files: new Map(), folders: new Set() };
    const verdict: Verdict = { states: 0, corrupt: 0, lost: 0, unopened: 0 };
    const last = files.operations.length;
    // The middle is 512 times the same: the beginning and the end are judged state by state.
    for (const count of [0, 1, 2, 3, 100, last - 6, last - 5, last - 4, last - 3, last - 2, last - 1, last]) {
      let looked = 0;
      for (const disk of crashStates(nothing, files.operations, count)) {
        judgeDisk(disk, [], verdict);
        verdict.states += 1;
        looked += 1;
        if (looked >= 60) break;
      }
    }
    assert.ok(verdict.states > 100);
    assert.deepEqual({ ...verdict, states: 0 }, { states: 0, corrupt: 0, lost: 0, unopened: 0 });
  });

  it('many objects that share one sync are as safe', async () => {
    const before = emptyStore();
    const files = new CrashFileSystem(true, before);
    const objects = objectFolder(files, STORE);
    const contents = ['one', 'two', 'three', 'four'];
    const staged = contents.map((content) => objects.stage(digestOf(content), Buffer.from(content), false));
    objects.publish(staged);
    const end = files.operations.length;
    const verdict: Verdict = { states: 0, corrupt: 0, lost: 0, unopened: 0 };
    for (let count = 0; count <= end; count += 1) {
      for (const disk of crashStates(before, files.operations, count)) {
        verdict.states += 1;
        judgeDisk(disk, count === end ? contents.map(digestOf) : [], verdict);
      }
    }
    assert.ok(verdict.states > 100);
    assert.deepEqual({ ...verdict, states: 0 }, { states: 0, corrupt: 0, lost: 0, unopened: 0 });
  });

  it('the test sees what happens without the syncs', async () => {
    for (const missing of ['sync', 'sync-folder'] as const) {
      const before = emptyStore();
      const files = new CrashFileSystem(false, before);
      await openStore(STORE, { files }).putBytes('one');
      const operations = files.operations.filter(({ kind }) => kind !== missing);
      const verdict: Verdict = { states: 0, corrupt: 0, lost: 0, unopened: 0 };
      for (const disk of crashStates(before, operations, operations.length))
        judgeDisk(disk, [digestOf('one')], verdict);
      assert.ok(missing === 'sync' ? verdict.corrupt > 0 : verdict.lost > 0, missing);
    }
  });
});

describe('when the disk fails', () => {
  const at = (name: 'create' | 'write' | 'sync' | 'syncFolder' | 'rename' | 'setModified', code: string) => {
    const files = new CrashFileSystem(false, emptyStore());
    const objects = new ContentFolder(files, `${STORE}/objects`, `${STORE}/tmp`);
    const original = files[name] as (...parameters: never[]) => unknown;
    let failing = true;
    // The port is an interface of functions; the one that is replaced keeps its parameters.
    Object.defineProperty(files, name, {
      value: (...parameters: never[]) => {
        if (failing) throw Object.assign(new Error(code), { code });
        return original.apply(files, parameters);
      },
    });
    const heal = () => {
      failing = false;
    };
    return { files, objects, heal };
  };
  const put = (objects: ContentFolder) => objects.publish([objects.stage(digestOf('x'), Buffer.from('x'), true)]);

  for (const name of ['create', 'write', 'setModified', 'sync', 'syncFolder', 'rename'] as const) {
    it(`a full disk at ${name} is told as one, and nothing is left behind`, () => {
      const { files, objects } = at(name, 'ENOSPC');
      assert.throws(() => put(objects), { code: 'store-full' });
      assert.deepEqual(files.list(`${STORE}/tmp`), []);
      if (name !== 'syncFolder') assert.equal(objects.has(digestOf('x')), false);
    });
  }

  describe('while a large file is copied', () => {
    let folder = '';
    let large = '';
    const stage = (files: CrashFileSystem, objects: ContentFolder) =>
      new Stager(objects, packFolder(files, STORE), { durable: true, pack: false }).add(large);
    before(() => {
      folder = mkdtempSync(join(tmpdir(), 'mlpipe-large-'));
      large = join(folder, 'large');
      writeFileSync(large, Buffer.alloc(3 * 2 ** 20, 'large '));
    });
    after(() => rmSync(folder, { recursive: true, force: true }));

    for (const name of ['create', 'write', 'setModified', 'sync'] as const) {
      it(`a full disk at ${name} is told as one, and nothing is left behind`, async () => {
        const { files, objects } = at(name, 'ENOSPC');
        await assert.rejects(stage(files, objects), { code: 'store-full' });
        assert.deepEqual(files.list(`${STORE}/tmp`), []);
      });
    }

    it('a failed sync is never tried again until it says yes', async () => {
      const { files, objects, heal } = at('sync', 'EIO');
      await assert.rejects(stage(files, objects), { code: 'store-write-failed' });
      heal();
      const before = files.operations.length;
      await assert.rejects(stage(files, objects), { code: 'store-write-failed' });
      assert.equal(files.operations.length, before, 'it wrote on after the disk had failed');
    });

    it('it is synced before it is named', async () => {
      const files = new CrashFileSystem(false, emptyStore());
      const objects = objectFolder(files, STORE);
      const { staged } = await stage(files, objects);
      assert.ok(staged);
      objects.publish([staged]);
      const kinds = files.operations.map(({ kind }) => kind);
      assert.deepEqual(kinds, ['create', 'write', 'times', 'sync', 'rename', 'sync-folder']);
    });
  });

  for (const name of ['sync', 'syncFolder'] as const) {
    it(`a failed ${name} is never tried again until it says yes`, () => {
      const { files, objects, heal } = at(name, 'EIO');
      assert.throws(() => put(objects), { code: 'store-write-failed' });
      heal();
      const before = files.operations.length;
      assert.throws(() => put(objects), { code: 'store-write-failed' });
      assert.equal(files.operations.length, before, 'it wrote on after the disk had failed');
    });
  }
});
