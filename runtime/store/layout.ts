/** What lies where in a store. */
import { randomBytes } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { MlpipeError } from '../errors.ts';
import { ContentFolder } from './content.ts';
import { writeFailure } from './errors.ts';
import type { FileSystem } from './filesystem.ts';
import { PackFolder } from './packs/packs.ts';

const FORMAT = 'mlpipe-store/1';

export function objectFolder(files: FileSystem, store: string): ContentFolder {
  return new ContentFolder(files, join(store, 'objects'), temporaryFolder(store));
}

export function recordFolder(files: FileSystem, store: string): ContentFolder {
  return new ContentFolder(files, join(store, 'records'), temporaryFolder(store), '.json');
}

export function packFolder(files: FileSystem, store: string): PackFolder {
  return new PackFolder(files, join(store, 'packs'), temporaryFolder(store));
}

export function temporaryFolder(store: string): string {
  return join(store, 'tmp');
}

/**
 * Makes a store ready where there is none. The format file is written last: where it is, every folder is on the disk,
 * so that no writer need ever ask whether a shard survives a crash.
 *
 * @throws MlpipeError `store-format` where a newer mlpipe has made the store
 */
export function prepareStore(files: FileSystem, store: string): void {
  const path = join(store, 'format');
  if (files.status(path)) {
    const format = files.read(path).toString('utf8').trim();
    if (format === FORMAT) return;
    throw new MlpipeError(
      `The store in ${store} has the format ${JSON.stringify(format)}; this mlpipe knows ${FORMAT}.`,
      {
        code: 'store-format',
        todo: 'Use the version of mlpipe that made it, or a newer one.',
      },
    );
  }
  try {
    files.makeFolder(temporaryFolder(store));
    objectFolder(files, store).prepare();
    recordFolder(files, store).prepare();
    files.makeFolder(join(store, 'packs'));
    // Git keeps out of a store by itself, whatever the project ignores.
    writeWhole(files, store, '.gitignore', '*\n');
    writeWhole(files, store, 'format', `${FORMAT}\n`);
  } catch (error) {
    throw writeFailure(path, error);
  }
}

/**
 * A small file of the store itself, there whole or not at all, and durable on return. What had its name is replaced.
 *
 * @param name relative to the store; its folder is there and durable
 */
export function writeWhole(files: FileSystem, store: string, name: string, text: string): void {
  const unique = `${process.pid}-${randomBytes(4).toString('hex')}`;
  const temporary = join(temporaryFolder(store), `${basename(name)}-${unique}`);
  const file = files.create(temporary);
  files.write(file, Buffer.from(text));
  files.sync(file);
  files.close(file);
  // What was made before this file is on the disk before it has its name.
  files.syncFolder(store);
  files.rename(temporary, join(store, name));
  files.syncFolder(dirname(join(store, name)));
}
