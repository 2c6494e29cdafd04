/** What is said while a pipeline is checked for decay and when that has ended. */
import type { DecayAnswer } from '../../../runtime/rpc/protocol.ts';
import { counted, grouped } from '../../infrastructure/wording.ts';

/** `records: 3 of 12` */
export function progressLine({ done, total }: { done: number; total: number }): string {
  return total === 0 ? 'what is written …' : `records: ${grouped(done)} of ${grouped(total)}`;
}

export interface Outcome {
  whole: boolean;
  message: string;
  /** For the output: everything that cannot be had, or could not be asked about. */
  details: string[];
}

/** So many are named in the message; the output has all. */
const NAMED = 2;

export function outcomeOf(name: string, { ok, items }: DecayAnswer): Outcome {
  const gone = items.filter(({ state }) => state === 'decayed');
  const unknown = items.filter(({ state }) => state === 'unknown');
  const all = counted(items.length, 'thing');
  const details = [...gone, ...unknown].map(
    ({ kind, name: what, pin, state, where }) => `${state}: ${kind} ${what} ${pin ?? 'not pinned'}: ${where}`,
  );
  // Who does not answer has said nothing.
  const silent = unknown.length === 0 ? '' : ` ${grouped(unknown.length)} could not be asked about.`;
  if (ok) return { whole: true, message: `No decay in ${all} that ${name} stands on.${silent}`, details };
  const named = gone.slice(0, NAMED).map((item) => `${item.kind} ${item.name} (${item.where})`);
  const more = gone.length > NAMED ? `, and ${grouped(gone.length - NAMED)} more` : '';
  return {
    whole: false,
    message: `${grouped(gone.length)} of ${all} that ${name} stands on can no longer be had: ${named.join(', ')}${more}.${silent}`,
    details,
  };
}
