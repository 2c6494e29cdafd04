/** Of what was done, and of what became of it since. */
import { RECORD_KINDS } from '../../ledger/record.ts';
import { digest, flag, list, map, number, object, oneOf, orNull, text } from './shape.ts';

export const differences = object({
  before: digest,
  after: digest,
  differences: list(object({ section: text, name: text, before: orNull(text), after: orNull(text) })),
});

export const lineage = object({
  start: text,
  nodes: list(
    object(
      {
        id: text,
        kind: oneOf('data', 'file', 'record', 'model', 'output', 'commit', 'environment'),
        label: text,
        detail: text,
        path: text,
        rows: number,
        bytes: number,
        commit: object({ id: text, branch: text, dirty: flag }, ['branch']),
        record: object(
          {
            kind: oneOf(...RECORD_KINDS),
            step: text,
            run: text,
            pipeline: text,
            file: text,
            status: oneOf('ok', 'failed', 'cancelled'),
            who: text,
            ended: text,
            seconds: number,
            metrics: map(number),
            origin: text,
          },
          ['origin'],
        ),
      },
      ['detail', 'path', 'rows', 'bytes', 'commit', 'record'],
    ),
  ),
  edges: list(object({ from: text, to: text, label: text })),
});

export const changes = object({
  step: text,
  good: object({ record: digest, run: text, ended: text, kept: orNull(text) }),
  newest: orNull(object({ record: digest, run: text, ended: text, missed: list(text) })),
  changes: list(object({ step: text, text })),
});

export const decay = object({
  ok: flag,
  items: list(
    object({
      kind: oneOf(
        'data',
        'file',
        'lock',
        'engine',
        'interpreter',
        'commit',
        'changes',
        'model',
        'plan',
        'record',
        'retained',
        'image',
        'version',
        'package',
      ),
      name: text,
      pin: orNull(text),
      resolves: flag,
      state: oneOf('resolves', 'decayed', 'unknown'),
      where: text,
    }),
  ),
});

export const keptModel = object({
  name: text,
  version: number,
  tag: orNull(text),
  record: digest,
  model: digest,
  file: text,
  metrics: map(number),
  kept: object({ when: text, who: text }),
  problem: orNull(text),
});

export const models = object({ models: list(keptModel), damaged: list(object({ file: text, problem: text })) });
