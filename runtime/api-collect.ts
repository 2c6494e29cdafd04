/** The part of the façade that takes away what nothing needs and brings back what was lost. */
import type { GarbageAnswer, GarbageOptions } from './collect/gc.ts';
import type { RemoteGarbageAnswer, RemoteGarbageOptions } from './collect/remote.ts';
import { type Verification, verifyProject } from './ledger/verify/verify.ts';
import type { Project } from './project.ts';
import type { Repair } from './share/repair.ts';
import type { TransferOptions } from './store/remotes/transfer.ts';

export type { GarbageAnswer, GarbageOptions } from './collect/gc.ts';
export type { RemoteGarbageAnswer, RemoteGarbageOptions } from './collect/remote.ts';
export type { Repair } from './share/repair.ts';

/** Takes away what is not needed by a scope that must be named. @throws MlpipeError `store-in-use`, `collection-unsure` */
export async function collectGarbage(project: Project, options: GarbageOptions): Promise<GarbageAnswer> {
  const { collectGarbage: collect } = await import('./collect/gc.ts');
  return collect(project, options);
}

/**
 * Marks on a remote what is not needed by a scope that must be named, and deletes what was marked long enough ago.
 *
 * @throws MlpipeError `remote-unknown`, `remote-uncollectable`, `collection-unsure`
 */
export async function collectRemoteGarbage(
  project: Project,
  options: RemoteGarbageOptions,
): Promise<RemoteGarbageAnswer> {
  const { collectRemoteGarbage: collect } = await import('./collect/remote.ts');
  return collect(project, options);
}

/** Mends the store out of the remotes, and says what is wrong after that. */
export async function verifyAndRepair(
  project: Project,
  options: TransferOptions & { remote?: string; onProgress?: (what: string) => void } = {},
): Promise<Verification & { repair: Repair }> {
  const { repair } = await import('./share/repair.ts');
  const { onProgress } = options;
  onProgress?.('objects');
  const { problems } = await project.store.verify();
  const repaired = await repair(project, problems, options);
  return { ...(await verifyProject(project.root, project.store, project.ledger, onProgress)), repair: repaired };
}
