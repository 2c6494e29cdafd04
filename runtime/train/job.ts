/** What a worker is told, and what it says: plain data over the process's IPC channel. */
import type { DataPlan, EvaluateStep, ModelPlan, TrainStep } from '../../grammar/plan/plan.ts';
import type { TensorflowSettings } from '../engines/tensorflow/settings.ts';
import type { RecordedGate } from '../ledger/record.ts';

export type WorkerJob = TrainJob | EvaluateJob;

interface JobBase {
  /** The run folder: everything that is written lies below it. */
  folder: string;
  /** By data set: its plan and where its content lies on this machine. */
  data: Record<string, { plan: DataPlan; path: string }>;
  model: ModelPlan;
  engine: { name: string; version: string /** Of TensorFlow alone. */; settings?: TensorflowSettings };
}

export interface TrainJob extends JobBase {
  kind: 'train';
  step: TrainStep;
  /** Goes on from the last whole checkpoint in `folder`, if there is one. */
  resume: boolean;
}

export interface EvaluateJob extends JobBase {
  kind: 'evaluate';
  step: EvaluateStep;
  train: TrainStep;
  /** Folder of the trained model. */
  modelPath: string;
}

/** Sent by the worker with `process.send`. The last one is `done` or `failed`. */
export type WorkerMessage =
  | {
      type: 'progress';
      phase: string;
      share: number;
      epoch?: number;
      epochs?: number;
      metrics?: Record<string, number>;
    }
  | { type: 'warning'; message: string }
  | {
      type: 'done';
      /** Output name → path relative to `folder`. */
      outputs: Record<string, string>;
      metrics: Record<string, number>;
      gates: RecordedGate[];
      engine: { name: string; version: string; identity: Record<string, string>; evidence: Record<string, string> };
      /** Seeds that were drawn because none was given, rows read and the like. */
      notes: Record<string, string | number>;
    }
  | { type: 'failed'; code: string; message: string; todo?: string };
