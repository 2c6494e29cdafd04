/** Of what is taken away. */
import { flag, number, object, oneOf } from './shape.ts';

const amount = object({ objects: number, bytes: number });

export const collection = object({
  scope: oneOf('unreferenced', 'workspace', 'branches', 'tags', 'commits'),
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
