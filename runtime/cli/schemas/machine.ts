/** Of this machine. */
import { flag, list, map, object, oneOf, text } from './shape.ts';

export const engines = list(
  object(
    {
      name: oneOf('tensorflow', 'webgpu', 'wasm'),
      state: oneOf('installed', 'installable', 'impossible'),
      versions: list(text),
      installableFrom: text,
      known: list(text),
      reason: text,
      cannotTrain: map(text),
      deterministic: flag,
    },
    ['reason', 'installableFrom', 'known'],
  ),
);

export const doctor = object({
  ok: flag,
  points: list(object({ name: text, ok: flag, found: text, todo: text }, ['todo'])),
});
