/**
 * The store beside what the machine does by itself (`sha256sum`, `cp` and `sync`) and beside `dvc add`: one file of
 * 1 GiB, and 10,000 files of 4 KiB. What is stored is on the disk when `put` answers; `dvc add` promises no such thing.
 *
 * The store is bundled first, as it ships: a thread then starts at once and compiles nothing.
 */
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import type { Store } from '../../runtime/store/store.ts';
import { type Dvc, installDvc, machinePeer } from './peers.ts';
import { inTurns, metric, type Way } from './report.ts';

const FILES = 10_000;
const SMALL = 4096;
const LARGE = 2 ** 30;
const ROUNDS = 3;
const SHORT_ROUNDS = 5;

type Open = (folder: string) => Store;

interface Place {
  folder: string;
  openStore: Open;
  dvc: Dvc | undefined;
}

async function bench(): Promise<void> {
  const folder = fs.mkdtempSync(join(tmpdir(), 'mlpipe-bench-'));
  try {
    machinePeer('sha256sum');
    const place = { folder, openStore: await bundledStore(folder), dvc: installDvc() };
    await oneFile(place);
    await manyFiles(place);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

async function bundledStore(folder: string): Promise<Open> {
  const source = (name: string) => fileURLToPath(new URL(`../../runtime/store/${name}.ts`, import.meta.url));
  const common = { bundle: true, platform: 'node', target: 'node22', minify: true } as const;
  const entry = join(folder, 'open.mjs');
  await build({ ...common, entryPoints: [source('open')], outfile: entry, format: 'esm' });
  const worker = join(folder, 'store-worker.cjs');
  await build({ ...common, entryPoints: [source('worker')], outfile: worker, format: 'cjs' });
  return ((await import(pathToFileURL(entry).href)) as { openStore: Open }).openStore;
}

async function oneFile(place: Place): Promise<void> {
  const source = join(place.folder, 'large');
  const file = fs.openSync(source, 'w');
  // Different throughout, as a disk may store equal blocks once.
  for (let written = 0; written < LARGE; written += 2 ** 24) fs.writeSync(file, randomBytes(2 ** 24));
  fs.fsyncSync(file);
  fs.closeSync(file);
  const times = await inTurns(ROUNDS, {
    put: put(place, source),
    hash: () => hashed(source),
    copy: copyAndSync(place, source),
    sum: () => shell(`sha256sum ${source}`),
    dvc: dvcAdd(place, source),
  });
  const speed = (milliseconds: number) => LARGE / 1e6 / milliseconds;
  metric('1 GiB, put', speed(times.put), 'GB/s');
  metric('1 GiB, cp and sync', speed(times.copy), 'GB/s');
  metric('1 GiB, SHA-256 in Node, nothing written', speed(times.hash), 'GB/s');
  metric('1 GiB, sha256sum', speed(times.sum), 'GB/s');
  if (place.dvc) metric('1 GiB, dvc add', speed(times.dvc), 'GB/s');
  const limit = Math.max(times.hash, times.copy);
  metric("1 GiB, put's time against the slower of SHA-256 and cp with sync", times.put / limit, 'x', '≤ 1.3 x');
  metric("1 GiB, put's time against sha256sum, cp and sync", times.put / (times.sum + times.copy), 'x', '≤ 1 x');
  if (place.dvc) metric("1 GiB, put's time against dvc add", times.put / times.dvc, 'x');
  fs.rmSync(source);
}

async function manyFiles(place: Place): Promise<void> {
  const { folder, openStore } = place;
  const source = join(folder, 'many');
  for (let index = 0; index < FILES; index += 1) {
    const parent = join(source, String(index % 100));
    if (index < 100) fs.mkdirSync(parent, { recursive: true });
    fs.writeFileSync(join(parent, `${index}.bin`), randomBytes(SMALL));
  }
  const sum = () => shell(`find ${source} -type f -print0 | xargs -0 sha256sum`);
  const times = await inTurns(SHORT_ROUNDS, { put: put(place, source), copy: copyAndSync(place, source), sum });
  const [added] = Object.values(await inTurns(place.dvc ? 1 : 0, { dvc: dvcAdd(place, source) }));
  const rate = (milliseconds = Number.NaN) => FILES / (milliseconds / 1000);
  metric('10,000 files, put', rate(times.put), 'files/s');
  metric('10,000 files, sha256sum, then cp and sync', rate(times.sum + times.copy), 'files/s');
  if (place.dvc) metric('10,000 files, dvc add', rate(added), 'files/s');
  metric("10,000 files, put's time against sha256sum, cp and sync", times.put / (times.sum + times.copy), 'x');
  if (place.dvc) metric("10,000 files, put's time against dvc add", times.put / (added ?? Number.NaN), 'x');

  const store = openStore(join(folder, 'store'));
  const stored = await store.put(source);
  const out = join(folder, 'out');
  const later = await inTurns(SHORT_ROUNDS, {
    again: async () => void (await store.put(source)),
    warm: async () => void (await store.digest(source)),
    cold: () =>
      timed(
        () => fs.rmSync(join(folder, 'store/stat'), { recursive: true, force: true }),
        () => store.digest(source),
      ),
    checkout: () =>
      timed(
        () => fs.rmSync(out, { recursive: true, force: true }),
        () => store.checkout(stored.digest, out),
      ),
  });
  metric('10,000 files, put again, unchanged', later.again, 'ms');
  metric('10,000 files, digest, unchanged', later.warm, 'ms');
  metric('10,000 files, digest, never seen', later.cold, 'ms');
  metric('10,000 files, sha256sum', times.sum, 'ms');
  metric('10,000 files, laid out', rate(later.checkout), 'files/s');
}

/** Into a store that has nothing yet; making it does not count. */
function put({ folder, openStore }: Place, source: string): Way {
  const path = join(folder, 'store');
  let store: Store;
  return () =>
    timed(
      () => {
        fs.rmSync(path, { recursive: true, force: true });
        store = openStore(path);
      },
      () => store.put(source),
    );
}

function copyAndSync({ folder }: Place, source: string): Way {
  const copy = join(folder, 'copy');
  return () =>
    timed(
      () => fs.rmSync(copy, { recursive: true, force: true }),
      () => shell(`cp -r ${source} ${copy} && sync -f ${copy}`),
    );
}

/** Into a project that has nothing yet, with DVC's own default of how to keep the original. */
function dvcAdd({ folder, dvc }: Place, source: string): Way {
  const project = join(folder, 'dvc-project');
  return () => {
    if (!dvc) return 0;
    const run = (...parameters: string[]) =>
      execFileSync(dvc.program, parameters, {
        cwd: project,
        env: { ...process.env, ...dvc.environment },
        stdio: 'ignore',
      });
    return timed(
      () => {
        fs.rmSync(project, { recursive: true, force: true });
        fs.mkdirSync(project);
        shell(`cp -r ${source} ${project}/data`);
        run('init', '-q', '--no-scm');
      },
      () => run('add', '-q', 'data'),
    );
  };
}

/** What is written before is on the disk before the clock starts, so that nobody pays for another. */
async function timed(prepare: () => unknown, work: () => unknown): Promise<number> {
  await prepare();
  shell('sync');
  const began = performance.now();
  await work();
  return performance.now() - began;
}

function hashed(path: string): void {
  const hasher = createHash('sha256');
  const piece = Buffer.allocUnsafeSlow(2 ** 20);
  const file = fs.openSync(path, 'r');
  for (;;) {
    const count = fs.readSync(file, piece);
    if (count === 0) break;
    hasher.update(piece.subarray(0, count));
  }
  fs.closeSync(file);
  hasher.digest();
}

function shell(command: string): void {
  execFileSync('sh', ['-c', command], { stdio: ['ignore', 'ignore', 'inherit'] });
}

if (import.meta.main) await bench();
