import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { classWeights } from '../../runtime/train/class-weights.ts';
import { isBetter, measure } from '../../runtime/train/measure.ts';
import * as metrics from '../../runtime/train/metrics.ts';
import { buildSchedule } from '../../runtime/train/schedule.ts';
import type { Task } from '../../runtime/train/targets.ts';

interface Classification {
  classes: number;
  truth: number[];
  scores: number[];
  accuracy: number;
  confusion: number[];
  precision: number[];
  recall: number[];
  f1: number[];
  support: number[];
  macroPrecision: number;
  macroF1: number;
  auc: number[];
  macroAuc: number;
  logLoss: number;
  top2: number | null;
  balanced: number[];
}

interface Golden {
  classification: Record<string, Classification>;
  regression: Record<
    string,
    { width: number; truth: number[]; predicted: number[]; mse: number; rmse: number; mae: number; r2: number }
  >;
  missingClass: { truth: number[]; predicted: number[]; precision: number[]; recall: number[]; f1: number[] };
}

// What scikit-learn says of these numbers; the file names its version.
const golden = JSON.parse(readFileSync(new URL('../golden/metrics.json', import.meta.url), 'utf8')) as Golden;

function near(found: number | undefined, expected: number, tolerance = 1e-12): void {
  assert.ok(
    found !== undefined && Math.abs(found - expected) <= tolerance * Math.max(1, Math.abs(expected)),
    `${found} is not ${expected}`,
  );
}

function task(classes: number, outputs: 'one' | 'each' = 'each'): Task & { kind: 'classes' } {
  return { kind: 'classes', labels: Array.from({ length: classes }, (_, n) => `c${n}`), outputs, threshold: 0.5 };
}

describe('metrics', () => {
  for (const [name, expected] of Object.entries(golden.classification)) {
    it(`of classes are those of scikit-learn (${name})`, () => {
      const scores = Float32Array.from(expected.scores);
      const measured = measure(task(expected.classes), scores, Float32Array.from(expected.truth), 0);
      near(measured.metrics.accuracy, expected.accuracy);
      near(measured.metrics.precision, expected.macroPrecision);
      near(measured.metrics.f1, expected.macroF1);
      near(measured.metrics.auc, expected.macroAuc);
      near(measured.metrics.logLoss, expected.logLoss, 1e-9);
      assert.deepEqual([...(measured.confusion ?? [])], expected.confusion);
      for (const [index, one] of (measured.classes ?? []).entries()) {
        near(one.precision, expected.precision[index] ?? -1);
        near(one.recall, expected.recall[index] ?? -1);
        near(one.f1, expected.f1[index] ?? -1);
        near(one.auc ?? -1, expected.auc[index] ?? -2);
        assert.equal(one.support, expected.support[index]);
      }
      if (expected.top2 !== null) near(metrics.topK(expected.truth, scores, expected.classes, 2), expected.top2);
    });

    it(`balance the weights as scikit-learn (${name})`, () => {
      const weights = classWeights('balanced', task(expected.classes), Float32Array.from(expected.truth));
      for (const [index, weight] of expected.balanced.entries()) near(weights?.[index], weight, 1e-6);
    });
  }

  for (const [name, expected] of Object.entries(golden.regression)) {
    it(`of numbers are those of scikit-learn (${name})`, () => {
      const { metrics: found } = measure(
        { kind: 'numbers', width: expected.width },
        Float32Array.from(expected.predicted),
        Float32Array.from(expected.truth),
        0,
      );
      near(found.meanSquaredError, expected.mse);
      near(found.rootMeanSquaredError, expected.rmse);
      near(found.meanAbsoluteError, expected.mae);
      near(found.r2, expected.r2);
    });
  }

  it('count 0 for a class that is never predicted or never there, as scikit-learn', () => {
    const { truth, predicted, precision, recall, f1 } = golden.missingClass;
    const found = metrics.scoresByClass(metrics.confusionMatrix(truth, predicted, 3), 3);
    assert.deepEqual(
      found.map((one) => one.precision),
      precision,
    );
    assert.deepEqual(
      found.map((one) => one.recall),
      recall,
    );
    for (const [index, one] of found.entries()) near(one.f1, f1[index] ?? -1);
  });

  it('are the same for one sigmoid output and for two softmax outputs', () => {
    const { truth, scores } = golden.classification.binary as Classification;
    const yes = Float32Array.from({ length: truth.length }, (_, row) => scores[row * 2 + 1] ?? 0);
    const one = measure(task(2, 'one'), yes, Float32Array.from(truth), 0);
    const two = measure(task(2), Float32Array.from(scores), Float32Array.from(truth), 0);
    assert.deepEqual(one.confusion, two.confusion);
    for (const [name, value] of Object.entries(two.metrics)) near(one.metrics[name], value, 1e-6);
  });

  it('leave out what the rows cannot give', () => {
    const measured = measure(task(2), Float32Array.of(0.4, 0.6, 0.7, 0.3), Float32Array.of(1, 1), 0);
    assert.equal('auc' in measured.metrics, false);
    assert.equal(measured.classes?.[0]?.auc, null);
  });

  it('know which way is better', () => {
    assert.ok(isBetter('accuracy', 0.9, 0.8));
    assert.ok(isBetter('loss', 0.1, 0.2));
    assert.ok(!isBetter('loss', 0.2, 0.2));
  });
});

describe('schedules', () => {
  const course = { epochs: 10, stepsPerEpoch: 4 };
  const at = (name: string, values: Record<string, number>) =>
    buildSchedule({ name, arguments: { warmup: 0, ...values } }, course);

  it('keep the rate without one', () => assert.equal(buildSchedule(undefined, course)(17), 1));
  it('rise in a straight line while the warm-up lasts', () => {
    const schedule = at('constant', { warmup: 2 });
    assert.deepEqual([0, 1, 3, 7, 8, 30].map(schedule), [1 / 8, 2 / 8, 4 / 8, 1, 1, 1]);
  });
  it('fall exponentially', () => near(at('exponentialDecay', { factor: 0.5, every: 2 })(8), 0.5));
  it('fall in steps', () =>
    assert.deepEqual([7, 8, 16].map(at('stepDecay', { factor: 0.5, every: 2 })), [1, 0.5, 0.25]));
  it('fall in a straight line to the last share', () => {
    const schedule = at('linearDecay', { last: 0.2 });
    near(schedule(0), 1);
    near(schedule(20), 0.6);
    near(schedule(40), 0.2);
  });
  it('fall along a cosine, after the warm-up', () => {
    const schedule = at('cosineDecay', { last: 0, warmup: 2 });
    near(schedule(8), 1);
    near(schedule(24), 0.5);
    near(schedule(40), 0);
  });
});
