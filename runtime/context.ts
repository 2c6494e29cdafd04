/** What a run asks of a project: a pipeline's plan, and the world that it runs in. */
import { digestOf } from '../grammar/plan/canonical.ts';
import type { Digest } from '../grammar/plan/plan.ts';
import type { RetainedSource } from './environment/retained.ts';
import { resolveEnvironment } from './execute/environment.ts';
import { digestSource } from './execute/inputs.ts';
import type { PipelineContext, World } from './execute/world.ts';
import { codeState, who } from './ledger/provenance.ts';
import type { RetainedItem, StoredRecord } from './ledger/record.ts';
import { rememberedPlan, rememberPlan } from './plan-cache.ts';
import { type Project, readPipelineText } from './project.ts';
import { hasRecord } from './store/remotes/records.ts';
import { readSettings, remoteOf } from './store/remotes/settings.ts';

/**
 * A pipeline ready to run. The language is loaded only where the plan is not known from an earlier reading of the same
 * text: that is most of what `status` would take.
 *
 * @throws MlpipeError `file-missing`, `file-not-text`, `pipeline-errors`, `parameter-wrong`
 */
export async function contextAt(
  project: Project,
  file: string,
  parameters: Readonly<Record<string, string>> = {},
): Promise<PipelineContext> {
  const world = worldOf(project);
  const digest = digestOf(readPipelineText(file));
  const known = rememberedPlan(project.store.folder, file, parameters);
  if (known !== undefined) return { world, plan: known, file, digest };
  const { loadFile, planOf } = await import('./pipeline.ts');
  const { plan, sources } = planOf(await loadFile(file), parameters);
  rememberPlan(project.store.folder, file, parameters, plan, sources);
  return { world, plan, file, digest };
}

/**
 * What running asks of a project.
 *
 * @param options whether what is missing may be fetched from the default remote; only looking never fetches
 */
export function worldOf(project: Project, options: { supply?: boolean } = {}): World {
  const { root, store } = project;
  const { bring, ...supplied } = options.supply ? suppliedFrom(project) : {};
  return {
    ...supplied,
    retained: {
      ...supplied,
      ...(bring === undefined ? {} : { bring }),
      store,
      named: (name) => retainedAs(project, name),
    },
    root,
    store,
    ledger: project.ledger,
    code: () => codeState(root, store),
    who: () => who(root),
    environment: (plan, name, folder, resources) =>
      resolveEnvironment(name === undefined ? undefined : plan.environments[name], {
        folder,
        resources,
        digest: async (path) => (await digestSource(store, path)).digest,
      }),
  };
}

/** So many of the newest records are looked through; a ledger can have a million, and reading them takes minutes. */
const NEWEST = 5000;

/** Of the newest records, of those that the lock files name, of more of the newest: most often the first has it. */
async function* retainedAs(project: Project, name: string): AsyncIterable<RetainedItem> {
  const { ledger, store, root } = project;
  const seen = new Set<Digest>();
  const inLocks = async (): Promise<StoredRecord[]> => {
    const { lockedRecords } = await import('./share/locks.ts');
    const digests = (await lockedRecords(root)).filter((digest) => hasRecord(store.folder, digest));
    return digests.flatMap((digest) => ledger.get(digest) ?? []);
  };
  for (const records of [() => ledger.list({}, 20), inLocks, () => ledger.list({}, NEWEST)]) {
    for (const { record } of await records()) {
      const item = record.environment.retained?.[name];
      if (item === undefined || seen.has(item.digest)) continue;
      seen.add(item.digest);
      yield item;
    }
  }
}

/** Nothing where the project has no remote: then nothing of remotes is loaded either. */
function suppliedFrom(project: Project): Pick<RetainedSource, 'supply' | 'bring'> {
  const remote = remoteOf(readSettings(project.root));
  if (remote === undefined) return {};
  return {
    bring: async (signal) => {
      const { supplyRecords } = await import('./share/supply.ts');
      await supplyRecords(project, remote, { tell: project.tell, ...(signal === undefined ? {} : { signal }) });
    },
    supply: async (digests, signal) => {
      const { supplyObjects } = await import('./share/supply.ts');
      await supplyObjects(project, remote, digests, {
        tell: project.tell,
        ...(project.onTransfer === undefined ? {} : { onEvent: project.onTransfer }),
        ...(signal === undefined ? {} : { signal }),
      });
    },
  };
}
