/** What dvc.lock says of each stage, as records: as far as its contents could be had. */
import { join, relative } from 'node:path';
import type { Digest } from '../../../grammar/plan/plan.ts';
import type { RecordedInput, RecordedOutput, RecordOrigin } from '../../ledger/record.ts';
import type { Project } from '../../project.ts';
import { readSmall } from '../files.ts';
import { ImportWriter } from '../record.ts';
import type { DvcCache, TakenObject } from './cache.ts';
import type { NamedPipeline, NamedStage } from './links.ts';
import type { LockedStage, Tracked } from './lock.ts';

const LARGEST_LOCK = 64 * 2 ** 20;
const LARGEST_METRICS = 2 ** 20;

/** What was read, and where it goes. */
export interface Found {
  project: Project;
  /** Of dvc.yaml. */
  folder: string;
  /** Of the pipeline, from which all paths begin. */
  base: string;
  root: string;
  target: string;
  named: NamedPipeline;
  lock: ReadonlyMap<string, LockedStage> | undefined;
  cache: DvcCache;
}

/** What of a stage in dvc.lock could be had. */
export interface LockedObjects {
  inputs: { tracked: Tracked; taken: TakenObject }[];
  outs: { tracked: Tracked; taken: TakenObject }[];
  missing: RecordOrigin['missing'];
}

export async function takeLocked({ named, lock, cache, base }: Found): Promise<Map<string, LockedObjects>> {
  const found = new Map<string, LockedObjects>();
  for (const { name, stage } of named.stages) {
    const locked = lock?.get(stage.name);
    if (locked === undefined) continue;
    const objects: LockedObjects = { inputs: [], outs: [], missing: [] };
    for (const section of ['deps', 'outs'] as const) {
      for (const tracked of locked[section]) {
        const taken =
          tracked.object === undefined ? undefined : await cache.take(tracked.object, join(base, tracked.path));
        if (taken !== undefined) objects[section === 'deps' ? 'inputs' : 'outs'].push({ tracked, taken });
        else {
          objects.missing.push({
            name: tracked.path,
            why:
              tracked.object === undefined
                ? 'dvc.lock has no MD5 of it'
                : `its content (MD5 ${tracked.object.md5}) is in no cache of this machine`,
          });
        }
      }
    }
    found.set(name, objects);
  }
  return found;
}

/** @returns by step */
export async function appendRecords(
  { project, folder, root, target, named, lock }: Found,
  locked: ReadonlyMap<string, LockedObjects>,
  digest: Digest,
): Promise<Map<string, Digest>> {
  const records = new Map<string, Digest>();
  if (lock === undefined || [...locked.values()].every(({ outs }) => outs.length === 0)) return records;
  const lockFile = join(folder, 'dvc.lock');
  const evidence = (await project.store.putBytes(readSmall(lockFile, LARGEST_LOCK))).digest;
  const writer = await ImportWriter.begin(project);
  for (const stage of upstreamFirst(named.stages)) {
    const objects = locked.get(stage.name);
    const recorded = lock.get(stage.stage.name);
    if (objects === undefined || recorded === undefined || objects.outs.length === 0) continue;
    const outputs: Record<string, RecordedOutput> = {};
    const metrics: Record<string, number> = {};
    for (const { tracked, taken } of objects.outs) {
      const out = stage.outs.find(({ path }) => path === tracked.path);
      outputs[out?.name ?? tracked.path] = { ...taken, path: tracked.path };
      if (out?.kind === 'metric' && tracked.path.endsWith('.json') && taken.bytes <= LARGEST_METRICS)
        Object.assign(metrics, numbersIn((await project.store.read(taken.digest)).toString('utf8')));
    }
    const record = await writer.append({
      step: stage.name,
      pipeline: { name: named.name, file: relative(root, target).replaceAll('\\', '/'), digest },
      origin: {
        tool: 'dvc',
        from: relative(root, lockFile).replaceAll('\\', '/'),
        id: stage.stage.name,
        evidence,
        claims: { source: recorded.commands.join('\n') },
        missing: objects.missing,
      },
      inputs: objects.inputs.map((input) => inputOf(input, stage, records)),
      outputs,
      parameters: recorded.parameters,
      metrics,
    });
    records.set(stage.name, record);
  }
  return records;
}

function inputOf(
  { tracked, taken }: LockedObjects['inputs'][number],
  { inputs }: NamedStage,
  records: ReadonlyMap<string, Digest>,
): RecordedInput {
  const input = inputs.find(({ path }) => path === tracked.path);
  const from = input?.step === undefined ? undefined : records.get(input.step);
  const name =
    input === undefined
      ? `file:${tracked.path}`
      : input.data === undefined
        ? `output:${input.reference}`
        : `data:${input.data}`;
  return { name, ...taken, path: tracked.path, ...(from === undefined ? {} : { record: from }) };
}

/** Whose outputs are read comes before who reads them; what goes in circles comes last, as it stands. */
function upstreamFirst(stages: readonly NamedStage[]): NamedStage[] {
  const ordered: NamedStage[] = [];
  const seen = new Set<string>();
  const visit = (stage: NamedStage): void => {
    if (seen.has(stage.name)) return;
    seen.add(stage.name);
    for (const { step } of stage.inputs) {
      const upstream = stages.find(({ name }) => name === step);
      if (upstream !== undefined) visit(upstream);
    }
    ordered.push(stage);
  };
  for (const stage of stages) visit(stage);
  return ordered;
}

/** `{"test": {"accuracy": 0.9}}` → `test.accuracy` */
function numbersIn(text: string): Record<string, number> {
  const found: Record<string, number> = {};
  const visit = (value: unknown, name: string): void => {
    if (typeof value === 'number') found[name] = value;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
    for (const [key, each] of Object.entries(value)) visit(each, name === '' ? key : `${name}.${key}`);
  };
  try {
    visit(JSON.parse(text), '');
  } catch {
    // Metrics of another shape are an output all the same.
  }
  return found;
}
