/**
 * A folder as one object: the sorted list of its files. A large folder is split by the beginnings of its paths, so that
 * one changed file rewrites one part and not the whole list.
 */
import { posix, win32 } from 'node:path';
import { digestOf } from '../../grammar/plan/canonical.ts';
import type { Bytes, Digest } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';

export const MANIFEST_FORMAT = 'mlpipe-folder/1';

export interface Manifest {
  /** Of all files, those in parts too. */
  bytes: Bytes;
  /** Sorted by path. */
  entries: ManifestEntry[];
  /** How many files and links, those in parts too. */
  files: number;
  format: typeof MANIFEST_FORMAT;
  /** Sorted by prefix. */
  parts: ManifestPart[];
}

export type ManifestEntry = FileEntry | LinkEntry;

export interface FileEntry {
  bytes: Bytes;
  digest: Digest;
  executable?: true;
  /** Relative to the folder, with forward slashes. */
  path: string;
}

export interface LinkEntry {
  path: string;
  /** The target as the link has it. */
  symlink: string;
}

/** A manifest of its own for every path that begins with `prefix`. */
export interface ManifestPart {
  bytes: Bytes;
  digest: Digest;
  files: number;
  prefix: string;
}

/** A manifest with more entries is split. */
export const LARGE = 1000;
/** A group of fewer entries is not worth a part of its own. */
export const SMALL = 32;

export interface BuiltManifest {
  digest: Digest;
  bytes: Bytes;
  files: number;
  /** The manifest and its parts as canonical JSON, parts before what names them. */
  objects: { digest: Digest; text: string }[];
}

/**
 * The manifests of a folder. Equal entries give equal digests, in whatever order they come.
 *
 * @param entries each path once
 */
export function buildManifest(entries: readonly ManifestEntry[]): BuiltManifest {
  const objects: BuiltManifest['objects'] = [];
  const sorted = [...entries].sort((one, other) => (one.path < other.path ? -1 : 1));
  return { ...build(sorted, objects), objects };
}

function build(entries: readonly ManifestEntry[], objects: BuiltManifest['objects']): Omit<BuiltManifest, 'objects'> {
  const inline: ManifestEntry[] = [];
  const parts: ManifestPart[] = [];
  for (const group of entries.length > LARGE ? split(entries) : [entries]) {
    if (group.length < SMALL || group.length === entries.length) inline.push(...group);
    else parts.push({ ...build(group, objects), prefix: commonPrefix(group) });
  }
  const bytes = inline.reduce((sum, entry) => sum + ('bytes' in entry ? entry.bytes : 0), 0);
  const manifest: Manifest = {
    bytes: parts.reduce((sum, part) => sum + part.bytes, bytes),
    entries: inline.map(inOrder),
    files: parts.reduce((sum, part) => sum + part.files, inline.length),
    format: MANIFEST_FORMAT,
    parts: parts.map(({ bytes, digest, files, prefix }) => ({ bytes, digest, files, prefix })),
  };
  // Every object here has its keys in order, so this is canonical JSON, at a fifth of its cost.
  const text = JSON.stringify(manifest);
  const digest = digestOf(text);
  objects.push({ digest, text });
  return { digest, bytes: manifest.bytes, files: manifest.files };
}

/** With the keys as canonical JSON has them. */
function inOrder(entry: ManifestEntry): ManifestEntry {
  const { path } = entry;
  if ('symlink' in entry) return { path, symlink: entry.symlink };
  const { bytes, digest, executable } = entry;
  return executable ? { bytes, digest, executable, path } : { bytes, digest, path };
}

/** By the first character after what all paths have in common. */
function split(entries: readonly ManifestEntry[]): ManifestEntry[][] {
  const position = commonPrefix(entries).length;
  const groups: ManifestEntry[][] = [];
  let last: string | undefined;
  for (const entry of entries) {
    const character = String.fromCodePoint(entry.path.codePointAt(position) ?? 0);
    if (character !== last) groups.push([]);
    groups.at(-1)?.push(entry);
    last = character;
  }
  return groups;
}

/** Of sorted entries: what the first and the last have in common, never half a character. */
function commonPrefix(entries: readonly ManifestEntry[]): string {
  const first = entries[0]?.path ?? '';
  const last = entries.at(-1)?.path ?? '';
  let length = 0;
  while (length < first.length && first[length] === last[length]) length += 1;
  if (/[\uD800-\uDBFF]$/.test(first.slice(0, length))) length -= 1;
  return first.slice(0, length);
}

/** With what every manifest begins. */
export const MANIFEST_BEGINNING = Buffer.from('{"bytes":');
const END = `"format":"${MANIFEST_FORMAT}","parts":`;

/** Whether content has the look of a manifest; a look at its ends, whatever its size. */
export function looksLikeManifest(content: Buffer): boolean {
  return (
    content.length > MANIFEST_BEGINNING.length &&
    content.subarray(0, MANIFEST_BEGINNING.length).equals(MANIFEST_BEGINNING) &&
    content.includes(END)
  );
}

/** Reads a manifest, or answers that this is none. */
export function parseManifest(content: Buffer): Manifest | undefined {
  if (!looksLikeManifest(content)) return undefined;
  try {
    const manifest: unknown = JSON.parse(content.toString('utf8'));
    return isManifest(manifest) ? manifest : undefined;
  } catch {
    // Not JSON: an ordinary file that begins like a manifest.
    return undefined;
  }
}

/**
 * Refuses a list of entries that would write outside the folder in which it is laid out: by its paths, or through a
 * link that it makes itself.
 *
 * @throws MlpipeError `manifest-unsafe`
 */
export function checkEntries(entries: readonly ManifestEntry[]): void {
  const links = new Set(entries.flatMap((entry) => ('symlink' in entry ? [entry.path] : [])));
  for (const entry of entries) {
    const throughLink = links.size > 0 && parentsOf(entry.path).some((parent) => links.has(parent));
    if (isInside(entry.path) && !throughLink && !('symlink' in entry && leaves(entry.path, entry.symlink))) continue;
    throw new MlpipeError(`A manifest names the path ${JSON.stringify(entry.path)}, which leads out of its folder.`, {
      code: 'manifest-unsafe',
      todo: 'Do not use this folder; ask who made it.',
    });
  }
}

/** Whether a link at `path`, relative to its folder, points outside that folder. */
export function leaves(path: string, target: string): boolean {
  if (posix.isAbsolute(target) || win32.isAbsolute(target)) return true;
  const resolved = posix.normalize(posix.join(posix.dirname(path), target.replaceAll('\\', '/')));
  return resolved === '..' || resolved.startsWith('../');
}

function parentsOf(path: string): string[] {
  const parents: string[] = [];
  for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) parents.push(path.slice(0, at));
  return parents;
}

function isManifest(value: unknown): value is Manifest {
  if (typeof value !== 'object' || value === null) return false;
  const { format, entries, parts, bytes, files } = value as Record<string, unknown>;
  return (
    format === MANIFEST_FORMAT &&
    typeof bytes === 'number' &&
    typeof files === 'number' &&
    Array.isArray(entries) &&
    entries.every(isEntry) &&
    Array.isArray(parts) &&
    parts.every((part) => isDigest(part?.digest) && typeof part.prefix === 'string')
  );
}

function isEntry(value: unknown): value is ManifestEntry {
  if (typeof value !== 'object' || value === null) return false;
  const { path, symlink, digest, bytes } = value as Record<string, unknown>;
  return typeof path === 'string' && (typeof symlink === 'string' || (isDigest(digest) && typeof bytes === 'number'));
}

export function isDigest(value: unknown): value is Digest {
  return typeof value === 'string' && /^sha256:[0-9a-f]{64}$/.test(value);
}

function isInside(path: string): boolean {
  const strange = process.platform === 'win32' ? /[\0\\:]/ : /\0/;
  return !strange.test(path) && path.split('/').every((name) => !['', '.', '..'].includes(name));
}
