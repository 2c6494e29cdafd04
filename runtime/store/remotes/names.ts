/** What lies where on a remote: the same names as in a store, so that either can be made from the other by copying. */
import type { Digest } from '../../../grammar/plan/plan.ts';

export const FORMAT_NAME = 'format';
export const REMOTE_FORMAT = 'mlpipe-remote/1';

export type Room = 'objects' | 'records';

/** `objects/ab/cdef…`; of a record without its ending, as further files may lie beside it. */
export function nameOf(room: Room, digest: Digest): string {
  const hexadecimal = digest.slice('sha256:'.length);
  return `${room}/${hexadecimal.slice(0, 2)}/${hexadecimal.slice(2)}`;
}

export function recordName(digest: Digest): string {
  return `${nameOf('records', digest)}.json`;
}

/** What a name says: whose digest it is, and what follows it. Nothing for a name of something else. */
export function parseName(name: string): { room: Room; digest: Digest; rest: string } | undefined {
  const match = /^(objects|records)\/([0-9a-f]{2})\/([0-9a-f]{62})(\.[A-Za-z0-9._-]+)?$/.exec(name);
  if (!match) return undefined;
  const [, room, shard, digits, rest = ''] = match;
  // The pattern allows these two alone.
  return { room: room as Room, digest: `sha256:${shard}${digits}`, rest };
}
