/**
 * Makes an exact version of TensorFlow be there. Asked in this order, the next only where the one before has nothing: the
 * user's cache; the project's store and remote, where it is retained; the package index; Google's archive.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { basename, join } from 'node:path';
import { digestOf } from '../../../../grammar/plan/canonical.ts';
import type { Retention } from '../../../environment/retained.ts';
import { userCache } from '../../../environment/user-cache.ts';
import { MlpipeError } from '../../../errors.ts';
import { acquireLease } from '../../../lease.ts';
import { size } from '../../../words.ts';
import { platformHere } from '../here.ts';
import {
  acceptCopied,
  findInstalled,
  folderOf,
  type InstalledTensorflow,
  MANIFEST_FORMAT,
  noteLibraries,
  type TensorflowManifest,
  tensorflowFolder,
  verifyInstalled,
  writeManifest,
} from '../installed.ts';
import type { Distribution, LibraryPlatform } from '../platform.ts';
import { compareVersions, OLDEST_VERSION, wheelVersion } from '../version.ts';
import { type FetchedPackage, fetchPackage, sha256Of } from './sources.ts';
import { extractFromTarball } from './tarball.ts';
import { type ExtractedLibrary, extractLibraries } from './wheel.ts';

export interface ProvisionOptions {
  cache?: string;
  environment?: NodeJS.ProcessEnv;
  signal?: AbortSignal;
  /** Reads what is installed byte for byte, and installs it anew where it is damaged. */
  thorough?: boolean;
  /** What the project's store has of it, and whether it is to be kept there. */
  retention?: Retention;
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
  if (here) {
    await keepInstalled(here, options.retention);
    return here;
  }
  const signal = options.signal ?? new AbortController().signal;
  const lease = await acquireLease(
    join(tensorflowFolder(cache), 'leases'),
    digestOf(folderOf(version, distribution, cache)),
    { run: 'install', step: `tensorflow ${version}` },
    { signal, onWait: () => options.onWait?.() },
  );
  try {
    const meanwhile =
      (await foundWhole(version, distribution, cache, options.thorough)) ??
      (await acceptCopied(version, distribution, cache));
    const installed = meanwhile ?? (await install(version, distribution, platform, cache, { ...options, signal }));
    await keepInstalled(installed, options.retention);
    return installed;
  } finally {
    lease.release();
  }
}

async function install(
  version: string,
  distribution: Distribution,
  platform: LibraryPlatform,
  cache: string,
  options: ProvisionOptions & { signal: AbortSignal },
): Promise<InstalledTensorflow> {
  const { signal, onProgress, retention } = options;
  checkDisk(cache);
  try {
    const kept = await fromStore(version, distribution, platform, cache, options);
    if (kept) return kept;
    const fetched = await fetchPackage(version, distribution, platform, cache, {
      ...(options.environment === undefined ? {} : { environment: options.environment }),
      signal,
      onProgress: (share) => onProgress?.(DOWNLOAD_SHARE * share),
    });
    const installed = await unpack(fetched, distribution, platform, version, cache, {
      signal,
      onProgress: (share) => onProgress?.(DOWNLOAD_SHARE + share * (1 - DOWNLOAD_SHARE)),
    });
    // The package is a third of what is in it, and has the digest that the index knows.
    await retention?.keep(retainedName(version, distribution), async (place) => {
      linkOrCopy(fetched.path, join(place, basename(fetched.source.file)));
    });
    fs.rmSync(fetched.path, { force: true });
    return installed;
  } catch (error) {
    if (signal.aborted) throw new MlpipeError('The installation was cancelled.', { code: 'cancelled', exit: 130 });
    throw error;
  }
}

/** What is retained in the project's store, or on its remote: the package, or what was in it. */
async function fromStore(
  version: string,
  distribution: Distribution,
  platform: LibraryPlatform,
  cache: string,
  options: ProvisionOptions & { signal: AbortSignal },
): Promise<InstalledTensorflow | undefined> {
  const folder = folderOf(version, distribution, cache);
  const kept = `${folder}.new-${process.pid}-store`;
  try {
    if (!(await options.retention?.take(retainedName(version, distribution), kept))) return undefined;
    if (fs.existsSync(join(kept, 'manifest.json'))) {
      fs.rmSync(folder, { recursive: true, force: true });
      fs.renameSync(kept, folder);
      return await acceptCopied(version, distribution, cache);
    }
    const [file] = fs.readdirSync(kept);
    if (file === undefined) return undefined;
    const path = join(kept, file);
    const source = { index: 'store', file, sha256: await sha256Of(path) };
    return await unpack({ path, source }, distribution, platform, version, cache, {
      signal: options.signal,
      onProgress: (share) => options.onProgress?.(share),
    });
  } finally {
    fs.rmSync(kept, { recursive: true, force: true });
  }
}

/** An engine that was here already is kept as it lies here: nothing has to be fetched for it. */
async function keepInstalled(
  { folder, manifest }: InstalledTensorflow,
  retention: Retention | undefined,
): Promise<void> {
  await retention?.keep(retainedName(manifest.version, manifest.distribution), async (place) => {
    for (const { name } of manifest.libraries) linkOrCopy(join(folder, name), join(place, name));
    fs.copyFileSync(join(folder, 'manifest.json'), join(place, 'manifest.json'));
  });
}

function retainedName(version: string, distribution: Distribution): string {
  return `tensorflow-${version}-${distribution}-${process.platform}-${process.arch}`;
}

function linkOrCopy(from: string, to: string): void {
  try {
    fs.linkSync(from, to);
  } catch {
    // Another disk, or one without links.
    fs.copyFileSync(from, to, fs.constants.COPYFILE_FICLONE);
  }
}

async function unpack(
  { path, source }: FetchedPackage,
  distribution: Distribution,
  platform: LibraryPlatform,
  version: string,
  cache: string,
  options: { signal?: AbortSignal | undefined; onProgress: (share: number) => void },
): Promise<InstalledTensorflow> {
  const folder = folderOf(version, distribution, cache);
  removeLeftovers(folder, path);
  const making = `${folder}.new-${process.pid}-${randomBytes(4).toString('hex')}`;
  fs.mkdirSync(making, { recursive: true });
  try {
    // The first is the one to open.
    const libraries = source.file.endsWith('.whl')
      ? inOrder(await extractLibraries(path, platform.libraries, making, options), platform)
      : await extractFromTarball(path, making, options);
    const manifest: TensorflowManifest = {
      format: MANIFEST_FORMAT,
      version,
      distribution,
      platform: platform.platform,
      architecture: platform.architecture,
      source,
      libraries: noteLibraries(making, libraries),
      installed: new Date().toISOString(),
    };
    writeManifest(making, manifest);
    syncFolder(making);
    // What was there is damaged, or nobody would be here.
    fs.rmSync(folder, { recursive: true, force: true });
    fs.renameSync(making, folder);
    syncFolder(tensorflowFolder(cache));
    return { folder, library: join(folder, libraries[0]?.name ?? platform.libraries[0]), manifest };
  } catch (error) {
    fs.rmSync(making, { recursive: true, force: true });
    throw error;
  }
}

function inOrder(extracted: readonly ExtractedLibrary[], platform: LibraryPlatform): ExtractedLibrary[] {
  return platform.libraries.flatMap((name) => extracted.find((each) => each.name === name) ?? []);
}

/** What a killed installation of the same version has left: the lease says that nobody works on it. */
function removeLeftovers(folder: string, used: string): void {
  const top = join(folder, '..');
  const prefix = folder.slice(top.length + 1);
  for (const name of fs.existsSync(top) ? fs.readdirSync(top) : []) {
    if (used.startsWith(join(top, name))) continue;
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
