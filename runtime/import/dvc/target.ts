/** The file that an import writes: whole or not at all, and never over somebody's own. */
import fs from 'node:fs';
import { dirname } from 'node:path';
import { EXIT, MlpipeError } from '../../errors.ts';

/** @throws MlpipeError `usage`, `file-exists` */
export function refuseTarget(target: string, folder: string, force: boolean): void {
  if (dirname(target) !== folder || !target.endsWith('.mlpipe')) {
    throw new MlpipeError(`${target} does not lie in ${folder}, or does not end in .mlpipe.`, {
      code: 'usage',
      todo: 'Name a file in that folder, from which all paths of the stages begin.',
      exit: EXIT.usage,
    });
  }
  if (fs.lstatSync(target, { throwIfNoEntry: false }) !== undefined && !force) throw exists(target);
}

function exists(target: string): MlpipeError {
  return new MlpipeError(`${target} is there already, and was left as it is.`, {
    code: 'file-exists',
    todo: 'Name another file with -o, or write over it with --force.',
    exit: EXIT.usage,
  });
}

/** As a whole or not at all; without `force` never over what somebody has written meanwhile. */
export function writeWhole(target: string, text: string, force: boolean): void {
  const temporary = `${target}.${process.pid}.tmp`;
  const file = fs.openSync(temporary, 'wx', 0o644);
  try {
    fs.writeFileSync(file, text);
    fs.fsyncSync(file);
    if (force) fs.renameSync(temporary, target);
    else fs.linkSync(temporary, target);
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'EEXIST' ? exists(target) : error;
  } finally {
    fs.closeSync(file);
    fs.rmSync(temporary, { force: true });
  }
  if (process.platform === 'win32') return;
  const folder = fs.openSync(dirname(target), 'r');
  fs.fsyncSync(folder);
  fs.closeSync(folder);
}
