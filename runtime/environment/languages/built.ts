/**
 * Folders in the user's cache that are built once and then reused: an interpreter, the packages of a lock file. A folder
 * is whole when it has its manifest, which is written last; what lacks one was broken off, and is built anew.
 */
import fs from 'node:fs';
import { dirname, join } from 'node:path';
import { digestOf } from '../../../grammar/plan/canonical.ts';
import { acquireLease } from '../../lease.ts';

export const MANIFEST = 'mlpipe.json';

export interface BuildOptions {
  signal: AbortSignal;
  /** Somebody else builds the same. */
  onWait?: () => void;
}

/**
 * @param folder its own name says what it holds, so that something else is another folder
 * @param build fills the folder, which is empty, and answers what is to be remembered of it
 * @returns what was remembered, now or when it was built
 */
export async function builtOnce<Manifest>(
  folder: string,
  build: () => Promise<Manifest>,
  options: BuildOptions,
): Promise<Manifest> {
  const known = readManifest<Manifest>(folder);
  if (known !== undefined) return known;
  const lease = await acquireLease(
    join(dirname(folder), 'leases'),
    digestOf(folder),
    { run: 'provision', step: folder },
    { signal: options.signal, onWait: () => options.onWait?.() },
  );
  try {
    const meanwhile = readManifest<Manifest>(folder);
    if (meanwhile !== undefined) return meanwhile;
    fs.rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    fs.mkdirSync(folder, { recursive: true });
    const manifest = await build();
    writeManifest(folder, manifest);
    return manifest;
  } finally {
    lease.release();
  }
}

function readManifest<Manifest>(folder: string): Manifest | undefined {
  try {
    // Written by `builtOnce` in a folder whose name says what is in it.
    return JSON.parse(fs.readFileSync(join(folder, MANIFEST), 'utf8')) as Manifest;
  } catch {
    return undefined;
  }
}

function writeManifest(folder: string, manifest: unknown): void {
  const temporary = join(folder, `${MANIFEST}.${process.pid}`);
  const file = fs.openSync(temporary, 'w');
  try {
    fs.writeSync(file, `${JSON.stringify(manifest, undefined, 2)}\n`);
    fs.fsyncSync(file);
  } finally {
    fs.closeSync(file);
  }
  fs.renameSync(temporary, join(folder, MANIFEST));
}
