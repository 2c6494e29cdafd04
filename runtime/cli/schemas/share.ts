/** Of what goes to a remote and comes from one. */
import { digest, flag, list, number, object, oneOf, text } from './shape.ts';

export const fetched = object({
  remote: text,
  records: number,
  objects: number,
  bytes: number,
  present: number,
  missing: list(object({ kind: oneOf('record', 'object'), digest, of: text })),
  signatures: number,
  logs: list(text),
  problems: list(text),
});

const kind = oneOf('folder', 's3', 'ssh', 'http');

export const addedRemote = object({
  name: text,
  url: text,
  kind,
  default: flag,
  read: flag,
  write: flag,
  list: flag,
  conditionalCreate: flag,
  ranges: flag,
  notes: list(text),
});

export const remotes = list(object({ name: text, url: text, kind, default: flag }));

export const pushed = object({
  remote: text,
  objects: number,
  bytes: number,
  records: number,
  present: number,
  held: list(object({ record: digest, step: text, lacks: list(digest) })),
  logs: list(text),
  problems: list(text),
});
