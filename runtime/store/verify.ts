/** Reads every object again. */
import { digestOf } from '../../grammar/plan/canonical.ts';
import type { Digest } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import type { ContentFolder } from './content.ts';
import type { FileSystem } from './filesystem.ts';
import { looksLikeManifest, parseManifest } from './manifest.ts';
import type { PackEntry } from './packs/pack.ts';
import type { PackFolder } from './packs/packs.ts';
import type { ObjectSource } from './source.ts';
import type { StoreProblem, StoreVerification } from './store.ts';
import { hashFile } from './work.ts';

/** So much of a pack is read at once, unless one object is larger. */
const PIECE = 4 * 2 ** 20;

/** Objects of any size are read in pieces; a folder's files are looked for, too. */
export async function verifyObjects(
  files: FileSystem,
  objects: ContentFolder,
  packs: PackFolder,
  source: ObjectSource,
): Promise<StoreVerification> {
  const check = new Check();
  for (const name of objects.names()) {
    if (!('digest' in name)) continue;
    const { digest } = name;
    try {
      const head = source.head(digest);
      const whole = hashFile(objects.path(digest)).digest === digest;
      check.saw(digest, source.size(digest) ?? 0, whole, head && looksLikeManifest(head) ? head : undefined);
    } catch (error) {
      if (!(error instanceof MlpipeError)) throw error;
      check.problem({ digest, problem: 'unreadable' });
    }
    await check.pause();
  }
  for (const { name, path, index } of packs.all()) {
    if (index === undefined) {
      check.problem({ digest: `sha256:${name}`, problem: 'pack', path });
      continue;
    }
    for (const entries of pieces(index.entries())) {
      const [begin, end] = extent(entries);
      const content = files.readPart(path, begin, end - begin);
      for (const { digest, offset, bytes } of entries) {
        const part = content.subarray(offset - begin, offset - begin + bytes);
        check.saw(digest, bytes, digestOf(part) === digest, looksLikeManifest(part) ? part : undefined);
      }
      await check.pause();
    }
  }
  return check.result();
}

class Check {
  readonly #whole = new Set<Digest>();
  readonly #damaged = new Map<Digest, StoreProblem>();
  readonly #packs: StoreProblem[] = [];
  readonly #wanted = new Set<Digest>();
  #bytes = 0;
  #steps = 0;

  saw(digest: Digest, bytes: number, whole: boolean, manifest: Buffer | undefined): void {
    if (!whole) {
      this.problem({ digest, problem: 'corrupt' });
      return;
    }
    if (!this.#whole.has(digest)) this.#bytes += bytes;
    this.#whole.add(digest);
    const parsed = manifest && parseManifest(manifest);
    for (const part of parsed ? [...parsed.entries, ...parsed.parts] : []) {
      if ('digest' in part) this.#wanted.add(part.digest);
    }
  }

  problem(problem: StoreProblem): void {
    if (problem.problem === 'pack') this.#packs.push(problem);
    else this.#damaged.set(problem.digest, problem);
  }

  /** Lets others work in between. */
  async pause(): Promise<void> {
    this.#steps += 1;
    if (this.#steps % 64 === 0) await new Promise((resume) => setImmediate(resume));
  }

  result(): StoreVerification {
    // A damaged copy harms nobody whose reader finds a whole one first: only a file of its own comes before a pack.
    const problems = [...this.#damaged.values(), ...this.#packs];
    for (const digest of this.#wanted) {
      if (!this.#whole.has(digest) && !this.#damaged.has(digest)) problems.push({ digest, problem: 'missing' });
    }
    return { objects: new Set([...this.#whole, ...this.#damaged.keys()]).size, bytes: this.#bytes, problems };
  }
}

/** Neighbours in the file, so that it is read from its beginning to its end. */
function* pieces(entries: Iterable<PackEntry>): Generator<PackEntry[]> {
  let piece: PackEntry[] = [];
  for (const entry of [...entries].sort((one, other) => one.offset - other.offset)) {
    const begin = piece[0]?.offset ?? entry.offset;
    if (piece.length > 0 && entry.offset + entry.bytes - begin > PIECE) {
      yield piece;
      piece = [];
    }
    piece.push(entry);
  }
  if (piece.length > 0) yield piece;
}

function extent(entries: readonly PackEntry[]): [number, number] {
  const begin = entries[0]?.offset ?? 0;
  return [begin, entries.reduce((end, { offset, bytes }) => Math.max(end, offset + bytes), begin)];
}
