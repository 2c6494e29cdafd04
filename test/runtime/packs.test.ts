import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestOf } from '../../grammar/plan/canonical.ts';
import type { Digest } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../../runtime/errors.ts';
import { nodeFileSystem } from '../../runtime/store/filesystem.ts';
import { packFolder } from '../../runtime/store/layout.ts';
import { openStore } from '../../runtime/store/open.ts';

const FILES = 400;

let folder = '';
const inFolder = (name: string) => join(folder, name);
const open = () => openStore(inFolder('.mlpipe'));
const content = (number: number) => `content ${number} `.repeat(1 + (number % 50));
const failure = (code: string) => (error: unknown) => error instanceof MlpipeError && error.code === code;

beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'mlpipe-packs-'));
  write('many');
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

function write(name: string, beginning = ''): void {
  fs.mkdirSync(inFolder(`${name}/deep`), { recursive: true });
  for (let number = 0; number < FILES; number += 1) {
    const path = number % 2 ? `${name}/${number}` : `${name}/deep/${number}`;
    fs.writeFileSync(inFolder(path), beginning + content(number));
  }
  fs.chmodSync(inFolder(`${name}/1`), 0o755);
}

function packs(): string[] {
  return fs.readdirSync(inFolder('.mlpipe/packs')).map((name) => inFolder(`.mlpipe/packs/${name}`));
}

function looseObjects(): string[] {
  const shards = fs.readdirSync(inFolder('.mlpipe/objects'));
  return shards.flatMap((shard) => fs.readdirSync(inFolder(`.mlpipe/objects/${shard}`)).map((name) => shard + name));
}

/** Writes into a pack as no program of ours would. */
function damage(path: string, change: (bytes: Buffer) => Buffer): void {
  const bytes = change(fs.readFileSync(path));
  fs.chmodSync(path, 0o644);
  fs.writeFileSync(path, bytes);
}

/** Written after `docs/store.md` alone, and by nothing that the store itself uses. */
function readPack(path: string): Map<string, Buffer> {
  const bytes = fs.readFileSync(path);
  assert.equal(bytes.subarray(0, 16).toString('latin1'), 'mlpipe-pack/1\n\0\0');
  const count = Number(bytes.readBigUInt64LE(bytes.length - 40));
  const index = bytes.subarray(bytes.length - 40 - count * 48, bytes.length - 40);
  const checksum = createHash('sha256').update(index).digest();
  assert.deepEqual(checksum, bytes.subarray(bytes.length - 32));
  assert.equal(path.split('/').at(-1), `${checksum.toString('hex')}.pack`);
  const objects = new Map<string, Buffer>();
  for (let at = 0; at < index.length; at += 48) {
    const offset = Number(index.readBigUInt64LE(at + 32));
    const length = Number(index.readBigUInt64LE(at + 40));
    objects.set(index.toString('hex', at, at + 32), bytes.subarray(offset, offset + length));
  }
  assert.deepEqual([...objects.keys()], [...objects.keys()].sort());
  return objects;
}

describe('a pack', () => {
  it('holds many small files, which are laid out as they were', async () => {
    const store = open();
    fs.writeFileSync(inFolder('many/large'), Buffer.alloc(200_000, 'large'));
    const stored = await store.put(inFolder('many'));
    assert.equal(packs().length, 1);
    // The large file is one that can be linked; the folder's manifest is one object.
    assert.equal(looseObjects().length, 2);
    for (const writable of [false, true]) {
      const copy = inFolder(`copy-${writable}`);
      await store.checkout(stored.digest, copy, { writable });
      assert.equal((await store.digest(copy)).digest, stored.digest);
      assert.equal(fs.statSync(join(copy, 'deep/2')).mode & 0o777, writable ? 0o644 : 0o444);
      assert.equal(fs.statSync(join(copy, '1')).mode & 0o777, writable ? 0o755 : 0o555);
    }
    assert.deepEqual((await store.verify()).problems, []);
    assert.equal((await store.read(digestOf(content(7)))).toString(), content(7));
    assert.deepEqual(fs.readdirSync(inFolder('.mlpipe/tmp')), []);
  });

  it('can be read by a program that knows its format alone', async () => {
    await open().put(inFolder('many'));
    const [path = ''] = packs();
    const objects = readPack(path);
    assert.equal(objects.size, FILES);
    for (const [name, bytes] of objects) assert.equal(`sha256:${name}`, digestOf(bytes));
    assert.equal(fs.statSync(path).mode & 0o777, 0o444);
  });

  it('is not written for what the store has, whoever has stored it', async () => {
    const [one, other] = [open(), open()];
    assert.equal(one.has(digestOf(content(3))), false);
    const stored = await other.put(inFolder('many'));
    // It had looked before there was a pack.
    assert.equal(one.has(digestOf(content(3))), true);
    assert.deepEqual(await one.put(inFolder('many')), stored);
    assert.equal(packs().length, 1);
    fs.rmSync(inFolder('.mlpipe/stat'), { recursive: true });
    assert.deepEqual(await one.put(inFolder('many')), stored);
    assert.equal(packs().length, 1);
  });

  it('gives the digests that single files have', async () => {
    const packed = await open().put(inFolder('many'));
    const single = openStore(inFolder('single'));
    for (let number = 0; number < FILES; number += 1) await single.putBytes(content(number));
    assert.equal((await single.put(inFolder('many'))).digest, packed.digest);
    assert.equal(fs.readdirSync(inFolder('single/packs')).length, 0);
  });

  it('in which a byte is flipped harms one object, which is told and can be stored again', async () => {
    const store = open();
    const stored = await store.put(inFolder('many'));
    const [path = ''] = packs();
    const hurt = content(11);
    damage(path, (bytes) => {
      bytes.writeUInt8(bytes.readUInt8(bytes.indexOf(hurt)) ^ 1, bytes.indexOf(hurt));
      return bytes;
    });
    const problems = [{ digest: digestOf(hurt), problem: 'corrupt' as const }];
    assert.deepEqual((await store.verify()).problems, problems);
    await assert.rejects(store.read(digestOf(hurt)), failure('object-corrupt'));
    await assert.rejects(store.checkout(stored.digest, inFolder('copy')), failure('object-corrupt'));
    assert.equal(fs.existsSync(inFolder('copy')), false, 'half a folder was laid out');
    assert.equal((await store.read(digestOf(content(12)))).toString(), content(12));

    store.setAside(problems);
    assert.deepEqual((await store.verify()).problems, [{ digest: digestOf(hurt), problem: 'missing' }]);
    assert.equal((await store.put(inFolder('many'))).digest, stored.digest);
    assert.deepEqual((await store.verify()).problems, []);
    await store.checkout(stored.digest, inFolder('copy'));
    assert.equal(fs.readdirSync(inFolder('.mlpipe/damaged')).length, 1);
  });

  it('does not hide a file that was damaged: that is written anew', async () => {
    const store = open();
    for (const number of [5, 6]) await store.putBytes(content(number));
    const damagedPath = inFolder(
      `.mlpipe/objects/${digestOf(content(5)).slice(7, 9)}/${digestOf(content(5)).slice(9)}`,
    );
    fs.chmodSync(damagedPath, 0o644);
    fs.writeFileSync(damagedPath, 'something else');
    await store.put(inFolder('many'));
    assert.deepEqual((await store.verify()).problems, []);
    assert.equal((await store.read(digestOf(content(5)))).toString(), content(5));
  });

  const broken: Record<string, (bytes: Buffer) => Buffer> = {
    'that is cut short': (bytes) => bytes.subarray(0, -1),
    'that is cut to nothing': () => Buffer.alloc(0),
    'whose index is changed': (bytes) => {
      bytes.writeUInt8(bytes.readUInt8(bytes.length - 60) ^ 1, bytes.length - 60);
      return bytes;
    },
    'that counts more than it holds': (bytes) => {
      bytes.writeBigUInt64LE(2n ** 60n, bytes.length - 40);
      return bytes;
    },
  };
  for (const [name, change] of Object.entries(broken)) {
    it(`${name} is told, and what it held is missing`, async () => {
      const stored = await open().put(inFolder('many'));
      const [path = ''] = packs();
      damage(path, change);
      const store = open();
      const { problems } = await store.verify();
      assert.equal(problems.filter(({ problem }) => problem === 'pack').length, 1);
      assert.equal(problems.filter(({ problem }) => problem === 'missing').length, FILES);
      await assert.rejects(store.checkout(stored.digest, inFolder('copy')), failure('object-missing'));
      store.setAside(problems);
      assert.deepEqual(packs(), []);
      await store.put(inFolder('many'));
      assert.deepEqual((await store.verify()).problems, []);
    });
  }

  it('whose index names what lies outside of it is refused', async () => {
    await open().put(inFolder('many'));
    const [path = ''] = packs();
    const bytes = fs.readFileSync(path);
    const count = Number(bytes.readBigUInt64LE(bytes.length - 40));
    const begin = bytes.length - 40 - count * 48;
    bytes.writeBigUInt64LE(BigInt(begin), begin + 40);
    const checksum = createHash('sha256')
      .update(bytes.subarray(begin, bytes.length - 40))
      .digest();
    checksum.copy(bytes, bytes.length - 32);
    const name = checksum.toString('hex');
    fs.rmSync(path, { force: true });
    fs.writeFileSync(inFolder(`.mlpipe/packs/${name}.pack`), bytes);
    assert.deepEqual(
      (await open().verify()).problems.filter(({ problem }) => problem === 'pack').map(({ digest }) => digest),
      [`sha256:${name}`],
    );
  });

  it('finds every object, and no other, whatever the digests', () => {
    fs.mkdirSync(inFolder('empty/tmp'), { recursive: true });
    const folderOfPacks = packFolder(nodeFileSystem, inFolder('empty'));
    const writer = folderOfPacks.begin();
    // Digests that begin alike, and the least and the greatest there are.
    const digests = ['00'.repeat(32), 'ff'.repeat(32), ...Array.from({ length: 300 }, (_, each) => each)]
      .map((each) => (typeof each === 'string' ? each : `abcdef01${each.toString(16).padStart(56, '0')}`))
      .map((each): Digest => `sha256:${each}`);
    digests.forEach((digest, number) => {
      writer.add(digest, Buffer.from(String(number)));
    });
    folderOfPacks.publish([writer.finish()]);
    digests.forEach((digest, number) => {
      const found = folderOfPacks.find(digest);
      assert.ok(found);
      assert.equal(nodeFileSystem.readPart(found.path, found.offset, found.bytes).toString(), String(number));
    });
    for (const absent of ['abcdef01'.padEnd(64, 'f'), 'abcdef00'.padEnd(64, '0'), '7f'.repeat(32)]) {
      assert.equal(folderOfPacks.find(`sha256:${absent}`), undefined);
    }
  });
});
