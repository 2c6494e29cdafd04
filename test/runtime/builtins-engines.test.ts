import assert from 'node:assert/strict';
import { URI } from 'langium';
import * as ast from '../../grammar/generated/ast.ts';
import { loadBuiltins, loadPipeline } from '../../grammar/load.ts';
import { createMlpipeServices } from '../../grammar/module.ts';
import { lowerWhatIsWhole } from '../../grammar/plan/lower.ts';
import type { CallPlan, ModelPlan, Plan, TrainStep } from '../../grammar/plan/plan.ts';
import type { Engine } from '../../runtime/engines/engine.ts';
import { listEngines, openEngine } from '../../runtime/engines/index.ts';
import { BUILT_LAYERS } from '../../runtime/engines/tfjs/layers.ts';
import { BUILT_LOSSES } from '../../runtime/engines/tfjs/losses.ts';
import { BUILT_OPTIMIZERS } from '../../runtime/engines/tfjs/optimizers.ts';
import { measure } from '../../runtime/train/measure.ts';
import { BUILT_SCHEDULES, buildSchedule } from '../../runtime/train/schedule.ts';
import { product } from './models.ts';

/** What a layer without a default wants, by the parameter's name; small, as nothing here is about size. */
const REQUIRED: Record<string, string> = {
  units: '2',
  filters: '2',
  kernel: '2',
  shape: '[72]',
  function: 'relu',
  scale: '0.5',
  deviation: '0.1',
  vocabulary: '4',
};

/** Of how many dimensions each layer's input is made; every other takes any, and gets a picture. */
const PICTURE = 'picture';
const INPUT: Record<string, 'picture' | 'sequence' | 'words'> = {
  embedding: 'words',
  conv1d: 'sequence',
  maxPool1d: 'sequence',
  averagePool1d: 'sequence',
  globalMaxPool1d: 'sequence',
  globalAveragePool1d: 'sequence',
  lstm: 'sequence',
  gru: 'sequence',
  simpleRnn: 'sequence',
};

const SGD = { name: 'sgd', arguments: { rate: 0.01, momentum: 0, nesterov: false } };
const SQUARES = { name: 'meanSquaredError', arguments: {} };

/** One spelling of a built-in: itself with its defaults, or with one parameter at another value. */
interface Variant {
  callable: ast.Callable;
  title: string;
  text: string;
}

const services = createMlpipeServices().mlpipe;
const builtins = (await loadBuiltins(services.shared)).parseResult.value.elements;
const callables = builtins.filter(ast.isCallable);
const metrics = builtins.filter(ast.isMetric);
const choices = new Map(
  builtins.filter(ast.isChoiceDeclaration).map(({ name, choices }) => [name, choices.map((choice) => choice.name)]),
);
const layers = callables.filter(({ kind }) => kind === 'layer');
const variants = layers.flatMap(variantsOf);
const plan = await lowered();
const refused = new Map((await listEngines()).map(({ name, cannotTrain }) => [name, cannotTrain]));

describe('the built-in library', () => {
  let engine: Engine;
  before(async () => {
    engine = await openEngine('wasm', '4.22.0');
  });

  it('has nothing that the engines lack, nor the other way round', () => {
    const names = (kind: string): string[] =>
      callables
        .filter((callable) => callable.kind === kind)
        .map(({ name }) => name)
        .sort();
    assert.deepEqual(names('layer'), [...BUILT_LAYERS].sort());
    assert.deepEqual(names('loss'), [...BUILT_LOSSES].sort());
    assert.deepEqual(names('optimizer'), [...BUILT_OPTIMIZERS].sort());
    assert.deepEqual(names('schedule'), [...BUILT_SCHEDULES].sort());
  });

  it('says of each refusal which built-in it is about, and why', () => {
    const known = new Set(callables.map(({ name }) => name));
    for (const cannotTrain of refused.values()) {
      for (const [name, reason] of Object.entries(cannotTrain)) {
        assert.ok(known.has(name), name);
        assert.match(reason, /\w.*\.$/, name);
      }
    }
  });

  for (const [index, { callable, title }] of variants.entries()) {
    it(`${title} is built, and takes a step`, async () => {
      const model = plan.models[`model${index}`];
      assert.ok(model, `There is no plan for ${title}.`);
      if (refused.get('wasm')?.[callable.name] !== undefined) return;
      await walk(engine, model, SQUARES, SGD, 1);
    });
  }

  for (const callable of callables.filter(({ kind }) => kind === 'loss')) {
    it(`the loss ${callable.name} is built with its defaults`, () =>
      walk(engine, dense(), trainOf(callable).loss, SGD, 3));
  }

  for (const callable of callables.filter(({ kind }) => kind === 'optimizer')) {
    it(`the optimizer ${callable.name} is built with its defaults`, () =>
      walk(engine, dense(), SQUARES, trainOf(callable).optimizer, 3));
  }

  for (const callable of callables.filter(({ kind }) => kind === 'schedule')) {
    it(`the schedule ${callable.name} is built with its defaults`, () => {
      const { schedule } = trainOf(callable);
      assert.equal(schedule?.name, callable.name);
      const course = buildSchedule(schedule, { epochs: 20, stepsPerEpoch: 5 });
      const rates = Array.from({ length: 100 }, (_, done) => course(done));
      assert.equal(rates[0], 1);
      assert.ok(rates.every((rate, at) => rate >= 0 && rate <= (rates[at - 1] ?? 1)));
      assert.equal(
        rates.some((rate) => rate < 1),
        callable.name !== 'constant',
      );
    });
  }

  for (const metric of metrics) {
    it(`the metric ${metric.name} is measured of what it is about`, () => {
      const about = metric.subject?.ref?.name;
      const ofClasses = measure(
        { kind: 'classes', labels: ['a', 'b'], outputs: 'each', threshold: 0.5 },
        Float32Array.of(0.9, 0.1, 0.2, 0.8, 0.6, 0.4),
        Float32Array.of(0, 1, 1),
        0.3,
      );
      const ofNumbers = measure({ kind: 'numbers', width: 1 }, Float32Array.of(1, 2, 4), Float32Array.of(1, 2, 3), 0.3);
      assert.equal(metric.name in ofClasses.metrics, about !== 'numbers');
      assert.equal(metric.name in ofNumbers.metrics, about !== 'classes');
    });
  }
});

async function walk(
  engine: Engine,
  model: ModelPlan,
  loss: CallPlan,
  optimizer: CallPlan,
  targetWidth: number,
): Promise<void> {
  const rows = 2;
  const wantsWords = model.layers[0]?.layer === 'embedding';
  const inputs = Float32Array.from({ length: rows * product(model.inputShape) }, (_, at) =>
    wantsWords ? at % 4 : ((at % 7) - 3) / 4,
  );
  const targets = Float32Array.from({ length: rows * targetWidth }, (_, at) => (at % 2 === 0 ? 1 : 0));
  const built = await engine.build(model, { seed: 1, loss, optimizer, targetWidth });
  try {
    assert.equal(built.parameterCount, model.parameterCount);
    built.step(inputs, targets, rows);
    assert.ok(Number.isFinite((await built.losses())[0]));
    const predictions = await built.predict(inputs, rows);
    assert.equal(predictions.length, rows * product(model.outputShape));
    assert.ok(predictions.every(Number.isFinite));
  } finally {
    built.dispose();
  }
}

/** The layer with its defaults, and once with each value of each choice and flag. */
function variantsOf(callable: ast.Callable): Variant[] {
  const required = callable.parameters
    .filter((parameter) => parameter.value === undefined)
    .map(({ name }) => `${name}: ${REQUIRED[name]}`);
  const variant = (title: string, more: string[]): Variant => ({
    callable,
    title: `the layer ${callable.name}${title}`,
    text: `${callable.name}(${[...required.filter((given) => !more.some((one) => one.split(':')[0] === given.split(':')[0])), ...more].join(', ')})`,
  });
  const others = callable.parameters.flatMap((parameter) => {
    const type = ast.isNamedType(parameter.type) ? parameter.type.type.$refText : '';
    const values = type === 'bool' ? ['true', 'false'] : (choices.get(type) ?? []);
    return values.map((value) => variant(` with ${parameter.name}: ${value}`, [`${parameter.name}: ${value}`]));
  });
  return [variant('', []), ...others];
}

/** Every variant as a model, and every loss, optimizer and schedule in a training, through the language itself. */
async function lowered(): Promise<Plan> {
  const models = variants.map(
    ({ callable, text }, index) =>
      `model model${index} {\n  input data1.${INPUT[callable.name] ?? PICTURE}\n  ${text}\n  flatten\n  dense(units: 1)\n}\n`,
  );
  const trains = callables
    .filter(({ kind }) => ['loss', 'optimizer', 'schedule'].includes(kind))
    .map(({ kind, name, subject }) => {
      const target = subject?.ref?.name === 'numbers' ? 'three' : 'label';
      const facts = {
        loss: 'crossEntropy',
        optimizer: 'sgd',
        ...(kind === 'schedule' ? { schedule: name } : {}),
        [kind]: name,
      };
      const lines = Object.entries(facts).map(([fact, value]) => `  ${fact} ${value}`);
      return `train ${name}Train {\n  model last\n  on data1\n  target ${target}\n${lines.join('\n')}\n  epochs 20\n  batch 4\n}\n`;
    });
  const text = `pipeline all
data data1 {
  from "rows.csv"
  schema {
    picture float[6, 6, 2]
    sequence float[6, 3]
    words int[5] in 0 .. 3
    five float[5]
    label class(3)
    three float[3]
  }
}
model last {
  input data1.five
  dense(units: 3, activation: softmax)
}
${models.join('')}${trains.join('')}`;
  const document = await loadPipeline(services, URI.file('/all.mlpipe'), () => text);
  assert.ok(document);
  assert.deepEqual(document.parseResult.parserErrors, []);
  const { plan, problems } = lowerWhatIsWhole(document);
  assert.deepEqual(
    problems.map(({ message, where }) => `${message} ${where?.line}`),
    [],
  );
  return plan;
}

function trainOf(callable: ast.Callable): TrainStep {
  const step = plan.steps[`${callable.name}Train`];
  assert.equal(step?.kind, 'train', callable.name);
  return step;
}

function dense(): ModelPlan {
  const model = plan.models.last;
  assert.ok(model);
  return model;
}
