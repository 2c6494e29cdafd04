/** Reads what a job's references name, each data set once. */
import type { DataReference, ModelPlan } from '../../grammar/plan/plan.ts';
import type { Dataset, Tensors } from '../data/dataset.ts';
import { readDataset } from '../data/read.ts';
import { type Parts, split } from '../data/split.ts';
import { allRows, tensors } from '../data/tensors.ts';
import { MlpipeError } from '../errors.ts';
import type { WorkerJob } from './job.ts';

export interface DataReader {
  /** @throws MlpipeError `data-missing`, `part-unknown`, `part-empty`, or what reading throws */
  read(reference: DataReference): Promise<Tensors>;
}

/** @param target the column to predict */
export function dataReader(
  data: WorkerJob['data'],
  model: ModelPlan,
  target: string,
  options: { signal: AbortSignal; onProgress: (share: number) => void },
): DataReader {
  const opened = new Map<string, Promise<{ dataset: Dataset; parts?: Parts }>>();
  return {
    async read(reference) {
      const place = data[reference.data];
      if (!place) {
        throw new MlpipeError(`The data ${reference.data} was not given to this job.`, { code: 'data-missing' });
      }
      let pending = opened.get(reference.data);
      if (!pending) {
        pending = open(place, [...model.inputs, target], options);
        opened.set(reference.data, pending);
      }
      const { dataset, parts } = await pending;
      const rows = reference.part === undefined ? allRows(dataset) : parts?.[reference.part];
      if (!rows) {
        throw new MlpipeError(`The data ${reference.data} has no part ${reference.part}.`, {
          code: 'part-unknown',
          todo: `Parts are ${Object.keys(parts ?? {}).join(', ') || 'made with `split`'}.`,
        });
      }
      if (rows.length === 0) {
        throw new MlpipeError(`${reference.data}.${reference.part} has no rows.`, {
          code: 'part-empty',
          todo: 'Give it a larger share.',
        });
      }
      const read = tensors(dataset, rows, model.inputs, target, model.inputShape);
      checkFinite(read.inputs, rows, reference, model);
      return read;
    },
  };
}

async function open(
  place: WorkerJob['data'][string],
  columns: string[],
  options: { signal: AbortSignal; onProgress: (share: number) => void },
): Promise<{ dataset: Dataset; parts?: Parts }> {
  const { plan, path } = place;
  const { stratify, group } = plan.split ?? {};
  const needed = [...columns, stratify, group].filter((name) => name !== undefined);
  const dataset = await readDataset(plan, path, { ...options, columns: [...new Set(needed)] });
  return plan.split ? { dataset, parts: split(dataset, plan.split) } : { dataset };
}

/** One missing number makes the whole model NaN within a step, so it is found before. */
function checkFinite(inputs: Float32Array, rows: Uint32Array, reference: DataReference, model: ModelPlan): void {
  const at = inputs.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  const width = inputs.length / rows.length;
  const row = (rows[Math.floor(at / width)] ?? 0) + 1;
  throw new MlpipeError(
    `Row ${row} of ${reference.data} has no number in one of the inputs ${model.inputs.join(', ')}.`,
    { code: 'data-missing-value', todo: 'Fill in or leave out missing values in a step before the training.' },
  );
}
