/**
 * Google's archive of TensorFlow's C libraries: asked last, for what no package index has (any more). It has no list of
 * digests; each file must come with one all the same, or is not used.
 */
import type { Distribution } from '../platform.ts';
import { compareVersions } from '../version.ts';
import { withoutCredentials } from './index-configuration.ts';
import { get, getText, WebError, type WebOptions } from './web.ts';

const OFFICIAL_ARCHIVE = 'https://storage.googleapis.com/tensorflow';

/** From here on each version has a folder of its own. */
const FIRST_IN_FOLDERS = '2.16.0';

export interface Archive {
  /** `libtensorflow-cpu-linux-x86_64-2.15.0.tar.gz` */
  file: string;
  /** May hold credentials. */
  address: string;
  /** Hexadecimal. */
  digest: string;
  /** `md5` is all that Google's storage says of its files: it tells a damaged file, and not a forged one. */
  algorithm: 'sha256' | 'md5';
  /** The archive it is from, without credentials. */
  index: string;
}

/** `MLPIPE_TENSORFLOW_ARCHIVE` names a mirror; `none` forbids to ask any. */
export function archiveAddress(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const own = environment.MLPIPE_TENSORFLOW_ARCHIVE;
  if (own === 'none') return undefined;
  return (own || OFFICIAL_ARCHIVE).replace(/\/+$/, '');
}

/**
 * The file of a version, if the archive has one for this platform.
 *
 * @throws WebError where the archive cannot be asked, or says no digest
 */
export async function findArchive(
  base: string,
  platform: { platform: string; architecture: string },
  distribution: Distribution,
  version: string,
  options: WebOptions,
): Promise<Archive | undefined> {
  const name = `libtensorflow-${distribution}-${platform.platform}-${machineOf(platform)}`;
  const old = `${base}/libtensorflow/${name}-${version}.tar.gz`;
  const recent = `${base}/versions/${version}/${name}.tar.gz`;
  for (const address of compareVersions(version, FIRST_IN_FOLDERS) < 0 ? [old, recent] : [recent, old]) {
    const { answer } = await get(address, options);
    // Only whether it is there, and what it must be, is asked here.
    answer.destroy();
    const { statusCode = 0, headers } = answer;
    // Storage that may not be listed forbids what is not there.
    if (statusCode === 404 || statusCode === 403) continue;
    if (statusCode !== 200)
      throw new WebError(`${withoutCredentials(address)} answers ${statusCode}.`, { status: statusCode });
    const digest = (await digestBeside(address, options)) ?? digestIn(headers['x-goog-hash']);
    if (digest === undefined) {
      throw new WebError(`${withoutCredentials(address)} comes with no digest, and is not used`);
    }
    return { file: `${name}-${version}.tar.gz`, address, ...digest, index: withoutCredentials(base) };
  }
  return undefined;
}

function machineOf({ platform, architecture }: { platform: string; architecture: string }): string {
  if (architecture === 'x64') return 'x86_64';
  return platform === 'darwin' ? 'arm64' : 'aarch64';
}

/** A mirror may put `….tar.gz.sha256` beside a file, as `sha256sum` writes it. */
async function digestBeside(
  address: string,
  options: WebOptions,
): Promise<Pick<Archive, 'digest' | 'algorithm'> | undefined> {
  try {
    const { text } = await getText(`${address}.sha256`, options);
    const digest = /^[0-9a-f]{64}(?=\s|$)/i.exec(text)?.[0];
    return digest === undefined ? undefined : { digest: digest.toLowerCase(), algorithm: 'sha256' };
  } catch (error) {
    if (error instanceof WebError && (error.status === 404 || error.status === 403)) return undefined;
    throw error;
  }
}

/** `crc32c=AAAAAA==,md5=1B2M2Y8AsgTpgAmY7PhCfg==` */
function digestIn(header: string | string[] | undefined): Pick<Archive, 'digest' | 'algorithm'> | undefined {
  const value = /(?:^|[\s,])md5=([A-Za-z0-9+/]{22}==)/.exec(String(header ?? ''))?.[1];
  return value === undefined ? undefined : { digest: Buffer.from(value, 'base64').toString('hex'), algorithm: 'md5' };
}
