/** Makes an exact version of TensorFlow be there: out of the cache, or from the package index into the cache. */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import { digestOf } from '../../../../grammar/plan/canonical.ts';
import { userCache } from '../../../environment/user-cache.ts';
import { MlpipeError } from '../../../errors.ts';
import { acquireLease } from '../../../execute/lease.ts';
import { listed, size } from '../../../words.ts';
import { libcHere, platformHere } from '../here.ts';
import {
  acceptCopied,
  findInstalled,
  folderOf,
  type InstalledTensorflow,
  MANIFEST_FORMAT,
  noteLibraries,
  rememberVersions,
  type TensorflowManifest,
  tensorflowFolder,
  verifyInstalled,
  writeManifest,
} from '../installed.ts';
import type { Distribution, LibraryPlatform } from '../platform.ts';
import { compareVersions, OLDEST_VERSION, wheelVersion } from '../version.ts';
import { download } from './download.ts';
import { indexConfiguration } from './index-configuration.ts';
import { findWheel, type Wheel } from './package-index.ts';
import { WebError } from './web.ts';
import { extractLibraries } from './wheel.ts';

export interface ProvisionOptions {
  cache?: string;
  environment?: NodeJS.ProcessEnv;
  signal?: AbortSignal;
  /** Reads what is installed byte for byte, and installs it anew where it is damaged. */
  thorough?: boolean;
  /** 0 … 1 of the whole installation. */
  onProgress?: (share: number) => void;
  /** Somebody else installs the same. */
  onWait?: () => void;
}

/** Of the time that an installation takes. */
const DOWNLOAD_SHARE = 0.6;

/** The wheel and its libraries lie beside each other for a while. */
const BYTES_NEEDED = 3 * 2 ** 29;

/**
 * The version, installed if need be. Two processes that want the same meet over a lease, and the second finds it done.
 *
 * @throws MlpipeError `engine-impossible`, `engine-version`, `engine-offline`, `engine-unreachable`, `disk-full`,
 * `download-differs`, `cancelled`
 */
export async function provisionTensorflow(
  version: string,
  distribution: Distribution,
  options: ProvisionOptions = {},
): Promise<InstalledTensorflow> {
  const cache = options.cache ?? userCache(options.environment);
  const platform = platformHere();
  checkVersion(version);
  const here = await foundWhole(version, distribution, cache, options.thorough);
  if (here) return here;
  const signal = options.signal ?? new AbortController().signal;
  const lease = await acquireLease(
    join(tensorflowFolder(cache), 'leases'),
    digestOf(folderOf(version, distribution, cache)),
    { run: 'install', step: `tensorflow ${version}` },
    { signal, onWait: () => options.onWait?.() },
  );
  try {
    const meanwhile = await foundWhole(version, distribution, cache, options.thorough);
    if (meanwhile) return meanwhile;
    const copied = await acceptCopied(version, distribution, cache);
    if (copied) return copied;
    return await install(version, distribution, platform, cache, { ...options, signal });
  } finally {
    lease.release();
  }
}

async function install(
  version: string,
  distribution: Distribution,
  platform: LibraryPlatform,
  cache: string,
  options: ProvisionOptions,
): Promise<InstalledTensorflow> {
  const { signal, onProgress } = options;
  const { indexes, forbidden, certificates } = indexConfiguration(options.environment);
  const todo = TODO_WITHOUT_INDEX(version);
  if (forbidden !== undefined) {
    throw new MlpipeError(
      `TensorFlow ${version} is not installed, and ${forbidden} forbids to ask a package index for it.`,
      { code: 'engine-offline', todo, exit: 2 },
    );
  }
  checkDisk(cache);
  const web = { certificates, signal };
  let wheelFile: string | undefined;
  try {
    const { wheel, versions } = await findWheel(indexes, platform, distribution, version, web);
    rememberVersions(versions, cache);
    if (!wheel) throw notInIndex(version, versions);
    checkLibc(wheel);
    wheelFile = join(tensorflowFolder(cache), 'downloads', `${wheel.sha256}.part`);
    await download(wheel.address, wheelFile, {
      ...web,
      sha256: wheel.sha256,
      onProgress: (done, all) =>
        onProgress?.((DOWNLOAD_SHARE * done) / (all ?? wheel.bytes ?? Number.POSITIVE_INFINITY)),
    });
    const installed = await unpack(wheel, wheelFile, distribution, platform, version, cache, {
      signal,
      onProgress: (share) => onProgress?.(DOWNLOAD_SHARE + share * (1 - DOWNLOAD_SHARE)),
    });
    fs.rmSync(wheelFile, { force: true });
    return installed;
  } catch (error) {
    if (signal?.aborted) throw new MlpipeError('The installation was cancelled.', { code: 'cancelled', exit: 130 });
    if (!(error instanceof WebError)) throw error;
    throw new MlpipeError(`TensorFlow ${version} is not installed, and cannot be fetched: ${error.message}`, {
      code: 'engine-unreachable',
      todo,
      exit: 2,
      cause: error,
    });
  }
}

async function unpack(
  wheel: Wheel,
  file: string,
  distribution: Distribution,
  platform: LibraryPlatform,
  version: string,
  cache: string,
  options: { signal?: AbortSignal | undefined; onProgress: (share: number) => void },
): Promise<InstalledTensorflow> {
  const folder = folderOf(version, distribution, cache);
  removeLeftovers(folder);
  const making = `${folder}.new-${process.pid}-${randomBytes(4).toString('hex')}`;
  fs.mkdirSync(making, { recursive: true });
  try {
    const extracted = await extractLibraries(file, platform.libraries, making, options);
    // In the platform's order: the first is the one to open.
    const libraries = platform.libraries.flatMap((name) => extracted.find((each) => each.name === name) ?? []);
    const manifest: TensorflowManifest = {
      format: MANIFEST_FORMAT,
      version,
      distribution,
      platform: platform.platform,
      architecture: platform.architecture,
      source: { index: wheel.index, file: wheel.file, sha256: wheel.sha256 },
      libraries: noteLibraries(making, libraries),
      installed: new Date().toISOString(),
    };
    writeManifest(making, manifest);
    syncFolder(making);
    // What was there is damaged, or nobody would be here.
    fs.rmSync(folder, { recursive: true, force: true });
    fs.renameSync(making, folder);
    syncFolder(tensorflowFolder(cache));
    return { folder, library: join(folder, platform.libraries[0]), manifest };
  } catch (error) {
    fs.rmSync(making, { recursive: true, force: true });
    throw error;
  }
}

/** What a killed installation of the same version has left: the lease says that nobody works on it. */
function removeLeftovers(folder: string): void {
  const top = join(folder, '..');
  const prefix = folder.slice(top.length + 1);
  for (const name of fs.existsSync(top) ? fs.readdirSync(top) : []) {
    if (name.startsWith(`${prefix}.new-`) || name.startsWith(`${prefix}.gone-`)) {
      fs.rmSync(join(top, name), { recursive: true, force: true });
    }
  }
}

/** A damaged one counts as not installed: it is put in order by installing it anew. */
async function foundWhole(
  version: string,
  distribution: Distribution,
  cache: string,
  thorough = false,
): Promise<InstalledTensorflow | undefined> {
  try {
    const found = findInstalled(version, distribution, cache);
    if (found && thorough) await verifyInstalled(found);
    return found;
  } catch (error) {
    if (error instanceof MlpipeError && error.code === 'engine-damaged') return undefined;
    throw error;
  }
}

function checkVersion(version: string): void {
  if (wheelVersion(version) === undefined) {
    throw new MlpipeError(`${version} is no exact version of TensorFlow.`, {
      code: 'engine-version',
      todo: 'Write all of it, such as 2.19.1.',
      exit: 2,
    });
  }
  if (compareVersions(version, OLDEST_VERSION) >= 0) return;
  throw new MlpipeError(
    `TensorFlow ${version} cannot be had: before ${OLDEST_VERSION} its packages hold the C API only inside a Python extension.`,
    { code: 'engine-version', todo: `Use ${OLDEST_VERSION} or newer.`, exit: 2 },
  );
}

function notInIndex(version: string, versions: readonly string[]): MlpipeError {
  const released = versions.filter((each) => !/rc/.test(each));
  return new MlpipeError(`The package index has no TensorFlow ${version} for this platform.`, {
    code: 'engine-version',
    todo: released.length === 0 ? 'Check which index is configured.' : `It has ${listed(released)}.`,
    exit: 2,
  });
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

function checkDisk(cache: string): void {
  fs.mkdirSync(tensorflowFolder(cache), { recursive: true });
  const { bavail, bsize } = fs.statfsSync(tensorflowFolder(cache));
  const free = bavail * bsize;
  if (free >= BYTES_NEEDED) return;
  throw new MlpipeError(
    `TensorFlow needs ${size(BYTES_NEEDED)} of disk while it is installed; ${cache} has ${size(free)}.`,
    {
      code: 'disk-full',
      todo: 'Make room, or set MLPIPE_CACHE to a folder on another disk.',
      exit: 2,
    },
  );
}

function syncFolder(path: string): void {
  // A folder cannot be opened on Windows.
  if (process.platform === 'win32') return;
  const folder = fs.openSync(path, 'r');
  try {
    fs.fsyncSync(folder);
  } finally {
    fs.closeSync(folder);
  }
}

const TODO_WITHOUT_INDEX = (version: string): string =>
  `Allow the network and run \`mlpipe engine install tensorflow@${version}\`, name a mirror by PIP_INDEX_URL, or copy the folder \`tensorflow\` out of the cache of a machine that has it (MLPIPE_CACHE says where ours is).`;
