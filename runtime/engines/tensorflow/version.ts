/** TensorFlow's versions: exact ones, and which of two is newer. */

/** The oldest whose wheels hold the C API as a library of its own; before, it is part of a Python extension. */
export const OLDEST_VERSION = '2.12.0';

/** `2.19.1`, `2.22.0-rc0` or, as wheels spell it, `2.22.0rc0`. */
const EXACT = /^(\d+)\.(\d+)\.(\d+)(?:[-.]?((?:rc|post)\.?\d+))?$/;

/** As wheels spell it, or nothing where it is no exact version: `2.22.0-rc0` is `2.22.0rc0`, `2.15.0-post1` is `2.15.0.post1`. */
export function wheelVersion(version: string): string | undefined {
  const [, major, minor, patch, rest] = EXACT.exec(version) ?? [];
  if (major === undefined) return undefined;
  const suffix = rest?.replace('.', '') ?? '';
  return `${major}.${minor}.${patch}${suffix.startsWith('post') ? '.' : ''}${suffix}`;
}

/** Negative where the first is older. What is no version is older than all. */
export function compareVersions(one: string, other: string): number {
  const [left, right] = [ranks(one), ranks(other)];
  for (const [at, rank] of left.entries()) {
    const difference = rank - (right[at] ?? 0); // both have five ranks
    if (difference !== 0) return difference;
  }
  return 0;
}

function ranks(version: string): number[] {
  const [, major, minor, patch, rest] = EXACT.exec(version) ?? [];
  if (major === undefined) return [-1, 0, 0, 0, 0];
  const kind = rest === undefined ? 0 : rest.startsWith('rc') ? -1 : 1;
  return [Number(major), Number(minor), Number(patch), kind, Number(/\d+$/.exec(rest ?? '')?.[0] ?? 0)];
}
