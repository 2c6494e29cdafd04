/** How near a reproduction came: the judgement alone, of plain data. */
import type { Digest, GatePlan } from '../../grammar/plan/plan.ts';
import type { Agreement } from './predictions.ts';

/** From the strongest to none. */
export const VERDICTS = ['bitwise', 'numeric', 'statistical', 'within-tolerance', 'inconclusive', 'failed'] as const;
export type VerdictWord = (typeof VERDICTS)[number];

/** `R3` the same bits, `R2` the same answers, `R1` the same within what chance alone does, `R0` none of these. */
export type Level = 'R3' | 'R2' | 'R1' | 'R0';

/** Scores may lie so far apart, relative to their size or to 1 where they are smaller, and still count as the same. */
export const NUMERIC_TOLERANCE = 1e-5;
/** Replicates below this number say nothing of the variance. */
const FEWEST_REPLICATES = 3;
/** A metric may differ by this share in any case. */
const RELATIVE_SLACK = 0.02;
/** Where chance alone moves a metric by more than this share of it, nothing can be concluded. */
const WIDEST_INTERVAL = 0.05;
/** Predictions may agree less than the replicates among themselves by this much. */
const AGREEMENT_SLACK = 0.01;

export interface MetricPair {
  /** `accuracy`, `recall(class: 3)`, with the evaluation in front where there are several: `recognise.test accuracy`. */
  name: string;
  recorded: number;
  /** `NaN` where it was not measured. */
  reproduced: number;
  /** As the pipeline declares it. */
  within?: GatePlan['within'];
  /** Of trainings with other seeds, recorded with the model. */
  replicates?: readonly number[];
}

export interface Evidence {
  model: { recorded: Digest; reproduced: Digest | undefined };
  /** Whether both ran on processors and graphics processors of one class. */
  sameHardware: boolean;
  /** Over all rows that both predicted; nothing where no predictions were kept. */
  agreement: Agreement | undefined;
  /** The lowest agreement among the replicates themselves, 0 … 1. */
  replicateAgreement?: number;
  metrics: readonly MetricPair[];
  /** Why it did not come to its end. */
  failure?: string;
}

export interface ComparedMetric {
  name: string;
  recorded: number;
  reproduced: number;
  /** The largest difference that counts as the same, in the metric's own unit; nothing where none is declared. */
  tolerance: number | null;
  ok: boolean;
}

export interface Judgement {
  verdict: VerdictWord;
  level: Level;
  /** In one line. */
  because: string;
  metrics: ComparedMetric[];
}

export function judge(evidence: Evidence): Judgement {
  const declared = evidence.metrics.map(byDeclaration);
  const give = (verdict: VerdictWord, because: string, metrics = declared): Judgement => ({
    verdict,
    level: LEVELS[verdict],
    because,
    metrics,
  });
  const { model, agreement } = evidence;
  if (evidence.failure !== undefined) return give('failed', evidence.failure);
  if (model.reproduced === model.recorded) {
    // Equal bits on other hardware are luck that the next library may end; the claim is what holds of the answers.
    return evidence.sameHardware
      ? give('bitwise', 'the model has the same bits')
      : give('numeric', 'the model has the same bits, on another class of hardware: its answers are the same');
  }
  if (agreement !== undefined && agreement.share === 1 && agreement.distance <= NUMERIC_TOLERANCE) {
    return give(
      'numeric',
      `all ${agreement.rows} predictions are the same, their scores to ${agreement.distance.toExponential(1)}`,
    );
  }
  const replicated = evidence.metrics.filter(({ replicates }) => (replicates?.length ?? 0) >= FEWEST_REPLICATES);
  if (replicated.length > 0) return byReplicates(evidence, replicated, give);
  const judged = declared.filter(({ tolerance }) => tolerance !== null);
  const missed = judged.filter(({ ok }) => !ok);
  if (missed.length > 0) return give('failed', `${missed.map(apart).join(', ')}`);
  if (judged.length > 0) {
    return give(
      'within-tolerance',
      `${judged.map(({ name }) => name).join(', ')} within the tolerance that the pipeline declares; how much chance alone does is not known`,
    );
  }
  return give(
    'inconclusive',
    'the bits differ, and neither a tolerance (`within`) nor replicates say how near is near enough',
  );
}

const LEVELS: Record<VerdictWord, Level> = {
  bitwise: 'R3',
  numeric: 'R2',
  statistical: 'R1',
  'within-tolerance': 'R0',
  inconclusive: 'R0',
  failed: 'R0',
};

function byDeclaration({ name, recorded, reproduced, within }: MetricPair): ComparedMetric {
  if (within === undefined) return { name, recorded, reproduced, tolerance: null, ok: Number.isFinite(reproduced) };
  const tolerance = 'absolute' in within ? within.absolute : within.relative * Math.abs(recorded);
  return { name, recorded, reproduced, tolerance, ok: Math.abs(reproduced - recorded) <= tolerance };
}

/**
 * Is the reproduction one of the replicates? A prediction interval for one more observation of a normal distribution,
 * |m − mean| ≤ t₀.₉₇₅,K−1 · s · √(1 + 1/K), as the reference implementations of MLPerf Training are judged in spirit:
 * by the variance that the reference itself has.
 */
function byReplicates(
  evidence: Evidence,
  replicated: readonly MetricPair[],
  give: (verdict: VerdictWord, because: string, metrics?: ComparedMetric[]) => Judgement,
): Judgement {
  const wide: string[] = [];
  const metrics = evidence.metrics.map((pair): ComparedMetric => {
    const values = [pair.recorded, ...(pair.replicates ?? [])];
    if (!replicated.includes(pair)) return byDeclaration(pair);
    const count = values.length;
    const mean = values.reduce((sum, value) => sum + value, 0) / count;
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1));
    const interval = studentQuantile(count - 1) * deviation * Math.sqrt(1 + 1 / count);
    if (interval > WIDEST_INTERVAL * Math.abs(mean)) wide.push(pair.name);
    const tolerance = Math.max(RELATIVE_SLACK * Math.abs(mean), interval);
    const { name, recorded, reproduced } = pair;
    return { name, recorded, reproduced, tolerance, ok: Math.abs(reproduced - mean) <= tolerance };
  });
  const missed = metrics.filter(({ ok, tolerance }) => !ok && tolerance !== null);
  if (missed.length > 0) return give('failed', missed.map(apart).join(', '), metrics);
  if (wide.length > 0) {
    return give('inconclusive', `chance alone moves ${wide.join(', ')} too far: record more replicates`, metrics);
  }
  const { agreement, replicateAgreement } = evidence;
  if (agreement !== undefined && replicateAgreement !== undefined) {
    const floor = replicateAgreement - AGREEMENT_SLACK;
    if (agreement.share < floor) {
      return give(
        'failed',
        `only ${percent(agreement.share)} of the predictions agree; the replicates agree in ${percent(replicateAgreement)}`,
        metrics,
      );
    }
  }
  return give(
    'statistical',
    `it lies where ${replicated[0]?.replicates?.length ?? 0} replicates with other seeds lie`,
    metrics,
  );
}

function apart({ name, recorded, reproduced, tolerance }: ComparedMetric): string {
  return `${name} is ${short(reproduced)}, recorded ${short(recorded)} ± ${short(tolerance ?? 0)}`;
}

function short(value: number): string {
  return String(Number(value.toPrecision(4)));
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

/** t₀.₉₇₅ for 1 … 30 degrees of freedom (NIST/SEMATECH e-Handbook, table 1.3.6.7.2); beyond, the normal's. */
const STUDENT = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];

function studentQuantile(degrees: number): number {
  return STUDENT[degrees - 1] ?? 1.96;
}
