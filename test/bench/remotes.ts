/**
 * Sending and fetching, to a folder and to a test server that speaks S3, beside `dvc push` and `dvc pull` to a folder:
 * 10,000 files of 4 KiB, and one file of 1 GiB that chance has drawn; and what goes over the line of a changed table. What
 * is sent is on the disk when `push` answers, and what is fetched was hashed; DVC promises the first of these not at all. On S3 the server, a test double in the same machine, is what is
 * slow: its figures say that nothing else is.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestOf } from '../../grammar/plan/canonical.ts';
import type { Digest } from '../../grammar/plan/plan.ts';
import { openProject } from '../../runtime/project.ts';
import { pull } from '../../runtime/share/pull.ts';
import { push } from '../../runtime/share/push.ts';
import { openStore } from '../../runtime/store/open.ts';
import { openFolder } from '../../runtime/store/remotes/drivers/folder.ts';
import { startS3 } from '../remotes/servers/start.ts';
import { receive, send } from '../remotes/support.ts';
import { recordOf } from '../runtime/records.ts';
import { calm } from './calm.ts';
import { type Dvc, installDvc } from './peers.ts';
import { inTurns, metric, missing, peer } from './report.ts';

/** MLPIPE_BENCH_FILES=100000 takes some minutes more. */
const FILES = Number(process.env.MLPIPE_BENCH_FILES ?? 10_000);
const SMALL = 4096;
const LARGE = 2 ** 30;
const ROUNDS = 3;
/** On S3, where each file is a request to a slow server, and all of them would take minutes. */
const FEWER = 2000;
const SMALLER = 2 ** 28;

interface Remote {
  url: string;
  settings?: Record<string, unknown>;
  /** Takes away what was sent. */
  empty: () => void;
}

async function bench(): Promise<void> {
  const folder = fs.mkdtempSync(join(tmpdir(), 'mlpipe-bench-'));
  try {
    const remote = join(folder, 'remote');
    const local: Remote = { url: remote, empty: () => fs.rmSync(remote, { recursive: true, force: true }) };
    const dvc = installDvc();
    const many = join(folder, 'many');
    makeFiles(many, FILES);
    const rate = (milliseconds: number) => FILES / (milliseconds / 1000);
    await compare(folder, many, local, dvc, `${FILES.toLocaleString('en-US')} files, to a folder`, rate, 'files/s');
    const large = join(folder, 'large');
    makeLarge(large, LARGE);
    await compare(folder, large, local, dvc, '1 GiB, to a folder', (time) => LARGE / 1e6 / time, 'GB/s');
    await editedTable(folder);
    await overS3(folder);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

const TABLE = 2 ** 27;
const MIB = 2 ** 20;

/** What goes over the line of a table of 128 MiB whose version before is there. */
async function editedTable(folder: string): Promise<void> {
  const table = makeTable(TABLE);
  const row = Buffer.from('1,2.5,setosa,a row of its own\n');
  const lineAt = (byte: number) => table.indexOf('\n', byte) + 1;
  const withRowsAt = (places: readonly number[]) => {
    const cuts = [0, ...places.map(lineAt), table.length];
    return Buffer.concat(
      cuts.slice(1).flatMap((cut, index) => [table.subarray(cuts[index], cut), ...(cut < table.length ? [row] : [])]),
    );
  };
  const edits = {
    '20,000 rows appended': Buffer.concat([table, makeTable(20_000 * row.length)]),
    'a row inserted in the middle': withRowsAt([TABLE / 2]),
    '100 scattered edits': withRowsAt(Array.from({ length: 100 }, (_, at) => Math.floor(((at + 0.5) * TABLE) / 100))),
    'a header before it': Buffer.concat([Buffer.from('number,value,kind,words\n'), table]),
  };
  const [path, remote] = [join(folder, 'table.csv'), join(folder, 'table-remote')];
  const store = openStore(join(folder, 'table-store'));
  const sent = async (content: Buffer) => {
    fs.writeFileSync(path, content);
    const { digest } = await store.put(path);
    const driver = openFolder(remote);
    const began = performance.now();
    const { bytes } = await send(store, [digest], driver);
    await driver.close();
    return { bytes, speed: content.length / 1e6 / (performance.now() - began), digest };
  };
  metric('128 MiB of CSV, push, the first time', (await sent(table)).speed, 'GB/s');
  let last: Digest | undefined;
  for (const [name, content] of Object.entries(edits)) {
    const { bytes, digest } = await sent(content);
    metric(`128 MiB of CSV, ${name}, sent`, bytes / MIB, 'MiB');
    last = digest;
  }
  if (last === undefined) return;
  const driver = openFolder(remote);
  const began = performance.now();
  await receive(openStore(join(folder, 'table-other')), [last], driver);
  metric('128 MiB of CSV, pull', TABLE / 1e6 / (performance.now() - began), 'GB/s');
}

function makeTable(bytes: number): Buffer {
  const content = Buffer.alloc(bytes + 100);
  const kinds = ['setosa', 'virginica', 'versicolor'];
  let length = 0;
  for (let row = 0; length < bytes; row += 1) {
    length += content.write(`${row},${Math.random()},${kinds[row % 3]},some words\n`, length);
  }
  return content.subarray(0, length);
}

async function overS3(folder: string): Promise<void> {
  const server = await startS3(join(folder, 's3'));
  if (server === undefined) {
    missing('s3rver', 'it could not be installed');
    return;
  }
  try {
    Object.assign(process.env, server.environment);
    peer('s3rver', '3.7.1');
    let turn = 0;
    const remote = (): Remote => ({
      url: `${server.url}/${turn++}`,
      empty: () => undefined,
      ...(server.settings === undefined ? {} : { settings: server.settings }),
    });
    const many = join(folder, 'fewer');
    makeFiles(many, FEWER);
    const small = await there(folder, many, remote());
    metric('2,000 files, to s3rver, push', FEWER / (small.push / 1000), 'files/s');
    metric('2,000 files, from s3rver, pull', FEWER / (small.pull / 1000), 'files/s');
    const large = join(folder, 'smaller');
    makeLarge(large, SMALLER);
    const one = await there(folder, large, remote());
    metric('256 MiB, to s3rver, push', SMALLER / 1e6 / one.push, 'GB/s');
    metric('256 MiB, from s3rver, pull', SMALLER / 1e6 / one.pull, 'GB/s');
  } finally {
    await server.stop();
  }
}

async function compare(
  folder: string,
  source: string,
  remote: Remote,
  dvc: Dvc | undefined,
  name: string,
  speed: (milliseconds: number) => number,
  unit: string,
): Promise<void> {
  const own: { push: number; pull: number }[] = [];
  const others: { push: number; pull: number }[] = [];
  let bytes = 0;
  await inTurns(ROUNDS, {
    own: async () => {
      const { bytes: all, ...times } = await there(folder, source, remote);
      bytes = all;
      own.push(times);
    },
    dvc: () => (dvc && others.length === 0 ? void others.push(withDvc(folder, source, dvc, bytes)) : undefined),
  });
  const middle = (way: 'push' | 'pull', times: typeof own) =>
    times.map((each) => each[way]).sort((one, other) => one - other)[Math.floor(times.length / 2)] ?? Number.NaN;
  for (const way of ['push', 'pull'] as const) {
    metric(`${name}, ${way}`, speed(middle(way, own)), unit);
    if (!dvc) continue;
    metric(`${name}, dvc ${way}`, speed(middle(way, others)), unit);
    metric(`${name}, ${way}'s time against dvc ${way}`, middle(way, own) / middle(way, others), 'x');
  }
}

/** Sends from a project that has it to an empty remote, and fetches into one that has nothing. */
async function there(
  folder: string,
  source: string,
  remote: Remote,
): Promise<{ push: number; pull: number; bytes: number }> {
  const [author, stranger] = [join(folder, 'author'), join(folder, 'stranger')];
  for (const path of [author, stranger]) fs.rmSync(path, { recursive: true, force: true });
  remote.empty();
  fs.mkdirSync(author);
  const settings = { remotes: { shared: { url: remote.url, ...remote.settings } }, defaultRemote: 'shared' };
  fs.writeFileSync(join(author, 'mlpipe.json'), JSON.stringify(settings));
  const project = openProject(author);
  const data = await project.store.put(source);
  const { bytes } = data;
  const small = async (text: string) => (await project.store.putBytes(text)).digest;
  const record = recordOf({
    pipeline: { name: 'digits', file: 'digits.mlpipe', digest: digestOf('text') },
    plan: await small('plan'),
    keyParts: await small('parts'),
    inputs: [{ name: 'data:digits', digest: data.digest, bytes: data.bytes, path: 'data' }],
  });
  const digest = await project.ledger.append(record);
  await project.ledger.lock(join(author, 'digits.mlpipe'), { digest, record });
  calm(folder, bytes);
  const began = performance.now();
  await push(project);
  const sent = performance.now() - began;
  project.close();
  for (const name of ['mlpipe.json', 'digits.mlpipe.lock']) {
    fs.cpSync(join(author, name), join(stranger, name), { recursive: true });
  }
  const other = openProject(stranger);
  calm(folder, bytes);
  const beganToFetch = performance.now();
  await pull(other);
  const fetched = performance.now() - beganToFetch;
  other.close();
  return { push: sent, pull: fetched, bytes };
}

/** `pull` also lays the files out, as it does by itself; `fetch` is what compares. */
function withDvc(folder: string, source: string, dvc: Dvc, bytes: number): { push: number; pull: number } {
  const project = join(folder, 'dvc-project');
  fs.rmSync(project, { recursive: true, force: true });
  fs.rmSync(join(folder, 'dvc-remote'), { recursive: true, force: true });
  fs.mkdirSync(project);
  fs.cpSync(source, join(project, 'data'), { recursive: true });
  const run = (...parameters: string[]) => {
    const began = performance.now();
    execFileSync(dvc.program, parameters, {
      cwd: project,
      env: { ...process.env, ...dvc.environment },
      stdio: 'ignore',
    });
    return performance.now() - began;
  };
  run('init', '-q', '--no-scm');
  run('add', '-q', 'data');
  run('remote', 'add', '-q', '-d', 'shared', join(folder, 'dvc-remote'));
  calm(folder, bytes);
  const sent = run('push', '-q');
  fs.rmSync(join(project, '.dvc', 'cache'), { recursive: true, force: true });
  calm(folder, bytes);
  return { push: sent, pull: run('fetch', '-q') };
}

function makeFiles(folder: string, count: number): void {
  for (let index = 0; index < count; index += 1) {
    const parent = join(folder, String(index % 100));
    if (index < 100) fs.mkdirSync(parent, { recursive: true });
    fs.writeFileSync(join(parent, `${index}.bin`), randomBytes(SMALL));
  }
}

function makeLarge(path: string, bytes: number): void {
  const file = fs.openSync(path, 'w');
  for (let written = 0; written < bytes; written += 2 ** 24) fs.writeSync(file, randomBytes(2 ** 24));
  fs.closeSync(file);
}

await bench();
