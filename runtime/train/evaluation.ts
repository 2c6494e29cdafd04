/** The job of an `evaluate` block: what a trained model is worth on rows that it has not seen. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { GatePlan } from '../../grammar/plan/plan.ts';
import { openEngine } from '../engines/index.ts';
import { MlpipeError } from '../errors.ts';
import type { RecordedGate } from '../ledger/record.ts';
import { dataReader } from './data.ts';
import type { EvaluateJob } from './job.ts';
import { type Measurement, measure } from './measure.ts';
import { topK } from './metrics.ts';
import { encodeTargets, type Task, taskOf } from './targets.ts';
import type { Done, JobContext } from './training.ts';

/** Of more rows there is no table of predictions. */
const PREDICTIONS_LIMIT = 10_000;

export async function runEvaluation(job: EvaluateJob, { send, signal }: JobContext): Promise<Done> {
  const { step, train, model: plan, folder } = job;
  const engine = await openEngine(job.engine.name, job.engine.version, job.engine.settings);
  const reader = dataReader(job.data, plan, train.target, {
    signal,
    onProgress: (share) => send({ type: 'progress', phase: 'reading data', share: share * 0.5 }),
  });
  const data = await reader.read(step.on);
  const task = taskOf(plan, train.loss, train.target, data);
  const model = await engine.load(job.modelPath);
  if (model.inputShape.join() !== plan.inputShape.join() || model.outputShape.join() !== plan.outputShape.join()) {
    throw new MlpipeError(
      `The trained model takes [${model.inputShape}] and gives [${model.outputShape}]; the plan says [${plan.inputShape}] and [${plan.outputShape}].`,
      { code: 'model-mismatch', todo: 'Train it again.' },
    );
  }
  send({ type: 'progress', phase: 'evaluating', share: 0.5 });
  const predictions = await model.predict(data.inputs, data.rows);
  signal.throwIfAborted();
  const encoded = encodeTargets(task, data.targets, train.target);
  const loss = await engine.loss(train.loss, predictions, encoded, data.rows);
  const measurement = measure(task, predictions, data.targets, loss);
  const gates = step.gates.map((gate) => judge(gate, task, measurement, data.targets));
  model.dispose();

  const { metrics, classes, confusion } = measurement;
  const count = task.kind === 'classes' ? task.labels.length : 0;
  const report = {
    format: 'mlpipe-report/1',
    train: step.train,
    model: plan.name,
    on: step.on,
    rows: data.rows,
    metrics,
    ...(classes && confusion
      ? {
          classes,
          confusion: {
            /** Rows are the truth, columns what was predicted. */
            labels: classes.map((one) => one.label),
            counts: classes.map((_, truth) => [...confusion.subarray(truth * count, (truth + 1) * count)]),
          },
        }
      : {}),
    gates,
  };
  await writeFile(join(folder, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
  const outputs: Record<string, string> = { report: 'report.json' };
  if (data.rows <= PREDICTIONS_LIMIT) {
    await writeFile(join(folder, 'predictions.csv'), predictionTable(task, measurement, predictions, data.targets));
    outputs.predictions = 'predictions.csv';
  }
  return {
    type: 'done',
    outputs,
    metrics,
    gates,
    engine: { name: engine.name, version: engine.version, ...engine.describe },
    notes: { rows: data.rows },
  };
}

/** @throws MlpipeError `gate-metric` where the metric cannot be measured here */
export function judge(gate: GatePlan, task: Task, measurement: Measurement, targets: Float32Array): RecordedGate {
  const value = measuredValue(gate, task, measurement, targets);
  if (value === undefined || !Number.isFinite(value)) {
    const of = gate.class === undefined ? '' : ` of class ${gate.class}`;
    throw new MlpipeError(`The gate on ${gate.metric}${of} cannot be judged: it cannot be measured on these rows.`, {
      code: 'gate-metric',
      todo: `Measured are ${Object.keys(measurement.metrics).join(', ')}.`,
    });
  }
  const { metric, operator, threshold } = gate;
  const one = {
    ...(gate.class === undefined ? {} : { class: gate.class }),
    ...(gate.k === undefined ? {} : { k: gate.k }),
  };
  return { metric, ...one, operator, threshold, value, ok: holds(value, operator, threshold) };
}

function measuredValue(
  gate: GatePlan,
  task: Task,
  { metrics, classes, scores }: Measurement,
  targets: Float32Array,
): number | undefined {
  if (gate.class !== undefined) {
    // A class may be named by its label or, where labels are numbers anyway, by its index.
    const one =
      classes?.find((candidate) => candidate.label === String(gate.class)) ??
      (typeof gate.class === 'number' ? classes?.[gate.class] : undefined);
    const named: Record<string, number | null | undefined> = { ...one, label: undefined };
    return named[gate.metric] ?? undefined;
  }
  if (gate.metric === 'topK' && gate.k !== undefined && task.kind === 'classes' && scores) {
    return topK(targets, scores, task.labels.length, gate.k);
  }
  return metrics[gate.metric];
}

function holds(value: number, operator: GatePlan['operator'], threshold: number): boolean {
  switch (operator) {
    case '>=':
      return value >= threshold;
    case '<=':
      return value <= threshold;
    case '>':
      return value > threshold;
    case '<':
      return value < threshold;
  }
}

/** One line a row: truth, prediction, and the score of each class. */
function predictionTable(
  task: Task,
  { predicted, scores }: Measurement,
  predictions: Float32Array,
  targets: Float32Array,
): string {
  const lines: string[] = [];
  if (task.kind === 'numbers') {
    const names = (prefix: string) =>
      Array.from({ length: task.width }, (_, n) => (task.width === 1 ? prefix : `${prefix}${n + 1}`));
    lines.push([...names('truth'), ...names('predicted')].join(','));
    for (let from = 0; from < targets.length; from += task.width) {
      lines.push(
        [...targets.subarray(from, from + task.width), ...predictions.subarray(from, from + task.width)].join(','),
      );
    }
  } else {
    const count = task.labels.length;
    lines.push(['truth', 'predicted', ...task.labels].map(quoted).join(','));
    for (let row = 0; row < targets.length; row++) {
      const own = scores?.subarray(row * count, (row + 1) * count) ?? [];
      const words = [task.labels[targets[row] ?? -1] ?? '', task.labels[predicted?.[row] ?? -1] ?? ''];
      lines.push([...words.map(quoted), ...own].join(','));
    }
  }
  return `${lines.join('\n')}\n`;
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
