import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { canonicalJson, digestOf, digestOfValue } from '../../grammar/plan/canonical.ts';
import type { Digest } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../../runtime/errors.ts';
import { nodeFileSystem } from '../../runtime/store/filesystem.ts';
import { type FileIdentity, isSettled } from '../../runtime/store/identity.ts';
import { buildManifest, checkEntries, LARGE, type ManifestEntry, parseManifest } from '../../runtime/store/manifest.ts';
import { openStore } from '../../runtime/store/open.ts';
import { objectSource } from '../../runtime/store/source.ts';
import { StatCache } from '../../runtime/store/statcache.ts';
import { hashFile } from '../../runtime/store/work.ts';

let folder = '';
beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'mlpipe-store-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

const open = () => openStore(join(folder, '.mlpipe'));
const objectPath = (digest: Digest) => join(folder, '.mlpipe/objects', digest.slice(7, 9), digest.slice(9));
const inFolder = (name: string) => join(folder, name);
const failure = (code: string) => (error: unknown) => error instanceof MlpipeError && error.code === code;

/** Writes through the read-only mark, as a program with enough rights would. */
function damage(digest: Digest, change: (content: Buffer) => Buffer): void {
  const path = objectPath(digest);
  const content = change(fs.readFileSync(path));
  fs.chmodSync(path, 0o644);
  fs.writeFileSync(path, content);
}

describe('the store', () => {
  it('gives back what was put, under the SHA-256 of the content', async () => {
    const store = open();
    const { digest, bytes } = await store.putBytes('hello');
    assert.equal(digest, 'sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824');
    assert.equal(bytes, 5);
    assert.equal((await store.read(digest)).toString(), 'hello');
    assert.equal(store.has(digest), true);
    assert.equal(store.has(digestOf('other')), false);
  });

  it('keeps objects read-only and leaves nothing in tmp', async () => {
    const { digest } = await open().putBytes('hello');
    assert.equal(fs.statSync(objectPath(digest)).mode & 0o777, 0o444);
    assert.deepEqual(fs.readdirSync(inFolder('.mlpipe/tmp')), []);
  });

  it('gives files, whatever their size, the digest that sha256sum gives', async () => {
    const store = open();
    for (const bytes of [0, 1, 2 ** 20, 2 ** 20 + 1, 9 * 2 ** 20 + 7]) {
      const content = Buffer.alloc(bytes, 'mlpipe ');
      fs.writeFileSync(inFolder('file'), content);
      assert.deepEqual(await store.digest(inFolder('file')), { digest: digestOf(content), bytes });
      assert.deepEqual(await store.put(inFolder('file')), { digest: digestOf(content), bytes });
      assert.ok((await store.read(digestOf(content))).equals(content));
    }
  });

  it('stores a file that is mostly holes without filling them', async function () {
    if (process.platform === 'win32') this.skip();
    const store = open();
    const [path, bytes] = [inFolder('holes'), 600 * 2 ** 20];
    const file = fs.openSync(path, 'w');
    for (const [text, position] of [
      ['beginning', 0],
      ['middle', 200 * 2 ** 20 + 5],
      ['end', bytes - 3],
    ] as const) {
      fs.writeSync(file, text, position);
    }
    fs.closeSync(file);
    const stored = await store.put(path);
    assert.equal(stored.bytes, bytes);
    assert.equal(stored.digest, hashFile(path).digest);
    const { size, blocks } = fs.statSync(objectPath(stored.digest));
    assert.equal(size, bytes);
    assert.ok(blocks * 512 < 8 * 2 ** 20, `${blocks * 512} bytes of disk`);
    await store.checkout(stored.digest, inFolder('copy'), { writable: true });
    assert.ok(fs.statSync(inFolder('copy')).blocks * 512 < 8 * 2 ** 20);
    assert.equal(hashFile(inFolder('copy')).digest, stored.digest);
    assert.deepEqual((await store.verify()).problems, []);
  });

  it('reads no more than the beginning of a large object to tell whether it is a folder', function () {
    if (process.platform === 'win32') this.skip();
    open();
    const digest = digestOf('of something very long');
    const file = fs.openSync(objectPath(digest), 'w');
    // Longer than any buffer may be, and all of it a hole.
    fs.ftruncateSync(file, 2 ** 40);
    fs.closeSync(file);
    assert.equal(objectSource(nodeFileSystem, inFolder('.mlpipe')).head(digest)?.length, 4096);
  });

  it('lays a folder out as it was: names, content, executable files, links', async () => {
    const store = open();
    fs.mkdirSync(inFolder('data/deep/er'), { recursive: true });
    fs.writeFileSync(inFolder('data/ä b.txt'), 'one');
    fs.writeFileSync(inFolder('data/deep/er/run.sh'), '#!/bin/sh\n', { mode: 0o755 });
    fs.symlinkSync('deep/er/run.sh', inFolder('data/link'));
    const stored = await store.put(inFolder('data'));
    assert.equal(stored.files, 3);
    for (const writable of [true, false]) {
      const copy = inFolder(`copy-${writable}`);
      await store.checkout(stored.digest, copy, { writable });
      assert.equal((await store.digest(copy)).digest, stored.digest);
      assert.equal(fs.readlinkSync(join(copy, 'link')), 'deep/er/run.sh');
      assert.equal((fs.statSync(join(copy, 'ä b.txt')).mode & 0o222) !== 0, writable);
    }
    fs.writeFileSync(inFolder('copy-true/ä b.txt'), 'two');
    assert.deepEqual((await store.verify()).problems, []);
  });

  it('shares a read-only file with the object where the mark protects it, and copies it for root', async () => {
    const store = open();
    const { digest } = await store.putBytes('hello');
    await store.checkout(digest, inFolder('file'));
    const shared = fs.statSync(inFolder('file')).ino === fs.statSync(objectPath(digest)).ino;
    assert.equal(shared, process.getuid?.() !== 0);
    assert.equal(fs.statSync(inFolder('file')).mode & 0o222, 0);
    await store.checkout(digest, inFolder('file'));
    assert.deepEqual(fs.readdirSync(folder).sort(), ['.mlpipe', 'file']);
  });

  it('refuses a link out of the folder, a pipe, and a path that is not there, each by its name', async () => {
    const store = open();
    fs.mkdirSync(inFolder('data'));
    fs.symlinkSync('/etc/hostname', inFolder('data/host'));
    await assert.rejects(store.put(inFolder('data')), failure('symlink-leaves-folder'));
    await assert.rejects(store.digest(inFolder('nothing')), failure('path-missing'));
    await assert.rejects(store.digest('/dev/null'), failure('not-a-file'));
  });

  it('follows the path that was named when that is a link', async () => {
    const store = open();
    fs.writeFileSync(inFolder('real'), 'content');
    fs.symlinkSync('real', inFolder('alias'));
    assert.equal((await store.put(inFolder('alias'))).digest, digestOf('content'));
  });

  it('never takes version control or itself for content', async () => {
    const store = open();
    fs.mkdirSync(inFolder('data/.git'), { recursive: true });
    fs.writeFileSync(inFolder('data/a'), 'a');
    const before = await store.digest(inFolder('data'));
    fs.writeFileSync(inFolder('data/.git/HEAD'), 'ref');
    assert.deepEqual(await store.digest(inFolder('data')), before);
  });

  for (const [how, change] of Object.entries<(content: Buffer) => Buffer>({
    'a flipped bit': (content) => Buffer.from(content.map((byte, index) => (index === 3 ? byte ^ 1 : byte))),
    'a cut': (content) => content.subarray(0, 4),
    emptying: () => Buffer.alloc(0),
  })) {
    it(`finds an object that is corrupt by ${how}, names it, and heals it when the content comes again`, async () => {
      const store = open();
      const { digest } = await store.putBytes('hello world');
      damage(digest, change);
      await assert.rejects(
        store.read(digest),
        (error) => failure('object-corrupt')(error) && String(error).includes(digest),
      );
      await assert.rejects(store.checkout(digest, inFolder('file')), failure('object-corrupt'));
      assert.deepEqual((await store.verify()).problems, [{ digest, problem: 'corrupt' }]);
      await open().putBytes('hello world');
      assert.deepEqual((await store.verify()).problems, []);
    });
  }

  it('says which object of a folder is missing', async () => {
    const store = open();
    fs.mkdirSync(inFolder('data'));
    fs.writeFileSync(inFolder('data/a'), 'a');
    const { digest } = await store.put(inFolder('data'));
    fs.rmSync(objectPath(digestOf('a')));
    assert.deepEqual((await store.verify()).problems, [{ digest: digestOf('a'), problem: 'missing' }]);
    await assert.rejects(store.checkout(digest, inFolder('copy')), failure('object-missing'));
    assert.deepEqual((await store.put(inFolder('data'))).digest, digest);
    assert.deepEqual((await store.verify()).problems, []);
  });

  it('reads again what is selected and every file behind it, and leaves alone what is not', async () => {
    const store = open();
    fs.mkdirSync(inFolder('data'));
    for (const name of ['a', 'b', 'c']) fs.writeFileSync(inFolder(`data/${name}`), name);
    const data = await store.put(inFolder('data'));
    const file = await store.putBytes('file');
    const other = await store.putBytes('other');
    const digests = [data.digest, file.digest];
    const progress: [number, number][] = [];
    const whole = await store.verify({ digests, onProgress: (...each) => progress.push(each) });
    const manifest = (await store.read(data.digest)).length;
    assert.deepEqual(whole, { objects: 5, bytes: manifest + 'abcfile'.length, problems: [] });
    assert.deepEqual(progress, [
      [0, 4],
      [4, 4],
    ]);

    damage(other.digest, () => Buffer.from('others'));
    damage(file.digest, () => Buffer.from('FILE'));
    damage(digestOf('a'), () => Buffer.from('A'));
    fs.rmSync(objectPath(digestOf('c')));
    const gone = digestOf('gone');
    assert.deepEqual(await store.verify({ digests: [gone, ...digests] }), {
      objects: 6,
      bytes: manifest + 'b'.length,
      problems: [
        { digest: gone, problem: 'missing', of: { digest: gone, path: '' } },
        { digest: digestOf('c'), problem: 'missing', of: { digest: data.digest, path: 'c' } },
        { digest: digestOf('a'), problem: 'corrupt', of: { digest: data.digest, path: 'a' } },
        { digest: file.digest, problem: 'corrupt', of: { digest: file.digest, path: '' } },
      ],
    });
    const signal = AbortSignal.abort(new Error('enough'));
    await assert.rejects(store.verify({ digests, signal }), /enough/);
  });

  it('refuses the store of another version', () => {
    open();
    fs.chmodSync(inFolder('.mlpipe/format'), 0o644);
    fs.writeFileSync(inFolder('.mlpipe/format'), 'mlpipe-store/99\n');
    assert.throws(open, failure('store-format'));
  });

  it('refuses a file that changes while it is read', async () => {
    const store = open();
    const path = inFolder('growing');
    fs.writeFileSync(path, Buffer.alloc(3 * 2 ** 20));
    // What a store reads before its first write is no part of this.
    await store.putBytes('first');
    const original = fs.readSync;
    // The write comes between two real reads of the store, at the earliest possible instant.
    let written = false;
    fs.readSync = ((...parameters: Parameters<typeof original>) => {
      if (!written) {
        written = true;
        fs.appendFileSync(path, 'more');
      }
      return original(...parameters);
    }) as typeof original;
    try {
      await assert.rejects(store.put(path), failure('file-changed'));
    } finally {
      fs.readSync = original;
    }
    assert.deepEqual(fs.readdirSync(inFolder('.mlpipe/tmp')), []);
  });

  it('refuses a folder that gets another file while it is stored, and a file that grows while it is hashed', async () => {
    const store = open();
    fs.mkdirSync(inFolder('data'));
    fs.writeFileSync(inFolder('data/a'), 'a');
    const original = fs.readSync;
    let change = () => fs.writeFileSync(inFolder('data/b'), 'b');
    fs.readSync = ((...parameters: Parameters<typeof original>) => {
      change();
      return original(...parameters);
    }) as typeof original;
    try {
      await assert.rejects(store.put(inFolder('data')), failure('file-changed'));
      change = () => fs.appendFileSync(inFolder('data/a'), 'more');
      assert.throws(() => hashFile(inFolder('data/a')), failure('file-changed'));
    } finally {
      fs.readSync = original;
    }
  });

  it('hands much work to threads, with the same digests', async () => {
    const store = open();
    fs.mkdirSync(inFolder('many'));
    const entries: ManifestEntry[] = [];
    for (let index = 0; index < 2100; index += 1) {
      fs.writeFileSync(inFolder(`many/${index}`), `content ${index % 2000}`);
      entries.push({
        path: String(index),
        bytes: `content ${index % 2000}`.length,
        digest: digestOf(`content ${index % 2000}`),
      });
    }
    const expected = buildManifest(entries).digest;
    assert.equal((await store.digest(inFolder('many'))).digest, expected);
    assert.equal((await store.put(inFolder('many'))).digest, expected);
    assert.deepEqual((await store.verify()).problems, []);
    assert.deepEqual(fs.readdirSync(inFolder('.mlpipe/tmp')), []);
  });
});

describe('the stat cache', () => {
  const identity: FileIdentity = {
    device: 1n,
    inode: 7n,
    modified: 10n ** 18n + 5n,
    changed: 10n ** 18n + 5n,
    bytes: 3n,
  };

  it('answers for the same identity alone, in another process too', () => {
    const cache = new StatCache(folder, '/data');
    cache.set(identity, digestOf('abc'));
    cache.save();
    const again = new StatCache(folder, '/data');
    assert.equal(again.get(identity), digestOf('abc'));
    for (const name of ['device', 'inode', 'modified', 'changed', 'bytes'] as const) {
      assert.equal(again.get({ ...identity, [name]: identity[name] + 1n }), undefined, name);
    }
    assert.equal(new StatCache(folder, '/other').get(identity), undefined);
  });

  it('counts as empty when it is torn', () => {
    const cache = new StatCache(folder, '/data');
    cache.set(identity, digestOf('abc'));
    cache.save();
    const path = join(folder, fs.readdirSync(folder)[0] ?? '');
    const whole = fs.readFileSync(path);
    for (let position = 0; position < whole.length; position += 1) {
      fs.writeFileSync(
        path,
        whole.map((byte, index) => (index === position ? byte ^ 4 : byte)),
      );
      assert.equal(new StatCache(folder, '/data').get(identity), undefined, `byte ${position}`);
    }
    fs.writeFileSync(path, whole.subarray(0, 50));
    assert.equal(new StatCache(folder, '/data').get(identity), undefined);
  });

  it('does not remember a file that was written in the tick in which it was read', () => {
    assert.equal(isSettled(identity, identity.modified + 5_000_000n), false);
    assert.equal(isSettled(identity, identity.modified + 50_000_000n), true);
    assert.equal(
      isSettled({ ...identity, changed: identity.changed + 10n ** 9n }, identity.modified + 50_000_000n),
      false,
    );
    const coarse = { ...identity, modified: 10n ** 18n, changed: 10n ** 18n };
    assert.equal(isSettled(coarse, 10n ** 18n + 10n ** 9n), false);
  });

  it('sees content that was replaced by other content of the same size and time', async () => {
    const store = open();
    fs.writeFileSync(inFolder('file'), 'one');
    fs.utimesSync(inFolder('file'), 1e9, 1e9);
    await store.digest(inFolder('file'));
    fs.writeFileSync(inFolder('file'), 'two');
    fs.utimesSync(inFolder('file'), 1e9, 1e9);
    assert.equal((await store.digest(inFolder('file'))).digest, digestOf('two'));
  });

  it('spares reading a file that has not changed', async () => {
    const store = open();
    fs.writeFileSync(inFolder('file'), 'one');
    // Until the clock that stamps files has moved on, no answer may be remembered.
    const path = inFolder('file');
    while (
      !isSettled(
        { ...identity, modified: fs.statSync(path, { bigint: true }).ctimeNs, changed: 0n },
        BigInt(Date.now()) * 1_000_000n,
      )
    ) {
      await new Promise((resume) => setImmediate(resume));
    }
    await store.digest(path);
    const original = fs.openSync;
    const opened: unknown[] = [];
    fs.openSync = ((...parameters: Parameters<typeof original>) => {
      opened.push(parameters[0]);
      return original(...parameters);
    }) as typeof original;
    try {
      assert.equal((await store.digest(path)).digest, digestOf('one'));
    } finally {
      fs.openSync = original;
    }
    assert.ok(!opened.includes(path), 'the file was read again');
  });
});

describe('a manifest', () => {
  const entry = (path: string): ManifestEntry => ({ path, digest: digestOf(path), bytes: path.length });
  const paths = (count: number) =>
    Array.from({ length: count }, (_, index) => `images/${(index * 7919) % 100_003}.png`);

  it('is canonical JSON, whatever the order of its entries', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1 }), { maxLength: 40 }), (names) => {
        const built = buildManifest(names.filter((name) => name.isWellFormed()).map(entry));
        const text = built.objects.at(-1)?.text ?? '';
        assert.equal(text, canonicalJson(JSON.parse(text)));
        assert.equal(built.digest, digestOfValue(JSON.parse(text)));
        assert.equal(
          buildManifest(
            names
              .filter((name) => name.isWellFormed())
              .reverse()
              .map(entry),
          ).digest,
          built.digest,
        );
      }),
    );
  });

  it('of a large folder is in parts, of which one changed file changes few', () => {
    const before = buildManifest(paths(20_000).map(entry));
    const after = buildManifest(
      paths(20_000).map((path, index) => (index === 777 ? { ...entry(path), bytes: 1 } : entry(path))),
    );
    assert.ok(before.objects.length > 10);
    const known = new Set(before.objects.map(({ digest }) => digest));
    const fresh = after.objects.filter(({ digest }) => !known.has(digest));
    assert.ok(fresh.length <= 4, `${fresh.length} parts changed`);
    assert.ok(before.objects.every(({ text }) => text.length < 300_000));
    assert.equal(before.files, 20_000);
    assert.ok(paths(20_000).length > LARGE);
  });

  it('is told from a file that only looks like one', () => {
    const manifest = buildManifest([entry('a')]).objects[0]?.text ?? '';
    assert.ok(parseManifest(Buffer.from(manifest)));
    assert.equal(parseManifest(Buffer.from(manifest.slice(0, -1))), undefined);
    assert.equal(parseManifest(Buffer.from('{"bytes":1}')), undefined);
  });

  it('that would write outside its folder is refused', () => {
    for (const path of ['../a', 'a/../../b', '/etc/passwd', '', 'a//b', '.', 'a\0b']) {
      assert.throws(() => checkEntries([entry(path)]), failure('manifest-unsafe'), path);
    }
    assert.throws(() => checkEntries([{ path: 'a', symlink: '..' }]), failure('manifest-unsafe'));
    assert.throws(() => checkEntries([{ path: 'a', symlink: '/etc' }]), failure('manifest-unsafe'));
    assert.throws(() => checkEntries([{ path: 'a', symlink: 'b' }, entry('a/passwd')]), failure('manifest-unsafe'));
    checkEntries([{ path: 'a/b', symlink: '../c' }, entry('c')]);
  });

  it('cannot be smuggled in as a file', async () => {
    fs.writeFileSync(inFolder('file'), buildManifest([entry('a')]).objects[0]?.text ?? '');
    await assert.rejects(open().put(inFolder('file')), failure('manifest-as-file'));
  });
});
