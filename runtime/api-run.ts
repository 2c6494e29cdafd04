/** The part of the façade that runs pipelines: what would run and why, and that it does. */
import type { Plan } from '../grammar/plan/plan.ts';
import { contextAt, worldOf } from './context.ts';
import { type RunOptions, runPipeline } from './execute/run.ts';
import { statusOf } from './execute/status.ts';
import type { Project } from './project.ts';
import type { RunAnswer, StatusAnswer } from './rpc/protocol.ts';

/** The language is large and not everybody needs it. */
const pipeline = () => import('./pipeline.ts');

export interface PipelineOptions {
  /** `-S name=value` */
  parameters?: Readonly<Record<string, string>>;
}

/** Runs what is not up to date. @throws MlpipeError where the file has errors; failures of steps are in the answer */
export async function run(
  project: Project,
  file: string,
  options: RunOptions & PipelineOptions = {},
): Promise<RunAnswer> {
  const context = await contextAt(project, file, options.parameters);
  return runPipeline({ ...context, world: worldOf(project, { supply: true }) }, options);
}

/** What would run, and why. */
export async function status(
  project: Project,
  file: string,
  options: Pick<RunOptions, 'steps' | 'downstream' | 'force' | 'noCache'> & PipelineOptions = {},
): Promise<StatusAnswer> {
  return statusOf(await contextAt(project, file, options.parameters), options);
}

export async function plan(project: Project, file: string, options: PipelineOptions = {}): Promise<Plan> {
  return (await contextAt(project, file, options.parameters)).plan;
}

/** As much of the plan as a file with errors allows. */
export async function planWhatIsWhole(file: string): Promise<Plan> {
  const { loadFile, partialPlan } = await pipeline();
  return partialPlan(await loadFile(file));
}
