/**
 * The ledger: what signing and logging cost an append, how long a hundred thousand records take to verify, and how long
 * a question for lineage takes among a million, beside the same content in MLflow's tracking store.
 *
 * MLflow runs where a Python that has it is found (MLPIPE_BENCH_MLFLOW names one); `LEDGER_RECORDS` sets another number
 * than a million.
 */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { canonicalJson, digestOf } from '../../grammar/plan/canonical.ts';
import type { Digest } from '../../grammar/plan/plan.ts';
import { identityIn } from '../../runtime/ledger/keys/identity.ts';
import { keyToSignWith, type OwnKey } from '../../runtime/ledger/keys/key-folder.ts';
import { openLedger } from '../../runtime/ledger/ledger.ts';
import { lineage } from '../../runtime/ledger/lineage.ts';
import { ownLog } from '../../runtime/ledger/log/logs.ts';
import type { RunRecord } from '../../runtime/ledger/record.ts';
import { signatureFile, signatureSuffix, signedBytes } from '../../runtime/ledger/signature.ts';
import { verifyProject } from '../../runtime/ledger/verify/verify.ts';
import { type FileSystem, nodeFileSystem } from '../../runtime/store/filesystem.ts';
import { openStore } from '../../runtime/store/open.ts';
import { recordOf } from '../runtime/records.ts';
import { median, metric, missing } from './report.ts';

const MILLION = Number(process.env.LEDGER_RECORDS ?? 1_000_000);
const VERIFIED = Math.min(100_000, MILLION);
const root = fs.mkdtempSync(join(process.env.MLPIPE_BENCH_FOLDER ?? tmpdir(), 'mlpipe-bench-ledger-'));
const keys = join(root, 'keys');

/** The middle and the 95th of a hundred. */
function quantiles(name: string, times: number[], target?: string): void {
  const sorted = times.toSorted((one, other) => one - other);
  metric(`${name}, p50`, median(times), 'ms', target);
  metric(`${name}, p95`, sorted[Math.floor(sorted.length * 0.95)] ?? Number.NaN, 'ms', target);
}

async function timed<Result>(work: () => Promise<Result> | Result): Promise<{ ms: number; result: Result }> {
  const since = performance.now();
  const result = await work();
  return { ms: performance.now() - since, result };
}

// ---------------------------------------------------------------- appending

/** A disk that promises nothing: what is left is the work of the processor. */
const unsynced: FileSystem = { ...nodeFileSystem, sync: () => undefined, syncFolder: () => undefined };

async function appending(): Promise<void> {
  for (const [how, files, count] of [
    ['without fsync', unsynced, 10_000],
    ['with fsync', nodeFileSystem, 1000],
  ] as const) {
    for (const signed of [false, true]) {
      const place = join(root, `append-${signed}-${files === unsynced}`);
      const ledger = openLedger(place, { files, ...(signed ? { identity: identityIn(root, keys) } : {}) });
      await ledger.append(recordOf({ reason: 'the first' }));
      const { ms } = await timed(async () => {
        for (let number = 0; number < count; number += 1) await ledger.append(recordOf({ reason: `number ${number}` }));
      });
      ledger.close();
      metric(
        `append ${count.toLocaleString('en-US')}, ${signed ? 'signed and logged' : 'neither signed nor logged'}, ${how}`,
        count / (ms / 1000),
        'records/s',
        signed && files === unsynced ? '≥ 2,000 records/s' : undefined,
      );
      fs.rmSync(place, { recursive: true });
    }
  }
}

// ---------------------------------------------------------------- a large ledger

/** Of ten records one cleans data, eight train on it, and one evaluates the last of these. */
const GROUP = 10;

interface Sample {
  data: Digest[];
  models: Digest[];
}

/** Writes records as a ledger would have, without syncing, and with the index left to catch up. */
function fill(store: string, count: number, own: OwnKey | undefined): Sample {
  const sample: Sample = { data: [], models: [] };
  const digests: Buffer[] = [];
  let [clean, data, model, trained]: Digest[] = [];
  for (let number = 0; number < count; number += 1) {
    const part = number % GROUP;
    const group = Math.floor(number / GROUP);
    const when = new Date(Date.UTC(2026, 0, 1) + number * 30_000).toISOString();
    const base: Partial<RunRecord> = {
      run: `run-${group}`,
      reason: `number ${number}`,
      key: digestOf(`key ${number}`),
      when: { started: when, ended: when, seconds: 1 },
      who: { user: `user${group % 40}` },
    };
    let record: RunRecord;
    if (part === 0) {
      // A hundred groups share their raw data.
      data = digestOf(`data ${Math.floor(group / 100)}`);
      clean = digestOf(`clean ${group}`);
      record = recordOf({
        ...base,
        step: 'clean',
        kind: 'program',
        inputs: [{ name: 'data:raw', digest: data, bytes: 1, path: `raw-${Math.floor(group / 100)}.csv` }],
        outputs: { clean: { digest: clean, bytes: 1 } },
      });
    } else if (part < GROUP - 1) {
      model = digestOf(`model ${number}`);
      record = recordOf({
        ...base,
        step: `recognise@rate=${part}`,
        inputs: [{ name: 'output:clean.clean', digest: clean ?? 'sha256:', bytes: 1 }],
        outputs: { model: { digest: model, bytes: 1 } },
        metrics: { accuracy: 0.9, loss: 0.1 },
      });
    } else {
      record = recordOf({
        ...base,
        step: 'test',
        kind: 'evaluate',
        inputs: [
          { name: 'output:recognise.model', digest: model ?? 'sha256:', bytes: 1, record: trained ?? 'sha256:' },
        ],
        outputs: { report: { digest: digestOf(`report ${group}`), bytes: 1 } },
        metrics: { accuracy: 0.9 },
      });
    }
    const content = Buffer.from(canonicalJson(record));
    const digest = digestOf(content);
    if (part === GROUP - 2) trained = digest;
    const path = join(store, 'records', digest.slice(7, 9), digest.slice(9));
    fs.writeFileSync(`${path}.json`, content);
    if (own) {
      const signature = signatureFile(own.key, 'ed25519', own.sign(signedBytes(content)));
      fs.writeFileSync(path + signatureSuffix(signature), signature);
      digests.push(Buffer.from(digest.slice(7), 'hex'));
    }
    if (part === GROUP - 1 && group % Math.max(1, Math.floor(count / GROUP / 200)) === 0) {
      if (clean) sample.data.push(clean);
      if (model) sample.models.push(model);
    }
  }
  if (own) {
    const log = ownLog(nodeFileSystem, store, own.key);
    log.entries.append(digests, 0, 0);
    log.close();
  }
  return sample;
}

async function verifying(): Promise<void> {
  const place = join(root, 'verify');
  const folder = join(place, '.mlpipe');
  const store = openStore(folder);
  fill(folder, VERIFIED, keyToSignWith(keys));
  const ledger = openLedger(folder);
  const { ms, result } = await timed(() => verifyProject(place, store, ledger));
  if (!result.ok || result.records !== VERIFIED) throw new Error(JSON.stringify(result).slice(0, 400));
  metric(`verify ${VERIFIED.toLocaleString('en-US')} records, each signed and logged`, ms / 1000, 's');
  metric('verify', VERIFIED / (ms / 1000), 'records/s');
  ledger.close();
  store.close();
  fs.rmSync(place, { recursive: true });
}

/** The two questions that MLflow is asked, too. */
const [UP, DOWN] = ['a model → what is behind it', 'data → what came of it'] as const;

/** Answers the median of each question, in milliseconds. */
async function asking(): Promise<ReadonlyMap<string, number>> {
  const typical = new Map<string, number>();
  const folder = join(root, 'large');
  openStore(folder).close();
  const sample = fill(folder, MILLION, undefined);
  const number = MILLION.toLocaleString('en-US');
  const first = await timed(() => openLedger(folder));
  metric(`open ${number} records without an index`, first.ms / 1000, 's');
  first.result.close();
  metric('the index', fs.statSync(join(folder, 'index.sqlite')).size / 2 ** 20, 'MiB');
  // The first opening after the folders have come to rest remembers that; from then on they are not listed.
  await new Promise((resume) => setTimeout(resume, 2500));
  const second = await timed(() => openLedger(folder));
  metric(`open ${number} records when the folders have come to rest`, second.ms, 'ms');
  second.result.close();
  const opened: number[] = [];
  for (let round = 0; round < 10; round += 1) {
    const { ms, result } = await timed(() => openLedger(folder));
    opened.push(ms);
    result.close();
  }
  quantiles(`open ${number} records`, opened);
  const ledger = openLedger(folder);
  const ask = async (name: string, objects: readonly Digest[], look: (object: Digest) => unknown): Promise<void> => {
    const times: number[] = [];
    for (const object of objects) times.push((await timed(() => look(object))).ms);
    quantiles(name, times, '≤ 10 ms');
    typical.set(name, median(times));
  };
  await ask(UP, sample.models, (model) => {
    const { nodes } = lineage(ledger, ledger.resolve(model.slice(7, 27)), { direction: 'up' });
    if (!nodes.some(({ kind }) => kind === 'data')) throw new Error('The data is not behind the model.');
  });
  await ask(DOWN, sample.data, (data) => {
    const { nodes } = lineage(ledger, data, { direction: 'down' });
    if (nodes.filter(({ kind }) => kind === 'model').length !== GROUP - 2) throw new Error('Models are missing.');
  });
  await ask('the last 30 records', sample.data, () => ledger.list({}, 30));
  await ask('a step’s newest record', sample.data, () => ledger.resolve('test'));
  ledger.close();
  fs.rmSync(folder, { recursive: true });
  return typical;
}

// ---------------------------------------------------------------- MLflow

/** The same runs, models and data in MLflow's tracking store (SQLite), asked the same two questions by its own client. */
function besideMlflow(own: ReadonlyMap<string, number>): void {
  const python = process.env.MLPIPE_BENCH_MLFLOW ?? 'python3';
  if (spawnSync(python, ['-c', 'import mlflow']).status !== 0) {
    missing('MLflow', 'it is not installed; MLPIPE_BENCH_MLFLOW names a Python that has it');
    return;
  }
  const script = fileURLToPath(new URL('ledger-mlflow.py', import.meta.url));
  const { status, stdout, stderr } = spawnSync(python, [script, root, String(MILLION), String(GROUP)], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  process.stdout.write(stdout);
  if (status !== 0) throw new Error(stderr.slice(-2000));
  for (const question of [UP, DOWN]) {
    const [, theirs] = new RegExp(`^METRIC:MLflow, ${question}, p50:([^:]+):ms$`, 'm').exec(stdout) ?? [];
    metric(`${question}, mlpipe's time against MLflow's`, (own.get(question) ?? Number.NaN) / Number(theirs), 'x');
  }
}

try {
  keyToSignWith(keys);
  fs.writeFileSync(join(root, 'warm'), randomBytes(2 ** 20));
  await appending();
  await verifying();
  besideMlflow(await asking());
} finally {
  fs.rmSync(root, { recursive: true, force: true, maxRetries: 5 });
}
