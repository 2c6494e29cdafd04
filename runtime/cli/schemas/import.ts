/** Of what other tools have recorded. */
import { output } from './record.ts';
import { digest, list, map, number, object, oneOf, orNone, orNull, text } from './shape.ts';

export const importedPipeline = object({
  tool: oneOf('dvc'),
  file: text,
  pipeline: text,
  steps: list(object({ stage: text, step: text, record: orNull(digest) })),
  data: list(object({ name: text, path: text, pin: orNull(digest), bytes: orNone })),
  todo: list(text),
});

export const importedRun = object({
  tool: oneOf('mlflow'),
  record: digest,
  step: text,
  id: text,
  name: text,
  experiment: text,
  from: text,
  parameters: map(text),
  metrics: map(number),
  outputs: map(output),
  missing: list(object({ name: text, why: text })),
});
