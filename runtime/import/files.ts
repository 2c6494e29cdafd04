/** Files of another tool: no links, no devices, no surprises in size, and digests made of the very bytes that are kept. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { isAbsolute, relative, resolve } from 'node:path';
import { EXIT, MlpipeError } from '../errors.ts';

/**
 * A whole file that is read into memory.
 *
 * @throws MlpipeError `import-file-missing`, `import-file-strange`, `import-file-large`
 */
export function readSmall(path: string, largest: number): Buffer {
  const file = openPlain(path);
  try {
    const { size } = fs.fstatSync(file);
    if (size > largest) {
      throw new MlpipeError(`${path} has ${size} bytes, more than the ${largest} that such a file may have.`, {
        code: 'import-file-large',
        todo: 'See whether it is what it is called.',
        exit: EXIT.usage,
      });
    }
    return fs.readFileSync(file);
  } finally {
    fs.closeSync(file);
  }
}

/** Opens what is a file itself and no link to one. */
function openPlain(path: string): number {
  const stats = fs.lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) {
    throw new MlpipeError(`There is no ${path}.`, {
      code: 'import-file-missing',
      todo: 'Check the spelling, or bring the file back.',
      exit: EXIT.usage,
    });
  }
  if (!stats.isFile()) throw strange(path, stats);
  // Whoever puts a link there in between is not followed either.
  return fs.openSync(path, fs.constants.O_RDONLY | (fs.constants.O_NOFOLLOW ?? 0));
}

export function strange(path: string, stats: fs.Stats): MlpipeError {
  const what = stats.isSymbolicLink() ? 'a symbolic link' : stats.isDirectory() ? 'a folder' : 'no plain file';
  return new MlpipeError(`${path} is ${what}, where a file is expected.`, {
    code: 'import-file-strange',
    todo: 'Nothing is followed that might lead elsewhere: put the file itself there.',
    exit: EXIT.usage,
  });
}

/** What a file was when it was read. */
export interface ReadFile {
  md5: string;
  bytes: number;
  /** Equal as long as nobody has written to it. */
  state: string;
}

/**
 * Reads a file to its end.
 *
 * @param unixText takes `\r\n` for `\n`, as DVC did with texts up to its version 2
 * @throws MlpipeError as `readSmall`
 */
export async function digestFile(
  path: string,
  options: { unixText?: boolean; signal?: AbortSignal } = {},
): Promise<ReadFile> {
  const file = openPlain(path);
  const hash = createHash('md5');
  const state = stateOf(fs.fstatSync(file, { bigint: true }));
  const { signal, unixText = false } = options;
  let bytes = 0;
  let rest = '';
  for await (const chunk of fs.createReadStream(path, { fd: file, ...(signal === undefined ? {} : { signal }) })) {
    // A stream without an encoding gives bytes.
    const content = chunk as Buffer;
    bytes += content.length;
    if (!unixText) {
      hash.update(content);
      continue;
    }
    const text = rest + content.toString('latin1');
    rest = text.endsWith('\r') ? '\r' : '';
    hash.update(Buffer.from(text.slice(0, text.length - rest.length).replaceAll('\r\n', '\n'), 'latin1'));
  }
  return { md5: hash.update(rest).digest('hex'), bytes, state };
}

/** @throws MlpipeError `import-file-changed` where somebody has written to it since it was read */
export function refuseChanged(path: string, read: ReadFile): void {
  const stats = fs.lstatSync(path, { bigint: true, throwIfNoEntry: false });
  if (stats !== undefined && stateOf(stats) === read.state) return;
  throw new MlpipeError(`${path} changed while it was imported.`, {
    code: 'import-file-changed',
    todo: 'Import again when nobody writes there.',
  });
}

function stateOf({ dev, ino, size, mtimeNs }: fs.BigIntStats): string {
  return `${dev} ${ino} ${size} ${mtimeNs}`;
}

/**
 * A path as it stands in another tool's file, relative to a folder, with forward slashes.
 *
 * @param root what it may not leave
 * @throws MlpipeError `path-outside`
 */
export function insideOf(root: string, folder: string, path: string, where: string): string {
  const place = resolve(folder, path);
  const way = relative(root, place);
  if (path !== '' && !path.includes('\0') && !isAbsolute(path) && !way.startsWith('..') && !isAbsolute(way)) {
    return relative(folder, place).replaceAll('\\', '/') || '.';
  }
  throw new MlpipeError(`${where} names ${JSON.stringify(path)}, which leads out of the project.`, {
    code: 'path-outside',
    todo: 'Move it into the project and name it there; then import again.',
    exit: EXIT.usage,
  });
}
