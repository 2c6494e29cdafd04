/** Units: what a number with a unit means in the base unit of its dimension. All of it follows from the library. */
import { type LangiumDocuments, stream } from 'langium';
import * as ast from '../generated/ast.ts';
import { builtinElements } from '../scoping/builtins.ts';

/**
 * A dimension is called by its base unit: `B` for sizes, `s` for durations, `%` for shares, `pt` for their differences.
 * A plain number has the dimension `''`.
 */
export type Dimension = string;

export const PLAIN: Dimension = '';
export const SHARE: Dimension = '%';
export const POINTS: Dimension = 'pt';

export interface UnitMeaning {
  dimension: Dimension;
  /** How many base units it is. */
  factor: number;
}

/** What a unit means; `undefined` while its declaration is broken or leads back to itself. */
export function meaningOfUnit(unit: ast.Unit | undefined): UnitMeaning | undefined {
  let factor = 1;
  const seen = new Set<ast.Unit>();
  for (let current = unit; current !== undefined && !seen.has(current); ) {
    seen.add(current);
    if (current.factor === undefined) return { dimension: current.name, factor };
    factor *= current.factor.value;
    if (current.factor.unit === undefined) return { dimension: current.name, factor };
    current = current.factor.unit.ref;
  }
  return undefined;
}

/** `value` units in base units. Divides where that rounds better: 35 hundredths are 0.35, but 35 × 0.01 is not. */
export function inBaseUnits(value: number, { factor }: UnitMeaning): number {
  const inverse = Math.round(1 / factor);
  return factor < 1 && Math.abs(inverse * factor - 1) < 1e-12 ? value / inverse : value * factor;
}

/** The inverse of `inBaseUnits`. */
export function inUnits(value: number, { factor }: UnitMeaning): number {
  const inverse = Math.round(1 / factor);
  return factor < 1 && Math.abs(inverse * factor - 1) < 1e-12
    ? Number.parseFloat((value * inverse).toPrecision(15))
    : value / factor;
}

/** The units of a dimension that people are likely to mean, the likeliest first. */
const LIKELY: Readonly<Record<Dimension, readonly string[]>> = {
  '%': ['%'],
  pt: ['pt'],
  B: ['GiB', 'MiB'],
  s: ['min', 's', 'h'],
  epochs: ['epochs'],
  rows: ['rows'],
  cpus: ['cpus'],
  gpus: ['gpus'],
};

export function likelyUnits(dimension: Dimension): readonly string[] {
  return LIKELY[dimension] ?? [];
}

/** Every unit of the library with its meaning, by name. */
export function unitsOfLibrary(documents: LangiumDocuments): Map<string, UnitMeaning> {
  return new Map(
    stream(builtinElements(documents))
      .filter(ast.isUnit)
      .map((unit) => [unit.name, meaningOfUnit(unit)] as const)
      .filter((entry): entry is readonly [string, UnitMeaning] => entry[1] !== undefined)
      .toArray(),
  );
}

const NOUNS: Readonly<Record<Dimension, string>> = {
  '': 'a plain number',
  '%': 'a share',
  pt: 'a difference of shares',
  B: 'an amount of memory',
  s: 'a duration',
  epochs: 'a number of epochs',
  rows: 'a number of rows',
  cpus: 'a number of processor cores',
  gpus: 'a number of graphics processors',
};

/** What a dimension is called in a sentence. */
export function nounOfDimension(dimension: Dimension): string {
  return NOUNS[dimension] ?? `a number of ${dimension}`;
}
