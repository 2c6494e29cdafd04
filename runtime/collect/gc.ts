/** One collection of a project's store at a time. */
import { join } from 'node:path';
import { digestOf } from '../../grammar/plan/canonical.ts';
import type { Seconds } from '../../grammar/plan/plan.ts';
import { acquireLease } from '../lease.ts';
import type { Project } from '../project.ts';
import { type Collection, KEEP_ASIDE } from '../store/collection/collect.ts';
import { neededBy, type Scope } from './needed.ts';

export interface GarbageOptions {
  scope: Scope;
  /** What is younger stays. */
  grace?: Seconds;
  now?: boolean;
  dryRun?: boolean;
  signal?: AbortSignal;
}

export interface GarbageAnswer extends Collection {
  scope: Scope;
  dryRun: boolean;
  now: boolean;
  /** What is set aside now can be had back for so long. */
  keep: Seconds;
}

export const GRACE: Seconds = 14 * 86_400;

/** @throws MlpipeError `store-in-use`, `collection-unsure`, `git-failed` */
export async function collectGarbage(project: Project, options: GarbageOptions): Promise<GarbageAnswer> {
  const { scope, now = false, dryRun = false, signal = new AbortController().signal } = options;
  const leases = join(project.store.folder, 'leases');
  const lease = await acquireLease(leases, digestOf('gc'), { run: 'gc', step: scope }, { signal });
  try {
    const found = await project.store.collect({
      roots: () => neededBy(project, scope),
      grace: options.grace ?? (now ? 0 : GRACE),
      now,
      dryRun,
    });
    return { scope, dryRun, now, keep: now ? 0 : KEEP_ASIDE, ...found };
  } finally {
    lease.release();
  }
}
