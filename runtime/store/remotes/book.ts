/** What packs a remote has: their indexes, listed anew each time and kept here, as what has a digest for its name never changes. */
import { digestOf } from '../../../grammar/plan/canonical.ts';
import type { Digest } from '../../../grammar/plan/plan.ts';
import { inParallel } from './concurrency.ts';
import { DigestTable, type KnownPack, type Place } from './digest-table.ts';
import { remoteFailure } from './failure.ts';
import { cacheFolder, keep, readKept } from './kept.ts';
import { INDEXES, nameOf, parseName } from './names.ts';
import { type PackIndex, parseIndex } from './pack-format.ts';
import { readDescription } from './ranges.ts';
import type { Line } from './transfer.ts';

export class PackBook {
  readonly #line: Line;
  readonly #cache: string;
  readonly #known = new Map<Digest, KnownPack>();
  readonly #objects = new DigestTable();
  readonly #chunks = new DigestTable();
  readonly #there = new Map<Digest, Promise<boolean>>();
  #listed: Promise<void> | undefined;
  /** Indexes whose bytes are wrong. */
  readonly unreadable = new Set<Digest>();
  /** These, and packs that are not what they should be: whoever sends one again replaces it. */
  readonly damaged = new Set<Digest>();

  /** @param store the `.mlpipe` folder, in which copies of indexes are kept */
  constructor(store: string, line: Line) {
    this.#line = line;
    this.#cache = cacheFolder(store, 'pack-indexes');
  }

  /** Gets to know every index that the remote lists. A listing may be old: then something is sent twice. */
  loadAll(): Promise<void> {
    this.#listed ??= this.#loadAll();
    return this.#listed;
  }

  async #loadAll(): Promise<void> {
    const { driver, signal } = this.#line;
    if (!driver.abilities.list) return;
    const digests: Digest[] = [];
    try {
      await this.#line.attempt(async (guard) => {
        digests.length = 0;
        for await (const { name } of driver.list(INDEXES, guard.signal)) {
          guard.alive();
          const parsed = parseName(name);
          if (parsed?.room === 'pack-indexes') digests.push(parsed.digest);
        }
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw remoteFailure(driver.address, 'the list of its packs', error);
    }
    await this.load(digests);
  }

  /** Gets to know these; one that is not there, or holds wrong bytes, stays unknown. */
  async load(digests: readonly Digest[]): Promise<void> {
    const { pace, signal } = this.#line;
    const absent = [...new Set(digests)].filter((digest) => {
      if (this.#known.has(digest)) return false;
      const kept = this.#kept(digest);
      if (kept) this.add(kept, digest);
      return kept === undefined;
    });
    await inParallel(
      absent,
      pace,
      async (digest, inner) => {
        let content: Buffer | undefined;
        const found = await readDescription(this.#line, nameOf('pack-indexes', digest), inner, (bytes) => {
          content = bytes;
          return digestOf(bytes) === digest ? parseIndex(bytes) : undefined;
        });
        if (found === 'wrong') {
          this.unreadable.add(digest);
          this.damaged.add(digest);
        } else if (found !== 'absent' && content) {
          this.add(found, digest);
          keep(this.#cache, digest.slice('sha256:'.length), content);
        }
      },
      signal,
    );
  }

  add(index: PackIndex, digest: Digest): void {
    const table = index.holds === 'objects' ? this.#objects : this.#chunks;
    this.#known.set(digest, table.add(index, digest));
  }

  /** Where a whole object lies, of which it is not known whether that pack is still there. */
  object(digest: Digest): Place | undefined {
    return this.#objects.find(digest);
  }

  /** Where these bytes lie in a pack that is there, be they an object or a chunk of one. */
  async blob(digest: Digest): Promise<Place | undefined> {
    return (await this.#certain(this.#chunks, digest)) ?? (await this.#certain(this.#objects, digest));
  }

  /** Where a whole object lies in a pack that is there. */
  async certainObject(digest: Digest): Promise<Place | undefined> {
    return this.#certain(this.#objects, digest);
  }

  async #certain(table: DigestTable, digest: Digest): Promise<Place | undefined> {
    for (let place = table.find(digest); place; place = table.find(digest)) {
      if (await this.#isThere(place.in)) return place;
      this.forget(place.in);
    }
    return undefined;
  }

  /** A listing, or the copy of an index, may be older than what has become of the pack. One question for each. */
  #isThere({ index: { pack, bytes } }: KnownPack): Promise<boolean> {
    const asked = this.#there.get(pack) ?? this.#sizeOf(pack).then((size) => size === bytes);
    this.#there.set(pack, asked);
    return asked;
  }

  async #sizeOf(pack: Digest): Promise<number | undefined> {
    const { driver, signal } = this.#line;
    try {
      return await this.#line.attempt((guard) => driver.head(nameOf('packs', pack), guard.signal));
    } catch (error) {
      if (signal?.aborted) throw error;
      throw remoteFailure(driver.address, `the pack ${pack}`, error);
    }
  }

  /** Was sent just now, or mended. */
  isThereNow(pack: Digest): void {
    this.#there.set(pack, Promise.resolve(true));
  }

  /** Passes over a pack that is not what its index says. */
  forget(known: KnownPack): void {
    known.gone = true;
    this.damaged.add(known.index.pack);
  }

  /** Those of whole objects. */
  get objectIndexes(): Digest[] {
    return [...this.#known]
      .filter(([, { gone, index }]) => !gone && index.holds === 'objects')
      .map(([digest]) => digest);
  }

  /** Every pack of which something is said. */
  packs(): Iterable<KnownPack> {
    return this.#known.values();
  }

  /** What is said of a pack. */
  ofPack(pack: Digest): KnownPack | undefined {
    return [...this.#known.values()].find((known) => known.index.pack === pack);
  }

  #kept(digest: Digest): PackIndex | undefined {
    const content = readKept(this.#cache, digest.slice('sha256:'.length));
    return content && digestOf(content) === digest ? parseIndex(content) : undefined;
  }
}
