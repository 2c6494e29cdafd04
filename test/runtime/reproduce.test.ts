/** A model is made again: from the commit, the uncommitted changes and the store, when the work tree has moved on. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import * as api from '../../runtime/api.ts';
import { MlpipeError } from '../../runtime/errors.ts';
import type { Reproduction } from '../../runtime/reproduce/reproduce.ts';
import { TemporaryProject } from './project.ts';
import { FILES, flowers, pipelineOf } from './support/flowers.ts';

const PIPELINE = 'flowers.mlpipe';

/** Above `learn` a program prepares what it trains on, so that there is more than one step to make again. */
const PREPARED = pipelineOf(flowers())
  .replace(/ {2}from "flowers\.csv"\n {2}pin .*\n/, '  from tidy.table\n')
  .replace(
    'model small {',
    'step tidy {\n  run "sh tidy.sh > ${table}"\n  reads "tidy.sh", "raw.csv"\n  writes table "tidy.csv"\n}\n\nmodel small {',
  )
  .replace('accuracy >= 1%', 'accuracy >= 1% within 2 pt');

describe('a reproduction', function () {
  this.timeout(60_000);
  let project: TemporaryProject;
  const start = (files: Record<string, string>) => {
    project = new TemporaryProject(files);
    project.beginRepository();
  };
  afterEach(() => project.remove());
  const reproduce = async (
    reference = 'learn',
    options: Parameters<typeof api.reproduce>[2] = {},
  ): Promise<Reproduction> => project.open((opened) => api.reproduce(opened, reference, options));
  /** Of everything in the work tree. */
  const snapshot = () =>
    Object.fromEntries(
      fs
        .readdirSync(project.folder, { recursive: true, encoding: 'utf8' })
        .filter((name) => !/^\.(git|mlpipe)(\/|$)/.test(name) && fs.statSync(project.path(name)).isFile())
        .map((name) => [name, project.read(name)]),
    );

  it('comes to the same bits though code, data and uncommitted changes are gone, and leaves the work tree alone', async () => {
    start({ 'flowers.mlpipe': PREPARED, 'raw.csv': flowers(), 'tidy.sh': 'cat nothing-yet\n', 'note.txt': 'a note\n' });
    // Never committed: a changed program and a new file that it needs.
    project.write('tidy.sh', 'cat raw.csv\n');
    const { answer } = await project.run();
    assert.equal(answer.ok, true, JSON.stringify(answer.steps));
    const model = project.record('learn').outputs.model?.digest;

    project.git('checkout', '-q', '--', 'tidy.sh');
    fs.rmSync(project.path('raw.csv'));
    fs.rmSync(project.path('tidy.csv'), { force: true });
    project.write(PIPELINE, 'pipeline flowers\n');
    project.git('add', '-A');
    project.git('commit', '-qm', 'moved on');
    const before = snapshot();

    const found = await reproduce();
    assert.equal(found.verdict, 'bitwise', JSON.stringify(found));
    assert.equal(found.model, model);
    assert.equal(found.agreement, 1);
    assert.deepEqual(found.differences, []);
    assert.deepEqual(snapshot(), before);
    assert.deepEqual(fs.readdirSync(project.path('.mlpipe/reproductions')), []);

    const verdict = project.record(found.record);
    assert.equal(verdict.kind, 'reproduce');
    assert.equal(verdict.inputs[0]?.digest, model);
    const kept = JSON.parse(await project.object(verdict.outputs.verdict?.digest ?? ''));
    assert.deepEqual([kept.format, kept.verdict], ['mlpipe-verdict/1', 'bitwise']);
    assert.equal(project.record('learn').kind, 'train', 'the training is still what its name means');
  });

  it('by the name of an evaluation is that of the model it evaluated', async () => {
    start(FILES);
    await project.run();
    assert.equal((await reproduce('proof')).model, project.record('learn').outputs.model?.digest);
    await assert.rejects(reproduce('report'), /report is no model and evaluates none/);
  });

  it('in today’s environment and data says what differs, and fails where it comes too far', async () => {
    start({
      ...FILES,
      'flowers.mlpipe': PREPARED.replace('from tidy.table', 'from tidy.table'),
      'raw.csv': flowers(),
      'tidy.sh': 'cat raw.csv\n',
    });
    project.write(PIPELINE, FILES['flowers.mlpipe']?.replace('accuracy >= 1%', 'loss <= 9 within 1%') ?? '');
    await project.run();
    const turned = flowers().replaceAll(/,([012])$/gm, (_, kind) => `,${(Number(kind) + 1) % 3}`);
    project.write('flowers.csv', turned.replaceAll('0.', '1.'));
    await project.pin();
    assert.equal((await reproduce()).verdict, 'bitwise', 'what was recorded is not touched by today’s data');
    const today = await reproduce('learn', { data: 'current' });
    assert.equal(today.verdict, 'failed', JSON.stringify(today));
    assert.match(today.because, /^loss is .*, recorded .* ± /);
    assert.deepEqual(
      today.differences.map(({ kind, name }) => [kind, name]),
      [['data', 'data:flowers']],
    );
    assert.equal(project.record(today.record).exit.status, 'failed');
  });

  it('is judged by replicates where they were recorded', async () => {
    const text = pipelineOf(flowers()).replace('seed 3', 'seed 3\n  replicates 3').replace('epochs 2', 'epochs 1');
    start({ ...FILES, 'flowers.mlpipe': text });
    const { answer } = await project.run();
    assert.deepEqual(
      answer.steps.map(({ step, status }) => [step, status]).sort(),
      ['learn', 'learn~1', 'learn~2', 'learn~3', 'proof', 'proof~1', 'proof~2', 'proof~3', 'report'].map((step) => [
        step,
        'ran',
      ]),
    );
    const named = await project.run({ steps: ['learn'] });
    assert.deepEqual(
      named.answer.steps.map(({ step }) => step),
      ['learn'],
      'a training’s own name means it without its replicates',
    );
    assert.equal((await reproduce()).verdict, 'bitwise');

    // Another batch size gives another model, of about the same quality: what chance does decides whether it is the same.
    project.write(PIPELINE, text.replace('engine wasm "4.22.0"', 'engine wasm "4.22.0"\n  results close'));
    const turned = flowers().replaceAll(/,([012])$/gm, (_, kind) => `,${(Number(kind) + 1) % 3}`);
    project.write('flowers.csv', turned);
    await project.pin();
    const today = await reproduce('learn', { environment: 'current', data: 'current' });
    assert.ok(['inconclusive', 'failed', 'statistical'].includes(today.verdict), today.verdict);
    assert.ok(
      today.metrics.every(({ tolerance }) => tolerance !== null && tolerance >= 0),
      'each metric has the interval that its replicates give',
    );
    const values = await Promise.all(
      [0, 1, 2, 3].map((n) => project.record(n === 0 ? 'proof' : `proof~${n}`).metrics.loss),
    );
    const mean = values.reduce<number>((sum, value) => sum + (value ?? Number.NaN), 0) / 4;
    const deviation = Math.sqrt(values.reduce<number>((sum, value) => sum + ((value ?? 0) - mean) ** 2, 0) / 3);
    const loss = today.metrics.find(({ name }) => name === 'loss');
    const interval = Math.max(0.02 * mean, 3.182 * deviation * Math.sqrt(1.25));
    assert(Math.abs((loss?.tolerance ?? 0) - interval) < 1e-9, `${loss?.tolerance} is not ${interval}`);
  });

  it('a gate that a replicate misses decides nothing', async () => {
    const text = pipelineOf(flowers())
      .replace('seed 3', 'seed 3\n  replicates 3')
      .replace('accuracy >= 1%', 'loss < 0.000001');
    start({ ...FILES, 'flowers.mlpipe': text });
    const { step } = await project.run({ keepGoing: true });
    assert.equal(step('proof').status, 'failed');
    assert.equal(step('proof~1').status, 'ran');
    assert.equal(project.record('proof~1').gates[0]?.ok, false);
  });

  it('says what is nowhere any more, and takes from the commit what the store has lost', async () => {
    const lose = () => {
      const digest = project.record('learn').inputs[0]?.digest ?? '';
      fs.rmSync(project.path('flowers.csv'));
      fs.rmSync(project.path(`.mlpipe/objects/${digest.slice(7, 9)}/${digest.slice(9)}`));
    };
    start(FILES);
    await project.run();
    lose();
    assert.equal((await reproduce()).verdict, 'bitwise');
    project.remove();

    start({ ...FILES, '.gitignore': 'flowers.csv\n' });
    await project.run();
    lose();
    await assert.rejects(
      reproduce(),
      (error) =>
        error instanceof MlpipeError && error.code === 'data-gone' && /flowers\.csv \(sha256:/.test(error.message),
    );
    assert.deepEqual(fs.readdirSync(project.path('.mlpipe/reproductions')), []);
  });

  it('needs the commit, and says how to get it', async () => {
    start(FILES);
    await project.run();
    fs.rmSync(project.path('.git'), { recursive: true });
    project.git('init', '-q');
    await assert.rejects(reproduce(), /The commit [0-9a-f]{12} is not in this repository/);
  });

  it('without a repository is made from the store alone', async () => {
    start(FILES);
    fs.rmSync(project.path('.git'), { recursive: true });
    fs.mkdirSync(project.path('.git'));
    await project.run();
    for (const name of Object.keys(FILES)) fs.rmSync(project.path(name));
    assert.equal((await reproduce()).verdict, 'bitwise');
  });

  it('ends when it is cancelled, and leaves nothing', async () => {
    start(FILES);
    await project.run();
    const cancel = new AbortController();
    await assert.rejects(
      reproduce('learn', {
        signal: cancel.signal,
        onEvent: (event) => void (event.type === 'step-started' && cancel.abort()),
      }),
      (error) => error instanceof MlpipeError && error.code === 'cancelled',
    );
    assert.deepEqual(fs.readdirSync(project.path('.mlpipe/reproductions')), []);
  });

  it('keeps the clean place when it is asked to', async () => {
    start(FILES);
    await project.run();
    const { place } = await reproduce('learn', { keep: true });
    assert.ok(place !== undefined && fs.existsSync(`${place}/flowers.mlpipe`));
  });
});
