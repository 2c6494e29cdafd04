import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import type { Digest } from '../../grammar/plan/plan.ts';
import type { Identity } from '../../runtime/ledger/keys/identity.ts';
import { publicKeyOf } from '../../runtime/ledger/keys/public-key.ts';
import { Ledger } from '../../runtime/ledger/ledger.ts';
import { logsIn } from '../../runtime/ledger/log/logs.ts';
import { RecordFiles } from '../../runtime/ledger/record-files.ts';
import { isSigned } from '../../runtime/ledger/signature.ts';
import { verifyLogs } from '../../runtime/ledger/verify/logs.ts';
import { verifyRecords } from '../../runtime/ledger/verify/records.ts';
import { prepareStore } from '../../runtime/store/layout.ts';
import { recordOf } from '../runtime/records.ts';
import { CrashFileSystem, crashStates, type Disk } from './crash-filesystem.ts';

const STORE = '/store/.mlpipe';

const { privateKey } = generateKeyPairSync('ed25519');
const own = { key: publicKeyOf(privateKey), sign: (content: Uint8Array) => sign(null, content, privateKey) };
const identity: Identity = { own: () => own, existing: () => own, others: async () => [] };

function emptyStore(): Disk {
  const files = new CrashFileSystem(true);
  prepareStore(files, STORE);
  return files.disk();
}

interface Written {
  files: CrashFileSystem;
  acknowledged: { digest: Digest; after: number }[];
}

/** Appends records on a disk, and remembers after which of its operations each was promised. */
async function append(before: Disk, reasons: readonly string[]): Promise<Written> {
  const files = new CrashFileSystem(false, before);
  const ledger = new Ledger(STORE, { files, identity });
  const acknowledged: Written['acknowledged'] = [];
  for (const reason of reasons)
    acknowledged.push({ digest: await ledger.append(recordOf({ reason })), after: files.operations.length });
  ledger.close();
  return { files, acknowledged };
}

/** What is lost of a promise on a disk: the record, its signature or its entry in the log. */
async function lost(disk: Disk, promised: readonly Digest[]): Promise<string[]> {
  const files = new CrashFileSystem(true, disk);
  const records = new RecordFiles(files, STORE);
  const logged = new Set<string>();
  for (const { entries } of logsIn(files, STORE).logs)
    for (const { record } of entries.rows(0, entries.size()))
      logged.add(`sha256:${Buffer.from(record).toString('hex')}`);
  const missing: string[] = [];
  for (const digest of promised) {
    const read = records.read(digest);
    if (!('content' in read)) {
      missing.push(`record ${digest}`);
      continue;
    }
    const suffixes = records.list(digest.slice(7, 9)).records.get(digest) ?? [];
    const [signature] = suffixes.flatMap((suffix) => records.signature(digest, suffix) ?? []);
    if (!signature || !(await isSigned(read.content, signature))) missing.push(`signature ${digest}`);
    if (!logged.has(digest)) missing.push(`entry ${digest}`);
  }
  return missing;
}

/** What `mlpipe verify` would say once another process has opened the ledger and written to it. */
async function problemsAfter(disk: Disk): Promise<string[]> {
  const files = new CrashFileSystem(true, disk);
  const ledger = new Ledger(STORE, { files, identity });
  await ledger.append(recordOf({ reason: 'after the crash' }));
  ledger.close();
  const records = await verifyRecords(files, STORE, new Map(), () => []);
  return [...records.problems, ...verifyLogs(files, STORE, [], records).problems].map(({ code }) => code);
}

/** Judges every disk that a crash may leave behind. */
async function judge(before: Disk, { files, acknowledged }: Written): Promise<{ states: number; wrong: string[] }> {
  const wrong: string[] = [];
  let states = 0;
  for (let count = 0; count <= files.operations.length; count += 1) {
    const promised = acknowledged.filter(({ after }) => after <= count).map(({ digest }) => digest);
    for (const disk of crashStates(before, files.operations, count)) {
      states += 1;
      wrong.push(...(await lost(disk, promised)).map((what) => `after ${count}: ${what}`));
      // Going on is looked at less often: it lists a whole store.
      if (states % 20 === 0)
        wrong.push(...(await problemsAfter(disk)).map((what) => `going on after ${count}: ${what}`));
    }
  }
  return { states, wrong };
}

describe('after a loss of power, the ledger', function () {
  this.timeout(120_000);

  it('has every record that was promised, signed and logged, from its first one on', async () => {
    const before = emptyStore();
    const { states, wrong } = await judge(before, await append(before, ['one', 'two']));
    assert.ok(states > 500, `only ${states} states`);
    assert.deepEqual(wrong, []);
  });

  it('has them where it had some before', async () => {
    const before = (await append(emptyStore(), ['one', 'two', 'three'])).files.disk();
    const { states, wrong } = await judge(before, await append(before, ['four', 'two', 'five']));
    assert.ok(states > 300, `only ${states} states`);
    assert.deepEqual(wrong, []);
  });

  it('would lose some without the syncs: the test sees it', async () => {
    for (const missing of ['sync', 'sync-folder'] as const) {
      const before = emptyStore();
      const { files, acknowledged } = await append(before, ['one']);
      const operations = files.operations.filter(({ kind }) => kind !== missing);
      const wrong: string[] = [];
      for (const disk of crashStates(before, operations, operations.length))
        wrong.push(
          ...(await lost(
            disk,
            acknowledged.map(({ digest }) => digest),
          )),
        );
      for (const what of missing === 'sync' ? ['record', 'signature', 'entry'] : ['record', 'entry'])
        assert.ok(
          wrong.some((each) => each.startsWith(what)),
          `${missing}: ${what}`,
        );
    }
  });
});
