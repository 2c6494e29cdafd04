/** What of a remote is needed by a set of objects: themselves and what folders among them hold, wherever it lies. */
import { digestOf } from '../../../../grammar/plan/canonical.ts';
import type { Bytes, Digest } from '../../../../grammar/plan/plan.ts';
import { MlpipeError } from '../../../errors.ts';
import { looksLikeManifest, MANIFEST_BEGINNING } from '../../manifest.ts';
import type { ObjectSource } from '../../source.ts';
import type { PackBook } from '../book.ts';
import { readSmall } from '../catalogue.ts';
import { inParallel } from '../concurrency.ts';
import type { KnownPack } from '../digest-table.ts';
import { isDamage, remoteFailure } from '../failure.ts';
import { nameOf, parseName } from '../names.ts';
import { type Named, namedIn } from '../outgoing.ts';
import { blobsIn, type PackedBlob } from '../pack-format.ts';
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
  files: Map<string, Bytes>;
  book: PackBook;
}

export class Needs {
  readonly #listing: Listing;
  readonly #source: ObjectSource;
  readonly #needed = new Set<Digest>();
  /** Of folders and their parts: what they name. */
  readonly #named = new Map<Digest, Digest[]>();
  #packs: ReadonlySet<string> | undefined;
  /** By object: an index that says where it lies, of those that stay. Nothing for what is found by its own name. */
  readonly #cover = new Map<Digest, Digest>();

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
          if (named) this.#named.set(digest, [...named.parts, ...named.files.map((file) => file.digest)]);
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
    const { book, files } = this.#listing;
    const chunks = await this.#packsOfRecipes();
    const names = new Set([...chunks].map((pack) => nameOf('packs', pack)));
    const keep = ({ index, digest }: KnownPack) => {
      names.add(nameOf('packs', index.pack));
      names.add(nameOf('pack-indexes', digest));
    };
    this.#cover.clear();
    for (const { known, objects } of this.#objectPacks()) {
      const first = objects.filter(({ digest }) => !this.#cover.has(digest));
      for (const { digest } of first) this.#cover.set(digest, known.digest);
      if (first.length > 0) keep(known);
    }
    const told = new Set<Digest>();
    for (const known of book.packs()) {
      told.add(known.index.pack);
      if (known.index.holds === 'chunks' && chunks.has(known.index.pack)) keep(known);
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

  /** Packs of objects that stay, and what is needed of them. */
  *packs(): Generator<{ known: KnownPack; objects: PackedBlob[] }> {
    for (const { known, objects } of this.#objectPacks()) {
      const own = objects.filter(({ digest }) => this.#cover.get(digest) === known.digest);
      if (own.length > 0) yield { known, objects: own };
    }
  }

  /** Folders of which it is told on the remote where their files lie, with the indexes that say so from now on. */
  *folders(): Generator<{ folder: Digest; indexes: Set<Digest> }> {
    for (const folder of this.#named.keys()) {
      if (!this.#listing.files.has(nameOf('members', folder))) continue;
      const indexes = new Set<Digest>();
      const waiting = [folder];
      for (let digest = waiting.pop(); digest !== undefined; digest = waiting.pop()) {
        for (const inside of this.#named.get(digest) ?? []) {
          const index = this.#cover.get(inside);
          if (index !== undefined) indexes.add(index);
          if (this.#named.has(inside)) waiting.push(inside);
        }
      }
      yield { folder, indexes };
    }
  }

  async #packsOfRecipes(): Promise<Set<Digest>> {
    const { files, line } = this.#listing;
    const packs = new Set<Digest>();
    await inParallel(
      [...this.#needed].filter((digest) => files.has(nameOf('recipes', digest))),
      line.pace,
      async (digest, signal) => {
        const recipe = await readRecipe(line, digest, signal);
        if (recipe === 'wrong') throw unsure(line, `The recipe of ${digest} is damaged.`);
        if (recipe !== 'absent') for (const { pack } of recipe.spans) packs.add(pack);
      },
      line.signal,
    );
    return packs;
  }

  /** With what is needed of each and is nowhere by its own name; first those of which the largest part is needed. */
  #objectPacks(): { known: KnownPack; objects: PackedBlob[] }[] {
    const { book, files } = this.#listing;
    const found: { known: KnownPack; objects: PackedBlob[]; share: number }[] = [];
    for (const known of book.packs()) {
      const { index } = known;
      if (index.holds !== 'objects' || !files.has(nameOf('packs', index.pack))) continue;
      const objects = [...blobsIn(index)].filter(({ digest }) => this.#needed.has(digest) && !this.#hasOwnName(digest));
      const bytes = objects.reduce((sum, object) => sum + object.bytes, 0);
      if (objects.length > 0) found.push({ known, objects, share: bytes / Math.max(1, index.bytes) });
    }
    // Of equal ones the larger, into which others were put; in the same order every time, so that the same stay.
    return found.sort(
      (one, other) =>
        other.share - one.share ||
        other.known.index.bytes - one.known.index.bytes ||
        (one.known.digest < other.known.digest ? -1 : 1),
    );
  }

  /** @param name of a file that was listed */
  has(name: string): boolean {
    if (this.#packs === undefined) throw new Error('Which packs are needed is not known yet.');
    const parsed = parseName(name);
    if (parsed === undefined) return true;
    const { room, digest } = parsed;
    return room === 'packs' || room === 'pack-indexes' ? this.#packs.has(name) : this.#needed.has(digest);
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
    return this.#hasOwnName(digest) || this.#inPack(digest) !== undefined;
  }

  #hasOwnName(digest: Digest): boolean {
    const { files } = this.#listing;
    return files.has(nameOf('objects', digest)) || files.has(nameOf('recipes', digest));
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
