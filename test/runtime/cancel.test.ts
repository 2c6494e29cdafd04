import assert from 'node:assert/strict';
import fs from 'node:fs';
import type { RunEvent } from '../../runtime/events.ts';
import { isRunning, TemporaryProject, until } from './project.ts';
import { flowers, pipelineOf } from './support/flowers.ts';

const DATA = flowers(450);

/** Long enough to be broken off in the middle. */
const FILES = {
  'flowers.mlpipe': pipelineOf(DATA)
    .replace('epochs 2', 'epochs 20\n  checkpoint every 1 epoch')
    .replace('batch 16', 'batch 8'),
  'flowers.csv': DATA,
  'note.txt': 'a note\n',
};

const inTraining = (event: RunEvent) =>
  event.type === 'step-progress' && event.step === 'learn' && (event.epoch ?? 0) >= 2;
const workerOf = (events: readonly RunEvent[]) =>
  events.flatMap((event) => (event.type === 'step-started' && event.pid !== undefined ? [event.pid] : []))[0] ?? 0;

describe('a training that is broken off', function () {
  this.timeout(60_000);
  let unbroken: string | undefined;
  let project: TemporaryProject;
  before(async () => {
    const whole = new TemporaryProject(FILES);
    try {
      unbroken = (await whole.run({ steps: ['learn'] })).step('learn').outputs.model?.digest;
      assert(unbroken !== undefined);
    } finally {
      whole.remove();
    }
  });
  beforeEach(() => {
    project = new TemporaryProject(FILES);
  });
  afterEach(() => project.remove());

  /** The next run goes on where it was and comes to the same bits. */
  const goesOn = async (reason: RegExp) => {
    const epochs: number[] = [];
    const { answer, step } = await project.run({
      onEvent: (event) => {
        if (event.type === 'step-progress' && event.step === 'learn' && event.epoch) epochs.push(event.epoch);
      },
    });
    assert.equal(answer.ok, true, JSON.stringify(answer.steps));
    assert.match(step('learn').reason, reason);
    assert((epochs[0] ?? 0) > 1, `It began again at epoch ${epochs[0]}.`);
    assert.equal(step('learn').outputs.model?.digest, unbroken);
  };

  it('by a cancelled run ends its worker, is recorded as that, and goes on next time', async () => {
    const cancel = new AbortController();
    const { answer, events, step } = await project.run({
      signal: cancel.signal,
      onEvent: (event) => {
        if (inTraining(event)) cancel.abort();
      },
    });
    assert.equal(answer.ok, false);
    assert.deepEqual(
      answer.steps.map(({ status }) => status),
      ['cancelled', 'cancelled', 'cancelled'],
    );
    assert.deepEqual(
      events.flatMap((event) => (event.type === 'run-finished' ? [event.cancelled] : [])),
      [true],
    );
    assert.equal(isRunning(workerOf(events)), false);
    assert.equal(project.record('learn').exit.status, 'cancelled');
    assert.equal(project.exists('flowers.mlpipe.lock/learn.json'), false);
    assert.deepEqual(fs.readdirSync(project.path('.mlpipe/leases')), []);
    assert.match(step('learn').reason, /has never run/);
    await goesOn(/^cancelled last time \(/);
  });

  it('by the death of its worker fails in words, and goes on next time', async () => {
    const seen: RunEvent[] = [];
    const { step } = await project.run({
      onEvent: (event) => {
        seen.push(event);
        if (inTraining(event) && isRunning(workerOf(seen))) process.kill(workerOf(seen), 'SIGKILL');
      },
    });
    assert.equal(step('learn').status, 'failed');
    assert.match(step('learn').error?.message ?? '', /^The worker was ended by SIGKILL/);
    assert.match(step('learn').error?.todo ?? '', /goes on from its last checkpoint/);
    await goesOn(/^failed last time \(/);
  });

  it('by the death of the runner alone keeps its checkpoint and ends, and goes on next time', async () => {
    const one = project.runElsewhere();
    await until(() => one.events.some(inTraining));
    const worker = workerOf(one.events);
    one.process.kill('SIGKILL');
    await one.answer;
    await until(() => !isRunning(worker));
    // The run left no record, for nobody was there to write it.
    await goesOn(/^has never run$/);
  });

  it('begins anew when that is forced', async () => {
    const cancel = new AbortController();
    await project.run({ signal: cancel.signal, onEvent: (event) => void (inTraining(event) && cancel.abort()) });
    const first: number[] = [];
    const { step } = await project.run({
      steps: ['learn'],
      force: true,
      onEvent: (event) => {
        if (event.type === 'step-progress' && event.phase === 'training') first.push(event.epoch ?? 0);
      },
    });
    assert.equal(first[0], 1);
    assert.equal(step('learn').outputs.model?.digest, unbroken);
  });
});

describe('a cancelled program', () => {
  let project: TemporaryProject;
  afterEach(() => project.remove());

  it('takes with it a child that will not hear of it, and runs next time', async function () {
    if (process.platform === 'win32') this.skip();
    this.timeout(30_000);
    project = new TemporaryProject({});
    project.write(
      'p.mlpipe',
      `pipeline p

step long {
  run "if [ -e '${project.folder}/go' ]; then echo done > \${out}; exit; fi; sh deaf.sh & echo $!; wait"
  reads "deaf.sh"
  writes out "out.txt"
}
`,
    );
    project.write('deaf.sh', "trap '' TERM INT HUP\necho deaf\nwhile :; do sleep 1; done\n");
    const cancel = new AbortController();
    const said: string[] = [];
    const { step } = await project.run({
      signal: cancel.signal,
      onEvent: (event) => {
        if (event.type !== 'step-output') return;
        said.push(...event.text.trim().split('\n'));
        if (said.length === 2) cancel.abort();
      },
    });
    const pid = Number(said.find((word) => /^\d+$/.test(word)));
    assert(pid > 0, said.join());
    await until(() => !isRunning(pid));
    assert.equal(step('long').status, 'cancelled');
    assert.equal(project.exists('out.txt'), false);
    project.write('go', '');
    const again = await project.run();
    assert.equal(again.step('long').status, 'ran');
    assert.match(again.step('long').reason, /^cancelled last time/);
  });

  it('takes with it a child that has left for a session of its own', async function () {
    if (process.platform !== 'linux') this.skip();
    this.timeout(30_000);
    project = new TemporaryProject({
      'p.mlpipe': `pipeline p

step long {
  run "setsid sh deaf.sh & wait"
  reads "deaf.sh"
  writes out "out.txt"
}
`,
      'deaf.sh': "trap '' TERM INT HUP\necho $$\nwhile :; do sleep 1; done\n",
    });
    const cancel = new AbortController();
    let pid = 0;
    const texts: string[] = [];
    await project.run({
      signal: cancel.signal,
      onEvent: (event) => {
        if (event.type !== 'step-output') return;
        texts.push(event.text);
        // What the shell says of its killed child comes after.
        if (pid > 0) return;
        pid = Number(event.text);
        cancel.abort();
      },
    });
    assert(pid > 0, texts.join('|'));
    assert.equal(isRunning(pid), false);
  });

  it('that ends well leaves nothing running behind', async function () {
    if (process.platform !== 'linux') this.skip();
    this.timeout(30_000);
    project = new TemporaryProject({
      'p.mlpipe':
        'pipeline p\n\nstep quick {\n  run "setsid sleep 600 >/dev/null 2>&1 & echo $! > ${out}"\n  writes out "o"\n}\n',
    });
    const { answer } = await project.run();
    assert.equal(answer.ok, true, JSON.stringify(answer.steps));
    await until(() => !isRunning(Number(project.read('o'))));
  });

  it('is not even begun when the run was cancelled before', async () => {
    project = new TemporaryProject({ 'p.mlpipe': 'pipeline p\n\nstep a {\n  run "true"\n  writes out "o"\n}\n' });
    const { answer, events } = await project.run({ signal: AbortSignal.abort() });
    assert.deepEqual(
      answer.steps.map(({ status, record }) => [status, record]),
      [['cancelled', null]],
    );
    assert.equal(
      events.some(({ type }) => type === 'step-started'),
      false,
    );
  });
});
