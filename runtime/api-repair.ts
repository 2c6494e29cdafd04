/** The part of the façade that brings back what stands behind one record. */
import type { Digest } from '../grammar/plan/plan.ts';
import { verifyRecord } from './api-ledger.ts';
import type { VerifyProgress } from './ledger/verify/behind.ts';
import { storeProblem } from './ledger/verify/objects.ts';
import type { Verification } from './ledger/verify/verify.ts';
import type { Project } from './project.ts';
import type { Repair, RepairOptions } from './share/repair.ts';
import type { StoreProblem } from './store/store.ts';

export type { RepairOptions } from './share/repair.ts';

/**
 * Mends what stands behind one record out of the remotes, and says what is wrong with it after that.
 *
 * @throws MlpipeError `reference-unknown`, `reference-ambiguous`, `record-damaged`, `settings-damaged`, `cancelled`
 */
export async function repairRecord(
  project: Project,
  reference: string,
  options: RepairOptions & { onProgress?: (progress: VerifyProgress) => void } = {},
): Promise<Verification & { repair: Repair }> {
  const { repair } = await import('./share/repair.ts');
  const { signal, onProgress } = options;
  const verifying = {
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined ? {} : { onProgress }),
  };
  const done: Repair = { repaired: [], lost: [], setAside: [], asked: [], silent: [] };
  const tried = new Set<Digest>();
  for (;;) {
    const found = await verifyRecord(project, reference, verifying);
    // What a folder holds that was damaged itself is seen only when the folder is whole again.
    const problems = found.problems
      .map(storeProblem)
      .filter((each): each is StoreProblem => each !== undefined && !tried.has(each.digest));
    if (problems.length === 0) return { ...found, repair: done };
    for (const { digest } of problems) tried.add(digest);
    const { repaired, lost, setAside, asked, silent } = await repair(project, problems, options);
    done.repaired.push(...repaired);
    done.lost.push(...lost);
    done.setAside.push(...setAside);
    done.asked = [...new Set([...done.asked, ...asked])];
    done.silent.push(...silent.filter(({ remote }) => !done.silent.some((each) => each.remote === remote)));
  }
}
