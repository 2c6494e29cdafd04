/** The part of the façade that asks whether a result holds: made again, since it was good, still to be had, shown to others. */
import { resolve } from 'node:path';
import { type PipelineOptions, planWhatIsWhole } from './api-run.ts';
import type { ChangesSinceGood } from './changes/changes.ts';
import { contextAt } from './context.ts';
import type { Decay, DecayOptions } from './decay/decay.ts';
import { EXIT, MlpipeError } from './errors.ts';
import type { ExportedDocument, ExportOptions } from './export/export.ts';
import type { Project } from './project.ts';
import type { ReproduceOptions, Reproduction } from './reproduce/reproduce.ts';
import { resolveReference } from './versions/resolve.ts';

/**
 * Makes a recorded model again in a clean place and says how near it came.
 *
 * @throws MlpipeError what `runtime/reproduce/reproduce.ts` names
 */
export async function reproduce(
  project: Project,
  reference: string,
  options: Omit<ReproduceOptions, 'current'> & PipelineOptions & { file?: string } = {},
): Promise<Reproduction> {
  const { reproduce: make } = await import('./reproduce/reproduce.ts');
  const { file, parameters, ...rest } = options;
  if (rest.environment !== 'current' && rest.data !== 'current') return make(project, reference, rest);
  const path = file ?? resolve(project.root, resolveReference(project, reference).record.pipeline.file);
  const { plan: today } = await contextAt(project, path, parameters);
  return make(project, reference, { ...rest, current: { plan: today, file: path } });
}

/**
 * What has changed since the newest model of a training whose gates all passed.
 *
 * @param reference the training, or any record of it
 * @throws MlpipeError `never-good`, `step-unknown`, `reference-unknown`
 */
export async function changesSinceGood(
  project: Project,
  reference: string,
  options: PipelineOptions & { file?: string } = {},
): Promise<ChangesSinceGood> {
  const [{ changesSinceGood: compare }, { modelOf }] = await Promise.all([
    import('./changes/changes.ts'),
    import('./versions/model.ts'),
  ]);
  const { record } = modelOf(project, reference);
  const file = options.file ?? resolve(project.root, record.pipeline.file);
  return compare(project, await contextAt(project, file, options.parameters), record.step);
}

/**
 * Whether everything that a pipeline and its kept models stand on is still to be had, and the same. What is found is kept
 * for the diagnostics.
 *
 * @throws MlpipeError `cancelled`
 */
export async function decay(project: Project, file: string, options: DecayOptions = {}): Promise<Decay> {
  const [{ decay: look }, { rememberDecay }] = await Promise.all([
    import('./decay/decay.ts'),
    import('./decay/remember.ts'),
  ]);
  try {
    const found = await look(project, file, await planWhatIsWhole(file), options);
    rememberDecay(project, file, found);
    return found;
  } catch (error) {
    if (!options.signal?.aborted) throw error;
    throw new MlpipeError('The check was cancelled.', { code: 'cancelled', exit: EXIT.cancelled });
  }
}

/**
 * A record, a model or a data set in a format of other tools.
 *
 * @throws MlpipeError what `runtime/export/export.ts` names
 */
export async function exportDocument(
  project: Project,
  reference: string,
  options: ExportOptions,
): Promise<ExportedDocument> {
  const { exportDocument: write } = await import('./export/export.ts');
  return write(project, reference, options);
}
