/** What came of executing a step, well or badly, as the record will be made of it. */
import type { Digest } from '../../grammar/plan/plan.ts';
import { EXIT, MlpipeError } from '../errors.ts';
import type { RecordedGate, RecordedOutput, RunRecord } from '../ledger/record.ts';

/** What an execution gave, before it is recorded. */
export interface Outcome {
  outputs: Record<string, RecordedOutput>;
  metrics: Record<string, number>;
  gates: RecordedGate[];
  engine: RunRecord['engine'];
  evidence: Record<string, unknown>;
  undeclaredReads: string[];
  log?: Digest;
  exit: RunRecord['exit'];
  todo?: string;
  /** Not the step has failed: the environment cannot do it. */
  cannot?: boolean;
}

/** Of a step that has given nothing, so far or at all. */
export const NOTHING: Omit<Outcome, 'exit'> = {
  outputs: {},
  metrics: {},
  gates: [],
  engine: null,
  evidence: {},
  undeclaredReads: [],
};

/** What an error that ended a step says of it; also that it was cancelled, or that the environment cannot run it. */
export function outcomeOfError(error: unknown): Outcome {
  return {
    ...NOTHING,
    exit: failure(error),
    ...(error instanceof MlpipeError && error.todo ? { todo: error.todo } : {}),
    ...(error instanceof MlpipeError && error.exit === EXIT.usage ? { cannot: true } : {}),
  };
}

function failure(error: unknown): RunRecord['exit'] {
  if (error instanceof MlpipeError) {
    return { status: error.code === 'cancelled' ? 'cancelled' : 'failed', message: error.message };
  }
  if (error instanceof Error && error.name === 'AbortError')
    return { status: 'cancelled', message: 'It was cancelled.' };
  return { status: 'failed', message: error instanceof Error ? error.message : String(error) };
}
