/** Of a pipeline as it is written, and of running it. */
import { output } from './record.ts';
import { digest, flag, list, map, number, object, oneOf, orNull, text } from './shape.ts';

export const findings = list(
  object({
    file: text,
    line: number,
    column: number,
    endLine: number,
    endColumn: number,
    severity: oneOf('error', 'warning', 'information', 'hint'),
    code: text,
    message: text,
    fixes: list(text),
  }),
);

export const pins = list(object({ name: text, file: text, before: orNull(digest), after: digest }));

export const formatted = list(object({ file: text, changed: flag }));

export const begun = object({ folder: text, written: list(text), kept: list(text) });

export const plan = object({
  format: text,
  pipeline: text,
  parameters: map({}),
  environments: map({}),
  data: map({}),
  models: map({}),
  steps: map({}),
  deployments: map({}),
  monitors: map({}),
  locations: map({}),
  keys: map(orNull(digest)),
});

export const graph = object({
  nodes: list(object({ name: text, kind: text })),
  edges: list(object({ from: text, to: text })),
});

export const run = object({
  run: text,
  pipeline: text,
  ok: flag,
  seconds: number,
  steps: list(
    object(
      {
        step: text,
        status: oneOf('ran', 'cached', 'failed', 'skipped', 'cancelled'),
        reason: text,
        key: orNull(digest),
        seconds: number,
        record: orNull(digest),
        outputs: map(output),
        metrics: map(number),
        engine: orNull(object({ name: text, version: text })),
        error: object({ message: text, todo: text, where: map({}), exit: number }, ['todo', 'where', 'exit']),
      },
      ['error'],
    ),
  ),
});

export const status = object({
  upToDate: flag,
  steps: list(
    object({
      step: text,
      state: oneOf('up-to-date', 'stale', 'never-ran', 'blocked', 'failed'),
      reason: text,
      key: orNull(digest),
    }),
  ),
});
