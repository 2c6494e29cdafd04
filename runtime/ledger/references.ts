/** Which record a person means. */
import type { Digest } from '../../grammar/plan/plan.ts';
import { EXIT, MlpipeError } from '../errors.ts';
import { blockOf, type RecordIndex } from './index-rows.ts';

/**
 * A step's name (`recognise`, `recognise@rate=0.01`), which means its newest record; a run's name (`quiet-heron-41`, or
 * `quiet-heron-41:step`); the beginning of a record's digest, or of the digest of something that a record wrote;
 * `newest`.
 *
 * @throws MlpipeError `reference-unknown`, `reference-ambiguous`
 */
export function resolveReference(index: RecordIndex, reference: string): Digest {
  const byStep =
    index.rows({ block: blockOf(reference), step: reference }, 1)[0] ?? index.rows({ block: reference }, 1)[0];
  if (byStep) return byStep.digest;
  const newest = reference === 'newest' ? index.rows({}, 1)[0] : undefined;
  if (newest) return newest.digest;
  const [run = '', step] = reference.split(':');
  const byRun = index.rows({ run, step });
  if (byRun[0]) return (byRun.find(({ kind }) => kind === 'train') ?? byRun[0]).digest;
  const hexadecimal = hexadecimalOf(reference);
  if (hexadecimal !== undefined) {
    const beginning = `sha256:${hexadecimal}`;
    const records = index.beginning(beginning, 100);
    if (records.length > 1) throw ambiguous(reference, 'records', records);
    if (records[0]) return records[0];
    const written = index.written(beginning);
    if (written.length > 1) throw ambiguous(reference, 'objects', written);
    const writer = written[0] && index.writers(written[0])[0];
    if (writer) return writer;
  }
  throw new MlpipeError(`Nothing here is called ${reference}.`, {
    code: 'reference-unknown',
    todo: 'Name a step, a run or the first characters of a digest; `mlpipe log` lists them.',
    exit: EXIT.usage,
  });
}

/**
 * The object that a record read or wrote and whose digest begins so, or nothing.
 *
 * @throws MlpipeError `reference-ambiguous`
 */
export function resolveObject(index: RecordIndex, beginning: string): Digest | undefined {
  const hexadecimal = hexadecimalOf(beginning);
  if (hexadecimal === undefined) return undefined;
  const found = index.named(`sha256:${hexadecimal}`);
  if (found.length > 1) throw ambiguous(beginning, 'objects', found);
  return found[0];
}

/** The beginning of a digest, long enough to mean something by it. */
function hexadecimalOf(reference: string): string | undefined {
  const hexadecimal = reference.replace(/^sha256:/, '').toLowerCase();
  return /^[0-9a-f]{4,64}$/.test(hexadecimal) ? hexadecimal : undefined;
}

function ambiguous(reference: string, what: string, digests: readonly Digest[]): MlpipeError {
  return new MlpipeError(`${reference} is the beginning of ${digests.length} ${what}.`, {
    code: 'reference-ambiguous',
    todo: `Write more of it: ${digests
      .slice(0, 4)
      .map((digest) => digest.slice('sha256:'.length, 19))
      .join(', ')}.`,
    exit: EXIT.usage,
  });
}
