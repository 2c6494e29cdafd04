/** What lies where on a remote. Loose objects and records have the names that they have in a store. */
import type { Digest } from '../../../grammar/plan/plan.ts';

export const FORMAT_NAME = 'format';
/** Where indexes lie side by side: they are always listed all at once. */
export const INDEXES = 'pack-indexes/';

/**
 * `objects`, `records`: as in a store. `packs`: many contents one behind the other, named by the digest of the whole.
 * `pack-indexes`: what lies where in a pack, named by its own digest. `recipes`: of which parts of packs a large object is made,
 * under the object's digest. `members`: which indexes hold what a folder names, under the digest of its manifest.
 */
export type Room = 'objects' | 'records' | 'packs' | 'pack-indexes' | 'recipes' | 'members';

/** `objects/ab/cdef…`; of a record without its ending, as further files may lie beside it. */
export function nameOf(room: Room, digest: Digest): string {
  const hexadecimal = digest.slice('sha256:'.length);
  if (room === 'pack-indexes') return `${INDEXES}${hexadecimal}`;
  return `${room}/${hexadecimal.slice(0, 2)}/${hexadecimal.slice(2)}`;
}

export function recordName(digest: Digest): string {
  return `${nameOf('records', digest)}.json`;
}

/** What a name says: whose digest it is, and what follows it. Nothing for a name of something else. */
export function parseName(name: string): { room: Room; digest: Digest; rest: string } | undefined {
  const match = NAME.exec(name);
  if (!match) return undefined;
  const [, room, shard = '', digits, index, rest = ''] = match;
  if (index !== undefined) return rest === '' ? { room: 'pack-indexes', digest: `sha256:${index}`, rest } : undefined;
  // The pattern allows these alone.
  return { room: room as Room, digest: `sha256:${shard}${digits}`, rest };
}

const NAME =
  /^(?:(objects|records|packs|recipes|members)\/([0-9a-f]{2})\/([0-9a-f]{62})|pack-indexes\/([0-9a-f]{64}))(\.[A-Za-z0-9._-]+)?$/;
