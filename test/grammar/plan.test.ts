/** The plan: what a file comes to, and that nothing but its meaning matters. `UPDATE_GOLDEN=1` writes the golden plan anew. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { formatWith } from '../../grammar/formatting/format.ts';
import type * as ast from '../../grammar/generated/ast.ts';
import { canonicalJson } from '../../grammar/plan/canonical.ts';
import { LowerError, lower, lowerWhatIsWhole } from '../../grammar/plan/lower.ts';
import type { Plan, ProgramStep, TrainStep } from '../../grammar/plan/plan.ts';
import { NO_FACTS } from '../../grammar/rules/facts.ts';
import { LayoutLexer } from '../../grammar/syntax/layout.ts';
import { diagnose, findFixtures } from './fixtures.ts';
import { load, pipelines, services } from './parsing.ts';

const GOLDEN = fileURLToPath(new URL('../golden/sample.plan.json', import.meta.url));

/** The sample with whole pins, which it cuts off to be readable. */
function sample(): string {
  const text = pipelines()[0]?.text ?? '';
  return text
    .replace('sha256:9c1f…', `sha256:${'9c1f'.repeat(16)}`)
    .replace('sha256:5f0c3e…', `sha256:${'5f0c'.repeat(16)}`);
}

async function planOf(files: Record<string, string> | string, parameters: Record<string, string> = {}): Promise<Plan> {
  const { document } = await load(files);
  return lower(document, { parameters });
}

async function refusal(
  files: Record<string, string> | string,
  parameters: Record<string, string> = {},
): Promise<LowerError> {
  try {
    await planOf(files, parameters);
  } catch (error) {
    assert.ok(error instanceof LowerError, String(error));
    return error;
  }
  assert.fail('There is a plan.');
}

function trainOf(plan: Plan, name: string): TrainStep {
  const step = plan.steps[name];
  assert.ok(step?.kind === 'train', `${name} is no training.`);
  return step;
}

function programOf(plan: Plan, name: string): ProgramStep {
  const step = plan.steps[name];
  assert.ok(step?.kind === 'program', `${name} is no program.`);
  return step;
}

const PIN = `sha256:${'ab12'.repeat(16)}`;

const SMALL = `environment cpu {
  engine  wasm "4.22.0"
}

param rate = 1e-3 in 1e-5 .. 1e-1
param width = 8

data digits {
  from  "data/digits.csv"
  pin   ${PIN}
  schema {
    pixels  float[8, 8] in 0 .. 16
    label   class(10)
  }
  split {
    train  80%
    test   20%
  }
}

model cnn {
  input digits.pixels
  flatten
  dense(units: width)
  dense(units: 10, activation: softmax)
}

train recognise {
  model      cnn
  on         digits.train
  in         cpu
  loss       crossEntropy
  optimizer  adam(rate: rate)
  epochs     2
  batch      32
  seed       7
}

evaluate recognise on digits.test {
  accuracy  >= 90%  within 2 pt
}
`;

describe('the plan', () => {
  it('of the sample is the golden one', async () => {
    const plan = await planOf({ 'digits.mlpipe': sample() });
    const text = `${JSON.stringify(plan, null, 2)}\n`;
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(GOLDEN, text);
    assert.equal(text, readFileSync(GOLDEN, 'utf8'));
  });

  it('survives canonical JSON unchanged', async () => {
    const plan = await planOf(sample());
    assert.deepEqual(JSON.parse(canonicalJson(plan)), plan);
  });

  it('exists for every fixture and example without errors, and for no other', async () => {
    for (const { path, text, name } of findFixtures()) {
      // Errors of the world are no errors of the text.
      const { document, diagnostics } = await diagnose(path, text, NO_FACTS);
      const hasErrors = diagnostics.some(({ severity }) => severity === 1);
      let thrown: unknown;
      try {
        lower(document);
      } catch (error) {
        thrown = error;
      }
      if (hasErrors) assert.ok(thrown instanceof LowerError && thrown.reason === 'errors', name);
      else assert.equal(thrown, undefined, `${name}: ${String(thrown)}`);
      lowerWhatIsWhole(document);
    }
    for (const { name, text } of pipelines().slice(1)) assert.ok((await planOf({ [name]: text })).pipeline, name);
  });

  it('does not depend on the order of blocks and facts, on comments and on layout', async () => {
    const text = sample();
    const { document } = await load({ 'digits.mlpipe': text });
    const meaning = withoutLocations(lower(document));
    await fc.assert(
      fc.asyncProperty(fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })), async (chance) => {
        const other = shuffled(document.parseResult.value, () => chance.next().value as number); // an endless stream
        assert.equal(withoutLocations(await planOf({ 'digits.mlpipe': other })), meaning);
      }),
      { numRuns: 20, seed: 7 },
    );
    const lexer = services.parser.Lexer;
    assert.ok(lexer instanceof LayoutLexer);
    const { document: unformatted } = await load({ 'digits.mlpipe': text });
    const formatted = formatWith(lexer, unformatted.textDocument.getText());
    assert.equal(withoutLocations(await planOf({ 'digits.mlpipe': formatted })), meaning);
  });

  it('fills defaults in, in base units', async () => {
    const plan = await planOf(
      SMALL.replace(
        '  seed       7\n',
        '  seed       7\n  schedule   stepDecay\n  checkpoint every 10 min\n  resources  2 cpus, 4 GiB, 1 h\n',
      ),
    );
    const train = trainOf(plan, 'recognise');
    assert.deepEqual(train.optimizer, {
      name: 'adam',
      arguments: { rate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 },
    });
    assert.deepEqual(train.schedule, { name: 'stepDecay', arguments: { factor: 0.5, every: 10, warmup: 0 } });
    assert.deepEqual(train.checkpoint, { seconds: 600 });
    assert.deepEqual(train.resources, { cpus: 2, memory: 4 * 2 ** 30, time: 3600 });
    assert.deepEqual(plan.steps['recognise.test'], {
      kind: 'evaluate',
      name: 'recognise.test',
      block: 'recognise.test',
      needs: ['recognise'],
      resources: {},
      train: 'recognise',
      on: { data: 'digits', part: 'test' },
      gates: [{ metric: 'accuracy', operator: '>=', threshold: 0.9, within: { absolute: 0.02 } }],
      environment: 'cpu',
    });
  });

  it('spells an expansion out, and what depends on it', async () => {
    const plan = await planOf(
      SMALL.replace('train recognise {', 'train recognise for width in [8, 16] {') +
        `\nstep show {\n  run "show \${recognise(width: 16).model}"\n}\n`,
    );
    assert.deepEqual(Object.keys(plan.steps).sort(), [
      'recognise.test@width=16',
      'recognise.test@width=8',
      'recognise@width=16',
      'recognise@width=8',
      'show',
    ]);
    assert.equal(trainOf(plan, 'recognise@width=8').model, 'cnn');
    assert.equal(trainOf(plan, 'recognise@width=16').model, 'cnn@width=16');
    assert.equal(plan.models.cnn?.layers[0]?.outputShape[0], 64);
    assert.equal(plan.models['cnn@width=16']?.layers[1]?.outputShape[0], 16);
    assert.deepEqual(plan.steps['recognise.test@width=16']?.needs, ['recognise@width=16']);
    assert.deepEqual(programOf(plan, 'show').needs, ['recognise@width=16']);
  });

  it('names the values of an expansion by what they are, not by how they are written', async () => {
    const plan = await planOf(SMALL.replace('train recognise {', 'train recognise for rate in [1e-2, 0.001] {'));
    assert.ok(plan.steps['recognise@rate=0.01']);
    assert.ok(plan.steps['recognise@rate=0.001']);
  });

  it('trains replicates with the seeds that follow, each evaluated as the training is', async () => {
    const plan = await planOf(SMALL.replace('  seed       7\n', '  seed       4294967294\n  replicates 3\n'));
    const trainings = Object.values(plan.steps).filter((step) => step.kind === 'train');
    assert.deepEqual(
      trainings.map(({ name, seed, replicateOf }) => [name, seed, replicateOf]),
      [
        ['recognise', 4294967294, undefined],
        ['recognise~1', 4294967295, 'recognise'],
        ['recognise~2', 0, 'recognise'],
        ['recognise~3', 1, 'recognise'],
      ],
    );
    const evaluation = plan.steps['recognise.test~2'];
    assert(evaluation?.kind === 'evaluate');
    assert.deepEqual(
      [evaluation.train, evaluation.replicateOf, evaluation.needs],
      ['recognise~2', 'recognise.test', ['recognise~2']],
    );
    const { replicateOf: _, ...first } = trainings[1] ?? {};
    assert.deepEqual({ ...first, name: 'recognise', seed: 4294967294 }, trainings[0]);
  });

  it('takes parameters from outside', async () => {
    const plan = await planOf(SMALL, { rate: '0.05', width: '12' });
    assert.deepEqual(plan.parameters, { rate: 0.05, width: 12 });
    assert.equal(trainOf(plan, 'recognise').optimizer.arguments.rate, 0.05);
    assert.equal(plan.models.cnn?.layers[1]?.outputShape[0], 12);
  });

  it('refuses parameters that are unknown or not allowed, and says what is', async () => {
    const messages = async (given: Record<string, string>): Promise<string> => {
      const error = await refusal(SMALL, given);
      assert.equal(error.reason, 'parameters');
      return error.message;
    };
    assert.match(await messages({ speed: '1' }), /no parameter `speed`.*`rate`, `width`/);
    assert.match(await messages({ rate: '5' }), /1e-5 \.\. 1e-1/);
    assert.match(await messages({ rate: 'fast' }), /a number/);
    assert.match(await messages({ rate: '5 min' }), /a number/);
  });

  it('reads parameters with units, choices, texts and truths', async () => {
    const text =
      'param t = 5 min\nparam a: Activation = relu\nparam s = "x"\nparam b = true\nparam l = [1, 2]\nparam p = 80%\n';
    const plan = await planOf(text, { t: '2 h', a: 'tanh', s: '12', b: 'false', l: '[3]', p: '5%' });
    assert.deepEqual(plan.parameters, { t: 7200, a: 'tanh', s: '12', b: false, l: [3], p: 0.05 });
    assert.equal((await refusal(text, { t: '2' })).reason, 'parameters');
    assert.equal((await refusal(text, { a: 'rleu' })).reason, 'parameters');
  });

  it('says where a parameter makes a model impossible', async () => {
    assert.equal((await refusal(SMALL, { width: '0' })).reason, 'incomplete');
  });

  it('lists the errors of a file that has some, with their places', async () => {
    const error = await refusal(SMALL.replace('units: 10', 'units: 9').replace('model      cnn', 'model      cnm'));
    assert.equal(error.reason, 'errors');
    assert.deepEqual(
      error.problems.map(({ code, where }) => [code, where?.line]),
      [['MLP1001', 29]],
    );
  });

  it('is none where data is not pinned', async () => {
    const error = await refusal(SMALL.replace(/ {2}pin .*\n/, ''));
    assert.deepEqual(
      error.problems.map(({ code }) => code),
      ['MLP2001'],
    );
  });

  it('follows imports, with paths from the folder of the pipeline', async () => {
    const shared = SMALL.slice(0, SMALL.indexOf('model cnn')).replace('param width = 8\n', '');
    const plan = await planOf({
      'main.mlpipe': `import cpu as machine, digits, rate from "./shared/base.mlpipe"\n\nparam width = 8\n\n${SMALL.slice(SMALL.indexOf('model cnn')).replace('in         cpu', 'in         machine')}`,
      'shared/base.mlpipe': shared,
    });
    assert.deepEqual(plan.data.digits?.source, { kind: 'path', path: 'shared/data/digits.csv' });
    assert.equal(trainOf(plan, 'recognise').environment, 'machine');
    assert.equal(plan.locations.digits?.file, 'shared/base.mlpipe');
    assert.deepEqual(plan.parameters, { rate: 0.001, width: 8 });
  });

  it('calls what only an imported file knows by that file too', async () => {
    const plan = await planOf({
      'main.mlpipe': 'import recognise from "./lib/base.mlpipe"\n\nenvironment cpu {\n  engine webgpu "0.6.2"\n}\n',
      'lib/base.mlpipe': SMALL,
    });
    assert.equal(trainOf(plan, 'recognise').environment, 'lib.base.cpu');
    assert.equal(plan.environments['lib.base.cpu']?.engine?.name, 'wasm');
    assert.equal(plan.environments.cpu?.engine?.name, 'webgpu');
    assert.equal(trainOf(plan, 'recognise').on.data, 'lib.base.digits');
  });

  it('has errors where an imported file has', async () => {
    const error = await refusal({
      'main.mlpipe': `import digits from "./base.mlpipe"\n\nstep s {\n  run "cat \${digits}"\n}\n`,
      'base.mlpipe': 'data digits {\n  from "d.csv"\n}\n',
    });
    assert.deepEqual(
      error.problems.map(({ code, where }) => [code, where?.file]),
      [['MLP2001', 'base.mlpipe']],
    );
  });

  it('takes a command apart and knows what it needs', async () => {
    const plan = await planOf(`data raw {
  from  "raw.csv"
  pin   ${PIN}
}

param level = 3

step clean {
  run       "clean \${raw} -o \${table} --level=\${level}"
  reads     "b.txt", "a.txt"
  writes    table "clean.csv"
  variable  TOKEN = secret.TOKEN
}

data tidy {
  from  clean.table
}

step count {
  run "count \${tidy} \${clean.table}"
}
`);
    const clean = programOf(plan, 'clean');
    assert.deepEqual(clean.command, [
      { kind: 'text', text: 'clean ' },
      { kind: 'data', data: 'raw' },
      { kind: 'text', text: ' -o ' },
      { kind: 'output', name: 'table' },
      { kind: 'text', text: ' --level=' },
      { kind: 'value', value: 3 },
    ]);
    assert.deepEqual(clean.reads, ['a.txt', 'b.txt']);
    assert.deepEqual(clean.variables, { TOKEN: [{ kind: 'secret', name: 'TOKEN' }] });
    assert.deepEqual(programOf(plan, 'count').needs, ['clean']);
    assert.deepEqual(plan.data.tidy?.source, { kind: 'output', step: 'clean', output: 'table' });
  });

  it('makes a channel a layer of its own, and flattening what is flat nothing', async () => {
    const plan = await planOf(
      SMALL.replace(
        '  flatten\n  dense(units: width)\n',
        '  conv2d(filters: 2, kernel: 3)\n  flatten\n  flatten\n  dense(units: width)\n',
      ),
    );
    assert.deepEqual(
      plan.models.cnn?.layers.map(({ layer }) => layer),
      ['reshape', 'conv2d', 'flatten', 'dense', 'dense'],
    );
  });
});

function withoutLocations({ locations: _, ...plan }: Plan): string {
  return canonicalJson(plan);
}

/** The same file with its blocks, and the facts of blocks whose order means nothing, in another order. */
function shuffled(file: ast.File, chance: () => number): string {
  const header = file.elements[0]?.$cstNode?.text ?? '';
  const blocks = file.elements.slice(1).map((element) => {
    const text = element.$cstNode?.text ?? '';
    const isOrdered = element.$type === 'Model' || !('facts' in element) || element.facts.length === 0;
    if (isOrdered) return text;
    const head = text.slice(0, text.indexOf('{') + 1);
    const facts = element.facts.map((fact) => `  ${fact.$cstNode?.text ?? ''}  // ${Math.floor(chance() * 1e6)}`);
    return `${head}\n${mixed(facts, chance).join(chance() < 0.5 ? '\n' : '\n\n// between\n')}\n}`;
  });
  return `${header}\n\n${mixed(blocks, chance).join('\n\n/* between */\n\n')}\n`;
}

function mixed<T>(items: readonly T[], chance: () => number): T[] {
  return items
    .map((item) => ({ item, place: chance() }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item);
}
