/** A large ledger is read in threads, and they find just what one finds alone. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../../grammar/plan/plan.ts';
import { parsePublicKey } from '../../runtime/ledger/keys/public-key.ts';
import type { Trust } from '../../runtime/ledger/keys/trust.ts';
import { placeFinder } from '../../runtime/ledger/log/logs.ts';
import { type CheckedRecords, verifyShards } from '../../runtime/ledger/verify/records.ts';
import { verifyInThreads } from '../../runtime/ledger/verify/threads.ts';
import { SHARDS } from '../../runtime/store/content.ts';
import { nodeFileSystem } from '../../runtime/store/filesystem.ts';
import { SignedProject } from './support.ts';

describe('verifying in threads', function () {
  this.timeout(60_000);
  let project: SignedProject;
  beforeEach(() => {
    project = new SignedProject();
  });
  afterEach(() => fs.rmSync(project.root, { recursive: true, force: true }));

  const sorted = ({ problems, whole, present, signatures, orphans }: CheckedRecords) => ({
    problems: problems.map(({ code, message }) => `${code} ${message}`).sort(),
    whole: [...whole].sort(([one], [other]) => (one < other ? -1 : 1)),
    present: [...present].sort(),
    signatures,
    orphans,
  });

  it('finds what one finds alone, of everything and of a few', async () => {
    const digests = await project.append(60);
    const [edited = 'sha256:', unsigned = 'sha256:', forged = 'sha256:', orphan = 'sha256:', other = 'sha256:'] =
      digests;
    const change = (path: string, text: string | Buffer) => {
      fs.chmodSync(path, 0o644);
      fs.writeFileSync(path, text);
    };
    const signature = (digest: Digest) => project.signaturePaths(digest)[0] ?? '';
    change(project.recordPath(edited), 'edited');
    fs.rmSync(signature(unsigned));
    // The signature of another record, under its own name.
    const borrowed = fs.readFileSync(signature(other));
    const name = signature(other).slice(-'0123456789abcdef.sig.json'.length);
    fs.writeFileSync(project.recordPath(forged).replace(/json$/, name), borrowed);
    fs.rmSync(project.recordPath(orphan));
    fs.writeFileSync(join(project.store, 'records', 'ab', 'stranger'), '');
    const id = fs.readFileSync(join(project.keys, 'current'), 'utf8').trim();
    const key = parsePublicKey(fs.readFileSync(join(project.keys, `${id}.pub`), 'utf8').split(' mlpipe')[0] ?? '');
    const writer = project.log.split('/').at(-1) ?? '';
    const revoked = { at: '2026-06-01T00:00:00.000Z', logs: { [writer]: 30 } };
    const trust: Trust = new Map([[key.id, { format: 'mlpipe-key/1', key: key.text, name: 'Ada', revoked }]]);
    for (const only of [undefined, new Set(digests.slice(0, 40))]) {
      const more = only === undefined ? {} : { only };
      const places = placeFinder(nodeFileSystem, project.store);
      const alone = await verifyShards(nodeFileSystem, project.store, SHARDS, { trust, places, ...more });
      const together = await verifyInThreads({ store: project.store, trust, ...more });
      assert.deepEqual(sorted(together), sorted(alone));
      const states = [...together.whole.values()].flatMap(({ signatures }) => signatures.map(({ state }) => state));
      assert.deepEqual([...new Set(states)].sort(), ['forged', 'revoked', 'trusted']);
      assert.ok(together.problems.some(({ code }) => code === 'record-edited'));
      assert.ok(together.problems.some(({ code }) => code === 'signature-forged'));
    }
  });

  it('says what stops a thread', async () => {
    await project.append(1);
    fs.rmSync(join(project.store, 'records', '07'), { recursive: true });
    fs.writeFileSync(join(project.store, 'records', '07'), '');
    await assert.rejects(verifyInThreads({ store: project.store, trust: new Map() }), /ENOTDIR/);
  });
});
