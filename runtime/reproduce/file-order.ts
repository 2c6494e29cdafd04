/** The order in which a file system lists the names of a folder: turned round where it follows the order of making. */
import fs from 'node:fs';
import { join } from 'node:path';

/** As the system gives them: `readdir` of Node would sort. */
export function namesAsListed(folder: string): string[] {
  const names: string[] = [];
  const open = fs.opendirSync(folder);
  try {
    for (let entry = open.readSync(); entry !== null; entry = open.readSync()) names.push(entry.name);
  } finally {
    open.closeSync();
  }
  return names;
}

export interface Turned {
  /** Folders with names to put into an order. */
  folders: number;
  /** Those whose names are now listed in another. */
  changed: number;
}

/**
 * Lists the names of a folder and of all below it in another order, by moving them out and back in. A file system that
 * sorts by itself (ext4: by a hash) does not follow.
 *
 * @param spare names that stay as they are, with what is below them
 */
export function turnListing(folder: string, spare: readonly string[] = []): Turned {
  const found: Turned = { folders: 0, changed: 0 };
  const names = namesAsListed(folder);
  for (const name of names) {
    if (spare.includes(name) || !fs.lstatSync(join(folder, name)).isDirectory()) continue;
    const below = turnListing(join(folder, name));
    found.folders += below.folders;
    found.changed += below.changed;
  }
  const movable = names.filter((name) => !spare.includes(name));
  if (movable.length < 2) return found;
  found.folders += 1;
  // Some list what is newest first, some what is oldest.
  for (const order of [movable, [...movable].reverse()]) {
    moveOutAndIn(folder, order);
    const now = namesAsListed(folder).filter((name) => !spare.includes(name));
    if (now.join('\0') === movable.join('\0')) continue;
    found.changed += 1;
    break;
  }
  return found;
}

function moveOutAndIn(folder: string, names: readonly string[]): void {
  const aside = fs.mkdtempSync(`${folder}-`);
  for (const name of names) fs.renameSync(join(folder, name), join(aside, name));
  for (const name of names) fs.renameSync(join(aside, name), join(folder, name));
  fs.rmdirSync(aside);
}
