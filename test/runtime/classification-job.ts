/** The job of training one model on a table of small pictures with a label: what tests and benchmarks of a worker share. */
import type { ModelPlan, SplitPlan, TrainStep } from '../../grammar/plan/plan.ts';
import type { TrainJob } from '../../runtime/train/job.ts';

export interface Classification {
  folder: string;
  /** The table: `pixels1 …`, then `label`. */
  path: string;
  model: Omit<ModelPlan, 'data' | 'inputs'>;
  /** Of a picture. */
  shape: number[];
  classes: number;
  split?: SplitPlan;
  resume: boolean;
  step: Pick<TrainStep, 'epochs' | 'batch' | 'seed' | 'optimizer'> & Partial<TrainStep>;
}

export function classificationJob({
  folder,
  path,
  model,
  shape,
  classes,
  split,
  resume,
  step,
}: Classification): TrainJob {
  return {
    kind: 'train',
    folder,
    resume,
    engine: { name: 'wasm', version: '4.22.0' },
    model: { ...model, data: 'rows', inputs: ['pixels'] },
    data: {
      rows: {
        path,
        plan: {
          name: 'rows',
          source: { kind: 'path', path: 'rows.csv' },
          schema: [
            { name: 'pixels', type: { kind: 'float', shape } },
            { name: 'label', type: { kind: 'class', count: classes } },
          ],
          ...(split === undefined ? {} : { split }),
        },
      },
    },
    step: {
      kind: 'train',
      name: 'learn',
      block: 'learn',
      needs: [],
      resources: {},
      model: 'model',
      on: { data: 'rows' },
      target: 'label',
      loss: { name: 'crossEntropy', arguments: { labelSmoothing: 0 } },
      ...step,
    },
  };
}
