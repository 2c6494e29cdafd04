/**
 * The TensorFlow libraries in the user's cache: `tensorflow/<version>-<distribution>-<platform>-<architecture>/` with the
 * two shared libraries and `manifest.json`. A folder appears whole, under its name, or not at all.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { userCache } from '../../environment/user-cache.ts';
import { MlpipeError } from '../../errors.ts';
import type { Distribution } from './platform.ts';
import { compareVersions } from './version.ts';

export const MANIFEST_FORMAT = 'mlpipe-tensorflow/1';

const KNOWN = `versions-${process.platform}-${process.arch}.json`;

export interface TensorflowManifest {
  format: typeof MANIFEST_FORMAT;
  version: string;
  distribution: Distribution;
  platform: string;
  architecture: string;
  source: {
    /** Without credentials. */
    index: string;
    file: string;
    /** Hexadecimal; what the index said, and what was found. */
    sha256: string;
  };
  libraries: { name: string; sha256: string; bytes: number /** Nanoseconds since 1970. */; modified: string }[];
  /** ISO 8601. */
  installed: string;
}

export interface InstalledTensorflow {
  folder: string;
  /** The one to open. */
  library: string;
  manifest: TensorflowManifest;
}

export function tensorflowFolder(cache: string = userCache()): string {
  return join(cache, 'tensorflow');
}

export function folderOf(version: string, distribution: Distribution, cache?: string): string {
  return join(tensorflowFolder(cache), `${version}-${distribution}-${process.platform}-${process.arch}`);
}

/** Everything that is installed for this platform, the oldest first. */
export function listInstalled(cache?: string): InstalledTensorflow[] {
  const top = tensorflowFolder(cache);
  const names = fs.existsSync(top) ? fs.readdirSync(top) : [];
  return names
    .flatMap((name) => readInstalled(join(top, name)) ?? [])
    .filter(
      ({ manifest: { platform, architecture } }) => platform === process.platform && architecture === process.arch,
    )
    .sort((one, other) => compareVersions(one.manifest.version, other.manifest.version));
}

/**
 * An installed version, looked at cheaply: sizes and times are as they were noted when the digests were.
 *
 * @returns nothing where it is not installed
 * @throws MlpipeError `engine-damaged`
 */
export function findInstalled(
  version: string,
  distribution: Distribution,
  cache?: string,
): InstalledTensorflow | undefined {
  const found = readInstalled(folderOf(version, distribution, cache));
  if (found === undefined) return undefined;
  for (const { name, bytes, modified } of found.manifest.libraries) {
    const status = fs.statSync(join(found.folder, name), { bigint: true, throwIfNoEntry: false });
    if (status === undefined) throw damaged(found, `${name} is gone`);
    if (Number(status.size) !== bytes || String(status.mtimeNs) !== modified) {
      throw damaged(found, `${name} was changed since it was installed`);
    }
  }
  return found;
}

/** Reads every byte. @throws MlpipeError `engine-damaged` */
export async function verifyInstalled(found: InstalledTensorflow): Promise<void> {
  for (const { name, sha256 } of found.manifest.libraries) {
    const hash = createHash('sha256');
    try {
      await pipeline(fs.createReadStream(join(found.folder, name), { highWaterMark: 2 ** 20 }), hash);
    } catch (cause) {
      throw damaged(found, `${name} cannot be read`, cause);
    }
    if (hash.digest('hex') !== sha256) throw damaged(found, `${name} is not what was installed`);
  }
}

/** Remembers which versions an index had, so that a rule can tell a version that there never was from one not yet here. */
export function rememberVersions(versions: readonly string[], cache?: string): void {
  const all = [...new Set([...knownVersions(cache), ...versions])].sort(compareVersions);
  const path = join(tensorflowFolder(cache), KNOWN);
  fs.writeFileSync(`${path}.${process.pid}`, `${JSON.stringify(all)}\n`);
  fs.renameSync(`${path}.${process.pid}`, path);
}

/** Every version that an index had when it was asked, the oldest first; nothing where none has been asked. */
export function knownVersions(cache?: string): string[] {
  try {
    const versions: unknown = JSON.parse(fs.readFileSync(join(tensorflowFolder(cache), KNOWN), 'utf8'));
    return Array.isArray(versions) ? versions.filter((version) => typeof version === 'string') : [];
  } catch {
    // Not asked yet.
    return [];
  }
}

/**
 * A folder that was copied has other times and the same bytes: they are read, and the times noted.
 *
 * @returns nothing where the bytes are others, too, or there is nothing
 */
export async function acceptCopied(
  version: string,
  distribution: Distribution,
  cache?: string,
): Promise<InstalledTensorflow | undefined> {
  const found = readInstalled(folderOf(version, distribution, cache));
  if (found === undefined) return undefined;
  try {
    await verifyInstalled(found);
  } catch (error) {
    if (error instanceof MlpipeError && error.code === 'engine-damaged') return undefined;
    throw error;
  }
  const manifest = { ...found.manifest, libraries: noteLibraries(found.folder, found.manifest.libraries) };
  writeManifest(found.folder, manifest);
  return { ...found, manifest };
}

/** On the disk, and whole, when it returns. */
export function writeManifest(folder: string, manifest: TensorflowManifest): void {
  const making = join(folder, `manifest.json.${process.pid}`);
  fs.writeFileSync(making, `${JSON.stringify(manifest, undefined, 2)}\n`, { flush: true });
  fs.renameSync(making, join(folder, 'manifest.json'));
}

/** Takes a version away: it is gone at once, and whoever uses it keeps what it has opened. */
export function removeInstalled({ folder }: InstalledTensorflow): void {
  const away = `${folder}.gone-${process.pid}`;
  fs.renameSync(folder, away);
  fs.rmSync(away, { recursive: true, force: true });
}

/** Size and time of each library, for the manifest. */
export function noteLibraries(
  folder: string,
  libraries: readonly { name: string; sha256: string; bytes: number }[],
): TensorflowManifest['libraries'] {
  return libraries.map(({ name, sha256, bytes }) => {
    const { mtimeNs } = fs.statSync(join(folder, name), { bigint: true });
    return { name, sha256, bytes, modified: String(mtimeNs) };
  });
}

function readInstalled(folder: string): InstalledTensorflow | undefined {
  const path = join(folder, 'manifest.json');
  // Folders under way and folders taken away have names of their own.
  if (/\.(gone|new)-[^/\\]*$/.test(folder) || !fs.existsSync(path)) return undefined;
  let manifest: unknown;
  try {
    manifest = JSON.parse(fs.readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
  if (!isManifest(manifest)) return undefined;
  const [library] = manifest.libraries;
  // A folder out of a store was written by whoever made the record.
  if (manifest.libraries.some(({ name }) => name !== basename(name))) return undefined;
  return library === undefined ? undefined : { folder, library: join(folder, library.name), manifest };
}

/** Only this program writes manifests, so the format's name proves the rest. */
function isManifest(value: unknown): value is TensorflowManifest {
  return typeof value === 'object' && value !== null && 'format' in value && value.format === MANIFEST_FORMAT;
}

function damaged({ manifest: { version } }: InstalledTensorflow, what: string, cause?: unknown): MlpipeError {
  return new MlpipeError(`TensorFlow ${version} in the cache is damaged: ${what}.`, {
    code: 'engine-damaged',
    todo: `Run \`mlpipe engine install tensorflow@${version}\` to install it anew.`,
    exit: 2,
    cause,
  });
}
