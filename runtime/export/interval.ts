/** How sure a measured number is: intervals that hold the true value in 95 of 100 such measurements. */

export interface Interval {
  lower: number;
  upper: number;
  /** How it was come by, in words. */
  method: string;
}

/** The 97.5 % quantile of the standard normal distribution. */
const Z = 1.959963984540054;

/**
 * Wilson's score interval for a share of `count` independent rows:
 *
 *     (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n)
 *
 * E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the American
 * Statistical Association 22 (1927), p. 209–212. Unlike p ± z √(p(1−p)/n) it is right near 0 and 1 and for few rows.
 *
 * @param share 0 … 1
 * @param count rows, at least 1
 */
export function wilson(share: number, count: number): Interval {
  const square = Z * Z;
  const centre = share + square / (2 * count);
  const spread = Z * Math.sqrt((share * (1 - share)) / count + square / (4 * count * count));
  const scale = 1 + square / count;
  return {
    lower: Math.max(0, (centre - spread) / scale),
    upper: Math.min(1, (centre + spread) / scale),
    method: `Wilson score interval, ${count.toLocaleString('en-US')} rows`,
  };
}

/** t₀.₉₇₅ for 1 … 30 degrees of freedom (NIST/SEMATECH e-Handbook of Statistical Methods, table 1.3.6.7.2). */
const STUDENT = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/**
 * Student's interval for the mean over trainings that differ in their seed alone: x̄ ± t₀.₉₇₅,ₙ₋₁ s / √n (NIST/SEMATECH
 * e-Handbook, 1.3.5.2). It says what the choice of a seed does, not what the choice of the test rows does.
 *
 * @param values at least two
 */
export function studentInterval(values: readonly number[]): Interval | undefined {
  const count = values.length;
  if (count < 2) return undefined;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1));
  const half = ((STUDENT[count - 2] ?? Z) * deviation) / Math.sqrt(count);
  return { lower: mean - half, upper: mean + half, method: `t-interval of the mean over ${count} seeds` };
}
