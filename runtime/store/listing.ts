/** What lies behind a digest: one file, or the files of a folder. */
import fs from 'node:fs';
import type { Bytes, Digest } from '../../grammar/plan/plan.ts';
import { hasCode, nodeFileSystem } from './filesystem.ts';
import { objectFolder } from './layout.ts';
import { looksLikeManifest, type Manifest, parseManifest } from './manifest.ts';
import type { Store } from './store.ts';

export interface ContentFile {
  /** Relative to the folder, with forward slashes; empty where the content is a file itself. */
  path: string;
  digest: Digest;
  bytes: Bytes;
}

/** An object of more bytes than this is no manifest that is read whole to find out. */
const PEEK = 1 << 16;

/** Whether a digest is that of a folder; nothing where the store has not got it. */
export async function isFolder(store: Store, digest: Digest): Promise<boolean | undefined> {
  const beginning = await firstBytes(store, digest, PEEK);
  // The format stands behind the entries: a long manifest is told by reading it whole.
  if (beginning === undefined) return undefined;
  if (beginning.length < PEEK) return parseManifest(beginning) !== undefined;
  if (!beginning.subarray(0, 9).equals(Buffer.from('{"bytes":'))) return false;
  const whole = await store.read(digest);
  return looksLikeManifest(whole) && parseManifest(whole) !== undefined;
}

/** The first bytes of an object; of a large file nobody wants more. */
export async function firstBytes(store: Store, digest: Digest, count: number): Promise<Buffer | undefined> {
  if (!store.has(digest)) return undefined;
  try {
    const file = fs.openSync(objectFolder(nodeFileSystem, store.folder).path(digest), 'r');
    try {
      const buffer = Buffer.alloc(count);
      return buffer.subarray(0, fs.readSync(file, buffer, 0, count, 0));
    } finally {
      fs.closeSync(file);
    }
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
    // Not a file of its own: the store keeps it in another way.
    return (await store.read(digest)).subarray(0, count);
  }
}

/**
 * The files of an object, sorted by path. Links are left out: what they name is another file's content.
 *
 * @throws MlpipeError `object-missing`, `object-corrupt`
 */
export async function filesOf(store: Store, digest: Digest, bytes: Bytes): Promise<ContentFile[]> {
  if (!(await isFolder(store, digest))) return [{ path: '', digest, bytes }];
  const files: ContentFile[] = [];
  const visit = async (part: Digest): Promise<void> => {
    const manifest: Manifest | undefined = parseManifest(await store.read(part));
    if (manifest === undefined) return;
    for (const entry of manifest.entries)
      if ('digest' in entry) files.push({ path: entry.path, digest: entry.digest, bytes: entry.bytes });
    for (const inner of manifest.parts) await visit(inner.digest);
  };
  await visit(digest);
  return files.sort((one, other) => (one.path < other.path ? -1 : 1));
}
