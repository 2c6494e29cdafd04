/** The names of what can be varied. */

/** In the order in which they are tried. */
export const VARIATIONS = [
  'seed',
  'threads',
  'cores',
  'locale',
  'time-zone',
  'path',
  'home',
  'user',
  'host',
  'umask',
  'hash-seed',
  'file-order',
  'clock',
] as const;
export type VariationName = (typeof VARIATIONS)[number];
