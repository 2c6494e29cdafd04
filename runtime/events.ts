/** What happens during a run, as one stream: the CLI prints it, the editor shows it, `--events` writes it out. */
import type { Digest, Location, Seconds } from '../grammar/plan/plan.ts';
import type { EXIT } from './errors.ts';

export type { StepState } from '../grammar/rules/facts.ts';

export type StepStatus = 'ran' | 'cached' | 'failed' | 'skipped' | 'cancelled';

export type RunEvent =
  | { type: 'run-started'; run: string; pipeline: string; steps: string[] }
  | { type: 'step-waiting'; step: string; reason: string }
  | { type: 'step-started'; step: string; reason: string /** Of the process that does the work. */; pid?: number }
  | StepProgress
  | { type: 'step-output'; step: string; stream: 'stdout' | 'stderr'; text: string }
  | { type: 'step-warning'; step: string; message: string; where?: Location }
  | StepResult
  | { type: 'run-finished'; run: string; ok: boolean; cancelled: boolean; seconds: Seconds };

export interface StepProgress {
  type: 'step-progress';
  step: string;
  /** What is being done: `reading data`, `training`, `evaluating`; before it, `installing TensorFlow 2.19.1`. */
  phase: string;
  /** 0 … 1 of the whole step; while an engine is installed, of the installation. */
  share: number;
  /** Counted from 1. */
  epoch?: number;
  epochs?: number;
  metrics?: Record<string, number>;
}

export interface StepResult {
  type: 'step-finished';
  step: string;
  status: StepStatus;
  /** Why it ran or did not. */
  reason: string;
  key: Digest | null;
  seconds: Seconds;
  record: Digest | null;
  outputs: Record<string, { digest: Digest; bytes: number }>;
  metrics: Record<string, number>;
  engine: { name: string; version: string } | null;
  /** What went wrong, in one line, and what to do. */
  error?: {
    message: string;
    todo?: string;
    where?: Location;
    /** Where not the step has failed: the environment cannot do it. */
    exit?: typeof EXIT.usage;
  };
}
