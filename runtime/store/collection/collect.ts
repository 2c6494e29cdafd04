/**
 * Takes away what nothing needs, while others go on writing. `docs/store.md` has the protocol and why nothing that
 * anybody was promised can be lost by it.
 */
import { digestOf } from '../../../grammar/plan/canonical.ts';
import type { Bytes, Digest, Seconds } from '../../../grammar/plan/plan.ts';
import { MlpipeError } from '../../errors.ts';
import type { ContentFolder } from '../content.ts';
import { type FileSystem, hasCode } from '../filesystem.ts';
import { ENTRY, type PackEntry, type PackIndex, readIndex } from '../packs/pack.ts';
import type { PackFolder } from '../packs/packs.ts';
import type { ObjectSource } from '../source.ts';
import { closureOf } from './closure.ts';
import { alone, diskTime, livingSessions } from './sessions.ts';
import type { Trash } from './trash.ts';

export interface CollectOptions {
  /**
   * Everything that is needed, whether the store has it or not; what folders hold need not be named. Asked when it is
   * known who is writing, and once more when the objects are set aside.
   */
  roots: () => Promise<Iterable<Digest>>;
  /** What is younger stays. */
  grace: Seconds;
  /** What was set aside is deleted after so long. */
  keep?: Seconds;
  /** Deletes what nothing needs for good; only where nobody else is writing. */
  now?: boolean;
  dryRun?: boolean;
}

export interface Amount {
  objects: number;
  bytes: Bytes;
}

export interface Collection {
  needed: Amount;
  /** Needed by nothing, and younger than the grace or than somebody who is writing. */
  young: Amount;
  /** Needed by nothing and set aside now; with `now` deleted, with `dryRun` left. */
  collected: Amount;
  /** Out of what was set aside before. */
  deleted: Amount;
  /** Was set aside, and is needed after all. */
  restored: number;
  /** Packs that were written anew without what nothing needs. */
  rewritten: number;
}

/** What a collection works on. */
export interface Collected {
  store: string;
  files: FileSystem;
  objects: ContentFolder;
  packs: PackFolder;
  source: ObjectSource;
  trash: Trash;
}

const DAY: Seconds = 86_400;
export const KEEP_ASIDE: Seconds = 7 * DAY;
/** A pack of which nothing needs so large a share is written anew. */
const WASTE = 0.25;
/** Packs smaller than this are put together where there are many. */
const SMALL_PACK: Bytes = 8 * 2 ** 20;
const MANY_PACKS = 16;

/**
 * @throws MlpipeError `store-in-use` with `now` where somebody else is writing, `collection-unsure` where a folder that
 *   is needed is damaged, so that what it needs cannot be told
 */
export function collect(place: Collected, options: CollectOptions): Promise<Collection> {
  const work = () => new Collector(place, options).collect();
  return options.now && !options.dryRun && place.files.sharesKernel ? alone(place.store, work) : work();
}

class Collector {
  readonly #place: Collected;
  readonly #options: CollectOptions;
  readonly #now: bigint;
  /** When the oldest session began; now, where there is none. */
  readonly #oldest: bigint;
  /** What was changed later stays. */
  readonly #horizon: bigint;
  readonly #result: Collection = {
    needed: { objects: 0, bytes: 0 },
    young: { objects: 0, bytes: 0 },
    collected: { objects: 0, bytes: 0 },
    deleted: { objects: 0, bytes: 0 },
    restored: 0,
    rewritten: 0,
  };

  constructor(place: Collected, options: CollectOptions) {
    this.#place = place;
    this.#options = options;
    const { store, files } = place;
    // In this order: whoever ends between the two has written its record before the roots are read.
    this.#now = files.sharesKernel ? diskTime(store) : BigInt(Date.now()) * 1_000_000n;
    const began = files.sharesKernel ? livingSessions(store).map((session) => session.began) : [];
    this.#oldest = began.reduce((least, each) => (each < least ? each : least), this.#now);
    const graceful = this.#now - nanoseconds(options.grace);
    this.#horizon = graceful < this.#oldest ? graceful : this.#oldest;
  }

  async collect(): Promise<Collection> {
    const needed = await this.#needed();
    const epoch = this.#now / 1_000_000n;
    if (!this.#options.dryRun && !this.#options.now) this.#place.trash.begin(epoch);
    const aside = await this.#looseObjects(needed, epoch);
    aside.push(...(await this.#packed(needed, epoch)));
    if (this.#options.dryRun) return this.#result;
    if (this.#options.now) {
      await this.#emptyTrash(needed);
      return { ...this.#result, restored: this.#place.trash.restored };
    }
    this.#place.trash.end(epoch);
    // Whoever has come to rely on it meanwhile has it back.
    const later = await this.#needed();
    for (const digest of aside) if (later.has(digest)) this.#place.trash.restore(digest);
    await this.#emptyTrash(later);
    return { ...this.#result, restored: this.#place.trash.restored };
  }

  async #needed(): Promise<Set<Digest>> {
    const { files, source } = this.#place;
    return closureOf(files, source, await this.#options.roots());
  }

  /** @returns what was set aside */
  async #looseObjects(needed: ReadonlySet<Digest>, epoch: bigint): Promise<Digest[]> {
    const { files, objects, trash } = this.#place;
    const aside: Digest[] = [];
    let steps = 0;
    for (const name of objects.names()) {
      if (!('digest' in name)) continue;
      const { digest } = name;
      const status = files.status(objects.path(digest));
      if (!status) continue;
      if (needed.has(digest)) add(this.#result.needed, status.bytes);
      else if (status.changed >= this.#horizon) add(this.#result.young, status.bytes);
      else {
        add(this.#result.collected, status.bytes);
        aside.push(digest);
        if (this.#options.dryRun) continue;
        if (this.#options.now) this.#delete(objects.path(digest));
        else trash.takeObject(epoch, digest);
      }
      steps += 1;
      if (steps % 256 === 0) await new Promise((resume) => setImmediate(resume));
    }
    return aside;
  }

  async #packed(needed: ReadonlySet<Digest>, epoch: bigint): Promise<Digest[]> {
    const { files, packs } = this.#place;
    const aside: Digest[] = [];
    const rewrite: { name: string; path: string; kept: PackEntry[] }[] = [];
    const small: typeof rewrite = [];
    for (const { name, path, index } of packs.all()) {
      const status = files.status(path);
      if (index === undefined || status === undefined) continue;
      const { kept, left } = divide(index, needed);
      const wasted = left.reduce((sum, { bytes }) => sum + bytes + ENTRY, 0);
      for (const { bytes } of kept) add(this.#result.needed, bytes);
      const isYoung = status.changed >= this.#horizon;
      const worthIt = left.length > 0 && (this.#options.now || kept.length === 0 || wasted >= WASTE * status.bytes);
      for (const { bytes } of left) add(!isYoung && worthIt ? this.#result.collected : this.#result.young, bytes);
      if (isYoung) continue;
      if (worthIt) {
        rewrite.push({ name, path, kept });
        aside.push(...left.map(({ digest }) => digest));
      } else if (status.bytes < SMALL_PACK) small.push({ name, path, kept: [...kept, ...left] });
    }
    if (small.length > MANY_PACKS) rewrite.push(...small);
    if (!this.#options.dryRun) await this.#rewrite(rewrite, epoch);
    return aside;
  }

  /** New packs are on the disk, names and all, before the old ones go. */
  async #rewrite(old: readonly { name: string; path: string; kept: PackEntry[] }[], epoch: bigint): Promise<void> {
    if (old.length === 0) return;
    const { files, packs, trash } = this.#place;
    const replaced: string[] = [];
    let writer = packs.begin();
    const written: ReturnType<typeof writer.finish>[] = [];
    try {
      for (const { name, path, kept } of old) {
        const contents = kept.map((entry) => ({ ...entry, content: files.readPart(path, entry.offset, entry.bytes) }));
        // What is damaged is for `verify` to tell; nothing is lost by leaving it where it is.
        if (contents.some(({ digest, content }) => digestOf(content) !== digest)) continue;
        for (const { digest, content } of contents) {
          writer.add(digest, content);
          if (!writer.isFull) continue;
          written.push(writer.finish());
          writer = packs.begin();
        }
        replaced.push(name);
        await new Promise((resume) => setImmediate(resume));
      }
      written.push(writer.finish());
    } catch (error) {
      packs.discard([...written, { temporary: writer.abandon() }]);
      throw error;
    }
    const [full, empty] = [
      written.filter(({ objects }) => objects > 0),
      written.filter(({ objects }) => objects === 0),
    ];
    packs.discard(empty);
    packs.publish(full);
    const names = new Set(full.map(({ name }) => name));
    for (const name of replaced) {
      // The same objects in the same order give the same pack.
      if (names.has(name)) continue;
      if (this.#options.now) this.#delete(packs.path(name));
      else trash.takePack(epoch, name);
    }
    packs.forget();
    this.#result.rewritten += full.length;
  }

  async #emptyTrash(needed: ReadonlySet<Digest>): Promise<void> {
    const { files, trash } = this.#place;
    const keep = nanoseconds(this.#options.now ? 0 : (this.#options.keep ?? KEEP_ASIDE));
    for (const epoch of trash.epochs()) {
      if (!this.#options.now) {
        const ended = trash.ended(epoch);
        // Of a collection that was killed the time runs from now on.
        if (ended === undefined) trash.end(epoch);
        // Whoever began before it was set aside may rely on it, and has not yet said so.
        if (trash.packsOf(epoch).length + trash.objectsOf(epoch).length === 0) trash.remove(epoch);
        if (ended === undefined || ended >= this.#oldest - keep) continue;
      }
      for (const digest of trash.objectsOf(epoch)) {
        if (needed.has(digest)) {
          trash.restore(digest);
          continue;
        }
        const path = trash.objectPath(epoch, digest);
        add(this.#result.deleted, files.status(path)?.bytes ?? 0);
        this.#delete(path);
      }
      for (const name of trash.packsOf(epoch)) this.#deletePack(epoch, name, needed);
      trash.remove(epoch);
      await new Promise((resume) => setImmediate(resume));
    }
  }

  #deletePack(epoch: bigint, name: string, needed: ReadonlySet<Digest>): void {
    const { files, trash, source } = this.#place;
    const path = trash.packPath(epoch, name);
    const index = readIndex(files, path, name);
    for (const { digest } of index?.entries() ?? []) {
      if (!needed.has(digest) || source.locate(digest)) continue;
      trash.restore(digest);
      return;
    }
    for (const { bytes } of index?.entries() ?? []) add(this.#result.deleted, bytes);
    this.#delete(path);
  }

  #delete(path: string): void {
    try {
      this.#place.files.unlink(path);
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return;
      throw new MlpipeError(`${path} cannot be deleted: ${error instanceof Error ? error.message : String(error)}.`, {
        code: 'store-unwritable',
        todo: 'Give yourself the right to delete it; what was collected before is gone.',
        cause: error,
      });
    }
  }
}

function divide(index: PackIndex, needed: ReadonlySet<Digest>): { kept: PackEntry[]; left: PackEntry[] } {
  const [kept, left]: [PackEntry[], PackEntry[]] = [[], []];
  for (const entry of index.entries()) (needed.has(entry.digest) ? kept : left).push(entry);
  return { kept, left };
}

function add(amount: Amount, bytes: Bytes): void {
  amount.objects += 1;
  amount.bytes += bytes;
}

function nanoseconds(seconds: Seconds): bigint {
  return BigInt(Math.round(seconds * 1000)) * 1_000_000n;
}
