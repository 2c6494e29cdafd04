/** What became of files, on its way from one thread to another. */
import type { Staged } from './content.ts';
import type { StagedFile } from './work.ts';

/** Files as a thread hands them over: a structure for each would cost more than hashing it. */
export interface PackedFiles {
  /** 64 digits for each. */
  digests: string;
  /** Five numbers for each. */
  identities: BigInt64Array;
  /** Bits: may be remembered; is in a pack. */
  marks: Uint8Array;
  /** Of few, by their place. */
  staged: Map<number, Staged>;
}

const [SETTLED, PACKED] = [1, 2];

export function packFiles(files: readonly StagedFile[]): PackedFiles {
  const identities = new BigInt64Array(files.length * 5);
  const marks = new Uint8Array(files.length);
  const staged = new Map<number, Staged>();
  files.forEach((file, at) => {
    const { device, inode, modified, changed, bytes } = file.identity;
    identities.set([device, inode, modified, changed, bytes], at * 5);
    marks[at] = (file.settled ? SETTLED : 0) | (file.packed ? PACKED : 0);
    if (file.staged) staged.set(at, file.staged);
  });
  const digests = files.map(({ digest }) => digest.slice('sha256:'.length)).join('');
  return { digests, identities, marks, staged };
}

export function unpackFiles({ digests, identities, marks, staged }: PackedFiles): StagedFile[] {
  const number = (at: number) => BigInt.asUintN(64, identities[at] ?? 0n);
  return Array.from(marks, (mark, at): StagedFile => {
    const beside = staged.get(at);
    return {
      digest: `sha256:${digests.slice(at * 64, at * 64 + 64)}`,
      identity: {
        device: number(at * 5),
        inode: number(at * 5 + 1),
        modified: identities[at * 5 + 2] ?? 0n,
        changed: identities[at * 5 + 3] ?? 0n,
        bytes: number(at * 5 + 4),
      },
      settled: (mark & SETTLED) !== 0,
      ...((mark & PACKED) === 0 ? {} : { packed: true }),
      ...(beside ? { staged: beside } : {}),
    };
  });
}
