import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { canonicalJson, digestOf } from '../../grammar/plan/canonical.ts';
import type { Digest } from '../../grammar/plan/plan.ts';
import { keyToSignWith } from '../../runtime/ledger/keys/key-folder.ts';
import { writeTrusted } from '../../runtime/ledger/keys/trust.ts';
import { writeLock } from '../../runtime/ledger/lock.ts';
import { rowOf } from '../../runtime/ledger/log/entries.ts';
import { GrowingTree, leafHash } from '../../runtime/ledger/log/merkle.ts';
import { publish } from '../../runtime/ledger/refs/publish.ts';
import { signatureFile, signatureSuffix, signedBytes } from '../../runtime/ledger/signature.ts';
import { openStore } from '../../runtime/store/open.ts';
import { recordOf } from '../runtime/records.ts';
import { flipped, rewrite, SignedProject } from './support.ts';

const COUNT = 7;
const ROW = 72;

let project: SignedProject;
let digests: Digest[] = [];
beforeEach(async () => {
  project = new SignedProject();
  const store = openStore(project.store);
  await store.putBytes('an object');
  store.close();
  digests = await project.append(COUNT);
});
afterEach(() => project.remove());

const codes = async () => [...new Set((await project.verify()).problems.map(({ code }) => code))].sort();
const at = (index: number): Digest => digests[index] ?? 'sha256:';
const entries = () => join(project.log, 'entries');
const [signature] = [(digest: Digest) => project.signaturePaths(digest)[0] ?? ''];

/** Writes the log anew as somebody would who knows its format and has no key. */
function writeLog(records: readonly Digest[]): void {
  const tree = new GrowingTree();
  const rows = records.map((digest, index) => {
    const record = Buffer.from(digest.slice(7), 'hex');
    return rowOf(index, record, tree.add(leafHash(record)));
  });
  fs.writeFileSync(entries(), Buffer.concat(rows));
}

describe('mlpipe verify', () => {
  it('finds nothing in a ledger that nobody has touched, and says what that does not prove', async () => {
    const found = await project.verify();
    assert.deepEqual(found.problems, []);
    assert.ok(found.ok);
    assert.deepEqual([found.objects, found.records, found.signatures, found.locks], [1, COUNT, COUNT, 1]);
    assert.equal(found.logs[0]?.entries, COUNT);
    assert.equal(found.logs[0]?.checkpoints.here, COUNT);
    assert.deepEqual(found.standing, { untrusted: COUNT });
    assert.ok(found.notes.some((note) => /has left this machine/.test(note)));
    assert.ok(found.notes.some((note) => /clocks/.test(note)));
  });

  it('finds a flipped bit at every place of an object, a record, a signature, a log, a checkpoint and a lock', async function () {
    this.timeout(120_000);
    const object = join(project.store, 'objects', digestOf('an object').slice(7, 9), digestOf('an object').slice(9));
    const files: [string, RegExp, number][] = [
      [object, /^object-corrupt$/, 1],
      [project.recordPath(at(2)), /^record-edited$/, 97],
      [signature(at(2)), /^signature-edited$/, 29],
      [entries(), /^(?:log-damaged|log-shorter|record-missing|record-unlogged)$/, 23],
      [join(project.log, 'checkpoint'), /^checkpoint-forged$/, 11],
      [join(project.log, 'log.json'), /^(?:log-damaged|record-unlogged)$/, 17],
      [project.lockPath, /^lock-/, 41],
    ];
    let looked = 0;
    for (const [path, expected, step] of files) {
      const before = fs.readFileSync(path);
      for (let byte = 0; byte < before.length; byte += step) {
        rewrite(path, () => flipped(before, byte));
        const { problems, ok } = await project.verify();
        assert.ok(
          !ok && problems.some(({ code }) => expected.test(code)),
          `${path} at ${byte}: ${JSON.stringify(problems)}`,
        );
        looked += 1;
      }
      rewrite(path, () => before);
    }
    assert.ok(looked > 90, `only ${looked} bits were flipped`);
    assert.ok((await project.verify()).ok);
  });

  it('finds what was removed', async () => {
    fs.rmSync(project.recordPath(at(1)), { force: true });
    assert.deepEqual(await codes(), ['record-missing']);
    fs.rmSync(signature(at(2)), { force: true });
    assert.deepEqual(await codes(), ['record-missing', 'signature-missing']);
    fs.rmSync(project.recordPath(at(COUNT - 1)), { force: true });
    assert.ok((await codes()).includes('lock-record-missing'));
    fs.rmSync(project.log, { recursive: true });
    assert.ok((await codes()).includes('record-unlogged'));
  });

  it('finds a log that was cut, at every length, also by one who takes the checkpoint away', async () => {
    const whole = fs.readFileSync(entries());
    for (const checkpoint of [true, false]) {
      if (!checkpoint) fs.rmSync(join(project.log, 'checkpoint'));
      for (let length = 0; length < COUNT; length += 1) {
        fs.writeFileSync(entries(), whole.subarray(0, length * ROW));
        const { problems } = await project.verify();
        assert.equal(problems.filter(({ code }) => code === 'record-unlogged').length, COUNT - length);
        assert.equal(
          problems.some(({ code }) => code === 'log-shorter'),
          checkpoint,
        );
      }
    }
  });

  it('finds entries in another order, twice, or of another record', async () => {
    const [one, two, three, ...rest] = digests as [Digest, Digest, Digest, ...Digest[]];
    writeLog([two, one, three, ...rest]);
    assert.deepEqual(await codes(), ['log-rewritten']);
    writeLog([...digests, one]);
    assert.deepEqual(await codes(), ['log-duplicate']);
    writeLog([one, digestOf('never written'), three, ...rest]);
    assert.deepEqual(await codes(), ['log-rewritten', 'record-missing', 'record-unlogged']);
    const rows = fs.readFileSync(entries());
    fs.writeFileSync(
      entries(),
      Buffer.concat([rows.subarray(ROW, 2 * ROW), rows.subarray(0, ROW), rows.subarray(2 * ROW)]),
    );
    assert.ok((await codes()).includes('log-damaged'));
    writeLog(digests);
    assert.deepEqual(await codes(), []);
  });

  it('finds files that changed places', async () => {
    const swap = (one: string, other: string) => {
      const [first, second] = [fs.readFileSync(one), fs.readFileSync(other)];
      rewrite(one, () => second);
      rewrite(other, () => first);
    };
    swap(project.recordPath(at(1)), project.recordPath(at(2)));
    assert.deepEqual(await codes(), ['record-edited']);
    swap(project.recordPath(at(1)), project.recordPath(at(2)));
    swap(signature(at(1)), signature(at(2)));
    assert.deepEqual(await codes(), ['signature-edited', 'signature-missing']);
    swap(signature(at(1)), signature(at(2)));
    // Under names that fit what they hold, each still signs another record.
    const moved = fs.readFileSync(signature(at(1)));
    const own = signature(at(2));
    fs.writeFileSync(own.replace(/\.[0-9a-f]{16}\.sig\.json$/, signatureSuffix(moved)), moved);
    fs.rmSync(own, { force: true });
    assert.deepEqual(await codes(), ['signature-forged', 'signature-missing']);
  });

  it('finds a record that was written in somebody’s name', async () => {
    const key = keyToSignWith(project.keys);
    const content = Buffer.from(canonicalJson(recordOf({ reason: 'forged' })));
    const digest = digestOf(content);
    fs.writeFileSync(project.recordPath(digest), content);
    const lie = signatureFile(key.key, 'ed25519', Buffer.alloc(64, 7));
    fs.writeFileSync(project.recordPath(digest).replace(/\.json$/, signatureSuffix(lie)), lie);
    assert.deepEqual(await codes(), ['signature-forged']);
  });

  it('shows a record without a signature, and calls it no problem', async () => {
    const content = canonicalJson(recordOf({ reason: 'from before there were signatures' }));
    fs.writeFileSync(project.recordPath(digestOf(content)), content);
    const found = await project.verify();
    assert.deepEqual(found.problems, []);
    assert.equal(found.standing.unsigned, 1);
    assert.ok(found.notes.some((note) => /1 record is not signed/.test(note)));
  });

  it('finds a record that is signed and in no log, but not what a killed process has left', async () => {
    const own = keyToSignWith(project.keys);
    const content = Buffer.from(canonicalJson(recordOf({ reason: 'killed before it was logged' })));
    const digest = digestOf(content);
    const signed = signatureFile(own.key, 'ed25519', own.sign(signedBytes(content)));
    fs.writeFileSync(project.recordPath(digest), content);
    fs.writeFileSync(project.recordPath(digest).replace(/\.json$/, signatureSuffix(signed)), signed);
    const found = await project.verify();
    assert.deepEqual(found.problems, []);
    assert.equal(found.logs[0]?.entries, COUNT + 1);
    // Once the index knows it, it was there: the log was cut.
    writeLog(digests);
    fs.rmSync(join(project.log, 'checkpoint'));
    assert.deepEqual(await codes(), ['record-unlogged']);
    assert.equal(await project.with((ledger) => ledger.mend()), 1);
    assert.deepEqual(await codes(), []);
  });

  it('finds an older log in place of a newer one, by the checkpoint that was published', async () => {
    project.git('init', '--quiet');
    const old = fs.readFileSync(entries());
    const oldCheckpoint = fs.readFileSync(join(project.log, 'checkpoint'));
    const more = await project.append(3, { step: 'other' });
    await project.with((ledger) => publish(project.root, ledger));
    assert.ok((await project.verify()).ok);
    // Everything on the disk is as it once was, the records as well.
    fs.writeFileSync(entries(), old);
    fs.writeFileSync(join(project.log, 'checkpoint'), oldCheckpoint);
    for (const digest of more) {
      for (const path of [project.recordPath(digest), ...project.signaturePaths(digest)])
        fs.rmSync(path, { force: true });
    }
    const { problems } = await project.verify();
    assert.ok(problems.some(({ code, message }) => code === 'log-shorter' && /refs\/mlpipe\/log/.test(message)));
    fs.rmSync(project.log, { recursive: true });
    assert.ok((await codes()).includes('log-missing'));
  });

  it('finds a lock that says what its record does not', async () => {
    const record = recordOf({ reason: `number ${COUNT - 1}`, metrics: { accuracy: 1 } });
    writeLock(project.pipeline, { digest: at(COUNT - 1), record });
    assert.deepEqual(await codes(), ['lock-differs']);
    fs.renameSync(project.lockPath, project.lockPath.replace('recognise', 'other'));
    assert.ok((await codes()).includes('lock-damaged'));
  });

  it('knows whom to trust, from when, until when, and that a revoked key signs nothing more', async () => {
    const { key } = keyToSignWith(project.keys);
    const ada = { format: 'mlpipe-key/1', key: key.text, name: 'Ada', email: 'ada@example.org' } as const;
    const standing = async () => (await project.verify()).standing;
    writeTrusted(project.root, ada);
    assert.deepEqual(await standing(), { trusted: COUNT });
    writeTrusted(project.root, { ...ada, from: '2026-01-01T00:02:00.000Z', until: '2026-01-01T00:04:00.000Z' });
    assert.deepEqual(await standing(), { outside: COUNT - 3, trusted: 3 });
    const logs = { [project.log.slice(-25)]: 5 };
    writeTrusted(project.root, { ...ada, revoked: { at: '2026-01-02T00:00:00.000Z', logs } });
    assert.deepEqual(await standing(), { trusted: 5, revoked: COUNT - 5 });
    const [file = ''] = fs.readdirSync(join(project.root, '.mlpipe-keys'));
    fs.writeFileSync(join(project.root, '.mlpipe-keys', file), '<<<<<<< ours\n{}');
    assert.deepEqual(await codes(), ['trust-damaged']);
  });

  it('finds what lies among the records and is none', async () => {
    fs.writeFileSync(join(project.store, 'records', 'ab', 'notes.txt'), 'x');
    fs.writeFileSync(join(project.store, 'records', 'ab', '.nfs0001'), 'x');
    const { problems } = await project.verify();
    assert.deepEqual(
      problems.map(({ code, path }) => [code, path?.endsWith('notes.txt')]),
      [['stranger', true]],
    );
  });
});
