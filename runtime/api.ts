/**
 * The one façade that the command line, the RPC server, the language server and tests call. Whatever a person can do by
 * clicking, these functions do, and nothing above them has a say in the result.
 */
import fs from 'node:fs';
import { dirname, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Finding } from '../grammar/check.ts';
import { digestOf } from '../grammar/plan/canonical.ts';
import type { Digest, Plan } from '../grammar/plan/plan.ts';
import { isReplicate } from '../grammar/plan/replicates.ts';
import type { EngineFact, Facts, MachineFact } from '../grammar/rules/facts.ts';
import { signingKey } from './api-ledger.ts';
import type { ChangesSinceGood } from './changes/changes.ts';
import type { Decay, DecayOptions } from './decay/decay.ts';
import { rememberedDecay } from './decay/remember.ts';
import { listEngines } from './engines/index.ts';
import { containerPoint } from './environment/container/runtimes.ts';
import { probe } from './environment/probe.ts';
import { EXIT, MlpipeError } from './errors.ts';
import { digestSource } from './execute/inputs.ts';
import { type RunOptions, runPipeline, statusOf } from './execute/run.ts';
import type { ExportedDocument, ExportOptions } from './export/export.ts';
import { gatherFacts } from './facts/gather.ts';
import {
  differencesAsMarkdown,
  differencesOf,
  environmentDifferencesOf,
  type RecordDifference,
} from './ledger/difference.ts';
import { type SignedRecord, withSignatures } from './ledger/judged.ts';
import { type LineageOptions, lineage as lineageOf } from './ledger/lineage.ts';
import type { StoredRecord } from './ledger/record.ts';
import type { LoadedPipeline } from './pipeline.ts';
import { contextAt, openProject, type Project, type ProjectOptions, worldOf, writePipelineText } from './project.ts';
import type { KeptVerdict } from './reproduce/keep.ts';
import type { ReproduceOptions, Reproduction } from './reproduce/reproduce.ts';
import type { LineageAnswer, ModelNode, RunAnswer, StatusAnswer } from './rpc/protocol.ts';
import { knowledgeOf } from './share/known.ts';

import { findVersions, problemsOf } from './versions/find.ts';
import { type KeepOptions, keepModel } from './versions/keep.ts';
import { resolveReference } from './versions/resolve.ts';
import type { StoredVersion } from './versions/version.ts';

export * from './api-collect.ts';
export * from './api-editor.ts';
export * from './api-engines.ts';
export * from './api-import.ts';
export * from './api-ledger.ts';
export * from './api-reprotest.ts';
export {
  openProject,
  type Project,
  type ProjectOptions,
  pipelineFile,
  pipelinesIn,
  readPipelineText,
  rootOf,
  writePipelineText,
} from './project.ts';

/** The language is large and not everybody needs it. */
const pipeline = () => import('./pipeline.ts');

export interface PipelineOptions {
  /** `-S name=value` */
  parameters?: Readonly<Record<string, string>>;
}

/** Runs what is not up to date. @throws MlpipeError where the file has errors; failures of steps are in the answer */
export async function run(
  project: Project,
  file: string,
  options: RunOptions & PipelineOptions = {},
): Promise<RunAnswer> {
  const context = await contextAt(project, file, options.parameters);
  return runPipeline({ ...context, world: worldOf(project, { supply: true }) }, options);
}

/** What would run, and why. */
export async function status(
  project: Project,
  file: string,
  options: Pick<RunOptions, 'steps' | 'downstream' | 'force' | 'noCache'> & PipelineOptions = {},
): Promise<StatusAnswer> {
  return statusOf(await contextAt(project, file, options.parameters), options);
}

export async function plan(project: Project, file: string, options: PipelineOptions = {}): Promise<Plan> {
  return (await contextAt(project, file, options.parameters)).plan;
}

/** As much of the plan as a file with errors allows. */
export async function planWhatIsWhole(file: string): Promise<Plan> {
  const { loadFile, partialPlan } = await pipeline();
  return partialPlan(await loadFile(file));
}

// ---------------------------------------------------------------- checking

/** Every diagnostic that the editor would show for a file, the world's included. */
export async function check(project: Project, file: string): Promise<Finding[]> {
  const [{ loadFile }, { checkDocument }] = await Promise.all([pipeline(), import('../grammar/check.ts')]);
  const loaded = await loadFile(file);
  return checkDocument(loaded.services, loaded.document, await factsOf(project, loaded));
}

/** What the world says about a pipeline. */
export async function facts(
  project: Project,
  file: string,
  options: { trusted?: boolean; signal?: AbortSignal } = {},
): Promise<Facts> {
  const { loadFile } = await pipeline();
  return factsOf(project, await loadFile(file), options);
}

/** What the world says about a document that is open in an editor. */
export async function factsOf(
  project: Project,
  loaded: Pick<LoadedPipeline, 'document'>,
  options: { trusted?: boolean; signal?: AbortSignal } = {},
): Promise<Facts> {
  const { partialPlan, planOf } = await pipeline();
  const trusted = options.trusted ?? true;
  // The document is of this language, whoever loaded it.
  const whole = partialPlan(loaded as LoadedPipeline);
  const file = loaded.document.uri.fsPath;
  const remote = knowledgeOf(project.root, project.store.folder);
  return gatherFacts(whole, dirname(file), {
    digest: (path) => digestSource(project.store, path),
    inStore: (digest) => project.store.has(digest),
    ...(remote === undefined ? {} : { remote }),
    decay: () => rememberedDecay(project, file),
    cache: `${project.store.folder}${sep}cache${sep}tables`,
    engines: listEngines,
    machine: () => probe({ execute: trusted }),
    runs: async () =>
      withReasons(lastRuns(project, file, whole), trusted, async () => {
        // As it stands in the editor, saved or not.
        const { plan } = planOf({ ...loaded, file } as LoadedPipeline);
        const digest = digestOf(loaded.document.textDocument.getText());
        return statusOf({ world: worldOf(project), plan, file, digest });
      }),
    trusted,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
}

/** Adds whether each step would run again, and why. That may ask git and interpreters, so only where it is trusted. */
async function withReasons(
  runs: Facts['runs'],
  trusted: boolean,
  status: () => Promise<StatusAnswer>,
): Promise<Facts['runs']> {
  if (!trusted || Object.keys(runs).length === 0) return runs;
  try {
    for (const { step, state, reason } of (await status()).steps) {
      const run = runs[step];
      if (run !== undefined) runs[step] = { ...run, state, reason };
    }
  } catch (error) {
    // A pipeline with errors has no status; the errors are told where they stand.
    if (!(error instanceof MlpipeError)) throw error;
  }
  return runs;
}

/** An earlier run with another key is looked for among so many: these are read at every look at the world. */
const REMEMBERED_RUNS = 8;

function lastRuns(project: Project, file: string, whole: Plan): Facts['runs'] {
  const path = relative(project.root, file).replaceAll('\\', '/');
  const runs: Facts['runs'] = {};
  for (const step of Object.keys(whole.steps)) {
    const [stored, ...earlier] = project.ledger.list({ file: path, step }, REMEMBERED_RUNS);
    if (!stored) continue;
    const { record, digest } = stored;
    const previous = earlier.find((each) => each.record.key !== record.key);
    runs[step] = {
      ended: record.when.ended,
      status: record.exit.status,
      metrics: record.metrics,
      undeclaredReads: record.undeclaredReads,
      record: digest,
      ...(previous === undefined ? {} : { previous: previous.digest }),
    };
  }
  return runs;
}

export interface WrittenPin {
  name: string;
  /** Relative to the pipeline's folder. */
  file: string;
  before: string | null;
  after: string;
}

/** Writes the digests of data and lock files, as they are now, into the source. */
export async function pin(
  project: Project,
  file: string,
  options: { names?: string[]; update?: boolean } = {},
): Promise<WrittenPin[]> {
  const [{ loadFile, partialPlan }, { applyEdits, pinsOf }] = await Promise.all([
    pipeline(),
    import('./facts/pins.ts'),
  ]);
  const loaded = await loadFile(file);
  const whole = partialPlan(loaded);
  refuseUnknownNames(whole, options.names ?? []);
  const edits = await pinsOf(loaded.document, whole, {
    digest: (path) => digestSource(project.store, path),
    ...(options.names && options.names.length > 0 ? { names: options.names } : {}),
    update: options.update ?? false,
  });
  for (const uri of new Set(edits.map((edit) => edit.uri))) {
    const path = fileURLToPath(uri);
    const text = applyEdits(
      fs.readFileSync(path, 'utf8'),
      edits.filter((edit) => edit.uri === uri),
    );
    writePipelineText(path, text);
  }
  return edits.map(({ name, file: source, before, after }) => ({ name, file: source, before, after }));
}

function refuseUnknownNames(whole: Plan, names: readonly string[]): void {
  const known = [...Object.keys(whole.data), ...Object.keys(whole.environments)];
  const unknown = names.find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw new MlpipeError(`There is no data and no environment ${unknown} in ${whole.pipeline}.`, {
    code: 'name-unknown',
    todo: known.length === 0 ? 'Leave the name out.' : `Name one of ${known.join(', ')}.`,
    exit: EXIT.usage,
  });
}

// ---------------------------------------------------------------- what was

export interface LogOptions {
  file?: string;
  step?: string;
  limit?: number;
  /** The account, the name or the e-mail address of who ran it. */
  by?: string;
  /** ISO 8601. */
  since?: string;
  status?: string;
  kind?: string;
}

/** Records, the newest first. */
export function log(project: Project, { file, limit, ...filter }: LogOptions = {}): StoredRecord[] {
  const path = file === undefined ? undefined : relative(project.root, file).replaceAll('\\', '/');
  return project.ledger.list({ ...filter, file: path }, limit);
}

/** One record. @throws MlpipeError `reference-unknown`, `reference-ambiguous` */
export function show(project: Project, reference: string): StoredRecord {
  return resolveReference(project, reference);
}

/** The same with what their signatures are worth. */
export function signed(
  project: Project,
  records: readonly StoredRecord[],
  warn: (message: string) => void = () => undefined,
): Promise<SignedRecord[]> {
  return withSignatures(project.root, project.ledger, records, warn);
}

export interface Comparison {
  before: string;
  after: string;
  differences: RecordDifference[];
  markdown: string;
}

/** Two records side by side. */
export function diff(project: Project, one: string, other: string): Comparison {
  const before = resolveReference(project, one);
  const after = resolveReference(project, other);
  const differences = differencesOf(before.record, after.record);
  return {
    before: before.digest,
    after: after.digest,
    differences,
    markdown: differencesAsMarkdown(before, after, differences),
  };
}

/** In what the environments of two records differ: what decides a result, and what is good to know. */
export function environmentDiff(project: Project, one: string, other: string): Comparison {
  const before = project.ledger.resolve(one);
  const after = project.ledger.resolve(other);
  const differences = environmentDifferencesOf(before.record, after.record);
  return {
    before: before.digest,
    after: after.digest,
    differences,
    markdown: differencesAsMarkdown(before, after, differences),
  };
}

/**
 * What stands behind a record, an object or a file of the project, or what came of it. What names a record means that.
 *
 * @param folder where a relative path begins
 * @throws MlpipeError `reference-unknown`, `reference-ambiguous`
 */
export async function lineage(
  project: Project,
  reference: string,
  options: Partial<LineageOptions> & { folder?: string } = {},
): Promise<LineageAnswer> {
  const { folder = project.root, ...rest } = options;
  const start = await startOf(project, reference, folder);
  const { nodes, ...answer } = lineageOf(project.ledger, start, { direction: 'up', ...rest });
  const fromFolder = (path: string) => relative(folder, resolve(project.root, path)).replaceAll('\\', '/');
  const placed = nodes.map((node) => ({
    ...node,
    ...(node.path === undefined ? {} : { path: fromFolder(node.path) }),
    ...(node.record === undefined ? {} : { record: { ...node.record, file: fromFolder(node.record.file) } }),
  }));
  return { ...answer, nodes: placed };
}

async function startOf(project: Project, reference: string, folder: string): Promise<StoredRecord | Digest> {
  const { ledger, store, root } = project;
  try {
    return resolveReference(project, reference);
  } catch (error) {
    if (!(error instanceof MlpipeError) || error.code !== 'reference-unknown') throw error;
    const object = ledger.object(reference);
    if (object !== undefined) return object;
    const path = resolve(folder, reference);
    const now = fs.existsSync(path) ? ledger.object((await digestSource(store, path)).digest) : undefined;
    if (now !== undefined) return now;
    // No run knows the file as it is now, or it is gone: then what was last read from there is meant.
    const known = ledger.readFrom(relative(root, path).replaceAll('\\', '/'));
    if (known === undefined) throw error;
    return known;
  }
}

/** Every trained model of the pipelines below a folder, the newest first. */
export async function models(project: Project, folder: string): Promise<ModelNode[]> {
  project.ledger.refresh();
  const below = relative(project.root, folder).replaceAll('\\', '/');
  const trained = project.ledger
    .list({ kind: 'train' })
    .filter(({ record }) => !isReplicate(record.step) && (below === '' || record.pipeline.file.startsWith(`${below}/`)))
    .map(async (stored) => ({
      ...modelNode(project, stored, below),
      reproduction: await reproductionOf(project, stored),
    }));
  return Promise.all(trained);
}

/** The newest verdict on whether a model comes out again. */
async function reproductionOf(project: Project, { digest, record }: StoredRecord): Promise<ModelNode['reproduction']> {
  const model = record.outputs.model?.digest;
  if (model === undefined) return null;
  const [newest] = project.ledger
    .readers(model)
    .filter((reader) => reader.record.kind === 'reproduce' && reader.record.inputs[0]?.record === digest)
    .sort((one, other) => (one.record.when.ended < other.record.when.ended ? 1 : -1));
  const object = newest?.record.outputs.verdict?.digest;
  if (newest === undefined || object === undefined || !project.store.has(object)) return null;
  // Written by `keepVerdict`; the store has checked the digest.
  const kept = JSON.parse((await project.store.read(object)).toString('utf8')) as KeptVerdict;
  const { verdict, level, because } = kept;
  return { verdict, level, because, when: newest.record.when.ended, record: newest.digest };
}

function modelNode(project: Project, { digest, record }: StoredRecord, below: string): Omit<ModelNode, 'reproduction'> {
  const model = record.outputs.model?.digest ?? null;
  const evaluations =
    model === null ? [] : project.ledger.readers(model).filter((reader) => reader.record.kind === 'evaluate');
  const evaluation = evaluations.sort((one, other) => (one.record.when.ended < other.record.when.ended ? 1 : -1))[0]
    ?.record;
  return {
    record: digest,
    step: record.step,
    pipeline: record.pipeline.name,
    file: below === '' ? record.pipeline.file : record.pipeline.file.slice(below.length + 1),
    run: record.run,
    ended: record.when.ended,
    status: record.exit.status,
    current: isCurrent(project, digest, record.pipeline.file, record.step),
    who: record.who.name ?? record.who.user,
    metrics: evaluation?.metrics ?? record.metrics,
    gates: (evaluation?.gates ?? record.gates).map(({ metric, operator, threshold, value, ok }) => ({
      metric,
      operator,
      threshold,
      value,
      ok,
    })),
    modelDigest: model,
    data: record.inputs
      .filter(({ name }) => !name.startsWith('lock:'))
      .map(({ name, digest: content, path, rows, bytes }) => ({
        name: name.slice(name.indexOf(':') + 1),
        digest: content,
        bytes,
        ...(path === undefined ? {} : { path }),
        ...(rows === undefined ? {} : { rows }),
      })),
    commit: record.code
      ? {
          id: record.code.commit,
          dirty: record.code.dirty,
          ...(record.code.branch === undefined ? {} : { branch: record.code.branch }),
        }
      : null,
    environment: {
      name: record.environment.name,
      fingerprint: record.environment.fingerprint,
      engine: record.engine ? `${record.engine.name} ${record.engine.version}` : null,
    },
    parameters: Object.fromEntries(
      Object.entries(record.parameters).map(([name, value]) => [
        name,
        Array.isArray(value) ? JSON.stringify(value) : value,
      ]),
    ),
  };
}

function isCurrent(project: Project, digest: string, file: string, step: string): boolean {
  try {
    return project.ledger.locked(`${project.root}${sep}${file}`, step) === digest;
  } catch {
    // A damaged lock names no current model.
    return false;
  }
}

/**
 * Makes a recorded model again in a clean place and says how near it came.
 *
 * @throws MlpipeError what `runtime/reproduce/reproduce.ts` names
 */
export async function reproduce(
  project: Project,
  reference: string,
  options: Omit<ReproduceOptions, 'current'> & PipelineOptions & { file?: string } = {},
): Promise<Reproduction> {
  const { reproduce: make } = await import('./reproduce/reproduce.ts');
  const { file, parameters, ...rest } = options;
  if (rest.environment !== 'current' && rest.data !== 'current') return make(project, reference, rest);
  const path = file ?? resolve(project.root, resolveReference(project, reference).record.pipeline.file);
  const { plan: today } = await contextAt(project, path, parameters);
  return make(project, reference, { ...rest, current: { plan: today, file: path } });
}

// ---------------------------------------------------------------- sharing

/** Loaded when something is to travel: nothing else needs a remote. */
export const sharing = {
  remotes: () => import('./share/remotes.ts'),
  push: async (...parameters: Parameters<typeof import('./share/push.ts').push>) =>
    (await import('./share/push.ts')).push(...parameters),
  pull: async (...parameters: Parameters<typeof import('./share/pull.ts').pull>) =>
    (await import('./share/pull.ts')).pull(...parameters),
  fetch: async (...parameters: Parameters<typeof import('./share/pull.ts').fetchAll>) =>
    (await import('./share/pull.ts')).fetchAll(...parameters),
};
/** A version of a model, for people and programs. */
export interface KeptModel {
  name: string;
  version: number;
  tag: string | null;
  record: string;
  model: string;
  /** Relative to the project's root. */
  file: string;
  metrics: Record<string, number>;
  kept: { when: string; who: string };
  /** Why it is not what it was when it was kept; nothing where all is well. */
  problem: string | null;
}

/** Keeps a trained model under the next number of its name. @throws MlpipeError what `versions/keep.ts` names */
export async function keep(project: Project, reference: string, options: KeepOptions = {}): Promise<KeptModel> {
  return keptModel(project, await keepModel(project, reference, options), null);
}

/** Every version of a model, and files that cannot be read as one. */
export async function versions(
  project: Project,
): Promise<{ models: KeptModel[]; damaged: { file: string; problem: string }[] }> {
  const found = findVersions(project.root);
  const problems = await problemsOf(project, found);
  return {
    models: found.versions.map((version) => keptModel(project, version, problems.get(version.path) ?? null)),
    damaged: found.damaged.map(({ path, problem }) => ({
      file: relative(project.root, path),
      problem: problem.message,
    })),
  };
}

function keptModel(project: Project, { version, path }: StoredVersion, problem: string | null): KeptModel {
  const { format: _, previous: __, ...rest } = version;
  return { ...rest, file: relative(project.root, path).replaceAll('\\', '/'), problem };
}

/**
 * What has changed since the newest model of a training whose gates all passed.
 *
 * @param reference the training, or any record of it
 * @throws MlpipeError `never-good`, `step-unknown`, `reference-unknown`
 */
export async function changesSinceGood(
  project: Project,
  reference: string,
  options: PipelineOptions & { file?: string } = {},
): Promise<ChangesSinceGood> {
  const [{ changesSinceGood: compare }, { modelOf }] = await Promise.all([
    import('./changes/changes.ts'),
    import('./reproduce/recorded.ts'),
  ]);
  const { record } = modelOf(project, reference);
  const file = options.file ?? resolve(project.root, record.pipeline.file);
  return compare(project, await contextAt(project, file, options.parameters), record.step);
}

/**
 * Whether everything that a pipeline and its kept models stand on is still to be had, and the same. What is found is kept
 * for the diagnostics.
 *
 * @throws MlpipeError `cancelled`
 */
export async function decay(project: Project, file: string, options: DecayOptions = {}): Promise<Decay> {
  const [{ decay: look }, { rememberDecay }] = await Promise.all([
    import('./decay/decay.ts'),
    import('./decay/remember.ts'),
  ]);
  try {
    const found = await look(project, file, await planWhatIsWhole(file), options);
    rememberDecay(project, file, found);
    return found;
  } catch (error) {
    if (!options.signal?.aborted) throw error;
    throw new MlpipeError('The check was cancelled.', { code: 'cancelled', exit: EXIT.cancelled });
  }
}

/**
 * A record, a model or a data set in a format of other tools.
 *
 * @throws MlpipeError what `runtime/export/export.ts` names
 */
export async function exportDocument(
  project: Project,
  reference: string,
  options: ExportOptions,
): Promise<ExportedDocument> {
  const { exportDocument: write } = await import('./export/export.ts');
  return write(project, reference, options);
}

// ---------------------------------------------------------------- this machine

export interface DoctorPoint {
  name: string;
  ok: boolean;
  /** What was found. */
  found: string;
  /** How to mend it. */
  todo?: string;
}

/** What works on this machine, and how to mend the rest. */
export async function doctor(project: Project): Promise<{ ok: boolean; points: DoctorPoint[] }> {
  const [machine, available, containers] = await Promise.all([probe(), engines(), containerPoint()]);
  const python = machine.interpreters.find(({ language }) => language === 'python');
  const points: DoctorPoint[] = [
    { name: 'node', ok: true, found: `Node ${machine.node}` },
    { name: 'store', ok: true, found: project.store.folder },
    project.ledger.index.startsWith('SQLite')
      ? { name: 'index', ok: true, found: project.ledger.index }
      : {
          name: 'index',
          ok: false,
          found: project.ledger.index,
          todo: 'Install better-sqlite3 for this platform; without it every record is read for each question.',
        },
    signingKey(),
    ...project.ledger.problems.map(({ digest, problem }) => ({
      name: 'record',
      ok: false,
      found: `${digest} ${problem}`,
      todo: 'Bring the record back from a copy, or remove its file if the run is not needed.',
    })),
    ...available.map((engine) => ({
      name: `engine ${engine.name}`,
      ok: engine.state === 'installed',
      found: `${engine.state}${engine.versions.length > 0 ? ` (${engine.versions.join(', ')})` : ''}`,
      ...(engine.reason === undefined ? {} : { todo: engine.reason }),
    })),
    python
      ? { name: 'python', ok: true, found: `Python ${python.version} (${python.path})` }
      : { name: 'python', ok: false, found: 'none on the search path', todo: 'Install Python, if steps need it.' },
    containers,
  ];
  // What only some pipelines need is told, and is no failure of the machine.
  const needed = new Set(['node', 'store', 'index', 'record', 'engine wasm']);
  return { ok: points.every((point) => point.ok || !needed.has(point.name)), points };
}

export function engines(): Promise<EngineFact[]> {
  return listEngines();
}

export function machine(): Promise<MachineFact> {
  return probe();
}

/** Opens the project of a folder, hands it on, and closes it whatever happens. */
export async function withProject<Result>(
  folder: string,
  use: (project: Project) => Promise<Result> | Result,
  options: ProjectOptions = {},
): Promise<Result> {
  const project = openProject(folder, options);
  try {
    return await use(project);
  } finally {
    project.close();
  }
}
