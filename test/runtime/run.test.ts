import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { readLock } from '../../runtime/ledger/lock.ts';
import { isRunning, TemporaryProject, until } from './project.ts';

/** Two steps, the second of which reads what the first one writes. */
const CHAIN = `pipeline chain

param word = "one"

step first {
  run    "echo \${word} > \${out}; cat extra.txt >> \${out}"
  reads  "extra.txt"
  writes out "first.txt"
}

step second {
  run    "wc -c < \${first.out} > \${size}"
  writes size "second.txt"
}
`;

describe('a run', () => {
  let project: TemporaryProject;
  const start = (files: Record<string, string>) => {
    project = new TemporaryProject(files);
    return project;
  };
  const chain = () => start({ 'chain.mlpipe': CHAIN, 'extra.txt': 'extra\n' });
  afterEach(() => project.remove());
  const statuses = (answer: { steps: { step: string; status: string }[] }) =>
    Object.fromEntries(answer.steps.map(({ step, status }) => [step, status]));

  it('runs what never ran, writes locks and records, and then nothing again', async () => {
    chain();
    const first = await project.run();
    assert.deepEqual(statuses(first.answer), { first: 'ran', second: 'ran' });
    assert.equal(project.read('second.txt').trim(), '10');
    const lock = readLock(project.path('chain.mlpipe'), 'first');
    assert.equal(lock?.record, first.step('first').record);
    const record = project.record('second');
    assert.equal(record.inputs[0]?.record, first.step('first').record);
    assert.equal(record.reason, 'has never run');

    const again = await project.run();
    assert.deepEqual(statuses(again.answer), { first: 'cached', second: 'cached' });
    assert.match(again.step('first').reason, new RegExp(`^unchanged since .* \\(${first.answer.run}\\)$`));
    assert.equal((await project.status()).upToDate, true);
  });

  it('says before and after why a changed file makes a step run', async () => {
    chain();
    await project.run();
    project.write('extra.txt', 'extra, longer\n');
    const status = await project.status();
    const reason = 'extra.txt changed: 6 bytes → 14 bytes; environment and parameters the same';
    assert.deepEqual(status.steps, [
      { step: 'first', state: 'stale', reason, key: status.steps[0]?.key },
      // What the second reads is not known before the first has written it.
      { step: 'second', state: 'stale', reason: 'first will run', key: null },
    ]);
    const { step } = await project.run();
    assert.equal(step('first').key, status.steps[0]?.key);
    assert.equal(step('first').reason, reason);
    assert.match(step('second').reason, /^first\.out changed/);
  });

  it('does not run what follows when a changed step gives the same', async () => {
    start({
      'p.mlpipe': CHAIN.replace('cat extra.txt >> ${out}', 'wc -l < extra.txt >> ${out}'),
      'extra.txt': 'a\n',
    });
    await project.run();
    project.write('extra.txt', 'b\n');
    const { answer } = await project.run();
    assert.deepEqual(statuses(answer), { first: 'ran', second: 'cached' });
  });

  it('runs nothing after a cosmetic edit', async () => {
    chain();
    await project.run();
    project.write(
      'chain.mlpipe',
      `// A comment.\n${CHAIN.replace('  reads  "extra.txt"', '\n  reads "extra.txt"  // why')}`,
    );
    assert.equal((await project.status()).upToDate, true);
  });

  it('takes a result back that an earlier state of the pipeline had', async () => {
    chain();
    const before = await project.run();
    await project.run({ parameters: { word: 'three' } });
    assert.equal(project.read('first.txt'), 'three\nextra\n');
    const { answer, step } = await project.run();
    assert.deepEqual(statuses(answer), { first: 'cached', second: 'cached' });
    assert.equal(project.read('first.txt'), 'one\nextra\n');
    assert.equal(step('first').record, before.step('first').record);
  });

  it('names the parameter that has changed', async () => {
    chain();
    await project.run();
    const { step } = await project.run({ parameters: { word: 'three' } });
    assert.equal(step('first').reason, 'word one → three; environment the same');
  });

  it('brings an output back that was removed', async () => {
    chain();
    await project.run();
    fs.rmSync(project.path('second.txt'));
    assert.match((await project.status()).steps[1]?.reason ?? '', /second\.txt is not there/);
    const { answer } = await project.run();
    assert.deepEqual(statuses(answer), { first: 'cached', second: 'cached' });
    assert.equal(project.read('second.txt').trim(), '10');
  });

  it('runs a step again whose output the store has lost', async () => {
    chain();
    const { step } = await project.run();
    const digest = step('first').outputs.out?.digest.slice(7) ?? '';
    const object = fs
      .readdirSync(project.path('.mlpipe/objects'), { recursive: true, encoding: 'utf8' })
      .find((path) => path.replaceAll(/[\\/]/g, '').endsWith(digest));
    assert(object !== undefined);
    fs.rmSync(join(project.path('.mlpipe/objects'), object));
    const again = await project.run();
    assert.match(again.step('first').reason, /output out is no longer in the store/);
    assert.equal(again.step('first').status, 'ran');
  });

  it('runs by force, and takes no cached result when told so', async () => {
    chain();
    await project.run();
    const forced = await project.run({ force: true, steps: ['second'] });
    assert.deepEqual(statuses(forced.answer), { first: 'cached', second: 'ran' });
    assert.equal(forced.step('second').reason, 'forced');
    const anew = await project.run({ noCache: true });
    assert.deepEqual(statuses(anew.answer), { first: 'ran', second: 'ran' });
  });

  it('says beforehand what the same words would run', async () => {
    chain();
    await project.run();
    const said = async (options: Parameters<typeof project.status>[0]) =>
      (await project.status(options)).steps.map(({ step, state, reason }) => `${step} ${state} ${reason.slice(0, 9)}`);
    assert.deepEqual(await said({ force: true, steps: ['second'] }), [
      'first up-to-date unchanged',
      'second stale forced',
    ]);
    assert.deepEqual(await said({ steps: ['first'] }), ['first up-to-date unchanged']);
    assert.deepEqual(await said({ force: true }), ['first stale forced', 'second stale first wil']);
  });

  it('runs a step with what it needs, and downstream what needs it', async () => {
    start({
      'p.mlpipe': `${CHAIN}\nstep alone {\n  run "echo > \${o}"\n  writes o "alone.txt"\n}\n`,
      'extra.txt': '',
    });
    assert.deepEqual(statuses((await project.run({ steps: ['second'] })).answer), { first: 'ran', second: 'ran' });
    assert.deepEqual(statuses((await project.run({ steps: ['first'] })).answer), { first: 'cached' });
    assert.deepEqual(statuses((await project.run({ steps: ['first'], downstream: true })).answer), {
      first: 'cached',
      second: 'cached',
    });
    await assert.rejects(project.run({ steps: ['thrid'] }), { code: 'step-unknown' });
  });

  it('runs a failed step again, with that as the reason, and skips what needs it', async () => {
    start({ 'chain.mlpipe': CHAIN.replace('cat extra', 'exit 4; cat extra'), 'extra.txt': '' });
    const first = await project.run();
    assert.deepEqual(statuses(first.answer), { first: 'failed', second: 'skipped' });
    assert.equal(first.step('second').reason, 'first did not succeed');
    const again = await project.run();
    assert.equal(again.step('first').status, 'failed');
    assert.match(again.step('first').reason, /^failed last time \(exit code 4, /);
  });

  it('refuses a step that asks for more memory than there is', async () => {
    start({ 'p.mlpipe': 'pipeline p\n\nstep big {\n  run "true"\n  writes o "o"\n  resources 90000 GiB\n}\n' });
    const { step } = await project.run();
    assert.match(step('big').error?.message ?? '', /asks for .* of memory; this machine has/);
  });

  it('reads a file that another step writes, said as a file', async () => {
    start({
      'p.mlpipe':
        'pipeline p\n\nstep use {\n  run "cat made.txt > ${o}"\n  reads "made.txt"\n  writes o "used.txt"\n}\n\nstep make {\n  run "echo 1 > ${m}"\n  writes m "made.txt"\n}\n',
    });
    const { answer } = await project.run();
    assert.deepEqual(statuses(answer), { make: 'ran', use: 'ran' });
    assert.equal(project.read('used.txt'), '1\n');
  });

  describe('beside another one', () => {
    /** A step that begins and then waits until a file is there. */
    const waiting = (name: string) =>
      `step ${name} {\n  run "echo begun; while [ ! -e '${'${PROJECT}'}/go' ]; do sleep 0.02; done; echo ${name} > ${'${o}'}"\n  writes o "${name}.txt"\n}\n`;

    it('waits for the same step and takes its result', async () => {
      start({});
      project.write('p.mlpipe', `pipeline p\n\n${waiting('slow').replaceAll('${PROJECT}', project.folder)}`);
      const one = project.runElsewhere();
      await until(() => one.events.some(({ type }) => type === 'step-output'));
      const two = project.runElsewhere();
      await until(() => two.events.some(({ type }) => type === 'step-waiting'));
      project.write('go', '');
      const [first, second] = await Promise.all([one.answer, two.answer]);
      assert.equal(first?.steps[0]?.status, 'ran');
      assert.equal(second?.steps[0]?.status, 'cached');
      assert.equal(second?.steps[0]?.reason, `computed meanwhile by ${first?.run}`);
      assert.equal(second?.steps[0]?.record, first?.steps[0]?.record);
    });

    it('goes on with another step', async () => {
      start({});
      project.write('p.mlpipe', `pipeline p\n\n${waiting('slow').replaceAll('${PROJECT}', project.folder)}`);
      const one = project.runElsewhere();
      await until(() => one.events.some(({ type }) => type === 'step-output'));
      project.write('p.mlpipe', 'pipeline p\n\nstep quick {\n  run "echo > ${o}"\n  writes o "quick.txt"\n}\n');
      assert.equal((await project.run()).step('quick').status, 'ran');
      project.write('go', '');
      assert.equal((await one.answer)?.ok, true);
    });

    it('takes over from a run that was killed, and ends what it has left', async function () {
      if (process.platform !== 'linux') this.skip();
      start({});
      project.write('p.mlpipe', `pipeline p\n\n${waiting('slow').replaceAll('${PROJECT}', project.folder)}`);
      const one = project.runElsewhere();
      await until(() => one.events.some(({ type }) => type === 'step-output'));
      const left = one.events.flatMap((event) => (event.type === 'step-started' ? [event.pid ?? 0] : []));
      one.process.kill('SIGKILL');
      await one.answer;
      assert(left.length === 1 && left.every(isRunning));
      project.write('go', '');
      const { step } = await project.run();
      assert.equal(step('slow').status, 'ran');
      await until(() => !left.some(isRunning));
    });
  });
});

describe('a training that is killed', () => {
  const TRAIN = `pipeline small

environment here {
  engine  wasm "4.22.0"
}

data points {
  from "points.csv"
  schema {
    x      float[2]
    label  class(2)
  }
  split {
    train  80%
    test   20%
    seed   1
  }
}

model line {
  input points.x
  dense(units: 8, activation: relu)
  dense(units: 2, activation: softmax)
}

train learn {
  model       line
  on          points.train
  in          here
  loss        crossEntropy
  optimizer   adam(rate: 0.01)
  epochs      EPOCHS
  batch       8
  seed        3
  checkpoint  every 1 epoch
}

evaluate learn on points.test {
  accuracy >= 10%
}
`;
  const points = () => {
    const rows = Array.from({ length: 400 }, (_, index) => {
      const [a, b] = [Math.sin(index), Math.cos(index * 1.7)];
      return `${a.toFixed(4)},${b.toFixed(4)},${a + b > 0 ? 1 : 0}`;
    });
    return `x1,x2,label\n${rows.join('\n')}\n`;
  };

  it('goes on from its checkpoint and gives what an unbroken one gives', async function () {
    this.timeout(60_000);
    const files = { 'small.mlpipe': TRAIN.replace('EPOCHS', '20'), 'points.csv': points() };
    const unbroken = new TemporaryProject(files);
    const broken = new TemporaryProject(files);
    try {
      await unbroken.pin();
      await broken.pin();
      const whole = await unbroken.run();
      assert.equal(whole.answer.ok, true, JSON.stringify(whole.answer.steps));
      const one = broken.runElsewhere();
      await until(() => one.events.some((event) => event.type === 'step-progress' && (event.epoch ?? 0) >= 3));
      const worker = one.events.flatMap((event) => (event.type === 'step-started' ? [event.pid ?? 0] : []));
      one.process.kill('SIGKILL');
      for (const pid of worker) process.kill(-pid, 'SIGKILL');
      await one.answer;
      const epochs: number[] = [];
      const resumed = await broken.run({
        onEvent: (event) => {
          if (event.type === 'step-progress' && event.step === 'learn' && event.epoch) epochs.push(event.epoch);
        },
      });
      assert.equal(resumed.answer.ok, true, JSON.stringify(resumed.answer.steps));
      assert((epochs[0] ?? 0) > 1, `It began again at epoch ${epochs[0]}.`);
      assert.equal(resumed.step('learn').outputs.model?.digest, whole.step('learn').outputs.model?.digest);
    } finally {
      unbroken.remove();
      broken.remove();
    }
  });
});
