/** What a run left: found on this machine, or handed over by the server, and taken into the store. */
import fs from 'node:fs';
import { isAbsolute, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EXIT, MlpipeError } from '../../errors.ts';
import type { RecordedOutput, RecordOrigin } from '../../ledger/record.ts';
import type { Store } from '../../store/store.ts';
import { strange } from '../files.ts';
import type { MlflowRun } from './run.ts';

export interface FoundArtifacts {
  /** The folder that holds them. */
  folder?: string;
  /** Why there is none. */
  why?: string;
}

const MOST_ENTRIES = 1_000_000;
/** What lies directly in a run's folder of artifacts: each becomes an output. */
const MOST_OUTPUTS = 10_000;

/**
 * Where the artifacts of a run lie on this machine. A store is somebody's word, too: what it names is only taken from
 * below its own folder or the project's, never from wherever it says.
 *
 * @param trusted folders that artifacts may come from: the store's, the project's
 */
export function findArtifacts(run: MlflowRun, storeFolder: string, trusted: readonly string[]): FoundArtifacts {
  const address = run.artifacts;
  if (address === '') return { why: 'the run names no place of its artifacts' };
  const named = localPath(address, storeFolder);
  // A store that was moved or copied: the same places below it.
  const moved = [
    join(storeFolder, run.experiment.id, run.id, 'artifacts'),
    ...['mlruns', 'mlartifacts'].map((name) => join(storeFolder, name, run.experiment.id, run.id, 'artifacts')),
  ];
  const candidates = [...(named === undefined ? [] : [named]), ...moved];
  const there = candidates.find((path) => fs.statSync(path, { throwIfNoEntry: false })?.isDirectory());
  if (there === undefined) return { why: `${address} is not on this machine` };
  const real = fs.realpathSync(there);
  if (trusted.some((folder) => isBelow(real, fs.realpathSync(folder)))) return { folder: real };
  return { why: `${address} lies outside of the project and of the store; name the folder with --artifacts` };
}

function localPath(address: string, folder: string): string | undefined {
  if (address.startsWith('file:')) {
    try {
      return fileURLToPath(address);
    } catch {
      return undefined;
    }
  }
  return /^[a-z][a-z0-9+.-]+:/i.test(address) ? undefined : resolve(folder, address);
}

function isBelow(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way === '' || (!way.startsWith('..') && !isAbsolute(way));
}

/**
 * Takes every file and folder directly in a folder into the store, each as an output.
 *
 * @throws MlpipeError `import-file-strange` where something is a link or a device, `mlflow-artifacts-many`
 */
export async function takeArtifacts(
  store: Store,
  folder: string,
  signal?: AbortSignal,
): Promise<Record<string, RecordedOutput>> {
  refuseStrange(folder);
  const outputs: [string, RecordedOutput][] = [];
  for (const name of fs.readdirSync(folder).sort()) {
    signal?.throwIfAborted();
    const { digest, bytes } = await store.put(join(folder, name));
    outputs.push([name, { digest, bytes }]);
  }
  if (outputs.length > MOST_OUTPUTS) throw tooMany(folder, MOST_OUTPUTS);
  return Object.fromEntries(outputs);
}

function refuseStrange(folder: string): void {
  const open = [folder];
  let count = 0;
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    for (const entry of fs.readdirSync(at, { withFileTypes: true })) {
      const path = join(at, entry.name);
      count += 1;
      if (count > MOST_ENTRIES) throw tooMany(folder, MOST_ENTRIES);
      if (entry.isDirectory()) open.push(path);
      else if (!entry.isFile()) throw strange(path, fs.lstatSync(path));
    }
  }
}

function tooMany(folder: string, most: number): MlpipeError {
  return new MlpipeError(`${folder} holds more than ${most} files.`, {
    code: 'mlflow-artifacts-many',
    todo: 'See whether these are the artifacts of one run; without them import with --no-artifacts.',
    exit: EXIT.usage,
  });
}

/** In what a record says is missing. */
export function withoutArtifacts(why: string): RecordOrigin['missing'][number] {
  return { name: 'artifacts', why };
}
