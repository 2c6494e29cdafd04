/** The part of the façade that takes over what other tools have recorded. */
import type { DvcImport, DvcImportOptions } from './import/dvc/import.ts';
import type { MlflowImport, MlflowImportOptions } from './import/mlflow/import.ts';
import type { Project } from './project.ts';

export type { DvcImport, DvcImportOptions } from './import/dvc/import.ts';
export type { MlflowImport, MlflowImportOptions } from './import/mlflow/import.ts';

/**
 * A DVC project as a pipeline with pinned data and records of what dvc.lock says.
 *
 * @param path of dvc.yaml or its folder
 * @throws MlpipeError what `runtime/import/dvc/import.ts` names
 */
export async function importDvc(project: Project, path: string, options: DvcImportOptions = {}): Promise<DvcImport> {
  const { importDvc: take } = await import('./import/dvc/import.ts');
  return take(project, path, options);
}

/**
 * A run of MLflow as a record that is marked as imported.
 *
 * @param reference the run's id or name
 * @throws MlpipeError what `runtime/import/mlflow/import.ts` names
 */
export async function importMlflow(
  project: Project,
  reference: string,
  options: MlflowImportOptions,
): Promise<MlflowImport> {
  const { importMlflow: take } = await import('./import/mlflow/import.ts');
  return take(project, reference, options);
}
