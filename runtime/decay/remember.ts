/**
 * What the last look at a pipeline's decay found, kept beside the store: for whoever may not look itself, as a diagnostic
 * while somebody types. It can be deleted at any time, and nothing is decided by it.
 */
import fs from 'node:fs';
import { join, relative } from 'node:path';
import { digestOf } from '../../grammar/plan/canonical.ts';
import type { DecayFact } from '../../grammar/rules/facts.ts';
import { MlpipeError } from '../errors.ts';
import { writeWhole } from '../store/small-file.ts';
import type { Decay } from './decay.ts';

/** Raised when what is kept means something else. */
const FORMAT = 'mlpipe-decay/1';

interface Place {
  root: string;
  store: { folder: string };
}

/** @param file absolute path of the pipeline */
export function decayPath({ root, store }: Place, file: string): string {
  const name = digestOf(relative(root, file).replaceAll('\\', '/')).slice('sha256:'.length, 'sha256:'.length + 32);
  return join(store.folder, 'cache', 'decay', `${name}.json`);
}

/** That it cannot be kept (a read-only or a full disk) changes nothing about what was found. */
export function rememberDecay(place: Place, file: string, { items }: Decay, when = new Date()): void {
  const path = decayPath(place, file);
  const gone = items
    .filter(({ state }) => state === 'decayed')
    .map(({ kind, name, pin, where: why }) => ({ kind, name, pin, where: why }));
  try {
    writeWhole(path, JSON.stringify({ format: FORMAT, when: when.toISOString(), gone }));
  } catch (error) {
    if (!(error instanceof MlpipeError)) throw error;
  }
}

/** Nothing where nobody has looked yet, or what is there was not written by this function's sister. */
export function rememberedDecay(place: Place, file: string): DecayFact | undefined {
  try {
    const kept: unknown = JSON.parse(fs.readFileSync(decayPath(place, file), 'utf8'));
    return isKept(kept) ? { when: kept.when, gone: kept.gone } : undefined;
  } catch {
    return undefined;
  }
}

function isKept(value: unknown): value is DecayFact & { format: string } {
  if (typeof value !== 'object' || value === null || !('gone' in value) || !('when' in value)) return false;
  const { gone, when } = value;
  if (!('format' in value) || value.format !== FORMAT || typeof when !== 'string' || Number.isNaN(Date.parse(when)))
    return false;
  const isText = (part: unknown) => typeof part === 'string';
  return (
    Array.isArray(gone) &&
    gone.every((item: unknown) => {
      if (typeof item !== 'object' || item === null) return false;
      if (!('kind' in item && 'name' in item && 'where' in item && 'pin' in item)) return false;
      return isText(item.kind) && isText(item.name) && isText(item.where) && (item.pin === null || isText(item.pin));
    })
  );
}
