/** Folders' manifests that wait for what they name: parts get their names before what is made of them. */
import type { Digest } from '../../../grammar/plan/plan.ts';
import type { Staged } from '../content.ts';
import type { Named } from './outgoing.ts';

export interface Held {
  staged: Staged;
  named: Named;
}

/**
 * In which order they may have their names. A folder that lacks something does not get one.
 *
 * @param isHere whether an object that is not held has its name in the store
 * @returns those of a level name none of the same or of a later one
 */
export function heldByLevel(
  held: ReadonlyMap<Digest, Held>,
  isHere: (digest: Digest) => boolean,
): { levels: Staged[][]; lacking: Digest[] } {
  /** How many manifests are one above the other; nothing where something is lacking. */
  const heights = new Map<Digest, number | undefined>();
  const heightOf = (digest: Digest): number | undefined => {
    if (heights.has(digest)) return heights.get(digest);
    // One that names itself, at whatever depth, is none that a digest could have.
    heights.set(digest, undefined);
    const { named } = held.get(digest) ?? {};
    const height = named === undefined ? (isHere(digest) ? 0 : undefined) : heightAbove(named);
    heights.set(digest, height);
    return height;
  };
  const heightAbove = ({ parts, files }: Named): number | undefined => {
    const below = parts.map(heightOf);
    if (below.includes(undefined) || !files.every(({ digest }) => isHere(digest))) return undefined;
    return below.reduce<number>((most, each) => Math.max(most, each ?? 0), 0) + 1;
  };
  const levels = new Map<number, Staged[]>();
  const lacking: Digest[] = [];
  for (const [digest, { staged }] of held) {
    const height = heightOf(digest);
    if (height === undefined) lacking.push(digest);
    else levels.set(height, [...(levels.get(height) ?? []), staged]);
  }
  const inOrder = [...levels].sort(([one], [other]) => one - other).map(([, level]) => level);
  return { levels: inOrder, lacking };
}
