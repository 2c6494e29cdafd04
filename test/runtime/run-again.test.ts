import assert from 'node:assert/strict';
import fs from 'node:fs';
import { MlpipeError } from '../../runtime/errors.ts';
import { TemporaryProject } from './project.ts';
import { FILES, flowers } from './support/flowers.ts';

const PIPELINE = 'flowers.mlpipe';

describe('a pipeline that has run', function () {
  this.timeout(60_000);
  /** Ran once; each test gets a copy of it, so that the training is paid for once. */
  let pristine: TemporaryProject;
  let project: TemporaryProject;

  before(async () => {
    pristine = new TemporaryProject(FILES);
    const { answer } = await pristine.run();
    assert.equal(answer.ok, true, JSON.stringify(answer.steps));
    assert.deepEqual(
      answer.steps.map(({ step, status, reason }) => [step, status, reason]),
      [
        ['learn', 'ran', 'has never run'],
        ['proof', 'ran', 'has never run'],
        ['report', 'ran', 'has never run'],
      ],
    );
  });
  after(() => pristine.remove());
  beforeEach(() => {
    project = new TemporaryProject({});
    fs.cpSync(pristine.folder, project.folder, { recursive: true, preserveTimestamps: true });
  });
  afterEach(() => project.remove());

  const edit = (from: string | RegExp, to: string) => {
    const text = project.read(PIPELINE);
    const edited = text.replace(from, to);
    assert.notEqual(edited, text, `${from} is not in the pipeline`);
    project.write(PIPELINE, edited);
  };
  const replaceData = async (text: string) => {
    project.write('flowers.csv', text);
    await project.pin();
  };
  const reasonOf = async (step: string) => (await project.status()).steps.find((each) => each.step === step)?.reason;
  const statuses = (answer: { steps: { step: string; status: string }[] }) =>
    Object.fromEntries(answer.steps.map(({ step, status }) => [step, status]));

  it('is up to date, and runs nothing', async () => {
    assert.equal((await project.status()).upToDate, true);
    const { answer } = await project.run();
    assert.deepEqual(statuses(answer), { learn: 'cached', proof: 'cached', report: 'cached' });
    assert.match(answer.steps[0]?.reason ?? '', /^unchanged since \d{4}-\d\d-\d\d \d\d:\d\d \([a-z]+-[a-z]+-\d+\)$/);
  });

  it('reruns nothing after cosmetic edits', async () => {
    edit('pipeline flowers', '// A word about it.\npipeline flowers');
    edit('epochs 2\n  batch 16', 'batch    16\n\n  epochs   2');
    edit('model small {', 'model tiny {');
    edit('model small\n', 'model tiny\n');
    edit('environment cpu {', 'environment here {');
    edit('in cpu', 'in here');
    edit('batch ', 'resources 1 cpus, 10 min\n  checkpoint every 1 epoch\n  batch ');
    edit('from "flowers.csv"', 'from "moved.csv"');
    fs.renameSync(project.path('flowers.csv'), project.path('moved.csv'));
    assert.deepEqual(
      (await project.status()).steps.filter(({ state }) => state !== 'up-to-date'),
      [],
    );
  });

  it('says what has changed, in one line', async () => {
    const changes: [string, () => void | Promise<void>, string][] = [
      [
        'learn',
        () => replaceData(flowers(63)),
        'flowers.csv changed: 60 → 63 rows; model, environment and parameters the same',
      ],
      [
        'learn',
        () => replaceData(flowers().replace('0,6,0', '1,6,0')),
        'flowers.csv changed: other content, still 594 bytes, 60 rows; model, environment and parameters the same',
      ],
      ['learn', () => edit('rate = 0.05', 'rate = 0.01'), 'rate 0.05 → 0.01; data, model and environment the same'],
      [
        'learn',
        () => edit('units: 8', 'units: 9'),
        'model changed: layer 1, dense units 8 → 9; data, environment and parameters the same',
      ],
      [
        'learn',
        () => edit('engine wasm "4.22.0"', 'engine wasm "4.22.0"\n  results repeatable'),
        'environment changed: results none → repeatable; data, model and parameters the same',
      ],
      [
        'report',
        () => project.write('note.txt', 'another note\n'),
        'note.txt changed: 7 bytes → 13 bytes; environment and parameters the same',
      ],
      ['report', () => edit('cat note.txt >>', 'cat  note.txt >>'), 'command changed; environment the same'],
    ];
    for (const [step, change, reason] of changes) {
      await change();
      // With `results repeatable` the hardware class is part of the identity; which one it is depends on the machine.
      const said = (await reasonOf(step))?.replace(/environment changed: hardware none → \{[^}]*\}, /, '');
      assert.equal(said, reason);
      for (const [path, text] of Object.entries(FILES)) project.write(path, text);
    }
    assert.equal((await project.status()).upToDate, true);
  });

  it('says of a step that an upstream step will run, and afterwards that its output changed', async () => {
    edit('epochs 2', 'epochs 1');
    assert.equal(await reasonOf('proof'), 'learn will run');
    const { step } = await project.run();
    assert.equal(step('learn').reason, 'epochs 2 → 1; data, model and environment the same');
    assert.match(step('proof').reason, /^learn\.model changed;/);
    assert.match(step('report').reason, /^learn\.history changed;/);
  });

  it('runs what is forced, what comes before from the cache, and what comes after on demand', async () => {
    const named = await project.run({ steps: ['report'], force: true });
    assert.deepEqual(statuses(named.answer), { learn: 'cached', report: 'ran' });
    assert.equal(named.step('report').reason, 'forced');
    const trained = await project.run({ steps: ['learn'] });
    assert.deepEqual(statuses(trained.answer), { learn: 'cached' });
    const after = await project.run({ steps: ['learn'], downstream: true });
    assert.deepEqual(Object.keys(statuses(after.answer)).sort(), ['learn', 'proof', 'report']);
    const anew = await project.run({ steps: ['proof'], noCache: true });
    assert.deepEqual(statuses(anew.answer), { learn: 'ran', proof: 'ran' });
    await assert.rejects(project.run({ steps: ['nothing'] }), /There is no step nothing in flowers/);
  });

  it('gives the same model each time it trains', async () => {
    const before = project.record('learn').outputs.model?.digest;
    const { step } = await project.run({ steps: ['learn'], force: true });
    assert.equal(step('learn').status, 'ran');
    assert.equal(step('learn').outputs.model?.digest, before);
  });

  it('fails where a gate is not passed, with the values, and measures no second time', async () => {
    edit('accuracy >= 1%', 'loss < 0.000001');
    const { answer, step } = await project.run();
    assert.equal(answer.ok, false);
    assert.equal(step('proof').status, 'failed');
    assert.match(step('proof').error?.message ?? '', /^The gate is not passed: loss [\d.]+, not < 0\.000001\.$/);
    assert.match(step('proof').error?.todo ?? '', /change the gate/);
    const record = project.record('proof');
    assert.equal(record.gates[0]?.ok, false);
    assert.equal(record.exit.status, 'failed');
    assert.equal(project.exists(`${PIPELINE}.lock/proof.json`), true, 'the result of before stays in the lock');

    const { upToDate, steps } = await project.status();
    assert.equal(upToDate, false);
    const proof = steps.find((each) => each.step === 'proof');
    assert.equal(proof?.state, 'blocked');
    assert.match(proof?.reason ?? '', /^the gate is not passed: loss [\d.]+, not < 0\.000001; unchanged since .* \(/);
    const again = await project.run();
    assert.equal(again.answer.ok, false);
    assert.equal(again.step('proof').status, 'failed');
    assert.deepEqual(again.step('proof').error, step('proof').error);
    assert.equal(again.step('proof').record, step('proof').record, 'nothing was measured or recorded anew');
    assert.notEqual((await project.run({ steps: ['proof'], force: true })).step('proof').record, step('proof').record);
  });

  it('refuses data that is not what is pinned, and says what to do', async () => {
    project.write('flowers.csv', flowers(63));
    const { step } = await project.run();
    assert.equal(step('learn').status, 'failed');
    assert.match(step('learn').error?.message ?? '', /^flowers\.csv is not what is pinned: sha256:/);
    assert.match(step('learn').error?.todo ?? '', /mlpipe pin --update flowers/);
    assert.equal(step('proof').status, 'skipped');
  });

  it('refuses data that is not pinned, and says what to do', async () => {
    edit(/ {2}pin .*\n/, '');
    await assert.rejects(
      project.run(),
      (error) =>
        error instanceof MlpipeError &&
        error.where?.line === 10 &&
        /^`flowers` is not pinned, .*`mlpipe pin flowers`\.$/.test(error.message),
    );
    await assert.rejects(project.status(), /is not pinned/);
  });

  it('takes missing data from the store, and says where it is not there either', async () => {
    const digest = project.record('learn').inputs[0]?.digest;
    fs.rmSync(project.path('flowers.csv'));
    edit('epochs 2', 'epochs 1');
    const { answer } = await project.run();
    assert.equal(answer.ok, true, JSON.stringify(answer.steps));
    assert.equal(project.record('learn').inputs[0]?.digest, digest);
    assert.equal(project.exists('flowers.csv'), false);
    edit(/pin sha256:./, 'pin sha256:0');
    assert.match((await reasonOf('learn')) ?? '', /^There is no flowers\.csv, from which data flowers comes/);
  });

  it('needs neither the index nor the lock files to know what it has: the records are enough', async () => {
    fs.rmSync(project.path('.mlpipe/index.sqlite'), { force: true });
    fs.rmSync(project.path(`${PIPELINE}.lock`), { recursive: true });
    assert.equal((await project.status()).upToDate, true);
    await project.run();
    assert.deepEqual(fs.readdirSync(project.path(`${PIPELINE}.lock`)).sort(), [
      'learn.json',
      'proof.json',
      'report.json',
    ]);
  });

  it('mends a damaged lock file by a run, and a status tells of it', async () => {
    const lock = `${PIPELINE}.lock/learn.json`;
    const whole = project.read(lock);
    project.write(lock, `<<<<<<< ours\n${whole}`);
    assert.equal(
      await reasonOf('learn'),
      'the lock file flowers.mlpipe.lock/learn.json has the marks of a merge conflict; a run writes it anew',
    );
    const { answer } = await project.run();
    assert.equal(answer.ok, true, JSON.stringify(answer.steps));
    assert.equal(project.read(lock), whole);

    // Without records only the lock could tell what was last; a damaged one must not stop what mends it.
    project.write(lock, '{}');
    fs.rmSync(project.path('.mlpipe'), { recursive: true });
    assert.match(
      (await reasonOf('learn')) ?? '',
      /^the lock file flowers.*learn\.json has the format undefined, and no run is known here$/,
    );
    const { step } = await project.run();
    assert.equal(step('learn').status, 'ran', JSON.stringify(step('learn').error));
    assert.equal(JSON.parse(project.read(lock)).step, 'learn');
  });
});

describe('steps that fail', () => {
  let project: TemporaryProject;
  afterEach(() => project.remove());
  const pipeline = `pipeline p

step bad {
  run "exit 4"
  writes out "bad.txt"
}

step after {
  run "cat \${bad.out} > \${out}"
  writes out "after.txt"
}

step other {
  run "echo fine > \${out}"
  writes out "other.txt"
}
`;

  it('stop what comes after; with -k the rest goes on', async () => {
    project = new TemporaryProject({ 'p.mlpipe': pipeline });
    const stopped = await project.run({ jobs: 1 });
    assert.deepEqual(
      stopped.answer.steps.map(({ step, status }) => [step, status]),
      [
        ['bad', 'failed'],
        ['after', 'skipped'],
        ['other', 'skipped'],
      ],
    );
    const going = await project.run({ jobs: 1, keepGoing: true });
    assert.equal(going.step('after').status, 'skipped');
    assert.equal(going.step('other').status, 'ran');
    assert.match(going.step('bad').reason, /^failed last time \(exit code 4, [a-z]/);
  });

  it('are begun with one event each that has the reason and the process', async () => {
    project = new TemporaryProject({ 'p.mlpipe': pipeline });
    const { events } = await project.run({ steps: ['other'] });
    const began = events.filter((event) => event.type === 'step-started');
    assert.equal(began.length, 1);
    assert(began[0]?.type === 'step-started');
    assert.equal(began[0].reason, 'has never run');
    assert(typeof began[0].pid === 'number');
  });
});
