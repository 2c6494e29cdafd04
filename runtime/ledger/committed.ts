/**
 * Files that are committed beside a pipeline: locks and versions. The file's own digest stands first, keys are sorted and
 * each value has its line, so that a merge of two states is either one of them or seen to be damaged.
 */
import fs from 'node:fs';
import { join } from 'node:path';
import { canonicalJson, digestOfValue } from '../../grammar/plan/canonical.ts';
import type { Digest } from '../../grammar/plan/plan.ts';
import type { MlpipeError } from '../errors.ts';
import { readFailure } from '../store/errors.ts';

/** `recognise` → `recognise.json` in the folder; what a file system may not take is written as its code point. */
export function committedPath(folder: string, name: string): string {
  const plain = name.replace(/[^A-Za-z0-9@=.,_+-]/g, (character) => `%${character.codePointAt(0)?.toString(16)}`);
  return join(folder, `${plain}.json`);
}

export function committedText(value: object): { digest: Digest; text: string } {
  const digest = digestOfValue(value);
  const sorted = JSON.parse(canonicalJson(value)) as object;
  return { digest, text: `${JSON.stringify({ digest, ...sorted }, undefined, 2)}\n` };
}

/**
 * What such a file says, once it fits its digest.
 *
 * @param damaged makes the error for what is wrong with the file: conflict markers, no JSON, another format, an edit
 * @throws MlpipeError `path-missing` and what `damaged` makes
 */
export function readCommitted<T extends { format: string }>(
  path: string,
  format: T['format'],
  damaged: (how: string) => MlpipeError,
): { digest: Digest; value: T } {
  let text: string;
  try {
    text = fs.readFileSync(path, 'utf8');
  } catch (error) {
    throw readFailure(path, error);
  }
  if (/^(?:<{7}|={7}|>{7})/m.test(text)) throw damaged('has the marks of a merge conflict');
  let whole: unknown;
  try {
    whole = JSON.parse(text);
  } catch {
    throw damaged('is not JSON');
  }
  if (typeof whole !== 'object' || whole === null) throw damaged('is not JSON of an object');
  const { digest, ...value } = whole as T & { digest?: unknown };
  if (value.format !== format) throw damaged(`has the format ${JSON.stringify(value.format)}`);
  if (digest !== digestOfValue(value))
    throw damaged('does not fit its own digest: it was edited, or merged from two states');
  return { digest: digest as Digest, value: value as unknown as T };
}
