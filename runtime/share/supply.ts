/** What is missing while something runs is fetched from the default remote then, and said in one line. */
import type { Digest } from '../../grammar/plan/plan.ts';
import type { Project } from '../project.ts';
import { fetchObjects } from '../store/remotes/download.ts';
import { isMade } from '../store/remotes/format.ts';
import { hasRecord, storeRecords } from '../store/remotes/records.ts';
import { recordNames } from '../store/remotes/records-in.ts';
import type { NamedRemote } from '../store/remotes/settings.ts';
import { openLine, Progress, type TransferOptions } from '../store/remotes/transfer.ts';
import { size } from '../words.ts';
import { orCancelled } from './cancelled.ts';
import { namesCache, rememberOnRemote } from './known.ts';
import { lockedRecords } from './locks.ts';
import { pullLogs } from './logs.ts';
import { fetchRecords } from './pull.ts';
import { withDriver } from './remotes.ts';

export interface SupplyOptions extends TransferOptions {
  tell?: (message: string) => void;
}

/** Fetches those of the objects that are not here. What the remote does not have either is told by whoever needs it. */
export async function supplyObjects(
  project: Pick<Project, 'root' | 'store'>,
  remote: NamedRemote,
  digests: readonly Digest[],
  options: SupplyOptions = {},
): Promise<void> {
  const absent = digests.filter((digest) => !project.store.has(digest));
  if (absent.length === 0) return;
  await orCancelled(options.signal, () =>
    withDriver(
      project,
      remote,
      async (driver) => {
        const line = openLine(driver, options);
        if (!(await isMade(line))) return;
        const { objects, bytes, missing } = await fetchObjects(
          project.store.folder,
          absent,
          line,
          new Progress(line, 'down'),
        );
        if (objects === 0) return;
        options.tell?.(`fetched ${count(objects, 'object')} (${size(bytes)}) from ${remote.name}`);
        rememberOnRemote(
          project.store.folder,
          remote.name,
          absent.filter((digest) => !missing.has(digest)),
        );
      },
      options,
    ),
  );
}

/** Fetches the records that the project's lock files name, and those that they came from. */
export async function supplyRecords(project: Project, remote: NamedRemote, options: SupplyOptions = {}): Promise<void> {
  const absent = (await lockedRecords(project.root)).filter((digest) => !hasRecord(project.store.folder, digest));
  if (absent.length === 0) return;
  await orCancelled(options.signal, () =>
    withDriver(
      project,
      remote,
      async (driver) => {
        const line = openLine(driver, options);
        if (!(await isMade(line))) return;
        const problem = (message: string) => options.tell?.(message);
        const names = await recordNames(line, problem, namesCache(project.store.folder));
        const { records } = await fetchRecords(project, absent, names);
        const arrived = [...records.values()].flatMap((known) => known.arrived ?? []);
        if (storeRecords(project.store.folder, arrived) === 0) return;
        project.ledger.refresh();
        await pullLogs({ ledger: project.ledger, line, remote: remote.name, problem }, names.published);
        options.tell?.(`fetched ${count(arrived.length, 'record')} from ${remote.name}`);
      },
      options,
    ),
  );
}

function count(number: number, what: string): string {
  return `${number.toLocaleString('en-US')} ${what}${number === 1 ? '' : 's'}`;
}
