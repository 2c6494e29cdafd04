/** What an executor answers: plain data, whatever it was that ran. */
import type { EngineName } from '../../grammar/plan/plan.ts';
import type { RecordedGate, RunRecord } from '../ledger/record.ts';

export interface Outcome {
  exit: RunRecord['exit'];
  /** What to do about a failure. */
  todo?: string;
  /** By name: where it lies now and, for what a program writes, where it belongs in the pipeline's folder. */
  outputs: Record<string, { location: string; path?: string }>;
  metrics: Record<string, number>;
  gates: RecordedGate[];
  engine: { name: EngineName; version: string } | null;
  /** Known only after the run. */
  evidence: Record<string, unknown>;
  undeclaredReads: string[];
  logFile?: string;
}

export interface StepHooks {
  onStart(pid: number): void;
  onProgress(progress: {
    phase: string;
    share: number;
    epoch?: number;
    epochs?: number;
    metrics?: Record<string, number>;
  }): void;
  onOutput(stream: 'stdout' | 'stderr', text: string): void;
  onWarning(message: string): void;
}
