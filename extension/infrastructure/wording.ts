/** How numbers, digests and times are said to a person: always with their unit, never with more places than they mean. */

import type { TransferProgress } from '../../runtime/rpc/protocol.ts';

/** Metrics that are shares of a whole, and so read as per cent. */
const SHARES = new Set(['accuracy', 'precision', 'recall', 'f1', 'topK', 'balancedAccuracy']);

/** `accuracy 97.2 %`, `loss 0.08912`; the name as the language writes it. */
export function spokenMetric(name: string, value: number): string {
  return `${name} ${spokenValue(name, value)}`;
}

export function spokenValue(name: string, value: number): string {
  if (!Number.isFinite(value)) return 'not a number';
  const [metric = name] = name.split(/[.(]/);
  return SHARES.has(metric) ? `${(value * 100).toFixed(1)} %` : spokenNumber(value);
}

/** Four significant digits, as the command line and the lenses say them, without an exponent where it can be read without one. */
export function spokenNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return grouped(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e6)) return value.toExponential(2);
  const rounded = Number(value.toPrecision(4));
  return Number.isInteger(rounded) ? grouped(rounded) : String(rounded);
}

/** `1797` as `1,797`. */
export function grouped(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 0 });
}

/** `1 object`, `1,797 objects`. */
export function counted(value: number, one: string): string {
  return `${grouped(value)} ${one}${value === 1 ? '' : 's'}`;
}

/** Bytes with binary units, as file managers and the CLI write them: `1.2 MiB`. */
export function spokenBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** `fetching 3 of 12 objects, 4.2 MiB of 10 MiB` */
export function spokenTransfer({ phase, objects, objectsTotal, bytes, bytesTotal }: TransferProgress): string {
  if (phase === 'comparing' || objectsTotal === 0) return 'looking what the remote has …';
  const what = phase === 'records' ? 'record' : 'object';
  const size = bytesTotal === 0 ? '' : `, ${spokenBytes(bytes)} of ${spokenBytes(bytesTotal)}`;
  return `fetching ${grouped(objects)} of ${counted(objectsTotal, what)}${size}`;
}

/** `0.8 s`, `41 s`, `3 min 5 s`, `2 h 10 min`. */
export function spokenSeconds(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** How long ago a moment was: `just now`, `5 min ago`, `yesterday`; from a month on, its date. */
export function spokenAge(moment: string, now: number): string {
  const then = Date.parse(moment);
  if (Number.isNaN(then)) return moment;
  const seconds = Math.max(0, (now - then) / 1000);
  if (seconds < 45) return 'just now';
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min ago`;
  const hours = Math.round(minutes / 60);
  if (hours < 24) return `${hours} h ago`;
  const days = Math.round(hours / 24);
  if (days === 1) return 'yesterday';
  if (days < 31) return `${days} days ago`;
  return moment.slice(0, 10);
}

/** `sha256:5f0c3e41…`, short enough for a line and long enough to be told apart. */
export function shortDigest(digest: string): string {
  const [algorithm, hex] = digest.split(':');
  return hex === undefined ? digest.slice(0, 12) : `${algorithm}:${hex.slice(0, 8)}…`;
}

/** A text for a message or a line of a tree: every digest in it short. Whoever needs them whole finds them in the output. */
export function withShortDigests(text: string): string {
  return text.replaceAll(/sha256:[0-9a-f]{64}/g, shortDigest);
}
