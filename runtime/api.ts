/**
 * The one façade that the command line, the RPC server, the language server and tests call. Whatever a person can do by
 * clicking, these functions do, and nothing above them has a say in the result.
 */
import { openProject, type Project, type ProjectOptions } from './project.ts';

export * from './api-check.ts';
export * from './api-collect.ts';
export * from './api-editor.ts';
export * from './api-engines.ts';
export * from './api-import.ts';
export * from './api-ledger.ts';
export * from './api-machine.ts';
export * from './api-models.ts';
export * from './api-past.ts';
export * from './api-proof.ts';
export * from './api-repair.ts';
export * from './api-reprotest.ts';
export * from './api-run.ts';
export * from './api-share.ts';
export {
  openProject,
  type Project,
  type ProjectOptions,
  pipelineFile,
  pipelinesIn,
  readPipelineText,
  rootOf,
  writePipelineText,
} from './project.ts';

/** Opens the project of a folder, hands it on, and closes it whatever happens. */
export async function withProject<Result>(
  folder: string,
  use: (project: Project) => Promise<Result> | Result,
  options: ProjectOptions = {},
): Promise<Result> {
  const project = openProject(folder, options);
  try {
    return await use(project);
  } finally {
    project.close();
  }
}
