/** A run that MLflow has tracked becomes a record: MLflow's word, with its artifacts in the store. */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { canonicalJson } from '../../../grammar/plan/canonical.ts';
import type { Digest } from '../../../grammar/plan/plan.ts';
import { EXIT, MlpipeError } from '../../errors.ts';
import { withoutUrlCredentials } from '../../ledger/credentials.ts';
import type { OriginClaims, RecordedOutput, RecordOrigin } from '../../ledger/record.ts';
import type { Project } from '../../project.ts';
import { ImportWriter } from '../record.ts';
import { findArtifacts, takeArtifacts, withoutArtifacts } from './artifacts.ts';
import { openFileStore } from './file-store.ts';
import { lastOf, type MlflowRun, type TrackingStore, withoutSecrets } from './run.ts';
import { openServer } from './server.ts';
import { openSqliteStore } from './sqlite-store.ts';

export interface MlflowImportOptions {
  /**
   * A folder `mlruns`, `sqlite:///mlflow.db`, or the address of a server; else `MLFLOW_TRACKING_URI`, else what lies in
   * the folder.
   */
  from?: string;
  /** Where the artifacts are; else where the store says. */
  artifacts?: string;
  /** Takes none. */
  noArtifacts?: boolean;
  /** Where relative paths begin. */
  folder: string;
  variables?: NodeJS.ProcessEnv;
  signal?: AbortSignal;
}

export interface MlflowImport {
  tool: 'mlflow';
  record: Digest;
  /** How the record is called here. */
  step: string;
  id: string;
  name: string;
  experiment: string;
  from: string;
  parameters: Record<string, string>;
  metrics: Record<string, number>;
  outputs: Record<string, RecordedOutput>;
  missing: RecordOrigin['missing'];
}

/**
 * Nothing is written before everything could be read.
 *
 * @param reference a run's id or name
 * @throws MlpipeError `mlflow-run-unknown`, `mlflow-run-ambiguous`, `mlflow-store-broken`, `mlflow-store-missing`, and
 * what reading files throws
 */
export async function importMlflow(
  project: Project,
  reference: string,
  options: MlflowImportOptions,
): Promise<MlflowImport> {
  const place = storeOf(options, project.root);
  const staging = join(project.store.folder, 'imports', randomBytes(6).toString('hex'));
  try {
    const { run, masked } = withoutSecrets(await place.store.find(reference));
    const taken = await artifactsOf(project, place, run, staging, options);
    return await keep(project, place.store.from, run, taken, masked);
  } finally {
    place.store.close();
    fs.rmSync(staging, { recursive: true, force: true, maxRetries: 3 });
  }
}

// ---------------------------------------------------------------- where

interface Place {
  store: TrackingStore;
  /** Below which a store on this machine lies with its artifacts. */
  folder?: string;
}

function storeOf({ from, folder, variables = process.env, signal }: MlflowImportOptions, root: string): Place {
  const address = from ?? variables.MLFLOW_TRACKING_URI ?? whatLiesIn(folder);
  if (/^https?:\/\//i.test(address)) return { store: openServer(address, variables, signal) };
  const [, database] = /^sqlite:\/\/\/(.*)$/i.exec(address) ?? [];
  if (database !== undefined) {
    const path = resolve(folder, database);
    return { store: openSqliteStore(path, `sqlite:///${shown(path, root)}`), folder: dirname(path) };
  }
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(address) && !address.startsWith('file:')) {
    throw new MlpipeError(`A store at ${withoutUrlCredentials(address)} cannot be read.`, {
      code: 'mlflow-store-missing',
      todo: 'Start a tracking server on it (`mlflow server --backend-store-uri …`) and give its address with --from.',
      exit: EXIT.usage,
    });
  }
  const path = address.startsWith('file:') ? fileURLToPath(address) : resolve(folder, address);
  const isDatabase = fs.statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
  return isDatabase
    ? { store: openSqliteStore(path, `sqlite:///${shown(path, root)}`), folder: dirname(path) }
    : { store: openFileStore(path, shown(path, root)), folder: path };
}

/** As MLflow itself would look: a database first. */
function whatLiesIn(folder: string): string {
  const found = ['mlflow.db', 'mlruns'].find((name) => fs.existsSync(join(folder, name)));
  if (found !== undefined) return found === 'mlflow.db' ? 'sqlite:///mlflow.db' : found;
  throw new MlpipeError(`There is neither mlflow.db nor mlruns in ${folder}.`, {
    code: 'mlflow-store-missing',
    todo: 'Name the store with --from, or set MLFLOW_TRACKING_URI.',
    exit: EXIT.usage,
  });
}

/** Relative where it lies in the project: a record names no folder of this machine that it need not. */
function shown(path: string, root: string): string {
  const way = relative(root, path);
  return way.startsWith('..') || isAbsolute(way) ? path : way.replaceAll('\\', '/') || '.';
}

// ---------------------------------------------------------------- contents

interface Taken {
  outputs: Record<string, RecordedOutput>;
  missing: RecordOrigin['missing'];
}

async function artifactsOf(
  project: Project,
  { store, folder }: Place,
  run: MlflowRun,
  staging: string,
  options: MlflowImportOptions,
): Promise<Taken> {
  const { signal } = options;
  if (options.noArtifacts) return { outputs: {}, missing: [withoutArtifacts('they were not wanted')] };
  const take = async (path: string): Promise<Taken> => ({
    outputs: await takeArtifacts(project.store, path, signal),
    missing: [],
  });
  if (options.artifacts !== undefined) return take(resolve(options.folder, options.artifacts));
  if (store.download !== undefined) {
    fs.mkdirSync(staging, { recursive: true });
    await store.download(run, staging);
    return take(staging);
  }
  const found = findArtifacts(run, folder ?? project.root, [project.root, ...(folder === undefined ? [] : [folder])]);
  return found.folder === undefined
    ? { outputs: {}, missing: [withoutArtifacts(found.why ?? 'they are nowhere')] }
    : take(found.folder);
}

// ---------------------------------------------------------------- the record

async function keep(
  project: Project,
  from: string,
  run: MlflowRun,
  { outputs, missing: notTaken }: Taken,
  masked: readonly string[],
): Promise<MlflowImport> {
  const metrics: Record<string, number> = {};
  const missing = [...notTaken, ...masked.map((name) => ({ name, why: 'it is called like a secret' }))];
  for (const [name, values] of Object.entries(run.metrics)) {
    const last = lastOf(values);
    if (last === undefined) continue;
    if (Number.isFinite(last.value)) metrics[name] = last.value;
    else missing.push({ name: `metric ${name}`, why: `its value is ${last.value}` });
  }
  const evidence = (await project.store.putBytes(canonicalJson({ tool: 'mlflow', from, run: plainRun(run) }))).digest;
  const step = run.name || run.id;
  const origin: RecordOrigin = { tool: 'mlflow', from, id: run.id, evidence, claims: claimsOf(run), missing };
  const writer = await ImportWriter.begin(project);
  const record = await writer.append({
    step,
    // It has no pipeline: the experiment is the nearest to one, and no file.
    pipeline: { name: run.experiment.name, file: '', digest: evidence },
    origin,
    inputs: [],
    outputs,
    parameters: run.parameters,
    metrics,
  });
  const { id, name } = run;
  return {
    tool: 'mlflow',
    record,
    step: `import:${step}`,
    id,
    name,
    experiment: run.experiment.name,
    from,
    parameters: run.parameters,
    metrics,
    outputs,
    missing,
  };
}

/** JSON has no word for some numbers: they are written as Python does. */
function plainRun(run: MlflowRun): unknown {
  const metrics = Object.entries(run.metrics).map(([name, values]) => [
    name,
    values.map(({ value, ...rest }) => ({ ...rest, value: Number.isFinite(value) ? value : String(value) })),
  ]);
  return { ...run, metrics: Object.fromEntries(metrics) };
}

/** Tags that say what `claims` has a word for. */
const TAKEN = new Set([
  'mlflow.runName',
  'mlflow.user',
  'mlflow.source.name',
  'mlflow.source.git.commit',
  'mlflow.source.git.branch',
  'mlflow.source.git.repoURL',
]);

function claimsOf(run: MlflowRun): OriginClaims {
  const { tags } = run;
  const said = (name: string, value: string | undefined) =>
    value === undefined || value === '' ? {} : { [name]: value };
  const others = Object.entries(tags).filter(([name]) => !TAKEN.has(name));
  return {
    ...said('name', run.name),
    ...said('experiment', run.experiment.name),
    ...said('user', run.user),
    ...said('status', run.deleted ? `${run.status}, deleted` : run.status),
    ...said('started', momentOf(run.started)),
    ...said('ended', momentOf(run.ended)),
    ...said('commit', tags['mlflow.source.git.commit']),
    ...said('branch', tags['mlflow.source.git.branch']),
    ...said('repository', tags['mlflow.source.git.repoURL']),
    ...said('source', tags['mlflow.source.name']),
    ...(others.length === 0 ? {} : { tags: Object.fromEntries(others) }),
    ...(run.datasets.length === 0 ? {} : { datasets: run.datasets }),
  };
}

function momentOf(time: number | null): string | undefined {
  const date = time === null ? undefined : new Date(time);
  return date === undefined || Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}
