/** Everything that a pipeline and its kept models stand on, and whether it is still to be had. */
import { dirname, join, relative, resolve } from 'node:path';
import type { Digest, ImagePlan, InterpreterPlan, Plan } from '../../grammar/plan/plan.ts';
import type { DecayedItem } from '../../grammar/rules/facts.ts';
import { worldOf } from '../context.ts';
import { listEngines } from '../engines/index.ts';
import { hasImage } from '../environment/container/image.ts';
import { findRuntime } from '../environment/container/runtimes.ts';
import { probe } from '../environment/probe.ts';
import { MlpipeError } from '../errors.ts';
import type { StoredRecord } from '../ledger/record.ts';
import type { Project } from '../project.ts';
import { ancestors } from '../reproduce/recorded.ts';
import { readFolder } from '../versions/find.ts';
import { versionFolder } from '../versions/version.ts';
import type { LockFile, NetworkOptions } from './network.ts';
import { atPath, commitPlace, decayed, first, inCommit, inStore, type Place, resolves, unknown } from './places.ts';

export interface DecayItem extends DecayedItem {
  resolves: boolean;
  /** `unknown`: whoever could tell could not be asked, as without a network. It counts as neither. */
  state: Place['state'];
  /** Where it is, or what is wrong. */
  where: string;
}

export interface DecayOptions {
  signal?: AbortSignal;
  /** How many of the records behind the pipeline have been looked at; 0 of 0 while what is written is. */
  onProgress?: (done: number, total: number) => void;
  /** Whether remotes and package indexes are asked, and how; they are not where it is left out. */
  network?: NetworkOptions;
}

export interface Decay {
  /** Nothing has decayed, as far as that could be told. */
  ok: boolean;
  items: DecayItem[];
}

/**
 * Looks at a pipeline as it is written, at what its lock files name, and at every model that is kept of it.
 *
 * @param plan as much of it as its text gives
 * @throws the signal's reason, where it is aborted
 */
export async function decay(project: Project, file: string, plan: Plan, options: DecayOptions = {}): Promise<Decay> {
  const items = new Map<string, Looked>();
  const add = (item: Looked) => {
    const name = `${item.kind} ${item.name} ${item.pin}`;
    if (!items.has(name)) items.set(name, item);
  };
  options.onProgress?.(0, 0);
  for (const item of await written(project, file, plan)) add(item);
  const { roots, missing } = recorded(project, file, plan);
  for (const item of missing) add(item);
  const chain = new Map(roots.flatMap((root) => ancestors(project, root)).map((each) => [each.digest, each]));
  for (const [index, stored] of [...chain.values()].entries()) {
    options.onProgress?.(index, chain.size);
    // Hashing holds everything up; in between, a cancellation is heard.
    await new Promise((resume) => setImmediate(resume));
    options.signal?.throwIfAborted();
    for (const item of await behind(project, stored)) add(item);
  }
  if (options.network) {
    const { askNetwork } = await import('./network.ts');
    const locks = lockFiles(project, file, plan, [...chain.values()]);
    for (const item of await askNetwork(project, [...items.values()], locks, options.network, options.signal))
      add(item);
  }
  const found = [...items.values()].map(({ kind, name, pin, state, where }) => ({
    kind,
    name,
    pin,
    resolves: state === 'resolves',
    state,
    where,
  }));
  return { ok: found.every(({ state }) => state !== 'decayed'), items: found };
}

/** An item before anybody was asked who is elsewhere. */
export interface Looked extends Omit<DecayItem, 'resolves'>, Place {
  /** The record that a remote would have to have. */
  record?: Digest;
}

/** The lock files of environments, as they are written and as records have read them. */
function lockFiles(project: Project, file: string, plan: Plan, records: readonly StoredRecord[]): LockFile[] {
  const folder = dirname(file);
  const written = Object.values(plan.environments).flatMap(({ interpreters }) =>
    interpreters.flatMap(({ lock, pin }) =>
      lock === undefined || pin === undefined ? [] : [{ name: lock, pin, path: resolve(folder, lock) }],
    ),
  );
  const read = records.flatMap(({ record }) =>
    record.inputs.flatMap(({ name, digest, path }) =>
      name.startsWith('lock:') && path !== undefined
        ? [
            {
              name: path,
              pin: digest,
              path: resolve(project.root, dirname(record.pipeline.file), path),
              ...(record.code === null ? {} : { commit: record.code.commit }),
            },
          ]
        : [],
    ),
  );
  const all = new Map<Digest, LockFile>();
  for (const lock of [...written, ...read]) if (!all.has(lock.pin)) all.set(lock.pin, lock);
  return [...all.values()];
}

// ---------------------------------------------------------------- what is written

async function written(project: Project, file: string, plan: Plan): Promise<Looked[]> {
  const folder = dirname(file);
  const items: Looked[] = [];
  for (const { name, pin, source } of Object.values(plan.data)) {
    if (source.kind === 'output') continue;
    const shown = source.kind === 'path' ? source.path : source.url;
    const place: Place =
      pin === undefined
        ? decayed(`${shown} is not pinned: \`mlpipe pin ${name}\``)
        : await first([
            ...(source.kind === 'path' ? [() => atPath(project.store, resolve(folder, source.path), shown, pin)] : []),
            () => inStore(project.store, pin),
          ]);
    items.push({ kind: 'data', name, pin: pin ?? null, ...place });
  }
  const engines = await listEngines();
  const machine = await probe();
  for (const { engine, image, interpreters } of Object.values(plan.environments)) {
    if (image !== undefined) items.push(await imageItem(image));
    if (engine !== undefined) {
      const known = engines.find(({ name }) => name === engine.name);
      const here = known?.state === 'installed' && known.versions.includes(engine.version);
      const instead = known === undefined || known.versions.length === 0 ? 'none' : known.versions.join(', ');
      const place = here
        ? resolves('this mlpipe')
        : await orRetained(project, 'tensorflow', engine.version, known?.reason ?? `here is ${instead}`);
      items.push({ kind: 'engine', name: engine.name, pin: engine.version, ...place });
    }
    for (const interpreter of interpreters) {
      const item = interpreterItem(interpreter, machine.interpreters);
      const { language, version } = interpreter;
      items.push(
        item.state === 'resolves' ? item : { ...item, ...(await orRetained(project, language, version, item.where)) },
      );
      if (interpreter.lock !== undefined) items.push(await lockItem(project, folder, interpreter, interpreter.lock));
    }
  }
  return items;
}

/** Whether the container runtime has it. No registry is asked: that can take a password, and is what a run does. */
async function imageItem(image: ImagePlan): Promise<Looked> {
  const { runtime } = await findRuntime();
  const options = { environment: process.env, signal: new AbortController().signal };
  const here = runtime !== undefined && (await hasImage(runtime, image, options));
  const lacking =
    runtime === undefined
      ? 'no container runtime here could have it'
      : runtime.name === 'apptainer'
        ? 'apptainer does not say what it has'
        : `${runtime.name} has not fetched it`;
  const place = here
    ? resolves(runtime.name)
    : image.digest === undefined
      ? decayed('a tag names no content')
      : unknown(lacking);
  return { kind: 'image', name: image.name, pin: image.digest ?? null, ...place };
}

/** What this machine has not may still lie in the store. */
async function orRetained(project: Project, what: string, version: string, lacking: string): Promise<Place> {
  const platform = `${process.platform}-${process.arch}`;
  const names = [
    `${what}-${version}-${platform}`,
    `${what}-${version}-cpu-${platform}`,
    `${what}-${version}-gpu-${platform}`,
  ];
  for (const name of names) {
    for await (const { digest } of worldOf(project).retained.named(name)) {
      const place = await inStore(project.store, digest);
      if (place.state === 'resolves') return resolves('the store, where it is retained');
    }
  }
  return decayed(lacking);
}

function interpreterItem(
  { language, version }: InterpreterPlan,
  here: readonly { language: string; version: string; path: string }[],
): Looked {
  const own = here.filter((each) => each.language === language);
  const found = own.find((each) => each.version === version);
  const others = [...new Set(own.map((each) => each.version))].join(', ');
  return {
    kind: 'interpreter',
    name: language,
    pin: version,
    ...(found ? resolves(found.path) : decayed(`this machine has ${others === '' ? 'none' : others}`)),
  };
}

async function lockItem({ store }: Project, folder: string, { pin }: InterpreterPlan, lock: string): Promise<Looked> {
  const place: Place =
    pin === undefined
      ? decayed(`${lock} is not pinned: \`mlpipe pin\``)
      : await first([() => atPath(store, resolve(folder, lock), lock, pin), () => inStore(store, pin)]);
  return { kind: 'lock', name: lock, pin: pin ?? null, ...place };
}

// ---------------------------------------------------------------- what is recorded

/** The records that lock files and versions name. */
function recorded(project: Project, file: string, plan: Plan): { roots: StoredRecord[]; missing: Looked[] } {
  const { versions, damaged } = readFolder(versionFolder(file));
  const missing: Looked[] = damaged.map(({ path, problem }) => ({
    kind: 'version',
    name: relative(dirname(file), path),
    pin: null,
    ...decayed(problem.message),
  }));
  const named: { name: string; digest: Digest }[] = versions.map(({ version }) => ({
    name: `${version.name}@${version.version}`,
    digest: version.record,
  }));
  for (const step of Object.keys(plan.steps)) {
    try {
      const digest = project.ledger.locked(file, step);
      if (digest !== undefined) named.push({ name: step, digest });
    } catch (error) {
      if (!(error instanceof MlpipeError)) throw error;
      missing.push({ kind: 'lock', name: step, pin: null, ...decayed(error.message) });
    }
  }
  const roots: StoredRecord[] = [];
  for (const { name, digest } of named) {
    const stored = project.ledger.get(digest);
    if (stored !== undefined) roots.push(stored);
    const place = stored
      ? resolves('the ledger')
      : { ...decayed('not here: fetch it from where it was made'), record: digest };
    missing.push({ kind: 'record', name, pin: digest, ...place });
  }
  return { roots, missing };
}

/** What one record needs to be made again, and what it made. */
async function behind(project: Project, { record }: StoredRecord): Promise<Looked[]> {
  const { store, root } = project;
  const { code } = record;
  const born = code !== null && !/^0+$/.test(code.commit);
  const items: Looked[] = [
    { kind: 'plan', name: record.step, pin: record.plan, ...(await inStore(store, record.plan)) },
  ];
  if (born) {
    const place = await commitPlace(root, code.commit);
    items.push({ kind: 'commit', name: code.commit.slice(0, 12), pin: code.commit, ...place });
  }
  if (code?.diff !== undefined)
    items.push({
      kind: 'changes',
      name: `uncommitted, ${record.step}`,
      pin: code.diff,
      ...(await inStore(store, code.diff)),
    });
  for (const input of record.inputs) {
    // What another step wrote is made again.
    if (input.record !== undefined) continue;
    const [kind, name] = input.name.startsWith('data:')
      ? ['data' as const, input.name.slice(5)]
      : ['file' as const, input.path ?? input.name];
    const path =
      input.path === undefined ? undefined : join(dirname(record.pipeline.file), input.path).replaceAll('\\', '/');
    const place = await first([
      () => inStore(store, input.digest),
      ...(path === undefined ? [] : [() => atPath(store, resolve(root, path), input.path ?? path, input.digest)]),
      ...(path === undefined || !born ? [] : [() => inCommit(root, code.commit, path, input.digest)]),
    ]);
    items.push({ kind, name, pin: input.digest, ...place });
  }
  for (const [name, { digest }] of Object.entries(record.environment.retained ?? {}))
    items.push({ kind: 'retained', name, pin: digest, ...(await inStore(store, digest)) });
  const model = record.outputs.model?.digest;
  if (model !== undefined)
    items.push({ kind: 'model', name: record.step, pin: model, ...(await inStore(store, model)) });
  return items;
}
