/** What a field of text means: a number, nothing, yes or no. One definition for every reader. */

/** Powers of ten that a double holds exactly. */
export const POWERS_OF_TEN = Float64Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));

/** The largest number that still rounds to a finite 32-bit float. */
export const LARGEST_FLOAT32 = 3.4028235677973362e38;

/** Whole numbers up to here stay whole in 32 bits. */
export const LARGEST_WHOLE_FLOAT32 = 2 ** 24;

const NUMBER = /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/;
const DECIMAL_COMMA = /^[-+]?\d+,\d+(?:[eE][-+]?\d+)?$/;
const MISSING = new Set(['', 'na', 'n/a', '#n/a', 'nan', '-nan', 'null', 'none', 'nil', '?']);
const YES = new Set(['true', 't', 'yes', 'y', '1', '1.0']);
const NO = new Set(['false', 'f', 'no', 'n', '0', '0.0']);

/** The number that a field says, or `undefined`. Hexadecimal, infinities and digit groups are not numbers here. */
export function parseNumber(text: string): number | undefined {
  return NUMBER.test(text) ? Number(text) : undefined;
}

/** Whether a field is a number but for its decimal comma. */
export function hasDecimalComma(text: string): boolean {
  return DECIMAL_COMMA.test(text);
}

/** Whether a field stands for "no value": empty, `NA`, `N/A`, `NaN`, `null`, `None`, `nil`, `?`; in any case. */
export function isMissing(text: string): boolean {
  return text.length <= 4 && MISSING.has(text.toLowerCase());
}

/** `true`, `t`, `yes`, `y`, `1` and their opposites, in any case. */
export function parseBoolean(text: string): boolean | undefined {
  const word = text.toLowerCase();
  if (YES.has(word)) return true;
  if (NO.has(word)) return false;
  return undefined;
}
