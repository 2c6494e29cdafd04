/** Brings back from the remotes what the store has lost or what was damaged in it. */
import type { Digest } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import { namedBy } from '../ledger/named.ts';
import type { Project } from '../project.ts';
import { inParallel } from '../store/remotes/concurrency.ts';
import { fetchObjects } from '../store/remotes/download.ts';
import { remoteFailure } from '../store/remotes/failure.ts';
import { isMade } from '../store/remotes/format.ts';
import { type NamedRemote, readSettings, remoteOf } from '../store/remotes/settings.ts';
import { RemoteObjects } from '../store/remotes/stored.ts';
import { type Line, openLine, Progress, type TransferOptions } from '../store/remotes/transfer.ts';
import type { StoreProblem } from '../store/store.ts';
import { orCancelled } from './cancelled.ts';
import { withDriver } from './remotes.ts';

export interface Repair {
  /** Objects that are whole again, with the remote that had them. */
  repaired: { digest: Digest; from: string }[];
  /** That no remote has. */
  lost: Digest[];
  /** Of those: what was there of them was damaged, and lies in `.mlpipe/damaged` now. */
  setAside: Digest[];
  /** Remotes that have answered. */
  asked: string[];
  /** Remotes that could not be asked, and why. */
  silent: { remote: string; why: string }[];
}

export interface RepairOptions extends TransferOptions {
  /** This one alone. */
  remote?: string;
  /**
   * What is damaged and on no remote is taken out of the way, too, as where nothing is said. With `false` it stays where
   * it is, and only what a remote says that it has makes way.
   */
  setAsideLost?: boolean;
}

/**
 * What is damaged is taken out of the way first, into `.mlpipe/damaged`; nothing that is whole goes with it.
 *
 * @throws the signal's reason where it is aborted; what has been brought back stays
 */
export async function repair(
  project: Project,
  problems: readonly StoreProblem[],
  options: RepairOptions = {},
): Promise<Repair> {
  const result: Repair = { repaired: [], lost: [], setAside: [], asked: [], silent: [] };
  if (problems.length === 0) return result;
  const way = new Way(project, problems);
  if (options.setAsideLost ?? true) way.clear(() => true);
  let wanted = wantedAfter(project, problems, way);
  for (const remote of remotesOf(project, options.remote)) {
    if (wanted.length === 0) break;
    try {
      const fetched = await orCancelled(options.signal, () => fetchFrom(project, remote, wanted, way, options));
      if (fetched === undefined) {
        result.silent.push({ remote: remote.name, why: 'nothing has been sent there yet, or it is not where it was' });
        continue;
      }
      result.asked.push(remote.name);
      result.repaired.push(...fetched.map((digest) => ({ digest, from: remote.name })));
      const here = new Set(fetched);
      wanted = wanted.filter((digest) => !here.has(digest));
    } catch (error) {
      if (!(error instanceof MlpipeError) || options.signal?.aborted) throw error;
      result.silent.push({ remote: remote.name, why: error.message });
    }
  }
  result.lost = wanted;
  result.setAside = wanted.filter((digest) => way.cleared.has(digest));
  return result;
}

/** What is damaged and lies where a whole object is to come. */
class Way {
  readonly #project: Project;
  readonly #blocked = new Map<Digest, StoreProblem>();
  readonly cleared = new Set<Digest>();

  constructor(project: Project, problems: readonly StoreProblem[]) {
    this.#project = project;
    // Of a pack that cannot be read nothing is read, wherever it lies.
    project.store.setAside(problems.filter(({ problem }) => problem === 'pack'));
    for (const each of problems) {
      if (each.problem === 'corrupt' || each.problem === 'unreadable') this.#blocked.set(each.digest, each);
    }
  }

  get blocked(): Digest[] {
    return [...this.#blocked.keys()];
  }

  blocks(digest: Digest): boolean {
    return this.#blocked.has(digest);
  }

  clear(which: (digest: Digest) => boolean): void {
    const chosen = [...this.#blocked.values()].filter(({ digest }) => which(digest));
    this.#project.store.setAside(chosen);
    for (const { digest } of chosen) {
      this.#blocked.delete(digest);
      this.cleared.add(digest);
    }
  }
}

/** @returns what is here now; nothing at all where the remote cannot say what it has */
async function fetchFrom(
  project: Project,
  remote: NamedRemote,
  wanted: readonly Digest[],
  way: Way,
  options: TransferOptions,
): Promise<Digest[] | undefined> {
  return withDriver(
    project,
    remote,
    async (driver) => {
      const line = openLine(driver, options);
      if (!(await isMade(line))) return undefined;
      const had = await hadBy(project.store.folder, line, way.blocked);
      way.clear((digest) => had.has(digest));
      const sought = wanted.filter((digest) => !way.blocks(digest));
      const { missing } = await fetchObjects(project.store.folder, sought, line, new Progress(line, 'down'));
      // A folder counts when all that is in it is here, too; so each object is looked for itself.
      return sought.filter((digest) => !missing.has(digest) && project.store.has(digest));
    },
    options,
  );
}

/** Which of these a remote says that it has. Nothing is fetched. */
async function hadBy(store: string, line: Line, digests: readonly Digest[]): Promise<Set<Digest>> {
  const stored = new RemoteObjects(store, line);
  const had = new Set<Digest>();
  await inParallel(
    digests,
    line.pace,
    async (digest) => {
      try {
        if (await stored.has(digest)) had.add(digest);
      } catch (error) {
        if (line.signal?.aborted) throw error;
        throw remoteFailure(line.driver.address, `the object ${digest}`, error);
      }
    },
    line.signal,
  );
  return had;
}

/** What a damaged pack held cannot be told: whatever a record names and is not here may have been in it. */
function wantedAfter(project: Project, problems: readonly StoreProblem[], way: Way): Digest[] {
  const wanted = new Set<Digest>();
  for (const { digest, problem } of problems) if (problem !== 'pack') wanted.add(digest);
  if (problems.some(({ problem }) => problem === 'pack')) {
    for (const { record } of project.ledger.list()) for (const each of namedBy(record).objects) wanted.add(each);
  }
  return [...wanted].filter((digest) => way.blocks(digest) || !project.store.has(digest));
}

/** The one that is named; else all, the default one first. */
function remotesOf(project: Project, name: string | undefined): NamedRemote[] {
  const settings = readSettings(project.root);
  const first = remoteOf(settings, name);
  if (name !== undefined) return first === undefined ? [] : [first];
  const others = Object.entries(settings.remotes).map(([name, settings]): NamedRemote => ({ name, settings }));
  return first === undefined ? others : [first, ...others.filter((each) => each.name !== first.name)];
}
