/** Everything that a set of objects needs: themselves, and what folders among them hold. */
import { digestOf } from '../../../grammar/plan/canonical.ts';
import type { Digest } from '../../../grammar/plan/plan.ts';
import { MlpipeError } from '../../errors.ts';
import { type FileSystem, hasCode } from '../filesystem.ts';
import { MANIFEST_BEGINNING, parseManifest } from '../manifest.ts';
import type { ObjectSource } from '../source.ts';

/** @throws MlpipeError `collection-unsure` where a folder is damaged */
export async function closureOf(
  files: FileSystem,
  source: ObjectSource,
  roots: Iterable<Digest>,
): Promise<Set<Digest>> {
  const needed = new Set<Digest>();
  // Only what was asked for and parts may be folders: the files of a folder never are.
  const waiting = [...roots];
  let steps = 0;
  for (let digest = waiting.pop(); digest !== undefined; digest = waiting.pop()) {
    if (needed.has(digest)) continue;
    needed.add(digest);
    const manifest = manifestOf(files, source, digest);
    for (const entry of manifest?.entries ?? []) if ('digest' in entry) needed.add(entry.digest);
    for (const part of manifest?.parts ?? []) waiting.push(part.digest);
    steps += 1;
    if (steps % 256 === 0) await new Promise((resume) => setImmediate(resume));
  }
  return needed;
}

function manifestOf(files: FileSystem, source: ObjectSource, digest: Digest) {
  const place = source.locate(digest);
  if (!place || place.bytes <= MANIFEST_BEGINNING.length) return undefined;
  let beginning: Buffer;
  try {
    beginning = files.readPart(place.path, place.offset, MANIFEST_BEGINNING.length);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
  if (!beginning.equals(MANIFEST_BEGINNING)) {
    // A manifest whose beginning is damaged would look like a file: whoever reads it is told, and so is a collection.
    if (place.bytes > LARGEST || isWhole(source, digest)) return undefined;
    throw unsure(digest, place.path);
  }
  const content = source.read(digest)?.content;
  if (content === undefined) return undefined;
  if (digestOf(content) !== digest) throw unsure(digest, place.path);
  return parseManifest(content);
}

/** No manifest is larger. */
const LARGEST = 4 * 2 ** 20;

function isWhole(source: ObjectSource, digest: Digest): boolean {
  const content = source.read(digest)?.content;
  return content === undefined || digestOf(content) === digest;
}

function unsure(digest: Digest, path: string): MlpipeError {
  return new MlpipeError(`The object ${digest} is damaged (${path}), so that what it needs cannot be told.`, {
    code: 'collection-unsure',
    todo: 'Nothing was collected. `mlpipe verify --repair` mends it, or removes it where no remote has it.',
  });
}
