/** Canonical JSON (RFC 8785): one text for one value, so that a digest of it means the value. */
import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { Digest } from './plan.ts';

/**
 * Writes a value as canonical JSON: sorted keys, no white space, shortest numbers.
 *
 * @throws TypeError if the value cannot be said in JSON (a function, `NaN`, a cycle).
 */
export function canonicalJson(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError('This value has no canonical JSON.');
  return text;
}

/** The SHA-256 of bytes, or of a text as UTF-8. */
export function digestOf(content: string | Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

/** The digest of a value's canonical JSON. */
export function digestOfValue(value: unknown): Digest {
  return digestOf(canonicalJson(value));
}
