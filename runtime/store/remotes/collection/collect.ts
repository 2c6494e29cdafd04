/** Takes away from a remote what nothing needs, while others send. `docs/remotes.md` has the protocol. */
import type { Bytes, Digest, Seconds } from '../../../../grammar/plan/plan.ts';
import { EXIT, MlpipeError } from '../../../errors.ts';
import type { ObjectSource } from '../../source.ts';
import { PackBook } from '../book.ts';
import { inParallel } from '../concurrency.ts';
import { remoteFailure } from '../failure.ts';
import { declareTrash } from '../format.ts';
import { INDEXES, parseName } from '../names.ts';
import type { Line } from '../transfer.ts';
import {
  Claim,
  COLLECTED,
  type Epoch,
  forgetDone,
  isCollected,
  isWaiting,
  type Kept,
  keptIn,
  mark,
  namesMarked,
  narrow,
  readTrash,
  type Time,
} from './epochs.ts';
import { type Listing, Needs } from './needs.ts';
import { mendMembers, repack } from './repack.ts';

export interface RemoteCollectOptions {
  /**
   * Everything that is needed, whether the remote has it or not; what folders hold need not be named. Asked when it is
   * settled what is deleted, so that whoever has sent a record before is heard.
   */
  roots: () => Promise<Iterable<Digest>>;
  /** What was marked is deleted after so long. */
  grace: Seconds;
  /** Whether some of what goes may be named by records on the remote. */
  narrows: boolean;
  dryRun?: boolean;
  now?: () => Time;
}

/** Packs and what describes them count as files, too. */
export interface Files {
  files: number;
  bytes: Bytes;
}

export interface RemoteCollection {
  needed: Files;
  /** Needed by nothing, and set down for the first time. */
  marked: Files;
  /** Set down before, and not for long enough; or somebody is just sending what may need it. */
  waiting: Files;
  /** Set down long enough ago, and needed by nothing: gone; with `dryRun` it would be. */
  deleted: Files;
  /** Set down, and needed after all. */
  spared: number;
  /** Collections of which nothing was deleted, as somebody is sending or deleting. */
  postponed: number;
  /** New packs, with what is needed of others that are mostly not. */
  repacked: number;
}

export interface CollectedRemote {
  /** The `.mlpipe` folder. */
  store: string;
  source: ObjectSource;
  line: Line;
}

/**
 * @throws MlpipeError `remote-uncollectable` where names cannot be listed or removed, or where the format is from before
 *   packs; `collection-unsure` where what is needed cannot be told; what reaching the remote throws
 */
export async function collectRemote(place: CollectedRemote, options: RemoteCollectOptions): Promise<RemoteCollection> {
  mustBeCollectable(place.line);
  return new RemoteCollector(place, options).collect();
}

class RemoteCollector {
  readonly #place: CollectedRemote;
  readonly #options: RemoteCollectOptions;
  readonly #now: () => Time;
  readonly #result: RemoteCollection = {
    needed: { files: 0, bytes: 0 },
    marked: { files: 0, bytes: 0 },
    waiting: { files: 0, bytes: 0 },
    deleted: { files: 0, bytes: 0 },
    spared: 0,
    postponed: 0,
    repacked: 0,
  };

  constructor(place: CollectedRemote, options: RemoteCollectOptions) {
    this.#place = place;
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  async collect(): Promise<RemoteCollection> {
    const { line, store, source } = this.#place;
    const waiting = (await readTrash(line)).epochs.filter(isWaiting);
    const ripe = new Map<string, Ripe>();
    try {
      await this.#claimRipe(waiting, ripe);
      // Only now, as who relies on something says so before looking whether somebody deletes.
      for (const each of ripe.values()) each.kept = await keptIn(line, each.epoch);
      const files = await filesOn(line);
      // What comes meanwhile is in no list and stays.
      const book = new PackBook(store, line);
      await book.loadAll();
      const listing = { line, files, book };
      const needs = new Needs(listing, source);
      await this.#needWhatIsKept(needs, ripe);
      await needs.add(await this.#options.roots());
      await needs.settle();
      if (!this.#options.dryRun) await this.#repack(listing, needs);
      const unneeded = new Set([...files.keys()].filter((name) => !needs.has(name)));
      for (const [name, bytes] of files) if (!unneeded.has(name)) add(this.#result.needed, bytes);
      for (const epoch of waiting) await this.#lookInto(epoch, ripe.get(epoch.id), unneeded, files);
      await this.#mark(unneeded, files);
      if (!this.#options.dryRun) await forgetDone(line, await readTrash(line), this.#now());
    } finally {
      for (const { claim } of ripe.values()) await claim?.release();
    }
    return this.#result;
  }

  async #repack(listing: Listing, needs: Needs): Promise<void> {
    this.#result.repacked = await repack(listing, needs);
    if (this.#result.repacked > 0) await needs.settle();
    const goes = ([name]: [string, Bytes]) => name.startsWith(INDEXES) && !needs.has(name);
    if ([...listing.files].some(goes)) await mendMembers(listing, needs);
  }

  /** @param ripe gets those that have waited long enough, with the right to delete them, which the caller gives back */
  async #claimRipe(waiting: readonly Epoch[], ripe: Map<string, Ripe>): Promise<void> {
    for (const epoch of waiting) {
      if (epoch.began > this.#now() - this.#options.grace * 1000) continue;
      const claim = this.#options.dryRun ? undefined : await Claim.of(this.#place.line, epoch, this.#now);
      if (claim || this.#options.dryRun)
        ripe.set(epoch.id, { epoch: claim?.epoch ?? epoch, claim, kept: [], postponed: false });
      else this.#result.postponed += 1;
    }
  }

  /** Who is still sending what stands between a record and what it relies on would lose that. */
  async #needWhatIsKept(needs: Needs, ripe: ReadonlyMap<string, Ripe>): Promise<void> {
    const horizon = this.#now() - this.#options.grace * 1000;
    const isYoung = ({ at }: Kept) => at > horizon;
    const all = [...ripe.values()].flatMap(({ kept }) => kept);
    const isWhole = await needs.add(all.filter(isYoung).flatMap(({ roots }) => roots));
    await needs.add(all.flatMap(({ roots }) => roots));
    if (isWhole) return;
    for (const each of ripe.values()) {
      if (!each.kept.some(isYoung)) continue;
      each.postponed = true;
      this.#result.postponed += 1;
    }
  }

  /** @param unneeded is left with what no epoch names */
  async #lookInto(epoch: Epoch, ripe: Ripe | undefined, unneeded: Set<string>, files: ReadonlyMap<string, Bytes>) {
    const { line } = this.#place;
    // One that is not what was written names nothing.
    const names = (await namesMarked(line, epoch)) ?? [];
    const here = names.filter((name) => files.has(name));
    const going = here.filter((name) => unneeded.delete(name));
    this.#result.spared += here.length - going.length;
    const isGoing = ripe !== undefined && !ripe.postponed;
    for (const name of going) add(isGoing ? this.#result.deleted : this.#result.waiting, files.get(name) ?? 0);
    if (!isGoing || ripe.claim === undefined) return;
    const { claim } = ripe;
    // What describes something goes before what it describes.
    for (const room of COLLECTED) {
      const some = going.filter((name) => parseName(name)?.room === room);
      await inParallel(some, line.pace, (name, signal) => claim.delete(name, signal), line.signal);
    }
    await claim.finish();
  }

  async #mark(unneeded: ReadonlySet<string>, files: ReadonlyMap<string, Bytes>): Promise<void> {
    const { line } = this.#place;
    for (const name of unneeded) add(this.#result.marked, files.get(name) ?? 0);
    if (this.#options.dryRun || unneeded.size === 0) return;
    await declareTrash(line);
    if (this.#options.narrows) await narrow(line);
    await mark(line, [...unneeded], this.#now());
  }
}

/** An epoch that may be deleted. */
interface Ripe {
  epoch: Epoch;
  /** Nothing where it is only said what would go. */
  claim: Claim | undefined;
  kept: Kept[];
  postponed: boolean;
}

async function filesOn(line: Line): Promise<Map<string, Bytes>> {
  const files = new Map<string, Bytes>();
  try {
    for (const room of COLLECTED) {
      await line.attempt(async ({ signal, alive }) => {
        for await (const { name, bytes } of line.driver.list(`${room}/`, signal)) {
          alive();
          if (isCollected(name)) files.set(name, bytes);
        }
      });
    }
  } catch (error) {
    if (line.signal?.aborted) throw error;
    throw remoteFailure(line.driver.address, 'the list of what is there', error);
  }
  return files;
}

function mustBeCollectable({ driver: { address, abilities }, chunking }: Line): void {
  const able = abilities.list && abilities.write;
  if (able && chunking !== undefined) return;
  throw new MlpipeError(
    able ? `${address} is from before packs.` : `${address} can be read only, so that nothing can be collected there.`,
    {
      code: 'remote-uncollectable',
      todo: able
        ? 'Let it have some with `mlpipe remote upgrade`.'
        : 'Name the remote by an address that can be written.',
      exit: EXIT.usage,
    },
  );
}

function add(amount: Files, bytes: Bytes): void {
  amount.files += 1;
  amount.bytes += bytes;
}
