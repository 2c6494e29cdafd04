/** The part of the façade that takes over what other tools have recorded. */
import type { DvcImport, DvcImportOptions } from './import/dvc/import.ts';
import type { Project } from './project.ts';

export type { DvcImport, DvcImportOptions } from './import/dvc/import.ts';

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
