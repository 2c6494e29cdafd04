/** Small files outside the store's own folders: each is written as a whole or not at all. */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { dirname } from 'node:path';
import { writeFailure } from './errors.ts';
import { hasCode, nodeFileSystem } from './filesystem.ts';

/**
 * Writes a file, and the folder that it lies in where there is none. Durable when it returns.
 *
 * @param options.replace whether one that is there makes room; else it stays as it is
 * @returns whether it was written
 * @throws MlpipeError as `writeFailure` makes it
 */
export function writeWhole(path: string, text: string, { replace = true, mode = 0o644 } = {}): boolean {
  const temporary = `${path}.${process.pid}-${randomBytes(4).toString('hex')}`;
  try {
    fs.mkdirSync(dirname(path), { recursive: true });
    const file = fs.openSync(temporary, 'wx', mode);
    try {
      fs.writeSync(file, text);
      fs.fsyncSync(file);
    } finally {
      fs.closeSync(file);
    }
    if (replace) fs.renameSync(temporary, path);
    // A link is made only where there is nothing of that name.
    else fs.linkSync(temporary, path);
    nodeFileSystem.syncFolder(dirname(path));
    return true;
  } catch (error) {
    if (!replace && hasCode(error, 'EEXIST')) return false;
    throw writeFailure(path, error);
  } finally {
    fs.rmSync(temporary, { force: true });
  }
}
