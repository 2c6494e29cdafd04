/** What a step that runs has around it: its pipeline and world, and the run that it is a part of. */
import type { EnvironmentPlan, Plan, StepPlan } from '../../grammar/plan/plan.ts';
import type { RunEvent, StepResult } from '../events.ts';
import type { RunRecord } from '../ledger/record.ts';
import type { Conditions } from './conditions.ts';
import type { PipelineContext } from './world.ts';

/** Who runs, and on which state of the code. */
export type Provenance = Pick<RunRecord, 'code' | 'who'>;

export interface StepContext extends PipelineContext {
  run: string;
  /** The same for all steps of a run. */
  provenance: () => Promise<Provenance>;
  /** Whether nobody has been told in this run. */
  tellOnce: (message: string) => boolean;
  /** Begins a training anew instead of going on from a checkpoint. */
  fresh: boolean;
  conditions?: Conditions;
  emit: (event: RunEvent) => void;
  signal: AbortSignal;
}

/** An evaluation that names none computes in that of its training. */
export function environmentOf(plan: Plan, step: StepPlan): EnvironmentPlan | undefined {
  const train = step.kind === 'evaluate' ? plan.steps[step.train] : undefined;
  return plan.environments[step.environment ?? train?.environment ?? ''];
}

/** Where a block stands, for what went wrong in it. */
export function locationOf(
  context: PipelineContext,
  block: string,
): { where?: NonNullable<NonNullable<StepResult['error']>['where']> } {
  const where = context.plan.locations[block];
  return where === undefined ? {} : { where };
}
