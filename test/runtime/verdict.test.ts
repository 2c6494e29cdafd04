import assert from 'node:assert/strict';
import type { Digest } from '../../grammar/plan/plan.ts';
import { agreementOf, together } from '../../runtime/reproduce/predictions.ts';
import { type Evidence, judge } from '../../runtime/reproduce/verdict.ts';

const digest = (letter: string): Digest => `sha256:${letter.repeat(64)}`;
const evidence = (given: Partial<Evidence> = {}): Evidence => ({
  model: { recorded: digest('a'), reproduced: digest('b') },
  sameHardware: true,
  agreement: undefined,
  metrics: [],
  ...given,
});
const accuracy = (recorded: number, reproduced: number, more = {}) => ({
  name: 'accuracy',
  recorded,
  reproduced,
  ...more,
});

describe('the verdict on a reproduction', () => {
  it('is bitwise where the model has the same bits, on the same class of hardware', () => {
    const model = { recorded: digest('a'), reproduced: digest('a') };
    assert.deepEqual([judge(evidence({ model })).verdict, judge(evidence({ model })).level], ['bitwise', 'R3']);
    const elsewhere = judge(evidence({ model, sameHardware: false }));
    assert.equal(elsewhere.verdict, 'numeric');
    assert.match(elsewhere.because, /another class of hardware/);
  });

  it('is numeric where every prediction is the same, and its scores nearly', () => {
    const same = (share: number, distance: number) =>
      judge(evidence({ agreement: { rows: 180, share, distance } })).verdict;
    assert.equal(same(1, 1e-5), 'numeric');
    assert.equal(same(1, 1.1e-5), 'inconclusive');
    assert.equal(same(179 / 180, 0), 'inconclusive');
  });

  it('is within the tolerance that is declared, in the metric’s unit or as a share of it, both ends included', () => {
    const verdict = (reproduced: number, within: { absolute: number } | { relative: number }) =>
      judge(evidence({ metrics: [accuracy(0.5, reproduced, { within })] }));
    assert.equal(verdict(0.75, { absolute: 0.25 }).verdict, 'within-tolerance');
    assert.equal(verdict(0.25, { relative: 0.5 }).verdict, 'within-tolerance');
    const far = verdict(0.24, { relative: 0.5 });
    assert.deepEqual([far.verdict, far.level, far.metrics[0]?.tolerance], ['failed', 'R0', 0.25]);
    assert.equal(far.because, 'accuracy is 0.24, recorded 0.5 ± 0.25');
    assert.match(verdict(0.6, { absolute: 0.25 }).because, /how much chance alone does is not known/);
  });

  it('takes no metric that was not measured for a good one', () => {
    const { verdict } = judge(evidence({ metrics: [accuracy(0.5, Number.NaN, { within: { absolute: 0.25 } })] }));
    assert.equal(verdict, 'failed');
  });

  it('is inconclusive where nothing says how near is near enough', () => {
    assert.equal(judge(evidence({ metrics: [accuracy(0.5, 0.5)] })).verdict, 'inconclusive');
  });

  it('is statistical where it lies among replicates, and failed where it does not', () => {
    const replicates = [0.95, 0.952, 0.948, 0.951, 0.949];
    const among = judge(evidence({ metrics: [accuracy(0.95, 0.947, { replicates })] }));
    assert.deepEqual([among.verdict, among.level], ['statistical', 'R1']);
    // Two per cent of the mean count as the same in any case.
    assert.equal(judge(evidence({ metrics: [accuracy(0.95, 0.932, { replicates })] })).verdict, 'statistical');
    assert.equal(judge(evidence({ metrics: [accuracy(0.95, 0.93, { replicates })] })).verdict, 'failed');
  });

  it('computes the interval of one more observation', () => {
    // Five values with mean 3 and deviation √2.5; t₀.₉₇₅,₄ = 2.776; 2.776 · √2.5 · √1.2 = 4.808.
    const { metrics, verdict } = judge(evidence({ metrics: [accuracy(1, 3, { replicates: [2, 3, 4, 5] })] }));
    assert(Math.abs((metrics[0]?.tolerance ?? 0) - 4.808) < 5e-4, `${metrics[0]?.tolerance}`);
    assert.equal(verdict, 'inconclusive', 'chance alone moves it too far');
  });

  it('says nothing of the variance from fewer than three replicates', () => {
    const { verdict } = judge(
      evidence({ metrics: [accuracy(0.9, 0.91, { replicates: [0.9, 0.9], within: { absolute: 0.02 } })] }),
    );
    assert.equal(verdict, 'within-tolerance');
  });

  it('fails where predictions agree less than the replicates do', () => {
    const metrics = [accuracy(0.95, 0.95, { replicates: [0.95, 0.951, 0.949] })];
    const agreeing = (share: number) =>
      judge(evidence({ metrics, agreement: { rows: 100, share, distance: 1 }, replicateAgreement: 0.9 })).verdict;
    assert.equal(agreeing(0.89), 'statistical');
    assert.equal(agreeing(0.88), 'failed');
  });
});

describe('two tables of predictions', () => {
  const table = (...rows: string[]) => Buffer.from(`truth,predicted,cat,"a, ""b"""\n${rows.join('\n')}\n`);
  const agree = (one: Buffer, other: Buffer) => agreementOf(one, other, 1e-5);

  it('agree in the rows whose prediction is the same, and lie as far apart as their scores', () => {
    const one = table('cat,cat,0.75,0.25', '"a, ""b""",cat,0.5,0.5');
    const other = table('cat,cat,0.625,0.375', '"a, ""b""","a, ""b""",0.5,0.5');
    assert.deepEqual(agree(one, other), { rows: 2, share: 0.5, distance: 0.125 });
    assert.deepEqual(agree(one, one), { rows: 2, share: 1, distance: 0 });
  });

  it('of numbers agree where they are near enough', () => {
    const numbers = (...rows: string[]) => Buffer.from(`truth,predicted\n${rows.join('\n')}\n`);
    assert.deepEqual(agree(numbers('1,100', '2,0'), numbers('1,100.0005', '2,0.5')), {
      rows: 2,
      share: 0.5,
      distance: 0.5,
    });
  });

  it('are not compared where they are about other rows, other columns or nothing', () => {
    const one = table('cat,cat,0.75,0.25');
    assert.equal(agree(one, table('dog,cat,0.75,0.25')), undefined);
    assert.equal(agree(one, table('cat,cat,0.75,0.25', 'cat,cat,0.75,0.25')), undefined);
    assert.equal(agree(one, Buffer.from('truth,predicted\n1,2\n')), undefined);
    assert.equal(agree(Buffer.alloc(0), Buffer.alloc(0)), undefined);
  });

  it('count a score that is no number as infinitely far', () => {
    const found = agree(table('cat,cat,0.75,0.25'), table('cat,cat,NaN,0.25'));
    assert.equal(found?.distance, Number.POSITIVE_INFINITY);
  });

  it('count together by their rows', () => {
    assert.equal(together([]), undefined);
    assert.deepEqual(
      together([
        { rows: 1, share: 1, distance: 0 },
        { rows: 3, share: 0, distance: 2 },
      ]),
      { rows: 4, share: 0.25, distance: 2 },
    );
  });
});
