/**
 * The store against what the machine does by itself: `sha256sum` and `cp`, in the same run.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openStore } from '../../runtime/store/open.ts';

const FILES = 10_000;
const SMALL = 4096;
const LARGE = 2 ** 30;

export async function bench(): Promise<void> {
  const folder = fs.mkdtempSync(join(tmpdir(), 'mlpipe-bench-'));
  try {
    await manyFiles(folder);
    await oneFile(folder);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

async function manyFiles(folder: string): Promise<void> {
  const source = join(folder, 'many');
  for (let index = 0; index < FILES; index += 1) {
    const parent = join(source, String(index % 100));
    if (index < 100) fs.mkdirSync(parent, { recursive: true });
    fs.writeFileSync(join(parent, `${index}.bin`), randomBytes(SMALL));
  }
  const store = openStore(join(folder, '.mlpipe'));
  const put = await seconds(() => store.put(source));
  metric('store_put_10000_files', FILES / put, 'files/s');
  // The peer gives no promise: neither digests nor anything on the disk.
  metric('cp_10000_files', FILES / (await seconds(() => shell(`cp -r ${source} ${folder}/copy`))), 'files/s');
  const synced = await seconds(() => shell(`cp -r ${source} ${folder}/copy2 && sync -f ${folder}/copy2`));
  metric('cp_and_sync_10000_files', FILES / synced, 'files/s');
  await store.digest(source);
  const warm = await best(5, () => store.digest(source));
  metric('store_digest_10000_files_warm', warm * 1000, 'ms');
  const cold = await best(3, async () => {
    fs.rmSync(join(folder, '.mlpipe/stat'), { recursive: true, force: true });
    await store.digest(source);
  });
  metric('store_digest_10000_files_cold', cold * 1000, 'ms');
  const peer = await best(3, () => shell(`find ${source} -type f -print0 | xargs -0 sha256sum > /dev/null`));
  metric('sha256sum_10000_files', peer * 1000, 'ms');
  metric('store_put_10000_files_again', (await best(3, () => store.put(source))) * 1000, 'ms');
  const stored = await store.digest(source);
  const out = join(folder, 'out');
  metric('store_checkout_10000_files', FILES / (await seconds(() => store.checkout(stored.digest, out))), 'files/s');
}

async function oneFile(folder: string): Promise<void> {
  const source = join(folder, 'large');
  const file = fs.openSync(source, 'w');
  const piece = randomBytes(2 ** 24);
  for (let written = 0; written < LARGE; written += piece.length) fs.writeSync(file, piece);
  fs.fsyncSync(file);
  fs.closeSync(file);
  const store = openStore(join(folder, '.mlpipe'));
  const gigabytes = LARGE / 1e9;
  metric('store_put_1_gib', gigabytes / (await seconds(() => store.put(source))), 'GB/s');
  metric(
    'cp_and_sync_1_gib',
    gigabytes / (await seconds(() => shell(`cp ${source} ${folder}/l && sync ${folder}/l`))),
    'GB/s',
  );
  fs.rmSync(join(folder, '.mlpipe/stat'), { recursive: true, force: true });
  metric('store_digest_1_gib_cold', gigabytes / (await seconds(() => store.digest(source))), 'GB/s');
  metric('sha256sum_1_gib', gigabytes / (await seconds(() => shell(`sha256sum ${source} > /dev/null`))), 'GB/s');
}

async function seconds(work: () => unknown): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** The least of several, because others use the machine, too. */
async function best(times: number, work: () => unknown): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < times; round += 1) least = Math.min(least, await seconds(work));
  return least;
}

function shell(command: string): void {
  execFileSync('sh', ['-c', command]);
}

function metric(name: string, value: number, unit: string): void {
  console.log(`METRIC:${name}:${value.toPrecision(4)}:${unit}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await bench();
