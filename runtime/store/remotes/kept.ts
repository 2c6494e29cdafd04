/** Copies of what a remote says of its packs, in `.mlpipe/cache`: can be deleted at any time, and prove themselves when they are read. */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { dirname, join } from 'node:path';
import { writeFailure } from '../errors.ts';

export function cacheFolder(store: string, what: 'pack-indexes' | 'recipes'): string {
  return join(store, 'cache', what);
}

/** Nothing where there is none, or none that can be read: the remote has it. */
export function readKept(folder: string, name: string): Buffer | undefined {
  try {
    return fs.readFileSync(join(folder, name));
  } catch {
    // Never kept, or deleted meanwhile; nothing rests on it.
    return undefined;
  }
}

/** There whole or not at all. What is half after a loss of power does not prove itself, so that nothing is synced. */
export function keep(folder: string, name: string, content: Buffer): void {
  const path = join(folder, name);
  const temporary = `${path}.${process.pid}-${randomBytes(4).toString('hex')}`;
  try {
    fs.mkdirSync(dirname(path), { recursive: true });
    fs.writeFileSync(temporary, content);
    fs.renameSync(temporary, path);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw writeFailure(path, error);
  }
}

/** The newest names first. */
export function namesKept(folder: string): string[] {
  let names: string[];
  try {
    names = fs.readdirSync(folder);
  } catch {
    // Nothing was ever kept.
    return [];
  }
  const age = (name: string) => fs.statSync(join(folder, name), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const ages = new Map(names.map((name) => [name, age(name)]));
  return names.sort((one, other) => (ages.get(other) ?? 0) - (ages.get(one) ?? 0));
}
