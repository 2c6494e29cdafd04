/** A project: the folder that holds `.mlpipe`, with its store and its ledger. */
import { isUtf8 } from 'node:buffer';
import fs from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { EXIT, MlpipeError } from './errors.ts';
import { takeGivenKey } from './ledger/keys/given-key.ts';
import { identityIn } from './ledger/keys/identity.ts';
import { type Ledger, openLedger } from './ledger/ledger.ts';
import { openStore } from './store/open.ts';
import { SETTINGS_NAME } from './store/remotes/settings.ts';
import type { TransferEvent } from './store/remotes/transfer.ts';
import type { Store } from './store/store.ts';

export interface Project {
  root: string;
  store: Store;
  ledger: Ledger;
  /** Says in a line what was done unasked. */
  tell: (message: string) => void;
  /** Hears how what is fetched unasked goes on; ended by what `tell` then says. */
  onTransfer?: (event: TransferEvent) => void;
  close(): void;
}

/**
 * The root of the project that a folder belongs to: where `.mlpipe` or the project's settings are, else the repository's,
 * else the folder.
 */
export function rootOf(folder: string): string {
  let repository: string | undefined;
  for (let at = resolve(folder); ; at = dirname(at)) {
    // A clone has no store yet; the settings are what git brings along.
    if (fs.existsSync(join(at, '.mlpipe', 'format')) || fs.existsSync(join(at, SETTINGS_NAME))) return at;
    if (repository === undefined && fs.existsSync(join(at, '.git'))) repository = at;
    if (dirname(at) === at) return repository ?? resolve(folder);
  }
}

export interface ProjectOptions {
  warn?: (message: string) => void;
  tell?: (message: string) => void;
  onTransfer?: (event: TransferEvent) => void;
  /** Where the store is taken to be: elsewhere than in the project where nothing may be written to it or believed of it. */
  store?: string;
}

export function openProject(folder: string, options: ProjectOptions = {}): Project {
  // Before anything is started on the project's behalf.
  takeGivenKey();
  const root = rootOf(folder);
  const warn = options.warn ?? (() => undefined);
  const store = openStore(options.store ?? join(root, '.mlpipe'));
  let ledger: Ledger | undefined;
  return {
    root,
    store,
    tell: options.tell ?? (() => undefined),
    ...(options.onTransfer === undefined ? {} : { onTransfer: options.onTransfer }),
    // Opened when it is first asked for: `check` and `fmt` need none.
    get ledger() {
      ledger ??= openLedger(store.folder, { warn, identity: identityIn(root) });
      return ledger;
    },
    close() {
      store.close();
      ledger?.close();
    },
  };
}

/**
 * The pipeline that is meant: the file, or the only one in a folder.
 *
 * @throws MlpipeError `file-missing`, `file-ambiguous`
 */
export function pipelineFile(folder: string, name?: string): string {
  if (name !== undefined) {
    const path = resolve(folder, name);
    const stats = statusOf(path);
    if (stats?.isDirectory()) return pipelineFile(path);
    if (stats) return path;
    throw new MlpipeError(`There is no file ${name}.`, {
      code: 'file-missing',
      todo: 'Check the spelling.',
      exit: EXIT.usage,
    });
  }
  const found = pipelinesIn(folder);
  const [only] = found;
  if (found.length === 1 && only) return join(resolve(folder), only);
  throw found.length === 0
    ? new MlpipeError(`There is no pipeline in ${folder}.`, {
        code: 'file-missing',
        todo: 'Name a `.mlpipe` file, choose another folder with -C, or write one with `mlpipe init`.',
        exit: EXIT.usage,
      })
    : new MlpipeError(`There are ${found.length} pipelines in ${folder}: ${found.join(', ')}.`, {
        code: 'file-ambiguous',
        todo: 'Name the one that is meant.',
        exit: EXIT.usage,
      });
}

/**
 * The text of a pipeline.
 *
 * @throws MlpipeError `file-missing`, `file-not-text`
 */
export function readPipelineText(file: string): string {
  let bytes: Buffer;
  try {
    bytes = fs.readFileSync(file);
  } catch (cause) {
    throw new MlpipeError(`${file} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}.`, {
      code: 'file-missing',
      todo: 'Check that the file is there and that you may read it.',
      exit: EXIT.usage,
      cause,
    });
  }
  // What is no text would be reported character by character, and formatting would destroy it.
  if (bytes.includes(0) || !isUtf8(bytes)) {
    throw new MlpipeError(`${file} is not a text in UTF-8.`, {
      code: 'file-not-text',
      todo: 'Name a `.mlpipe` file, or save it as UTF-8.',
      exit: EXIT.usage,
    });
  }
  return bytes.toString('utf8');
}

/**
 * Writes a pipeline's text as a whole or not at all, where a link leads to, with the rights that the file has. One that
 * is not to be written is left alone.
 *
 * @throws MlpipeError `file-not-writable`
 */
export function writePipelineText(file: string, text: string): void {
  let temporary: string | undefined;
  try {
    const real = fs.realpathSync(file);
    const { mode } = fs.statSync(real);
    // A superuser may write anything; who took the right away did not mean that.
    if ((mode & 0o222) === 0) throw new Error('it is read-only');
    temporary = `${real}.${process.pid}.tmp`;
    fs.writeFileSync(temporary, text, { mode });
    fs.renameSync(temporary, real);
  } catch (cause) {
    if (temporary !== undefined) fs.rmSync(temporary, { force: true });
    throw new MlpipeError(`${file} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}.`, {
      code: 'file-not-writable',
      todo: 'Give yourself the right to write it, or leave it as it is.',
      exit: EXIT.usage,
      cause,
    });
  }
}

/** The names of the pipelines that lie directly in a folder. */
export function pipelinesIn(folder: string): string[] {
  return statusOf(folder)?.isDirectory()
    ? fs
        .readdirSync(folder)
        .filter((each) => each.endsWith('.mlpipe') && each !== '.mlpipe')
        .sort()
    : [];
}

/** `undefined` where nothing is, and below a file. */
function statusOf(path: string): fs.Stats | undefined {
  try {
    return fs.statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
