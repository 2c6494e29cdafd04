/** What a step reads, as it is now: digests, sizes, and where it lies. */
import { existsSync, statSync } from 'node:fs';
import { basename, dirname, relative, resolve } from 'node:path';
import type { DataPlan, Digest } from '../../grammar/plan/plan.ts';
import { checkDataset } from '../data/read.ts';
import { expandSource, formatOf, globFolder, isGlob } from '../data/sources.ts';
import { MlpipeError } from '../errors.ts';
import type { RecordedOutput } from '../ledger/record.ts';
import { buildManifest, type ManifestEntry } from '../store/manifest.ts';
import type { Store, Stored } from '../store/store.ts';
import type { InputSource, InputState } from './keys.ts';
import type { PipelineContext } from './world.ts';

/** What an upstream step has left. */
export interface UpstreamResult {
  record: Digest;
  outputs: Record<string, RecordedOutput>;
}

/** An input with the place where its content lies, where it lies anywhere but in the store. */
export interface LocatedInput extends InputState {
  source: InputSource;
  /** Absolute; a glob stays a glob. */
  location?: string;
}

/**
 * Looks an input up.
 *
 * @throws MlpipeError `data-missing`, `data-unpinned-source`, `pin-differs`, `file-missing`, `output-missing`
 */
export async function locate(
  context: PipelineContext,
  source: InputSource,
  upstream: ReadonlyMap<string, UpstreamResult>,
): Promise<LocatedInput> {
  const folder = dirname(context.file);
  switch (source.kind) {
    case 'output': {
      const result = upstream.get(source.step);
      const output = result?.outputs[source.output];
      if (result === undefined || output === undefined) {
        throw new MlpipeError(`The step ${source.step} has no output ${source.output}.`, {
          code: 'output-missing',
          todo: `Run ${source.step} first.`,
        });
      }
      return {
        role: source.role,
        name: `output:${source.step}.${source.output}`,
        digest: output.digest,
        bytes: output.bytes,
        ...(output.path === undefined ? {} : { path: output.path }),
        record: result.record,
        source,
      };
    }
    case 'file': {
      const location = resolve(folder, source.path);
      if (!existsSync(location) && !isGlob(source.path)) {
        throw new MlpipeError(`There is no ${source.path}, which the step reads.`, {
          code: 'file-missing',
          todo: 'Correct the path after `reads`, or put the file back.',
        });
      }
      const { digest, bytes } = await digestSource(context.world.store, location);
      return { role: source.role, name: `file:${source.path}`, digest, bytes, path: source.path, source, location };
    }
    case 'data':
      return locateData(context, source, folder);
  }
}

async function locateData(
  context: PipelineContext,
  source: Extract<InputSource, { kind: 'data' }>,
  folder: string,
): Promise<LocatedInput> {
  const { store } = context.world;
  const data = context.plan.data[source.data];
  const where = context.plan.locations[`data:${source.data}`] ?? context.plan.locations[source.data];
  if (data === undefined) throw new MlpipeError(`There is no data ${source.data}.`, { code: 'data-unknown' });
  if (data.source.kind !== 'path') {
    throw new MlpipeError(`data ${data.name} comes from a URL, which may change at any time.`, {
      code: 'data-unpinned-source',
      todo: 'Take a snapshot into a file of the project and name that file.',
      ...(where === undefined ? {} : { where }),
    });
  }
  const { path } = data.source;
  const location = resolve(folder, path);
  const base = { role: source.role, name: `data:${data.name}`, path, source };
  if (!existsSync(location) && !isGlob(path)) {
    if (data.pin !== undefined && !store.has(data.pin)) await context.world.supply?.([data.pin]);
    if (data.pin !== undefined && store.has(data.pin)) {
      const bytes = await bytesOf(store, data.pin);
      return { ...base, digest: data.pin, bytes };
    }
    throw new MlpipeError(`There is no ${path}, from which data ${data.name} comes.`, {
      code: 'data-missing',
      todo: todoForGone(context, data.pin),
      ...(where === undefined ? {} : { where }),
    });
  }
  const { digest, bytes } = await digestSource(store, location);
  if (data.pin !== undefined && data.pin !== digest) {
    throw new MlpipeError(`${path} is not what is pinned: ${short(data.pin)} is, ${short(digest)} is there.`, {
      code: 'pin-differs',
      todo: `Put the pinned content back, or take the new one with \`mlpipe pin --update ${data.name}\`.`,
      ...(where === undefined ? {} : { where }),
    });
  }
  return { ...base, digest, bytes, location };
}

/** Whoever only looks, as `status`, does not fetch, and says who would. */
function todoForGone({ world }: PipelineContext, pin: Digest | undefined): string {
  if (pin === undefined) return 'Correct the path after `from`, or put the data back.';
  if (world.supply) {
    return 'The remote does not have what is pinned either: put the data back, or ask who made it to run `mlpipe push`.';
  }
  return 'Correct the path after `from`, put the data back, or fetch what is pinned with `mlpipe pull` (a run does so by itself).';
}

/** The digest of a file, a folder, or of what a glob matches as a folder with just those files. */
export async function digestSource(store: Store, path: string): Promise<Stored> {
  if (existsSync(path) || !isGlob(path)) return store.digest(path);
  return globManifest(store, path, (file) => store.digest(file));
}

/** Stores a file, a folder, or what a glob matches. */
export async function putSource(store: Store, path: string): Promise<Stored> {
  if (existsSync(path) || !isGlob(path)) return store.put(path);
  return globManifest(store, path, (file) => store.put(file), true);
}

async function globManifest(
  store: Store,
  pattern: string,
  digest: (path: string) => Promise<Stored>,
  keep = false,
): Promise<Stored> {
  const entries: ManifestEntry[] = [];
  for (const file of await expandSource(pattern)) {
    const stored = await digest(file.path);
    const executable = process.platform !== 'win32' && (statSync(file.path).mode & 0o111) !== 0;
    entries.push({
      path: file.part ?? basename(file.path),
      digest: stored.digest,
      bytes: stored.bytes,
      ...(executable ? { executable: true } : {}),
    } as ManifestEntry);
  }
  const built = buildManifest(entries);
  if (keep) for (const object of built.objects) await store.putBytes(object.text);
  return {
    digest: built.digest,
    bytes: entries.reduce((sum, entry) => sum + ('bytes' in entry ? entry.bytes : 0), 0),
    files: entries.length,
  };
}

/** Which files of the pipeline's folder an input is, as the program will see them. */
export async function filesOf(path: string, folder: string): Promise<string[]> {
  const location = resolve(folder, path);
  if (!isGlob(path) || existsSync(location)) return [path];
  const files = await expandSource(location);
  return files.map((file) => relative(folder, file.path).replaceAll('\\', '/'));
}

/** Where the folder of a glob's matches belongs in the pipeline's folder. */
export function placeOf(path: string, location: string | undefined): string {
  return isGlob(path) && !(location !== undefined && existsSync(location)) ? globFolder(path) : path;
}

/** How many rows a table has, where that can be told with reasonable work. */
export async function rowsOf(data: DataPlan | undefined, location: string | undefined): Promise<number | undefined> {
  if (data === undefined || location === undefined || formatOf(location) === 'other') return undefined;
  const status = statSync(location, { throwIfNoEntry: false });
  if (status === undefined || !status.isFile() || status.size > 256 * 1024 * 1024) return undefined;
  try {
    return (await checkDataset(data, location)).rows;
  } catch {
    // What is wrong with the file is told by whoever reads it for its content.
    return undefined;
  }
}

async function bytesOf(store: Store, digest: Digest): Promise<number> {
  return (await store.read(digest)).byteLength;
}

/** A digest as people read it. */
export function short(digest: Digest): string {
  return `${digest.slice(0, 'sha256:'.length + 12)}…`;
}
