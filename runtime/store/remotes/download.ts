/**
 * Fetches objects with everything that they name. A folder's manifest gets its name in the store only after its files
 * have theirs, as in every other write: a store never has half a folder.
 */
import fs from 'node:fs';
import type { Bytes, Digest } from '../../../grammar/plan/plan.ts';
import { beginSession } from '../collection/sessions.ts';
import { BULK, type Staged } from '../content.ts';
import { looksLikeManifest } from '../manifest.ts';
import type { ObjectSource } from '../source.ts';
import { Arrivals } from './arrivals.ts';
import { PackBook } from './book.ts';
import { inParallel } from './concurrency.ts';
import type { KnownPack } from './digest-table.ts';
import { corruptOnRemote } from './failure.ts';
import { type Held, heldByLevel } from './held.ts';
import { LocalSpans } from './local-spans.ts';
import { nameOf } from './names.ts';
import { type Named, namedIn, objectsOf } from './outgoing.ts';
import { parseMembers } from './pack-format.ts';
import { readDescription } from './ranges.ts';
import { receiveObject } from './receive.ts';
import { type PackedWish, receivePacked, spanAt } from './receive-packed.ts';
import type { Line, Progress } from './transfer.ts';

/** A manifest is never larger. */
const LARGEST_MANIFEST = 4 * 2 ** 20;

export interface Fetched {
  objects: number;
  bytes: Bytes;
  /** Were here already. */
  present: number;
  /** Of what was asked for or is named by it: what the remote does not have. */
  missing: Set<Digest>;
}

/** @param store the `.mlpipe` folder */
export async function fetchObjects(
  store: string,
  roots: readonly Digest[],
  line: Line,
  progress: Progress,
): Promise<Fetched> {
  // What has arrived is named by something only when all of it has.
  const session = beginSession(store);
  const download = new Download(store, line, progress);
  try {
    const fetched = await download.all(roots);
    session.require();
    return fetched;
  } finally {
    download.discard();
    session.end();
  }
}

interface Wanted {
  digest: Digest;
  bytes?: Bytes;
}

interface Absent {
  wanted: Wanted;
  /** May be one; what a folder names as a file is none. */
  folder: boolean;
  /** Is here, and was written into since it was stored. */
  meddled: boolean;
}

class Download {
  readonly #store: string;
  readonly #line: Line;
  readonly #progress: Progress;
  readonly #source: ObjectSource;
  readonly #arrivals: Arrivals;
  readonly #localSpans: LocalSpans;
  /** Nothing where the remote has no packs. */
  readonly #book: PackBook | undefined;
  /** Manifests that wait for what they name. */
  readonly #held = new Map<Digest, Held>();
  readonly #missing = new Set<Digest>();
  /** Are in the store, or wait for their names: a question of the disk for each of many files takes its time. */
  readonly #here = new Set<Digest>();
  /** Did not come out right of their packs. */
  readonly #wrong = new Set<Digest>();
  #objectsFetched = 0;
  #bytes = 0;
  #present = 0;

  constructor(store: string, line: Line, progress: Progress) {
    this.#store = store;
    this.#line = line;
    this.#progress = progress;
    this.#source = objectsOf(store);
    this.#arrivals = new Arrivals(store);
    this.#localSpans = new LocalSpans(store, this.#source);
    this.#book = line.chunking === undefined ? undefined : new PackBook(store, line);
  }

  async all(roots: readonly Digest[]): Promise<Fetched> {
    const seen = new Set<Digest>();
    let round: Wanted[] = roots.map((digest) => ({ digest }));
    let root = true;
    // Files among them are files for certain; only what was asked for by name and parts may be folders.
    for (let next: { folders: Wanted[]; files: Wanted[] } = { folders: round, files: [] }; ; ) {
      round = unseen(next.folders, seen);
      const files = unseen(next.files, seen);
      if (round.length + files.length === 0) break;
      next = await this.#fetchRound(round, files);
      if (root) await this.#learn(this.#foldersThatLack(round));
      root = false;
    }
    this.#arrivals.publish();
    const isHere = (digest: Digest) => this.#here.has(digest) || this.#source.has(digest);
    const { levels, lacking } = heldByLevel(this.#held, isHere);
    for (const digest of lacking) this.#missing.add(digest);
    for (const level of levels) {
      for (const { digest } of level) this.#held.delete(digest);
      this.#arrivals.publishFiles(level);
    }
    return {
      objects: this.#objectsFetched,
      bytes: this.#bytes,
      present: this.#present,
      missing: this.#missing,
    };
  }

  /** Of these, folders with something in them that is not here. */
  #foldersThatLack(wanted: readonly Wanted[]): Digest[] {
    const lacks = (digest: Digest) => !this.#source.has(digest);
    return wanted
      .map(({ digest }) => digest)
      .filter((digest) => {
        const named = this.#held.get(digest)?.named ?? (lacks(digest) ? undefined : namedIn(this.#source.head(digest)));
        return named !== undefined && (named.parts.length > 0 || named.files.some((file) => lacks(file.digest)));
      });
  }

  discard(): void {
    this.#arrivals.discard([...this.#held.values()].map(({ staged }) => staged));
  }

  async #fetchRound(folders: readonly Wanted[], files: readonly Wanted[]) {
    const next: { folders: Wanted[]; files: Wanted[] } = { folders: [], files: [] };
    const goOn = (named: Named): void => {
      next.folders.push(...named.parts.map((digest) => ({ digest })));
      next.files.push(...named.files);
    };
    const absent: Absent[] = [];
    for (const [list, folder] of [
      [folders, true],
      [files, false],
    ] as const) {
      for (const wanted of list) {
        const here = this.#source.locate(wanted.digest);
        if (here && !here.meddled) {
          this.#present += 1;
          this.#here.add(wanted.digest);
          const named = folder ? namedIn(this.#source.head(wanted.digest)) : undefined;
          if (named) goOn(named);
        } else absent.push({ wanted, folder, meddled: here !== undefined });
      }
    }
    this.#progress.begin(
      'objects',
      this.#progress.objectsTotal + absent.length,
      this.#progress.bytesTotal + absent.reduce((sum, { wanted }) => sum + (wanted.bytes ?? 0), 0),
    );
    const loose = await this.#fetchPacked(absent, goOn);
    const lacking = await this.#fetchLoose(loose, goOn);
    // Where the packs are that hold them nothing has told; a listing does.
    const lost = lacking.length > 0 && this.#book ? await this.#fetchListed(lacking, goOn) : lacking;
    for (const { wanted } of lost) this.#missing.add(wanted.digest);
    return next;
  }

  /** Whatever lies in packs of which we know. Answers the rest. */
  async #fetchPacked(absent: readonly Absent[], goOn: (named: Named) => void): Promise<Absent[]> {
    const [packed, loose] = [[] as PackedWish<Absent & { in: KnownPack }>[], [] as Absent[]];
    for (const each of absent) {
      const place = this.#book?.object(each.wanted.digest);
      if (place) packed.push({ digest: each.wanted.digest, item: { ...each, in: place.in }, ...spanAt(place) });
      else loose.push(each);
    }
    const toPacks = packed.length > BULK;
    const left = await receivePacked(packed, this.#line, ({ item, digest }, content) => {
      this.#progress.bytes += content.length;
      this.#progress.tell();
      // What is here and was written into is replaced by a file of its own, which is looked for first.
      if (toPacks && !item.folder && Arrivals.isSmall(content) && !item.meddled) {
        this.#count(content.length);
        this.#here.add(digest);
        this.#arrivals.addToPack(digest, content);
        return;
      }
      const named = this.#arrived(
        this.#arrivals.stage(digest, content),
        content.length,
        item.folder ? content : undefined,
      );
      if (named) goOn(named);
    });
    for (const { wish, why } of left) {
      if (why === 'gone') this.#book?.forget(wish.item.in);
      else this.#wrong.add(wish.digest);
    }
    return [...loose, ...left.map(({ wish }) => wish.item)];
  }

  /** Each by itself. Answers those that the remote does not have so. */
  async #fetchLoose(absent: readonly Absent[], goOn: (named: Named) => void): Promise<Absent[]> {
    const lacking: Absent[] = [];
    await inParallel(
      absent,
      this.#line.pace,
      async (each, signal) => {
        const { digest, bytes } = each.wanted;
        const onBytes = (count: Bytes) => {
          this.#progress.bytes += count;
          this.#progress.tell();
        };
        const staged = await receiveObject(this.#store, digest, bytes, this.#line, signal, onBytes, this.#localSpans);
        if (staged === undefined) {
          lacking.push(each);
          return;
        }
        const size = fs.statSync(staged.temporary).size;
        const mayBeFolder = each.folder && size <= LARGEST_MANIFEST;
        const named = this.#arrived(staged, size, mayBeFolder ? fs.readFileSync(staged.temporary) : undefined);
        if (named) goOn(named);
      },
      this.#line.signal,
    );
    return lacking;
  }

  async #fetchListed(lacking: readonly Absent[], goOn: (named: Named) => void): Promise<Absent[]> {
    await this.#book?.loadAll();
    const lost = await this.#fetchPacked(lacking, goOn);
    const { address } = this.#line.driver;
    const wrong = lost.find(({ wanted }) => this.#wrong.has(wanted.digest));
    if (wrong) throw corruptOnRemote(address, `the object ${wrong.wanted.digest}`, 'its pack is damaged');
    const [first] = lost;
    const [unreadable] = this.#book?.unreadable ?? [];
    // What lies in a pack whose index is damaged nobody can tell; so what is lacking may well be there.
    if (first && unreadable) {
      throw corruptOnRemote(address, `the index ${unreadable}`, `it should tell where ${first.wanted.digest} lies`);
    }
    return lost;
  }

  /** Before what a folder names is asked for: which packs hold it. Nothing is lost where that cannot be read. */
  async #learn(folders: readonly Digest[]): Promise<void> {
    const book = this.#book;
    if (book === undefined) return;
    const indexes = new Set<Digest>();
    await inParallel(
      folders,
      this.#line.pace,
      async (folder, signal) => {
        const found = await readDescription(this.#line, nameOf('members', folder), signal, (content) =>
          parseMembers(content, folder),
        );
        if (typeof found !== 'string') for (const index of found) indexes.add(index);
      },
      this.#line.signal,
    );
    await book.load([...indexes]);
  }

  #count(size: Bytes): void {
    this.#objectsFetched += 1;
    this.#bytes += size;
    this.#progress.objects += 1;
  }

  /** @param content where it may be a folder */
  #arrived(staged: Staged, size: Bytes, content: Buffer | undefined): Named | undefined {
    this.#count(size);
    const named = content && looksLikeManifest(content) ? namedIn(content) : undefined;
    if (named) {
      this.#held.set(staged.digest, { staged, named });
      return named;
    }
    this.#here.add(staged.digest);
    this.#arrivals.addFile(staged, size);
    return undefined;
  }
}

function unseen(wanted: readonly Wanted[], seen: Set<Digest>): Wanted[] {
  return wanted.filter(({ digest }) => {
    if (seen.has(digest)) return false;
    seen.add(digest);
    return true;
  });
}
