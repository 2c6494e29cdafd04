/** Of what is taken away. */
import { flag, number, object, oneOf, text } from './shape.ts';

const scope = oneOf('unreferenced', 'workspace', 'branches', 'tags', 'commits');
const files = object({ files: number, bytes: number });
const amount = object({ objects: number, bytes: number });

export const collection = object({
  scope,
  dryRun: flag,
  now: flag,
  keep: number,
  needed: amount,
  young: amount,
  collected: amount,
  deleted: amount,
  restored: number,
  rewritten: number,
});

export const remoteCollection = object({
  remote: text,
  scope,
  dryRun: flag,
  grace: number,
  needed: files,
  marked: files,
  waiting: files,
  deleted: files,
  spared: number,
  postponed: number,
  repacked: number,
});
