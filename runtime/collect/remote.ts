/** Takes away from a remote what nothing needs: marked first, and deleted by a later collection. */
import { join } from 'node:path';
import { digestOf } from '../../grammar/plan/canonical.ts';
import type { Digest, Seconds } from '../../grammar/plan/plan.ts';
import { acquireLease } from '../lease.ts';
import type { Project } from '../project.ts';
import { orCancelled } from '../share/cancelled.ts';
import { forgetRemote } from '../share/known.ts';
import { fetchAll } from '../share/pull.ts';
import { withDriver } from '../share/remotes.ts';
import { collectRemote, type RemoteCollection } from '../store/remotes/collection/collect.ts';
import { mustBeMade } from '../store/remotes/format.ts';
import { objectsOf } from '../store/remotes/outgoing.ts';
import { hasRecord } from '../store/remotes/records.ts';
import { recordNames, recordsOn } from '../store/remotes/records-in.ts';
import { chosenRemote } from '../store/remotes/settings.ts';
import { type Line, openLine, type TransferOptions } from '../store/remotes/transfer.ts';
import { digestsIn, neededBy, type Scope, unsure } from './needed.ts';

export interface RemoteGarbageOptions extends TransferOptions {
  remote: string;
  scope: Scope;
  /** What was marked is deleted after so long, and whoever sends must have ended before. */
  grace?: Seconds;
  dryRun?: boolean;
  /** Milliseconds since 1970. */
  now?: () => number;
}

export interface RemoteGarbageAnswer extends RemoteCollection {
  remote: string;
  scope: Scope;
  dryRun: boolean;
  grace: Seconds;
}

export const REMOTE_GRACE: Seconds = 14 * 86_400;

/**
 * Needed is what the scope names, and what records name that ended within the grace: whoever has sent one may not have
 * committed it yet.
 *
 * @throws MlpipeError `remote-unknown`, `remote-empty`, `remote-uncollectable`, `collection-unsure`, `git-failed`, and
 *   what reaching the remote throws
 */
export async function collectRemoteGarbage(
  project: Project,
  options: RemoteGarbageOptions,
): Promise<RemoteGarbageAnswer> {
  const {
    scope,
    grace = REMOTE_GRACE,
    dryRun = false,
    now = Date.now,
    signal = new AbortController().signal,
  } = options;
  const remote = chosenRemote(project.root, options.remote);
  const lease = await acquireLease(
    join(project.store.folder, 'leases'),
    digestOf('gc'),
    { run: 'gc', step: scope },
    { signal },
  );
  try {
    const found = await orCancelled(signal, () =>
      withDriver(
        project,
        remote,
        async (driver) => {
          const line = openLine(driver, options);
          await mustBeMade(line);
          const { folder } = project.store;
          const roots = async () => {
            await bringRecords(project, remote.name, line, options);
            const needed = await neededBy(project, scope);
            return addYoung(project, needed, now() - grace * 1000);
          };
          return collectRemote(
            { store: folder, source: objectsOf(folder), line },
            { roots, grace, dryRun, now, narrows: scope !== 'unreferenced' },
          );
        },
        options,
      ),
    );
    // What is remembered to be there may be gone.
    if (found.deleted.files > 0 && !dryRun) forgetRemote(project.store.folder, remote.name);
    return { remote: remote.name, scope, dryRun, grace, ...found };
  } finally {
    lease.release();
  }
}

/** What a record needs can be told only where it is here. */
async function bringRecords(project: Project, remote: string, line: Line, options: TransferOptions): Promise<void> {
  await fetchAll(project, { ...options, remote, all: true });
  const there = await recordsOn(await recordNames(line, () => undefined));
  const unknown = there.find((digest) => !hasRecord(project.store.folder, digest));
  if (unknown) throw unsure(`${unknown} on ${line.driver.address} is none that this mlpipe can read.`);
}

function addYoung(project: Project, needed: Set<Digest>, since: number): Set<Digest> {
  for (const { record } of project.ledger.list()) {
    if (Date.parse(record.when.ended) < since) continue;
    for (const digest of digestsIn(JSON.stringify(record))) needed.add(digest);
  }
  return needed;
}
