import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TrainStep } from '../../grammar/plan/plan.ts';
import { openEngine } from '../../runtime/engines/index.ts';
import type { EvaluateJob, TrainJob, WorkerMessage } from '../../runtime/train/job.ts';
import { classificationJob } from './classification-job.ts';
import { DEFAULTS, modelPlan, numbers } from './models.ts';

const WORKER = fileURLToPath(new URL('../../runtime/train/worker.ts', import.meta.url));
const ADAM = { name: 'adam', arguments: { rate: 0.005, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 } };

describe('a training in its worker', () => {
  let folder: string;
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mlpipe-training-'));
    await writeFile(join(folder, 'rows.csv'), table());
  });

  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });

  function job(step: Partial<TrainStep> = {}): TrainJob {
    const model = modelPlan(
      [4, 4],
      [
        ['normalization'],
        ['conv2d', { filters: 4, kernel: [3, 3], activation: 'relu' }],
        ['flatten'],
        ['dropout', { rate: 0.2 }],
        ['dense', { units: 3, activation: 'softmax' }],
      ],
    );
    return classificationJob({
      folder,
      path: join(folder, 'rows.csv'),
      model,
      shape: [4, 4],
      classes: 3,
      split: {
        parts: [
          { name: 'train', share: 0.8 },
          { name: 'test', share: 0.2 },
        ],
        stratify: 'label',
        seed: 7,
      },
      resume: true,
      step: {
        on: { data: 'rows', part: 'train' },
        validate: { data: 'rows', part: 'test' },
        optimizer: ADAM,
        epochs: 6,
        batch: 20,
        seed: 7,
        ...step,
      },
    });
  }

  function start(told: TrainJob | EvaluateJob): {
    child: ChildProcess;
    messages: WorkerMessage[];
    end: Promise<{ last: WorkerMessage | undefined; code: number | null }>;
  } {
    const child = fork(WORKER, [], { silent: true });
    children.push(child);
    child.stdout?.resume();
    child.stderr?.resume();
    const messages: WorkerMessage[] = [];
    const end = new Promise<{ last: WorkerMessage | undefined; code: number | null }>((resolve) => {
      child.on('message', (message) => messages.push(message as WorkerMessage));
      child.on('close', (code) => resolve({ last: messages.at(-1), code }));
    });
    child.send(told);
    return { child, messages, end };
  }

  async function run(told: TrainJob | EvaluateJob): Promise<Extract<WorkerMessage, { type: 'done' }>> {
    const { last } = await start(told).end;
    assert.equal(last?.type, 'done', JSON.stringify(last));
    return last as Extract<WorkerMessage, { type: 'done' }>;
  }

  async function weights(): Promise<string> {
    return createHash('sha256')
      .update(await readFile(join(folder, 'model', 'weights.bin')))
      .digest('hex');
  }

  it('learns, and leaves a model, a history and what is to be known of them', async () => {
    const done = await run(job({ epochs: 12 }));
    assert.ok((done.metrics.accuracy ?? 0) > 0.9, JSON.stringify(done.metrics));
    assert.deepEqual(done.outputs, { model: 'model', history: 'history.csv' });
    assert.equal(done.notes.rows, 240);
    const history = (await readFile(join(folder, 'history.csv'), 'utf8')).trim().split('\n');
    assert.equal(history[0], 'epoch,rate,trainLoss,loss,accuracy');
    assert.equal(history.length, 13);
    const card = JSON.parse(await readFile(join(folder, 'model', 'mlpipe.json'), 'utf8'));
    assert.deepEqual(card.labels, ['0', '1', '2']);
    assert.equal(card.normalization.mean.length, 16);
    assert.equal(existsSync(join(folder, 'checkpoint.bin')), false);
  });

  it('repeats bit for bit, and not with another seed', async () => {
    await run(job());
    const first = await weights();
    await run(job());
    assert.equal(await weights(), first);
    await run(job({ seed: 0 }));
    const zero = await weights();
    assert.notEqual(zero, first);
    await run(job({ seed: 0 }));
    assert.equal(await weights(), zero);
  });

  it('draws a seed and says it, and gives the same bits when it is told that seed', async () => {
    const told = job();
    delete told.step.seed;
    const { notes } = await run(told);
    const drawn = await weights();
    await run(job({ seed: notes.seed as number }));
    assert.equal(await weights(), drawn);
  });

  it('goes on after a SIGKILL to the bits of an unbroken run, history too', async () => {
    const step: Partial<TrainStep> = {
      epochs: 60,
      checkpoint: { epochs: 1 },
      schedule: { name: 'cosineDecay', arguments: { last: 0, warmup: 1 } },
      stop: { metric: 'loss', patience: 60 },
      weights: 'balanced',
    };
    await run(job(step));
    const expected = await weights();
    const history = await readFile(join(folder, 'history.csv'), 'utf8');
    await rm(join(folder, 'model'), { recursive: true });

    const broken = start(job(step));
    await until(() => existsSync(join(folder, 'checkpoint.bin')));
    broken.child.kill('SIGKILL');
    await broken.end;
    assert.equal(existsSync(join(folder, 'model')), false);
    const done = await run(job(step));
    assert.ok((done.notes.resumedAfterSteps as number) > 0);
    assert.equal(await weights(), expected);
    assert.equal(await readFile(join(folder, 'history.csv'), 'utf8'), history);
  });

  it('stops within a second of a SIGTERM, in the middle of an epoch, and goes on there to the same bits', async () => {
    const step: Partial<TrainStep> = { epochs: 400, checkpoint: { seconds: 3600 } };
    const { child, messages, end } = start(job(step));
    await until(() => messages.some((message) => message.type === 'progress' && message.phase === 'training'));
    const asked = performance.now();
    child.kill('SIGTERM');
    const { last, code } = await end;
    assert.ok(performance.now() - asked < 1000);
    assert.equal(last?.type, 'failed');
    assert.equal(last?.type === 'failed' && last.code, 'cancelled');
    assert.equal(code, 130);
    const done = await run(job(step));
    assert.ok((done.notes.resumedAfterSteps as number) > 0);
    const resumed = await weights();
    await run(job(step));
    assert.equal(await weights(), resumed);
  }).timeout(60_000);

  it('ends when its parent lets go of it', async () => {
    const { child, messages } = start(job({ epochs: 100_000 }));
    // A parent that has let go hears no `close`, but still the end of the process.
    const exit = new Promise((resolve) => child.on('exit', resolve));
    await until(() => messages.some((message) => message.type === 'progress' && message.phase === 'training'));
    child.disconnect();
    assert.equal(await exit, 130);
  });

  it('begins anew where the checkpoint is torn or of another training', async () => {
    const { child, end } = start(job({ epochs: 100_000, checkpoint: { epochs: 1 } }));
    await until(() => existsSync(join(folder, 'checkpoint.bin')));
    child.kill('SIGKILL');
    await end;
    assert.equal((await run(job())).notes.resumedAfterSteps, undefined);
    await writeFile(join(folder, 'checkpoint.bin'), 'torn');
    assert.equal((await run(job())).notes.resumedAfterSteps, undefined);
  });

  it('stops when a metric stalls and keeps the best epoch', async () => {
    const done = await run(
      job({
        epochs: 200,
        optimizer: { ...ADAM, arguments: { ...ADAM.arguments, rate: 0.05 } },
        stop: { metric: 'loss', patience: 2 },
      }),
    );
    const { epochs, modelOfEpoch } = done.notes;
    assert.ok((epochs as number) < 200);
    assert.equal(epochs as number, (modelOfEpoch as number) + 2);
    assert.match(String(done.notes.stopped), /loss did not become better for 2 epochs/);
    const report = await run(evaluation());
    assert.ok(Math.abs((report.metrics.loss ?? 0) - (done.metrics.loss ?? 1)) < 1e-6);
  });

  it('says that the loss became NaN, where and what to do', async () => {
    const { last } = await start(
      job({
        loss: { name: 'crossEntropy', arguments: { labelSmoothing: 0 } },
        optimizer: { name: 'sgd', arguments: { rate: 1e30, momentum: 0, nesterov: false } },
      }),
    ).end;
    assert.equal(last?.type === 'failed' && last.code, 'loss-not-finite');
    assert.match(last?.type === 'failed' ? last.message : '', /epoch 1, batch \d+/);
    assert.match((last?.type === 'failed' && last.todo) || '', /learning rate/);
  });

  it('says which engine version there is', async () => {
    const { last } = await start({ ...job(), engine: { name: 'wasm', version: '4.0.0' } }).end;
    assert.equal(last?.type === 'failed' && last.code, 'engine-version');
  });

  function evaluation(): EvaluateJob {
    const { step: train, model, data, engine } = job();
    return {
      kind: 'evaluate',
      folder,
      model,
      data,
      engine,
      train,
      modelPath: join(folder, 'model'),
      step: {
        kind: 'evaluate',
        name: 'judge',
        block: 'judge',
        needs: ['learn'],
        resources: {},
        train: 'learn',
        on: { data: 'rows', part: 'test' },
        gates: [
          { metric: 'accuracy', operator: '>=', threshold: 0.5 },
          { metric: 'recall', class: 2, operator: '>=', threshold: 1.5 },
          { metric: 'topK', k: 3, operator: '>=', threshold: 1 },
        ],
      },
    };
  }

  it('is evaluated: metrics, classes, confusion matrix, gates and predictions', async () => {
    const trained = await run(job({ epochs: 12 }));
    const done = await run(evaluation());
    assert.ok(Math.abs((done.metrics.loss ?? 0) - (trained.metrics.loss ?? 1)) < 1e-6);
    assert.deepEqual(
      done.gates.map((gate) => gate.ok),
      [true, false, true],
    );
    const report = JSON.parse(await readFile(join(folder, 'report.json'), 'utf8'));
    assert.equal(
      report.confusion.counts.flat().reduce((sum: number, count: number) => sum + count, 0),
      60,
    );
    assert.equal(report.classes.length, 3);
    const predictions = (await readFile(join(folder, 'predictions.csv'), 'utf8')).trim().split('\n');
    assert.equal(predictions.length, 61);
  });
});

describe('a model on wasm', () => {
  it('holds no more tensors after thousands of steps', async () => {
    const engine = await openEngine('wasm', '4.22.0');
    const plan = modelPlan(
      [4, 4],
      [
        ['conv2d', { filters: 2, kernel: [3, 3] }],
        ['batchNormalization'],
        ['flatten'],
        ['dropout'],
        ['dense', { units: 1 }],
      ],
    );
    const model = await engine.build(plan, {
      seed: 1,
      loss: { name: 'meanSquaredError', arguments: {} },
      optimizer: ADAM,
      targetWidth: 1,
    });
    const inputs = numbers(4 * 16);
    const targets = numbers(4);
    const walk = async (steps: number): Promise<number> => {
      for (let step = 0; step < steps; step++) {
        model.step(inputs, targets, 4);
        if (step % 10 === 9) await model.losses();
      }
      await model.predict(inputs, 4);
      return model.tensorCount();
    };
    const before = await walk(10);
    assert.equal(await walk(2000), before);
    model.dispose();
  });

  it('drops other units in each step, and none when it answers', async () => {
    assert.ok(DEFAULTS.dropout);
    const engine = await openEngine('wasm', '4.22.0');
    const plan = modelPlan([64], [['dropout'], ['dense', { units: 1, kernelInitializer: 'ones' }]]);
    const still = { name: 'sgd', arguments: { rate: 0, momentum: 0, nesterov: false } };
    const model = await engine.build(plan, {
      seed: 5,
      loss: { name: 'meanAbsoluteError', arguments: {} },
      optimizer: still,
      targetWidth: 1,
    });
    const ones = new Float32Array(64).fill(1);
    for (let step = 0; step < 20; step++) model.step(ones, Float32Array.of(0), 1);
    assert.ok(new Set(await model.losses()).size > 5);
    assert.deepEqual([...(await model.predict(ones, 1))], [64]);
    model.dispose();
  });
});

/** 300 rows of 16 numbers whose class shows in which of them are large. */
function table(): string {
  const values = numbers(300 * 16, 3);
  const lines = Array.from({ length: 300 }, (_, row) => {
    const pixels = Array.from({ length: 16 }, (_, at) =>
      ((at % 3 === row % 3 ? 2 : 0) + 2 * (values[row * 16 + at] ?? 0)).toFixed(3),
    );
    return [...pixels, row % 3].join(',');
  });
  const header = [...Array.from({ length: 16 }, (_, at) => `pixels${at + 1}`), 'label'].join(',');
  return `${[header, ...lines].join('\n')}\n`;
}

/** Polls until it holds; mocha's own limit ends it. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}
