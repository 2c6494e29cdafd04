/** The part of the façade about models: those that were trained, and the versions that are kept of them. */
import { relative, sep } from 'node:path';
import { isReplicate } from '../grammar/plan/replicates.ts';
import type { StoredRecord } from './ledger/record.ts';
import type { Project } from './project.ts';
import type { KeptVerdict } from './reproduce/keep.ts';
import type { ModelNode } from './rpc/protocol.ts';
import { findVersions, problemsOf } from './versions/find.ts';
import { type KeepOptions, keepModel } from './versions/keep.ts';
import type { StoredVersion } from './versions/version.ts';

/** Every trained model of the pipelines below a folder, the newest first. */
export async function models(project: Project, folder: string): Promise<ModelNode[]> {
  project.ledger.refresh();
  const below = relative(project.root, folder).replaceAll('\\', '/');
  const trained = project.ledger
    .list({ kind: 'train' })
    .filter(({ record }) => !isReplicate(record.step) && (below === '' || record.pipeline.file.startsWith(`${below}/`)))
    .map(async (stored) => ({
      ...modelNode(project, stored, below),
      reproduction: await reproductionOf(project, stored),
    }));
  return Promise.all(trained);
}

/** The newest verdict on whether a model comes out again. */
async function reproductionOf(project: Project, { digest, record }: StoredRecord): Promise<ModelNode['reproduction']> {
  const model = record.outputs.model?.digest;
  if (model === undefined) return null;
  const [newest] = project.ledger
    .readers(model)
    .filter((reader) => reader.record.kind === 'reproduce' && reader.record.inputs[0]?.record === digest)
    .sort((one, other) => (one.record.when.ended < other.record.when.ended ? 1 : -1));
  const object = newest?.record.outputs.verdict?.digest;
  if (newest === undefined || object === undefined || !project.store.has(object)) return null;
  // Written by `keepVerdict`; the store has checked the digest.
  const kept = JSON.parse((await project.store.read(object)).toString('utf8')) as KeptVerdict;
  const { verdict, level, because } = kept;
  return { verdict, level, because, when: newest.record.when.ended, record: newest.digest };
}

function modelNode(project: Project, { digest, record }: StoredRecord, below: string): Omit<ModelNode, 'reproduction'> {
  const model = record.outputs.model?.digest ?? null;
  const evaluations =
    model === null ? [] : project.ledger.readers(model).filter((reader) => reader.record.kind === 'evaluate');
  const evaluation = evaluations.sort((one, other) => (one.record.when.ended < other.record.when.ended ? 1 : -1))[0]
    ?.record;
  return {
    record: digest,
    step: record.step,
    pipeline: record.pipeline.name,
    file: below === '' ? record.pipeline.file : record.pipeline.file.slice(below.length + 1),
    run: record.run,
    ended: record.when.ended,
    status: record.exit.status,
    current: isCurrent(project, digest, record.pipeline.file, record.step),
    who: record.who.name ?? record.who.user,
    metrics: evaluation?.metrics ?? record.metrics,
    gates: (evaluation?.gates ?? record.gates).map(({ metric, operator, threshold, value, ok }) => ({
      metric,
      operator,
      threshold,
      value,
      ok,
    })),
    modelDigest: model,
    data: record.inputs
      .filter(({ name }) => !name.startsWith('lock:'))
      .map(({ name, digest: content, path, rows, bytes }) => ({
        name: name.slice(name.indexOf(':') + 1),
        digest: content,
        bytes,
        ...(path === undefined ? {} : { path }),
        ...(rows === undefined ? {} : { rows }),
      })),
    commit: record.code
      ? {
          id: record.code.commit,
          dirty: record.code.dirty,
          ...(record.code.branch === undefined ? {} : { branch: record.code.branch }),
        }
      : null,
    environment: {
      name: record.environment.name,
      fingerprint: record.environment.fingerprint,
      engine: record.engine ? `${record.engine.name} ${record.engine.version}` : null,
    },
    parameters: Object.fromEntries(
      Object.entries(record.parameters).map(([name, value]) => [
        name,
        Array.isArray(value) ? JSON.stringify(value) : value,
      ]),
    ),
  };
}

function isCurrent(project: Project, digest: string, file: string, step: string): boolean {
  try {
    return project.ledger.locked(`${project.root}${sep}${file}`, step) === digest;
  } catch {
    // A damaged lock names no current model.
    return false;
  }
}

/** A version of a model, for people and programs. */
export interface KeptModel {
  name: string;
  version: number;
  tag: string | null;
  record: string;
  model: string;
  /** Relative to the project's root. */
  file: string;
  metrics: Record<string, number>;
  kept: { when: string; who: string };
  /** Why it is not what it was when it was kept; nothing where all is well. */
  problem: string | null;
}

/** Keeps a trained model under the next number of its name. @throws MlpipeError what `versions/keep.ts` names */
export async function keep(project: Project, reference: string, options: KeepOptions = {}): Promise<KeptModel> {
  return keptModel(project, await keepModel(project, reference, options), null);
}

/** Every version of a model, and files that cannot be read as one. */
export async function versions(
  project: Project,
): Promise<{ models: KeptModel[]; damaged: { file: string; problem: string }[] }> {
  const found = findVersions(project.root);
  const problems = await problemsOf(project, found);
  return {
    models: found.versions.map((version) => keptModel(project, version, problems.get(version.path) ?? null)),
    damaged: found.damaged.map(({ path, problem }) => ({
      file: relative(project.root, path),
      problem: problem.message,
    })),
  };
}

function keptModel(project: Project, { version, path }: StoredVersion, problem: string | null): KeptModel {
  const { format: _, previous: __, ...rest } = version;
  return { ...rest, file: relative(project.root, path).replaceAll('\\', '/'), problem };
}
