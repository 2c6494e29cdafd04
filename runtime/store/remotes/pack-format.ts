/** Packs, their indexes, recipes and members, to the byte: written here, and checked here when they are read. */
import { canonicalJson, digestOf } from '../../../grammar/plan/canonical.ts';
import type { Bytes, Digest } from '../../../grammar/plan/plan.ts';
import { isDigest } from '../manifest.ts';

/** An object of so many bytes or more is sent in chunks, where that may save anything. */
export const CHUNKED_FROM = 4 * 2 ** 20;
/** A smaller object of a folder travels in a pack with others. */
export const PACKED_BELOW = 64 * 2 ** 10;
/** Fewer than these go as files of their own, each as soon as it is asked for. */
export const WORTH_PACKING = 48;
/** A pack is closed when it is so large. */
export const PACK_BYTES = 32 * 2 ** 20;
/** What describes packs is never larger. */
export const LARGEST_DESCRIPTION = 128 * 2 ** 20;

/** Whole objects, or chunks that are no objects by themselves. */
export type Holds = 'objects' | 'chunks';

/** What lies in a pack, one directly behind the other from its beginning on. */
export interface PackIndex {
  pack: Digest;
  holds: Holds;
  /** Of the pack. */
  bytes: Bytes;
  /** For each blob the 32 bytes of its digest and its size as 32 bits, big-endian: a million of them must fit. */
  entries: Buffer;
}

export interface PackedBlob {
  digest: Digest;
  offset: Bytes;
  bytes: Bytes;
}

export const ENTRY = 36;
const LARGEST_PACK = 2 ** 32 - 1;

/** A line of canonical JSON, then the entries. */
export function encodeIndex(
  pack: Digest,
  holds: Holds,
  blobs: readonly Omit<PackedBlob, 'offset'>[],
): { digest: Digest; content: Buffer } {
  const bytes = blobs.reduce((sum, blob) => sum + blob.bytes, 0);
  const line = canonicalJson({ blobs: blobs.length, bytes, format: 'mlpipe-pack-index/1', holds, pack });
  const head = Buffer.from(`${line}\n`);
  const content = Buffer.alloc(head.length + blobs.length * ENTRY);
  head.copy(content);
  blobs.forEach((blob, number) => {
    const at = head.length + number * ENTRY;
    content.write(blob.digest.slice('sha256:'.length), at, 'hex');
    content.writeUInt32BE(blob.bytes, at + 32);
  });
  return { digest: digestOf(content), content };
}

/** What an index says; nothing where these bytes are none. Whether they fit its name, the caller knows. */
export function parseIndex(content: Buffer): PackIndex | undefined {
  const end = content.indexOf('\n');
  const head = jsonIn(content.subarray(0, Math.max(0, end)));
  if (head?.format !== 'mlpipe-pack-index/1') return undefined;
  const { blobs: count, bytes, holds, pack } = head;
  const entries = content.subarray(end + 1);
  if ((holds !== 'objects' && holds !== 'chunks') || !isDigest(pack) || !isCount(bytes)) return undefined;
  if (typeof count !== 'number' || entries.length !== count * ENTRY || bytes > LARGEST_PACK) return undefined;
  let sum = 0;
  for (let at = 32; at < entries.length; at += ENTRY) sum += entries.readUInt32BE(at);
  return sum === bytes ? { pack, holds, bytes, entries } : undefined;
}

export function* blobsIn({ entries }: PackIndex): Generator<PackedBlob> {
  let offset = 0;
  for (let at = 0; at < entries.length; at += ENTRY) {
    const bytes = entries.readUInt32BE(at + 32);
    yield { digest: `sha256:${entries.toString('hex', at, at + 32)}`, offset, bytes };
    offset += bytes;
  }
}

export interface Recipe {
  digest: Digest;
  bytes: Bytes;
  /** In the object's order. */
  spans: readonly Span[];
}

/** Neighbouring bytes of a pack. */
export interface Span {
  pack: Digest;
  offset: Bytes;
  bytes: Bytes;
}

/** Spans that are neighbours in a pack and in the object become one. */
export function encodeRecipe({ digest, bytes, spans }: Recipe): Buffer {
  const packs = [...new Set(spans.map(({ pack }) => pack))];
  const numbers = new Map(packs.map((pack, number) => [pack, number]));
  const list = joinedSpans(spans).map((span) => [numbers.get(span.pack) ?? 0, span.offset, span.bytes]);
  return Buffer.from(canonicalJson({ bytes, digest, format: 'mlpipe-recipe/1', packs, spans: list }));
}

export function joinedSpans(spans: Iterable<Span>): Span[] {
  const joined: Span[] = [];
  for (const span of spans) {
    const last = joined.at(-1);
    if (last && last.pack === span.pack && last.offset + last.bytes === span.offset) last.bytes += span.bytes;
    else joined.push({ ...span });
  }
  return joined;
}

/** What a recipe says of the object that it was asked for; nothing where these bytes are no recipe for it. */
export function parseRecipe(content: Buffer, digest: Digest): Recipe | undefined {
  const recipe = jsonIn(content);
  if (recipe?.format !== 'mlpipe-recipe/1' || recipe.digest !== digest) return undefined;
  const { bytes, packs, spans } = recipe;
  if (!isCount(bytes) || !Array.isArray(packs) || !packs.every(isDigest) || !Array.isArray(spans)) return undefined;
  const parsed: Span[] = [];
  let sum = 0;
  for (const span of spans as unknown[]) {
    if (!Array.isArray(span) || !span.every(isCount)) return undefined;
    const [number, offset, length] = span;
    const pack = packs[number ?? -1];
    if (pack === undefined || offset === undefined || !length || !isCount(offset + length)) return undefined;
    parsed.push({ pack, offset, bytes: length });
    sum += length;
  }
  return sum === bytes ? { digest, bytes, spans: parsed } : undefined;
}

/** @param indexes those that hold what the folder names, its parts' files among it */
export function encodeMembers(folder: Digest, indexes: Iterable<Digest>): Buffer {
  return Buffer.from(canonicalJson({ digest: folder, format: 'mlpipe-members/1', indexes: [...indexes].sort() }));
}

/** The indexes; nothing where these bytes are no list of a folder's members. */
export function parseMembers(content: Buffer, folder: Digest): Digest[] | undefined {
  const members = jsonIn(content);
  if (members?.format !== 'mlpipe-members/1' || members.digest !== folder) return undefined;
  const { indexes } = members;
  return Array.isArray(indexes) && indexes.every(isDigest) ? indexes : undefined;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function jsonIn(content: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(content.toString('utf8'));
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    // Whatever it is, it is not what was looked for; the caller says so.
    return undefined;
  }
}
