/**
 * Fetches objects with everything that they name. A folder's manifest gets its name in the store only after its files
 * have theirs, as in every other write: a store never has half a folder.
 */
import fs from 'node:fs';
import type { Bytes, Digest } from '../../../grammar/plan/plan.ts';
import type { ContentFolder, Staged } from '../content.ts';
import { nodeFileSystem } from '../filesystem.ts';
import { objectFolder } from '../layout.ts';
import { looksLikeManifest } from '../manifest.ts';
import type { ObjectSource } from '../source.ts';
import { inParallel } from './concurrency.ts';
import { type Named, namedIn, objectsOf } from './outgoing.ts';
import { receiveObject } from './receive.ts';
import type { Line, Progress } from './transfer.ts';

/** So many files, or so much, get their names together. */
const BATCH_FILES = 10_000;
const BATCH_BYTES = 2 ** 29;
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
  const download = new Download(store, line, progress);
  try {
    return await download.all(roots);
  } finally {
    download.discard();
  }
}

interface Wanted {
  digest: Digest;
  bytes?: Bytes;
}

class Download {
  readonly #store: string;
  readonly #line: Line;
  readonly #progress: Progress;
  readonly #source: ObjectSource;
  readonly #objects: ContentFolder;
  /** Manifests that wait for what they name. */
  readonly #held = new Map<Digest, { staged: Staged; named: Named }>();
  readonly #missing = new Set<Digest>();
  #batch: Staged[] = [];
  #batchBytes = 0;
  #objectsFetched = 0;
  #bytes = 0;
  #present = 0;

  constructor(store: string, line: Line, progress: Progress) {
    this.#store = store;
    this.#line = line;
    this.#progress = progress;
    this.#source = objectsOf(store);
    this.#objects = objectFolder(nodeFileSystem, store);
  }

  async all(roots: readonly Digest[]): Promise<Fetched> {
    const seen = new Set<Digest>();
    let round: Wanted[] = roots.map((digest) => ({ digest }));
    // Files among them are files for certain; only what was asked for by name and parts may be folders.
    for (let next: { folders: Wanted[]; files: Wanted[] } = { folders: round, files: [] }; ; ) {
      round = unseen(next.folders, seen);
      const files = unseen(next.files, seen);
      if (round.length + files.length === 0) break;
      next = await this.#fetchRound(round, files);
    }
    this.#publishBatch();
    this.#publishManifests();
    return {
      objects: this.#objectsFetched,
      bytes: this.#bytes,
      present: this.#present,
      missing: this.#missing,
    };
  }

  discard(): void {
    this.#objects.discard([...this.#batch, ...[...this.#held.values()].map(({ staged }) => staged)]);
  }

  async #fetchRound(folders: readonly Wanted[], files: readonly Wanted[]) {
    const next: { folders: Wanted[]; files: Wanted[] } = { folders: [], files: [] };
    const goOn = (named: Named): void => {
      next.folders.push(...named.parts.map((digest) => ({ digest })));
      next.files.push(...named.files);
    };
    const absent: { wanted: Wanted; folder: boolean }[] = [];
    for (const [list, folder] of [
      [folders, true],
      [files, false],
    ] as const) {
      for (const wanted of list) {
        if (this.#source.has(wanted.digest) && !this.#source.isMeddled(wanted.digest)) {
          this.#present += 1;
          const named = folder ? namedIn(this.#source.head(wanted.digest)) : undefined;
          if (named) goOn(named);
        } else absent.push({ wanted, folder });
      }
    }
    this.#progress.begin(
      'objects',
      this.#progress.objectsTotal + absent.length,
      this.#progress.bytesTotal + absent.reduce((sum, { wanted }) => sum + (wanted.bytes ?? 0), 0),
    );
    await inParallel(
      absent,
      this.#line.pace,
      async ({ wanted, folder }, signal) => {
        const named = await this.#fetchOne(wanted, folder, signal);
        if (named) goOn(named);
      },
      this.#line.signal,
    );
    return next;
  }

  async #fetchOne({ digest, bytes }: Wanted, folder: boolean, signal: AbortSignal): Promise<Named | undefined> {
    const staged = await receiveObject(this.#store, digest, bytes, this.#line, signal, (count) => {
      this.#progress.bytes += count;
      this.#progress.tell();
    });
    if (staged === undefined) {
      this.#missing.add(digest);
      return undefined;
    }
    const size = fs.statSync(staged.temporary).size;
    this.#objectsFetched += 1;
    this.#bytes += size;
    this.#progress.objects += 1;
    const content = folder && size <= LARGEST_MANIFEST ? fs.readFileSync(staged.temporary) : undefined;
    const named = content && looksLikeManifest(content) ? namedIn(content) : undefined;
    if (named) {
      this.#held.set(digest, { staged, named });
      return named;
    }
    this.#batch.push(staged);
    this.#batchBytes += size;
    if (this.#batch.length >= BATCH_FILES || this.#batchBytes >= BATCH_BYTES) this.#publishBatch();
    return undefined;
  }

  #publishBatch(): void {
    const batch = this.#batch;
    this.#batch = [];
    this.#batchBytes = 0;
    if (batch.length > 0) this.#objects.publish(batch);
  }

  /** Parts before what is made of them; a folder that lacks something does not get its name. */
  #publishManifests(): void {
    const done = new Map<Digest, boolean>();
    const visit = (digest: Digest): boolean => {
      const known = done.get(digest);
      if (known !== undefined) return known;
      const held = this.#held.get(digest);
      if (held === undefined) return this.#source.has(digest);
      const parts = held.named.parts.map(visit);
      const whole = parts.every((each) => each) && held.named.files.every((file) => this.#source.has(file.digest));
      done.set(digest, whole);
      if (whole) {
        this.#held.delete(digest);
        this.#objects.publish([held.staged]);
      } else this.#missing.add(digest);
      return whole;
    };
    for (const digest of [...this.#held.keys()]) visit(digest);
  }
}

function unseen(wanted: readonly Wanted[], seen: Set<Digest>): Wanted[] {
  return wanted.filter(({ digest }) => {
    if (seen.has(digest)) return false;
    seen.add(digest);
    return true;
  });
}
