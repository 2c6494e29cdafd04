/** What a reproduction needs and is not here, fetched from the project's default remote. */
import { MlpipeError } from '../errors.ts';
import { namedBy, retainedBy } from '../ledger/named.ts';
import type { StoredRecord } from '../ledger/record.ts';
import type { Project } from '../project.ts';
import type { SupplyOptions } from '../share/supply.ts';
import { type NamedRemote, readSettings, remoteOf } from '../store/remotes/settings.ts';
import { modelOf } from '../versions/model.ts';

const supply = () => import('../share/supply.ts');

/** The records that the lock files name, where the reference means nothing here or some of them are missing. */
export async function bringRecords(project: Project, reference: string, signal?: AbortSignal): Promise<void> {
  const remote = remoteOf(readSettings(project.root));
  if (remote === undefined) return;
  const { supplyRecords } = await supply();
  const fetch = () => supplyRecords(project, remote, saying(project, signal));
  if (isKnown(project, reference)) await orTell(project, fetch);
  else await fetch();
}

function isKnown(project: Project, reference: string): boolean {
  try {
    modelOf(project, reference);
    return true;
  } catch (error) {
    if (error instanceof MlpipeError) return false;
    throw error;
  }
}

/** The plan, the uncommitted changes and the data of these records; predictions as far as they can be had. */
export async function bringObjects(
  project: Project,
  behind: readonly StoredRecord[],
  compared: readonly StoredRecord[],
  signal?: AbortSignal,
): Promise<void> {
  const remote = remoteOf(readSettings(project.root));
  if (remote === undefined) return;
  const needed = behind.flatMap(({ record }) => {
    // What the runs themselves wrote is made again.
    const written = new Set([
      ...Object.values(record.outputs).map(({ digest }) => digest),
      ...record.inputs.flatMap(({ digest, record: from }) => (from === undefined ? [] : [digest])),
      ...(record.log === undefined ? [] : [record.log]),
      record.keyParts,
      // Taken when something has to be provisioned, which most often is there.
      ...retainedBy(record).map(({ digest }) => digest),
    ]);
    return namedBy(record).objects.filter((digest) => !written.has(digest));
  });
  await bring(project, remote, needed, signal);
  const predictions = compared.flatMap(({ record }) => record.outputs.predictions?.digest ?? []);
  await orTell(project, () => bring(project, remote, predictions, signal));
}

async function bring(
  project: Project,
  remote: NamedRemote,
  digests: Parameters<Awaited<ReturnType<typeof supply>>['supplyObjects']>[2],
  signal: AbortSignal | undefined,
): Promise<void> {
  if (digests.every((digest) => project.store.has(digest))) return;
  const { supplyObjects } = await supply();
  await supplyObjects(project, remote, digests, saying(project, signal));
}

/** What is fetched unasked is said, as it goes on and when it is done. */
function saying({ tell, onTransfer }: Project, signal: AbortSignal | undefined): SupplyOptions {
  return {
    tell,
    ...(onTransfer === undefined ? {} : { onEvent: onTransfer }),
    ...(signal === undefined ? {} : { signal }),
  };
}

/** What is only good to have stops nothing when the remote is away. */
async function orTell(project: Project, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof MlpipeError) || error.code === 'cancelled') throw error;
    project.tell(error.message);
  }
}
