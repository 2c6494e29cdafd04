/** Where a version of TensorFlow is fetched from: the package index, and where that fails Google's archive. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { MlpipeError } from '../../../errors.ts';
import { listed } from '../../../words.ts';
import { libcHere } from '../here.ts';
import { rememberVersions, type TensorflowManifest, tensorflowFolder } from '../installed.ts';
import type { Distribution, LibraryPlatform } from '../platform.ts';
import { download } from './download.ts';
import { archiveAddress, findArchive } from './google-archive.ts';
import { indexConfiguration } from './index-configuration.ts';
import { findWheel, type Wheel } from './package-index.ts';
import { WebError, type WebOptions } from './web.ts';

export interface FetchedPackage {
  /** A wheel or a `.tar.gz`: its name is in `source`. */
  path: string;
  source: TensorflowManifest['source'];
}

export interface FetchOptions {
  environment?: NodeJS.ProcessEnv;
  signal?: AbortSignal;
  /** 0 … 1 */
  onProgress?: (share: number) => void;
}

/** Why a source does not have it: what is said where none has. */
interface Refusal {
  code: 'engine-version' | 'engine-unreachable';
  message: string;
  todo: string;
  cause?: unknown;
}

/**
 * Fetches the package of a version into the cache's `downloads/`, verified by its digest.
 *
 * @throws MlpipeError `engine-offline`, `engine-version`, `engine-unreachable`, `engine-impossible`, `download-differs`
 */
export async function fetchPackage(
  version: string,
  distribution: Distribution,
  platform: LibraryPlatform,
  cache: string,
  options: FetchOptions,
): Promise<FetchedPackage> {
  const { indexes, forbidden, certificates } = indexConfiguration(options.environment);
  if (forbidden !== undefined) {
    throw new MlpipeError(
      `TensorFlow ${version} is not installed, and ${forbidden} forbids to ask a package index for it.`,
      { code: 'engine-offline', todo: todoWithout(version), exit: 2 },
    );
  }
  const web: WebOptions = { certificates, signal: options.signal };
  const first = await fromIndex(indexes, version, distribution, platform, cache, web, options);
  if ('path' in first) return first;
  const second = await fromArchive(version, distribution, platform, cache, web, options);
  if (second !== undefined && 'path' in second) return second;
  const { code, message, todo, cause } = first;
  throw new MlpipeError(second === undefined ? message : `${message.replace(/\.$/, '')}; ${second.message}`, {
    code,
    todo,
    exit: 2,
    cause,
  });
}

async function fromIndex(
  indexes: readonly string[],
  version: string,
  distribution: Distribution,
  platform: LibraryPlatform,
  cache: string,
  web: WebOptions,
  { onProgress }: FetchOptions,
): Promise<FetchedPackage | Refusal> {
  try {
    const { wheel, versions } = await findWheel(indexes, platform, distribution, version, web);
    rememberVersions(versions, cache);
    if (!wheel) return notInIndex(version, versions);
    checkLibc(wheel);
    const { index, file, sha256, address, bytes } = wheel;
    const path = partOf(cache, sha256);
    await download(address, path, {
      ...web,
      digest: sha256,
      onProgress: (done, all) => onProgress?.(done / (all ?? bytes ?? Number.POSITIVE_INFINITY)),
    });
    return { path, source: { index, file, sha256 } };
  } catch (error) {
    if (!(error instanceof WebError)) throw error;
    return {
      code: 'engine-unreachable',
      message: `TensorFlow ${version} is not installed, and cannot be fetched: ${error.message}`,
      todo: todoWithout(version),
      cause: error,
    };
  }
}

/** Nothing where no archive may be asked. */
async function fromArchive(
  version: string,
  distribution: Distribution,
  platform: LibraryPlatform,
  cache: string,
  web: WebOptions,
  { environment, onProgress }: FetchOptions,
): Promise<FetchedPackage | Pick<Refusal, 'message'> | undefined> {
  const base = archiveAddress(environment);
  if (base === undefined) return undefined;
  try {
    const archive = await findArchive(base, platform, distribution, version, web);
    if (archive === undefined) return { message: 'Google’s archive has none either.' };
    const { address, digest, algorithm, file, index } = archive;
    const path = partOf(cache, digest);
    await download(address, path, {
      ...web,
      digest,
      algorithm,
      onProgress: (done, all) => onProgress?.(done / (all ?? Number.POSITIVE_INFINITY)),
    });
    return { path, source: { index, file, sha256: algorithm === 'sha256' ? digest : await sha256Of(path) } };
  } catch (error) {
    if (!(error instanceof WebError)) throw error;
    return { message: `nor from Google’s archive: ${error.message.replace(/\.?$/, '.')}` };
  }
}

function partOf(cache: string, digest: string): string {
  return join(tensorflowFolder(cache), 'downloads', `${digest}.part`);
}

export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(fs.createReadStream(path, { highWaterMark: 2 ** 20 }), hash);
  return hash.digest('hex');
}

function notInIndex(version: string, versions: readonly string[]): Refusal {
  const released = versions.filter((each) => !/rc/.test(each));
  return {
    code: 'engine-version',
    message: `The package index has no TensorFlow ${version} for this platform.`,
    todo: released.length === 0 ? 'Check which index is configured.' : `It has ${listed(released)}.`,
  };
}

/** `manylinux_2_27`: built against that glibc. */
function checkLibc({ file, version }: Wheel): void {
  const needs = Number(/manylinux_2_(\d+)_/.exec(file)?.[1] ?? 0);
  const has = Number(/^glibc 2\.(\d+)/.exec(libcHere())?.[1] ?? Number.POSITIVE_INFINITY);
  if (needs <= has) return;
  throw new MlpipeError(`TensorFlow ${version} needs glibc 2.${needs}; this system has ${libcHere()}.`, {
    code: 'engine-impossible',
    todo: 'Use an older TensorFlow, or a newer system.',
    exit: 2,
  });
}

function todoWithout(version: string): string {
  return `Allow the network and run \`mlpipe engine install tensorflow@${version}\`, name a mirror by PIP_INDEX_URL, or copy the folder \`tensorflow\` out of the cache of a machine that has it (MLPIPE_CACHE says where ours is).`;
}
