import assert from 'node:assert/strict';
import { outcomeOf as decayOutcome } from '../../extension/features/decay/messages.ts';
import { nameOfRun, outcomeOf, progressLine, shortProgress } from '../../extension/features/run/messages.ts';
import { repairOutcome, outcomeOf as verifyOutcome } from '../../extension/features/verify/messages.ts';
import { RunningRuns, shareOf } from '../../extension/infrastructure/running.ts';
import { spokenAge, spokenBytes, spokenSeconds, spokenValue } from '../../extension/infrastructure/wording.ts';
import type { RepairAnswer, RunAnswer, RunEvent, RunStepAnswer } from '../../runtime/rpc/protocol.ts';

const step = (rest: Partial<RunStepAnswer> = {}): RunStepAnswer => ({
  step: 'recognise',
  status: 'ran',
  reason: 'never ran',
  key: 'sha256:1',
  seconds: 14,
  record: 'sha256:2',
  outputs: { model: { digest: 'sha256:3', bytes: 10 } },
  metrics: { accuracy: 0.972, loss: 0.089 },
  engine: { name: 'wasm', version: '4.22.0' },
  ...rest,
});

const answer = (steps: RunStepAnswer[], ok = true): RunAnswer => ({
  run: 'quiet-heron-41',
  pipeline: 'digits',
  ok,
  seconds: 14.2,
  steps,
});

describe('what is fetched while a run waits, in words', () => {
  const running = () => {
    const runs = new RunningRuns();
    return { runs, one: runs.begin('/p/digits.mlpipe', ['recognise']) };
  };
  const transfer = {
    phase: 'objects',
    objects: 3,
    objectsTotal: 12,
    bytes: 4_404_019,
    bytesTotal: 10_485_760,
  } as const;

  it('is shown as it goes on, and when it is done what it was', () => {
    const { runs, one } = running();
    runs.fetching('/p/other.mlpipe', transfer);
    assert.equal(progressLine(one), 'looking at what has changed …');
    runs.fetching('/p/digits.mlpipe', transfer);
    assert.equal(progressLine(one), 'fetching 3 of 12 objects, 4.2 MiB of 10.0 MiB');
    assert.equal(shortProgress(one), 'fetching');
    runs.tell('/p/digits.mlpipe', 'fetched 12 objects (10 MiB) from origin');
    assert.equal(progressLine(one), 'looking at what has changed … · fetched 12 objects (10 MiB) from origin');
    runs.receive('/p/digits.mlpipe', { type: 'run-started', run: 'r', pipeline: 'digits', steps: ['recognise'] });
    runs.receive('/p/digits.mlpipe', { type: 'step-started', step: 'recognise', reason: 'never ran' });
    assert.equal(progressLine(one), 'starting · fetched 12 objects (10 MiB) from origin');
  });

  it('is no longer said to go on once the step begins that needed it', () => {
    const { runs, one } = running();
    runs.fetching('/p/digits.mlpipe', { ...transfer, phase: 'comparing' });
    assert.equal(progressLine(one), 'looking what the remote has …');
    runs.receive('/p/digits.mlpipe', { type: 'step-started', step: 'recognise', reason: 'never ran' });
    assert.equal(progressLine(one), 'starting');
  });
});

describe('a repair, in words', () => {
  const weights = { digest: 'sha256:1', message: 'The weights are damaged.', todo: 'Repair it.', repairable: true };
  const damaged = { ...weights, code: 'object-corrupt' };
  const missing = { ...weights, code: 'object-missing', message: 'The weights are missing.' };
  const nothing = { repaired: [], lost: [], setAside: [], asked: [], silent: [] };
  const answered = (problems: RepairAnswer['problems'], repair: Partial<RepairAnswer['repair']>): RepairAnswer => ({
    ok: problems.length === 0,
    objects: 3,
    records: 2,
    signatures: 1,
    locks: 1,
    logs: [],
    standing: {},
    problems,
    notes: [],
    repair: { ...nothing, ...repair },
  });

  it('is offered where a remote may have what is lacking, and nowhere else', () => {
    const digest = `sha256:${'5'.repeat(64)}`;
    const broken = verifyOutcome('m', answered([{ ...damaged, message: `The object ${digest} is damaged.` }], {}));
    assert.equal(broken.repairable, true);
    assert.equal(
      broken.message,
      'm is not whole. The object sha256:55555555… is damaged. Repair it from a remote that has it, or run again what makes it.',
    );
    assert.match(broken.details.join('\n'), new RegExp(`${digest} is damaged\\.\n {2}Repair it\\.`));
    const hopeless = verifyOutcome('m', answered([{ ...damaged, repairable: false }], {}));
    assert.deepEqual([hopeless.repairable, / Repair it\.$/.test(hopeless.message)], [false, true]);
    assert.equal(verifyOutcome('m', answered([], {})).repairable, false);
  });

  it('says what came back, and from which remote', () => {
    const repaired = ['1', '2', '3'].map((digit) => ({ digest: `sha256:${digit}`, from: digit === '3' ? 'b' : 'a' }));
    const { whole, message, inTheWay, needsRun, details } = repairOutcome(
      'm',
      answered([], { repaired, asked: ['a'] }),
    );
    assert.equal(message, 'm is whole again. Brought back 2 objects from a. Brought back 1 object from b.');
    assert.deepEqual([whole, inTheWay, needsRun], [true, 0, false]);
    assert.equal(details[2], 'brought back sha256:3 from b');
    assert.equal(repairOutcome('m', answered([], {})).message, 'm is whole.');
  });

  it('asks before what is damaged and on no remote is set aside, and then says what to run', () => {
    const kept = repairOutcome('m', answered([damaged], { lost: ['sha256:1'], asked: ['a', 'b'] }));
    assert.equal(
      kept.message,
      'm is not whole. a, b do not have 1 object. The weights are damaged. Ask who has it whole to push it; or set the damaged object aside, into .mlpipe/damaged, and run again what makes it.',
    );
    assert.deepEqual([kept.inTheWay, kept.needsRun], [1, false]);
    const two = repairOutcome('m', answered([damaged, damaged], { lost: ['sha256:1'], asked: ['a'] }));
    assert.match(two.message, /1 more problem: see the details\. Ask who has them whole to push them; or set the/);
    const gone = repairOutcome('m', answered([missing], { lost: ['sha256:1'], setAside: ['sha256:1'], asked: ['a'] }));
    assert.match(
      gone.message,
      /Set aside 1 damaged object; the files lie in \.mlpipe\/damaged\. a does not have 1 object/,
    );
    assert.deepEqual([gone.inTheWay, gone.needsRun], [0, true]);
  });

  it('tells a remote that did not answer from one that has nothing, and that there is none', () => {
    const silent = [{ remote: 'a', why: 'no route' }];
    const { message } = repairOutcome('m', answered([damaged], { lost: ['sha256:1'], silent }));
    assert.match(message, /^m is not whole\. The remote a could not be asked: no route\. The weights/);
    const alone = repairOutcome('m', answered([damaged], { lost: ['sha256:1'] }));
    assert.match(alone.message, /There is no remote to bring 1 object back from\./);
  });

  it('says of what it cannot mend what to do', () => {
    const edited = { code: 'record-edited', message: 'It was edited.', todo: 'Fetch it.', repairable: false };
    const { message } = repairOutcome('m', answered([edited, missing], { lost: ['sha256:1'], asked: ['a'] }));
    assert.match(message, /It was edited\. Fetch it\. 1 more problem: see the details\.$/);
  });
});

describe('decay, in words', () => {
  const item = {
    kind: 'data',
    name: 'digits',
    pin: 'sha256:1',
    resolves: true,
    state: 'resolves',
    where: 'here',
  } as const;
  const gone = { ...item, resolves: false, state: 'decayed', where: 'not in the store' } as const;
  const unknown = { ...item, resolves: false, state: 'unknown', where: 'no answer' } as const;

  it('says what is gone, and that whoever did not answer has said nothing', () => {
    assert.equal(decayOutcome('p', { ok: true, items: [item] }).message, 'No decay in 1 thing that p stands on.');
    const silent = decayOutcome('p', { ok: true, items: [item, unknown] });
    assert.equal(silent.message, 'No decay in 2 things that p stands on. 1 could not be asked about.');
    assert.deepEqual(silent.details, ['unknown: data digits sha256:1: no answer']);
    const decayed = decayOutcome('p', { ok: false, items: [gone, item, gone, gone] });
    assert.equal(
      decayed.message,
      '3 of 4 things that p stands on can no longer be had: data digits (not in the store), data digits (not in the store), and 1 more.',
    );
    assert.equal(decayed.details.length, 3);
  });
});

describe('how a run ended, in words', () => {
  it('says what came out and leads to the model', () => {
    const report = step({
      step: 'evaluate recognise',
      record: 'sha256:9',
      outputs: { report: { digest: '', bytes: 1 } },
    });
    assert.deepEqual(outcomeOf(answer([step({ metrics: {} }), report]), 'digits.mlpipe'), {
      kind: 'done',
      message: 'digits.mlpipe is done in 14 s: accuracy 97.2 %, loss 0.089.',
      record: 'sha256:2',
    });
  });

  it('says that nothing had to run, and why', () => {
    const { kind, message } = outcomeOf(
      answer([step({ status: 'cached', reason: 'nothing it is made from has changed' })]),
      'recognise',
    );
    assert.deepEqual(
      [kind, message],
      ['nothing-to-do', 'recognise is up to date: nothing it is made from has changed.'],
    );
  });

  it('says which step failed, why, what to do, and what did not run for it', () => {
    const failed = step({
      status: 'failed',
      error: { message: 'Row 7 of data/digits.csv has 12 columns, expected 65', todo: 'Mend the row.' },
    });
    const { kind, message } = outcomeOf(
      answer([failed, step({ step: 'report', status: 'skipped' })], false),
      'recognise',
    );
    assert.equal(kind, 'failed');
    assert.equal(
      message,
      'recognise failed: Row 7 of data/digits.csv has 12 columns, expected 65. Mend the row. 1 step that needs it did not run.',
    );
  });

  it('tells cancelled from failed', () => {
    assert.equal(outcomeOf(answer([step({ status: 'cancelled' })], false), 'recognise').kind, 'cancelled');
  });
});

describe('what is said while a pipeline runs', () => {
  const FILE = '/projects/digits.mlpipe';
  const events: RunEvent[] = [
    { type: 'run-started', run: 'r', pipeline: 'digits', steps: ['prepare', 'recognise'] },
    { type: 'step-started', step: 'recognise', reason: 'never ran' },
    {
      type: 'step-progress',
      step: 'recognise',
      phase: 'training',
      share: 0.5,
      epoch: 6,
      epochs: 12,
      metrics: { loss: 0.1423, accuracy: 0.9612 },
    },
  ];

  it('names the epoch and the metrics with their units', () => {
    const runs = new RunningRuns();
    const running = runs.begin(FILE, []);
    assert.equal(progressLine(running), 'looking at what has changed …');
    for (const event of events) runs.receive(FILE, event);
    assert.equal(progressLine(running), 'recognise · epoch 6/12 · loss 0.1423 · accuracy 96.1 %');
    assert.equal(shortProgress(running, 'recognise'), 'epoch 6/12');
    assert.equal(shortProgress(running, 'prepare'), 'waiting');
    assert.equal(shareOf(running), 0.25);
    runs.cancelling(running);
    assert.equal(progressLine(running), 'cancelling …');
  });

  it('says how far an engine is fetched, which is no part of the step', () => {
    const runs = new RunningRuns();
    const running = runs.begin(FILE, []);
    for (const event of events.slice(0, 2)) runs.receive(FILE, event);
    const phase = 'installing TensorFlow 2.19.1';
    runs.receive(FILE, { type: 'step-progress', step: 'recognise', phase, share: 0.437 });
    assert.equal(progressLine(running), 'recognise · installing TensorFlow 2.19.1 43 %');
    assert.equal(shareOf(running), 0);
  });

  it('counts an event to the run that the step belongs to', () => {
    const runs = new RunningRuns();
    const first = runs.begin(FILE, ['prepare']);
    runs.receive(FILE, { type: 'run-started', run: 'a', pipeline: 'digits', steps: ['prepare'] });
    const second = runs.begin(FILE, ['recognise']);
    runs.receive(FILE, { type: 'run-started', run: 'b', pipeline: 'digits', steps: ['recognise'] });
    runs.receive(FILE, { type: 'step-started', step: 'recognise', reason: '' });
    assert.deepEqual([first.run, second.run], ['a', 'b']);
    assert.deepEqual([[...first.current.keys()], [...second.current.keys()]], [[], ['recognise']]);
    assert.equal(runs.of(FILE, 'recognise'), second);
    assert.equal(runs.of('/other.mlpipe', 'recognise'), undefined);
  });

  it('names a run by its steps, else by its file', () => {
    assert.equal(nameOfRun(FILE, []), 'digits.mlpipe');
    assert.equal(nameOfRun(FILE, ['recognise']), 'recognise');
  });
});

describe('numbers for a person', () => {
  const table: [string, string][] = [
    [spokenValue('accuracy', 0.97234), '97.2 %'],
    [spokenValue('loss', 0.08912), '0.08912'],
    [spokenValue('loss', 0.000012), '1.20e-5'],
    [spokenValue('meanSquaredError', 12345.678), '12,350'],
    [spokenValue('loss', Number.NaN), 'not a number'],
    [spokenBytes(999), '999 B'],
    [spokenBytes(1536), '1.5 KiB'],
    [spokenBytes(300 * 1024 * 1024), '300 MiB'],
    [spokenSeconds(0.84), '0.8 s'],
    [spokenSeconds(185), '3 min 5 s'],
    [spokenSeconds(7800), '2 h 10 min'],
    [spokenAge('2026-03-01T11:59:50Z', Date.parse('2026-03-01T12:00:00Z')), 'just now'],
    [spokenAge('2026-02-28T11:00:00Z', Date.parse('2026-03-01T12:00:00Z')), 'yesterday'],
    [spokenAge('2025-12-31T11:00:00Z', Date.parse('2026-03-01T12:00:00Z')), '2025-12-31'],
  ];
  for (const [said, wanted] of table) it(`says ${wanted}`, () => assert.equal(said, wanted));
});
