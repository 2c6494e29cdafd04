/** What a package index has of TensorFlow: the JSON form of the simple API (PEP 691), or its HTML (PEP 503). */
import type { Distribution, LibraryPlatform } from '../platform.ts';
import { compareVersions, OLDEST_VERSION, wheelVersion } from '../version.ts';
import { withoutCredentials } from './index-configuration.ts';
import { getText, WebError, type WebOptions } from './web.ts';

export interface Wheel {
  /** `tensorflow_cpu-2.19.1-cp311-cp311-manylinux_2_17_x86_64.whl` */
  file: string;
  version: string;
  /** May hold credentials. */
  address: string;
  /** Hexadecimal. */
  sha256: string;
  bytes?: number;
  /** The index it is from, without credentials. */
  index: string;
}

const JSON_TYPE = 'application/vnd.pypi.simple.v1+json';
const ACCEPTED = `${JSON_TYPE}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1`;

/** A wheel of less than this holds no library, only the name of another package that does. */
const SMALLEST = 20 * 2 ** 20;

/**
 * Every wheel of a package that fits a platform and holds the library; none where the index does not have the package.
 *
 * @throws WebError
 */
export async function wheelsOf(
  index: string,
  name: string,
  platform: LibraryPlatform,
  options: WebOptions,
): Promise<Wheel[]> {
  const page = await filesInIndex(index, name, options);
  return page.files.flatMap(({ filename, url, sha256, size }) => {
    const tags = tagsOf(filename);
    if (tags === undefined || sha256 === undefined || (size !== undefined && size < SMALLEST)) return [];
    if (!platform.fits(tags.platform) || compareVersions(tags.version, OLDEST_VERSION) < 0) return [];
    return [
      {
        file: filename,
        version: tags.version,
        address: addressOf(url, page.url, index),
        sha256,
        ...(size === undefined ? {} : { bytes: size }),
        index: withoutCredentials(index),
      },
    ];
  });
}

/**
 * Every file that an index has of a package, and where its page was found; none where it does not have the package.
 *
 * @throws WebError
 */
export async function filesInIndex(
  index: string,
  name: string,
  options: WebOptions,
): Promise<{ files: IndexFile[]; url: URL }> {
  try {
    const { text, type, url } = await getText(`${index}/${name}/`, { ...options, headers: { accept: ACCEPTED } });
    return { files: type.includes('json') ? filesOfJson(text) : filesOfHtml(text), url };
  } catch (error) {
    if (error instanceof WebError && error.status === 404) return { files: [], url: new URL(index) };
    throw error;
  }
}

/**
 * The wheel of a version to take: any will do, as the library is the same in all, so always the one for the oldest
 * Python, which was there from the beginning.
 */
export function chooseWheel(wheels: readonly Wheel[], version: string): Wheel | undefined {
  const wanted = wheelVersion(version);
  return wheels
    .filter((wheel) => wheel.version === wanted)
    .sort((one, other) => pythonOf(one.file) - pythonOf(other.file) || (one.file < other.file ? -1 : 1))[0];
}

/**
 * Where an index may have it, one after the other; and the versions that were seen on the way.
 *
 * @throws WebError where none of the indexes can be asked
 */
export async function findWheel(
  indexes: readonly string[],
  platform: LibraryPlatform,
  distribution: Distribution,
  version: string,
  options: WebOptions,
): Promise<{ wheel?: Wheel; versions: string[] }> {
  let found: Wheel | undefined;
  const versions = new Set<string>();
  let trouble: unknown;
  let asked = 0;
  for (const index of indexes) {
    for (const name of platform.packages(distribution)) {
      try {
        const wheels = await wheelsOf(index, name, platform, options);
        asked += 1;
        for (const each of wheels) versions.add(each.version);
        found = chooseWheel(wheels, version);
        if (found) break;
      } catch (error) {
        if (!(error instanceof WebError)) throw error;
        trouble = error;
      }
    }
    if (found) break;
  }
  if (asked === 0) throw trouble;
  return { ...(found ? { wheel: found } : {}), versions: [...versions].sort(compareVersions) };
}

export interface IndexFile {
  filename: string;
  url: string;
  sha256?: string;
  size?: number;
}

function filesOfJson(text: string): IndexFile[] {
  const page: unknown = JSON.parse(text);
  const files = typeof page === 'object' && page !== null && 'files' in page ? page.files : undefined;
  if (!Array.isArray(files)) return [];
  return files.flatMap((file: unknown) => {
    if (typeof file !== 'object' || file === null) return [];
    const { filename, url, hashes, size } = file as Record<string, unknown>; // any object may be looked at so
    if (typeof filename !== 'string' || typeof url !== 'string') return [];
    const sha256 = typeof hashes === 'object' && hashes !== null && 'sha256' in hashes ? hashes.sha256 : undefined;
    return [
      {
        filename,
        url,
        ...(typeof sha256 === 'string' ? { sha256 } : {}),
        ...(typeof size === 'number' ? { size } : {}),
      },
    ];
  });
}

function filesOfHtml(text: string): IndexFile[] {
  return [...text.matchAll(/<a\b[^>]*\bhref\s*=\s*"([^"]+)"[^>]*>\s*([^<]+?)\s*<\/a>/gi)].map(
    ([, reference = '', filename = '']) => {
      const [url = '', fragment = ''] = reference.replaceAll('&amp;', '&').split('#');
      const sha256 = /(?:^|&)sha256=([0-9a-f]{64})/.exec(fragment)?.[1];
      return { filename, url, ...(sha256 === undefined ? {} : { sha256 }) };
    },
  );
}

/** `{name}-{version}(-{build})?-{python}-{abi}-{platform}.whl` (PEP 427). */
function tagsOf(file: string): { version: string; platform: string } | undefined {
  const parts = file.endsWith('.whl') ? file.slice(0, -4).split('-') : [];
  const [version, platform] = [parts[1], parts.at(-1)];
  return parts.length < 5 || version === undefined || platform === undefined ? undefined : { version, platform };
}

/** 311 of `cp311`, 39 of `cp39`: by the minor version, as 3.9 is older than 3.10. */
function pythonOf(file: string): number {
  return Number(/-cp3(\d+)-/.exec(file)?.[1] ?? Number.POSITIVE_INFINITY);
}

/** A file beside its page is asked for with the page's credentials. */
function addressOf(url: string, page: URL, index: string): string {
  const address = new URL(url, page);
  const { origin, username, password } = new URL(index);
  if (address.origin === origin && address.username === '') {
    address.username = username;
    address.password = password;
  }
  return address.href;
}
