/** Of doing it again. */
import { VARIATIONS } from '../../reproduce/variations.ts';
import { VERDICTS } from '../../reproduce/verdict.ts';
import { digest, flag, list, number, object, oneOf, orNone, orNull, text } from './shape.ts';

const level = oneOf('R3', 'R2', 'R1', 'R0');
const comparedMetric = object({ name: text, recorded: number, reproduced: orNone, tolerance: orNone, ok: flag });

export const reproduction = object(
  {
    model: digest,
    verdict: oneOf('bitwise', 'numeric', 'statistical', 'within-tolerance', 'inconclusive', 'failed'),
    level,
    because: text,
    environment: oneOf('recorded', 'current'),
    data: oneOf('recorded', 'current'),
    metrics: list(comparedMetric),
    agreement: orNone,
    differences: list(object({ kind: text, name: text, recorded: orNull(text), now: orNull(text) })),
    record: digest,
    place: text,
  },
  ['place'],
);

export const reprotest = object({
  step: text,
  kind: oneOf('train', 'program'),
  record: digest,
  ok: flag,
  because: text,
  asRecorded: flag,
  variations: list(
    object({
      variation: oneOf('again', ...VARIATIONS),
      varied: flag,
      why: orNull(text),
      from: orNull(text),
      to: orNull(text),
      declared: flag,
      note: orNull(text),
      verdict: orNull(oneOf(...VERDICTS)),
      level: orNull(level),
      because: orNull(text),
      metrics: list(comparedMetric),
      agreement: orNone,
      differs: list(text),
      depends: orNull(flag),
    }),
  ),
});
