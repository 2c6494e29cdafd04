/** Brings back from the remotes what the store has lost or what was damaged in it. */
import type { Digest } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import { namedBy } from '../ledger/named.ts';
import type { Project } from '../project.ts';
import { fetchObjects } from '../store/remotes/download.ts';
import { isMade } from '../store/remotes/format.ts';
import { type NamedRemote, readSettings, remoteOf } from '../store/remotes/settings.ts';
import { openLine, Progress, type TransferOptions } from '../store/remotes/transfer.ts';
import type { StoreProblem } from '../store/store.ts';
import { orCancelled } from './cancelled.ts';
import { withDriver } from './remotes.ts';

export interface Repair {
  /** Objects that are whole again, with the remote that had them. */
  repaired: { digest: Digest; from: string }[];
  /** That no remote has. */
  lost: Digest[];
  /** Remotes that could not be asked, and why. */
  silent: { remote: string; why: string }[];
}

/**
 * What is damaged is taken out of the way first, into `.mlpipe/damaged`; nothing that is whole goes with it.
 *
 * @throws the signal's reason where it is aborted; what has been brought back stays
 */
export async function repair(
  project: Project,
  problems: readonly StoreProblem[],
  options: TransferOptions & { remote?: string } = {},
): Promise<Repair> {
  const result: Repair = { repaired: [], lost: [], silent: [] };
  if (problems.length === 0) return result;
  project.store.setAside(problems);
  let wanted = wantedAfter(project, problems);
  for (const remote of remotesOf(project, options.remote)) {
    if (wanted.length === 0) break;
    try {
      const { missing, asked } = await orCancelled(options.signal, () => fetchFrom(project, remote, wanted, options));
      if (!asked) {
        result.silent.push({ remote: remote.name, why: 'nothing has been sent there yet, or it is not where it was' });
        continue;
      }
      // A folder counts when all that is in it is here, too; so each object is looked for itself.
      const found = wanted.filter((digest) => !missing.has(digest) && project.store.has(digest));
      result.repaired.push(...found.map((digest) => ({ digest, from: remote.name })));
      wanted = wanted.filter((digest) => !found.includes(digest));
    } catch (error) {
      if (!(error instanceof MlpipeError) || options.signal?.aborted) throw error;
      result.silent.push({ remote: remote.name, why: error.message });
    }
  }
  result.lost = wanted;
  return result;
}

async function fetchFrom(
  project: Project,
  remote: NamedRemote,
  wanted: readonly Digest[],
  options: TransferOptions,
): Promise<{ missing: ReadonlySet<Digest>; asked: boolean }> {
  return withDriver(
    project,
    remote,
    async (driver) => {
      const line = openLine(driver, options);
      if (!(await isMade(line))) return { missing: new Set<Digest>(), asked: false };
      const { missing } = await fetchObjects(project.store.folder, wanted, line, new Progress(line, 'down'));
      return { missing, asked: true };
    },
    options,
  );
}

/** What a damaged pack held cannot be told: whatever a record names and is not here may have been in it. */
function wantedAfter(project: Project, problems: readonly StoreProblem[]): Digest[] {
  const wanted = new Set<Digest>();
  for (const { digest, problem } of problems) if (problem !== 'pack') wanted.add(digest);
  if (problems.some(({ problem }) => problem === 'pack')) {
    for (const { record } of project.ledger.list()) for (const each of namedBy(record).objects) wanted.add(each);
  }
  return [...wanted].filter((digest) => !project.store.has(digest));
}

/** The one that is named; else all, the default one first. */
function remotesOf(project: Project, name: string | undefined): NamedRemote[] {
  const settings = readSettings(project.root);
  const first = remoteOf(settings, name);
  if (name !== undefined) return first === undefined ? [] : [first];
  const others = Object.entries(settings.remotes).map(([name, settings]): NamedRemote => ({ name, settings }));
  return first === undefined ? others : [first, ...others.filter((each) => each.name !== first.name)];
}
