/** What of a remote is needed by a set of objects: themselves and what folders among them hold, wherever it lies. */
import { digestOf } from '../../../../grammar/plan/canonical.ts';
import type { Bytes, Digest } from '../../../../grammar/plan/plan.ts';
import { MlpipeError } from '../../../errors.ts';
import { looksLikeManifest, MANIFEST_BEGINNING } from '../../manifest.ts';
import type { ObjectSource } from '../../source.ts';
import type { PackBook } from '../book.ts';
import { readSmall } from '../catalogue.ts';
import { inParallel } from '../concurrency.ts';
import { isDamage, remoteFailure } from '../failure.ts';
import { nameOf, parseName } from '../names.ts';
import { type Named, namedIn } from '../outgoing.ts';
import { blobsIn, type PackIndex } from '../pack-format.ts';
import { readRange } from '../ranges.ts';
import { spanAt } from '../receive-packed.ts';
import { readRecipe } from '../recipes.ts';
import type { Line } from '../transfer.ts';

/** No manifest is larger. */
const LARGEST = 4 * 2 ** 20;

/** A remote as it was when it was listed. */
export interface Listing {
  line: Line;
  /** Of everything that may be collected. */
  files: ReadonlyMap<string, Bytes>;
  book: PackBook;
}

export class Needs {
  readonly #listing: Listing;
  readonly #source: ObjectSource;
  readonly #needed = new Set<Digest>();
  #packs: ReadonlySet<string> | undefined;

  /** @param source what lies here need not be asked for there */
  constructor(listing: Listing, source: ObjectSource) {
    this.#listing = listing;
    this.#source = source;
  }

  /**
   * Needs these, and all that they name.
   *
   * @returns whether all of it is there
   * @throws MlpipeError `collection-unsure` where a folder is damaged
   */
  async add(roots: Iterable<Digest>): Promise<boolean> {
    const { line } = this.#listing;
    let whole = true;
    // Only what was asked for and parts may be folders: the files of a folder never are.
    for (let round = this.#unseen(roots); round.length > 0; ) {
      const parts: Digest[] = [];
      await inParallel(
        round,
        line.pace,
        async (digest, signal) => {
          if (!this.#isThere(digest)) whole = false;
          const named = await this.#namedBy(digest, signal);
          for (const file of named?.files ?? []) {
            this.#needed.add(file.digest);
            if (!this.#isThere(file.digest)) whole = false;
          }
          parts.push(...(named?.parts ?? []));
        },
        line.signal,
      );
      round = this.#unseen(parts);
    }
    this.#packs = undefined;
    return whole;
  }

  /** Finds out which packs are needed, after which `has` can be asked. */
  async settle(): Promise<void> {
    const { book, files, line } = this.#listing;
    const names = new Set<string>();
    const parts = new Set<Digest>();
    const recipes = [...this.#needed].filter((digest) => files.has(nameOf('recipes', digest)));
    await inParallel(
      recipes,
      line.pace,
      async (digest, signal) => {
        const recipe = await readRecipe(line, digest, signal);
        if (recipe === 'wrong') throw unsure(line, `The recipe of ${digest} is damaged.`);
        if (recipe !== 'absent') for (const { pack } of recipe.spans) parts.add(pack);
      },
      line.signal,
    );
    for (const pack of parts) names.add(nameOf('packs', pack));
    const told = new Set<Digest>();
    for (const { index, digest } of book.packs()) {
      told.add(index.pack);
      const needed = index.holds === 'chunks' ? parts.has(index.pack) : this.#holdsNeeded(index);
      if (!needed) continue;
      names.add(nameOf('packs', index.pack));
      names.add(nameOf('pack-indexes', digest));
    }
    // What lies in a pack whose index cannot be read nobody can tell.
    if (book.unreadable.size > 0) {
      for (const digest of book.unreadable) names.add(nameOf('pack-indexes', digest));
      for (const name of files.keys()) {
        const parsed = parseName(name);
        if (parsed?.room === 'packs' && !told.has(parsed.digest)) names.add(name);
      }
    }
    this.#packs = names;
  }

  /** @param name of a file that was listed */
  has(name: string): boolean {
    if (this.#packs === undefined) throw new Error('Which packs are needed is not known yet.');
    const parsed = parseName(name);
    if (parsed === undefined) return true;
    const { room, digest } = parsed;
    return room === 'packs' || room === 'pack-indexes' ? this.#packs.has(name) : this.#needed.has(digest);
  }

  #holdsNeeded(index: PackIndex): boolean {
    for (const { digest } of blobsIn(index)) if (this.#needed.has(digest)) return true;
    return false;
  }

  #unseen(digests: Iterable<Digest>): Digest[] {
    const unseen: Digest[] = [];
    for (const digest of digests) {
      if (this.#needed.has(digest)) continue;
      this.#needed.add(digest);
      unseen.push(digest);
    }
    return unseen;
  }

  #isThere(digest: Digest): boolean {
    const { files } = this.#listing;
    return (
      files.has(nameOf('objects', digest)) || files.has(nameOf('recipes', digest)) || this.#inPack(digest) !== undefined
    );
  }

  #inPack(digest: Digest) {
    const { book, files } = this.#listing;
    const place = book.object(digest);
    return place && files.has(nameOf('packs', place.in.index.pack)) ? place : undefined;
  }

  /** What a folder names; nothing for a file, and for what is nowhere. */
  async #namedBy(digest: Digest, signal: AbortSignal): Promise<Named | undefined> {
    const here = this.#contentHere(digest);
    if (here !== undefined) return namedIn(here);
    const { line, files } = this.#listing;
    const name = nameOf('objects', digest);
    const bytes = files.get(name);
    const place = this.#inPack(digest);
    const mayBe = (size: Bytes) => size > MANIFEST_BEGINNING.length && size <= LARGEST;
    let content: Buffer | undefined;
    try {
      if (bytes !== undefined && mayBe(bytes)) content = await readSmall(line, name, LARGEST, signal);
      else if (bytes === undefined && place && mayBe(place.bytes))
        content = await readRange(line, spanAt(place), signal);
    } catch (error) {
      if (signal.aborted) throw error;
      if (isDamage(error)) throw unsure(line, `The object ${digest} is damaged.`);
      throw remoteFailure(line.driver.address, `the object ${digest}`, error);
    }
    if (content === undefined) return undefined;
    // One whose beginning is damaged would look like a file.
    if (digestOf(content) !== digest) throw unsure(line, `The object ${digest} is damaged.`);
    return looksLikeManifest(content) ? namedIn(content) : undefined;
  }

  /** Nothing where it is not here, or not whole. */
  #contentHere(digest: Digest): Buffer | undefined {
    const bytes = this.#source.size(digest);
    if (bytes === undefined) return undefined;
    if (bytes > LARGEST) return EMPTY;
    const content = this.#source.read(digest)?.content;
    return content && digestOf(content) === digest ? content : undefined;
  }
}

/** Of what is too large for a folder's list. */
const EMPTY = Buffer.alloc(0);

function unsure(line: Line, why: string): MlpipeError {
  return new MlpipeError(`${why} What it needs on ${line.driver.address} cannot be told.`, {
    code: 'collection-unsure',
    todo: 'Nothing was collected. Who has it whole mends it with `mlpipe push --repair`.',
  });
}
