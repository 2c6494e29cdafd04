/** A project: the folder that holds `.mlpipe`, with its store and its ledger. */
import { isUtf8 } from 'node:buffer';
import fs from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { digestOf } from '../grammar/plan/canonical.ts';
import type { Digest } from '../grammar/plan/plan.ts';
import { resolveEnvironment } from './environment/resolve.ts';
import type { RetainedSource } from './environment/retained.ts';
import { EXIT, MlpipeError } from './errors.ts';
import { digestSource } from './execute/inputs.ts';
import type { PipelineContext, World } from './execute/world.ts';
import { takeGivenKey } from './ledger/keys/given-key.ts';
import { identityIn } from './ledger/keys/identity.ts';
import { type Ledger, openLedger } from './ledger/ledger.ts';
import { codeState, who } from './ledger/provenance.ts';
import type { RetainedItem, StoredRecord } from './ledger/record.ts';
import { rememberedPlan, rememberPlan } from './plan-cache.ts';
import { openStore } from './store/open.ts';
import { hasRecord } from './store/remotes/records.ts';
import { readSettings, remoteOf, SETTINGS_NAME } from './store/remotes/settings.ts';
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

/**
 * A pipeline ready to run. The language is loaded only where the plan is not known from an earlier reading of the same
 * text: that is most of what `status` would take.
 *
 * @throws MlpipeError `file-missing`, `file-not-text`, `pipeline-errors`, `parameter-wrong`
 */
export async function contextAt(
  project: Project,
  file: string,
  parameters: Readonly<Record<string, string>> = {},
): Promise<PipelineContext> {
  const world = worldOf(project);
  const digest = digestOf(readPipelineText(file));
  const known = rememberedPlan(project.store.folder, file, parameters);
  if (known !== undefined) return { world, plan: known, file, digest };
  const { loadFile, planOf } = await import('./pipeline.ts');
  const { plan, sources } = planOf(await loadFile(file), parameters);
  rememberPlan(project.store.folder, file, parameters, plan, sources);
  return { world, plan, file, digest };
}

/**
 * What running asks of a project.
 *
 * @param options whether what is missing may be fetched from the default remote; only looking never fetches
 */
export function worldOf(project: Project, options: { supply?: boolean } = {}): World {
  const { root, store } = project;
  const { bring, ...supplied } = options.supply ? suppliedFrom(project) : {};
  return {
    ...supplied,
    retained: {
      ...supplied,
      ...(bring === undefined ? {} : { bring }),
      store,
      named: (name) => retainedAs(project, name),
    },
    root,
    store,
    ledger: project.ledger,
    code: () => codeState(root, store),
    who: () => who(root),
    environment: (plan, name, folder, resources) =>
      resolveEnvironment(name === undefined ? undefined : plan.environments[name], {
        folder,
        resources,
        digest: async (path) => (await digestSource(store, path)).digest,
      }),
  };
}

/** So many of the newest records are looked through; a ledger can have a million, and reading them takes minutes. */
const NEWEST = 5000;

/** Of the newest records, of those that the lock files name, of more of the newest: most often the first has it. */
async function* retainedAs(project: Project, name: string): AsyncIterable<RetainedItem> {
  const { ledger, store, root } = project;
  const seen = new Set<Digest>();
  const inLocks = async (): Promise<StoredRecord[]> => {
    const { lockedRecords } = await import('./share/locks.ts');
    const digests = (await lockedRecords(root)).filter((digest) => hasRecord(store.folder, digest));
    return digests.flatMap((digest) => ledger.get(digest) ?? []);
  };
  for (const records of [() => ledger.list({}, 20), inLocks, () => ledger.list({}, NEWEST)]) {
    for (const { record } of await records()) {
      const item = record.environment.retained?.[name];
      if (item === undefined || seen.has(item.digest)) continue;
      seen.add(item.digest);
      yield item;
    }
  }
}

/** Nothing where the project has no remote: then nothing of remotes is loaded either. */
function suppliedFrom(project: Project): Pick<RetainedSource, 'supply' | 'bring'> {
  const remote = remoteOf(readSettings(project.root));
  if (remote === undefined) return {};
  return {
    bring: async (signal) => {
      const { supplyRecords } = await import('./share/supply.ts');
      await supplyRecords(project, remote, { tell: project.tell, ...(signal === undefined ? {} : { signal }) });
    },
    supply: async (digests, signal) => {
      const { supplyObjects } = await import('./share/supply.ts');
      await supplyObjects(project, remote, digests, {
        tell: project.tell,
        ...(project.onTransfer === undefined ? {} : { onEvent: project.onTransfer }),
        ...(signal === undefined ? {} : { signal }),
      });
    },
  };
}
