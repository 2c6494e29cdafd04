/** What a lock file pins: packages, each with the digests that its files may have. Lock files are read as data alone. */
import { basename } from 'node:path';

export interface LockedPackage {
  ecosystem: 'python' | 'npm';
  name: string;
  version: string;
  /** Hexadecimal SHA-256 of each file, of Python; an SRI text (`sha512-…`), of npm. */
  hashes: string[];
  /** Where the lock file says that it is from, where that is no configured index. */
  registry?: string;
}

/**
 * The packages of a lock file by its name; none for a format that is not known.
 *
 * @param text what the lock file holds; it may be anything
 */
export function lockedPackages(file: string, text: string): LockedPackage[] {
  const name = basename(file);
  if (name === 'package-lock.json' || name === 'npm-shrinkwrap.json') return ofNpm(text);
  if (name === 'uv.lock') return ofUv(text);
  return /\.(?:txt|in|lock)$/.test(name) ? ofRequirements(text) : [];
}

/** `numpy==1.26.4 \` and lines of `--hash=sha256:…`. */
function ofRequirements(text: string): LockedPackage[] {
  return text
    .replaceAll(/\\\r?\n/g, ' ')
    .split(/\r?\n/)
    .flatMap((line) => {
      const [, name, version] = /^\s*([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?\s*===?\s*([^\s;#]+)/.exec(line) ?? [];
      if (name === undefined || version === undefined) return [];
      const hashes = [...line.matchAll(/--hash=sha256:([0-9a-f]{64})/g)].flatMap(([, hash]) => hash ?? []);
      return [{ ecosystem: 'python' as const, name: normal(name), version, hashes }];
    });
}

/** uv's lock file is TOML that uv writes, one value a line but for lists of files. */
function ofUv(text: string): LockedPackage[] {
  return text
    .split(/^\[\[package\]\]\s*$/m)
    .slice(1)
    .flatMap((part) => {
      const name = /^name = "([^"]+)"/m.exec(part)?.[1];
      const version = /^version = "([^"]+)"/m.exec(part)?.[1];
      const registry = /^source = \{ registry = "([^"]+)"/m.exec(part)?.[1];
      // The project itself, or a folder: nothing of an index.
      if (name === undefined || version === undefined || registry === undefined) return [];
      const hashes = [...part.matchAll(/\bhash = "sha256:([0-9a-f]{64})"/g)].flatMap(([, hash]) => hash ?? []);
      return [{ ecosystem: 'python' as const, name: normal(name), version, hashes, registry }];
    });
}

function ofNpm(text: string): LockedPackage[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return [];
  }
  const packages = fieldsOf(fieldsOf(value).packages);
  return Object.entries(packages).flatMap(([path, each]) => {
    const { version, integrity, resolved, link, name: named } = fieldsOf(each);
    const name = typeof named === 'string' ? named : path.replace(/^.*node_modules\//, '');
    // The project itself has no path; a link leads to a folder; a bundled package came inside another.
    if (path === '' || link === true || typeof version !== 'string' || typeof integrity !== 'string') return [];
    if (typeof resolved === 'string' && !/^https?:/.test(resolved)) return [];
    return /^(?:@[\w.~-]+\/)?[\w.~-]+$/.test(name)
      ? [{ ecosystem: 'npm' as const, name, version, hashes: [integrity] }]
      : [];
  });
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
}

/** PEP 503. */
function normal(name: string): string {
  return name.toLowerCase().replaceAll(/[-_.]+/g, '-');
}
