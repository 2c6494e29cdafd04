/** How a file is known again without reading it. */
import type { BigIntStats } from 'node:fs';

/** Equal identities mean equal content, unless the file was written within one tick of the clock (see `isSettled`). */
export interface FileIdentity {
  device: bigint;
  inode: bigint;
  /** Nanoseconds since 1970. */
  modified: bigint;
  /** Nanoseconds since 1970. Unlike `modified`, no program can set it back. */
  changed: bigint;
  bytes: bigint;
}

export function identityOf(stats: BigIntStats): FileIdentity {
  return {
    device: stats.dev,
    inode: stats.ino,
    modified: stats.mtimeNs,
    changed: stats.ctimeNs,
    bytes: stats.size,
  };
}

export function sameIdentity(one: FileIdentity, other: FileIdentity): boolean {
  return (
    one.inode === other.inode &&
    one.modified === other.modified &&
    one.changed === other.changed &&
    one.bytes === other.bytes &&
    one.device === other.device
  );
}

/**
 * Whether a file was left alone between two looks. Unlike `sameIdentity` it allows for a change of the file's names or
 * rights, which another checkout of the same object makes at any time.
 */
export function isUntouched(before: FileIdentity, after: FileIdentity): boolean {
  return (
    before.inode === after.inode &&
    before.device === after.device &&
    before.modified === after.modified &&
    before.bytes === after.bytes
  );
}

/** Kernels stamp files by a clock that ticks every 1 to 10 ms. */
const TICK = 20_000_000n;
/** FAT and old network file systems keep whole, or even, seconds. */
const COARSE_TICK = 2_000_000_000n;

/**
 * Git's racily-clean rule: a file that was written in the very tick in which it is read may be written again without
 * its times changing, so what was read then must not be remembered.
 *
 * @param readAt nanoseconds since 1970, taken before the first byte was read
 */
export function isSettled(identity: FileIdentity, readAt: bigint): boolean {
  const tick = identity.modified % 1_000_000_000n === 0n ? COARSE_TICK : TICK;
  return identity.modified < readAt - tick && identity.changed < readAt - tick;
}

/** Now, in nanoseconds since 1970, by the clock that stamps files. */
export function now(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}
