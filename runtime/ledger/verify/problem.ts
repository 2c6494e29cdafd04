/** What `mlpipe verify` finds. */
import type { Digest } from '../../../grammar/plan/plan.ts';

export interface Problem {
  /** A stable word for programs: `record-edited`. */
  code: ProblemCode;
  /** What is wrong, as a sentence. */
  message: string;
  /** What to do. */
  todo: string;
  /** Whether `mlpipe verify --repair` can mend it, where a remote has what is lacking. */
  repairable: boolean;
  /** The object or the record that it is about. */
  digest?: Digest;
  /** The file, as the disk calls it. */
  path?: string;
}

export type ProblemCode = keyof typeof TODO;

/** With `--force`, for a step whose output lacks a file has its output nevertheless. */
const LACKING =
  '`mlpipe verify --repair` brings it back from a remote; else run the step that makes it again, with `--force`.';

/** What to do about each kind of problem. */
export const TODO = {
  'object-corrupt': LACKING,
  'object-missing': LACKING,
  'object-unreadable': 'Give yourself the right to read it, and check the disk.',
  'pack-damaged':
    '`mlpipe verify --repair` saves what can be saved and brings back from a remote what is missing then.',
  'record-edited': 'Somebody or the disk has changed it. Bring it back from a copy; `mlpipe fetch` may have one.',
  'record-missing': 'It was removed. Bring it back from a copy; `mlpipe fetch` may have one.',
  'record-unlogged':
    'A process was killed before it had logged it, or the log was cut. If nobody can have cut it, `mlpipe log mend` logs it.',
  'signature-edited': 'Somebody or the disk has changed it. Bring it back from a copy; `mlpipe fetch` may have one.',
  'signature-forged':
    'Whoever wrote it did not have the key: do not rely on the record, and find out how it came here.',
  'signature-missing': 'It was removed. Bring it back from a copy; `mlpipe fetch` may have one.',
  'log-damaged': 'Somebody or the disk has changed it. Bring it back from a copy; `mlpipe fetch` may have one.',
  'log-duplicate': 'Nothing is logged twice by mlpipe: find out who has written it.',
  'log-shorter': 'Its end was cut off, or an older copy was put in its place. Bring the newer one back.',
  'log-rewritten': 'Its past is not what was signed: bring back the log that was, and find out who has changed it.',
  'log-missing': 'It was removed. Bring it back from a copy; `mlpipe fetch` may have one.',
  'checkpoint-forged':
    'Somebody or the disk has changed it. `mlpipe log publish` makes another; compare with older ones.',
  'lock-damaged': 'Take one side of a merge whole, or remove the file and run the step again.',
  'lock-record-missing': 'The record was removed, or never came here: `mlpipe fetch` brings those of others.',
  'lock-differs': 'Somebody has changed it. Remove the file and run the step: a cached result is found by its key.',
  'trust-damaged': 'Take the file as a commit that you believe has it.',
  stranger: 'It does not belong here: look at it, and remove it.',
} as const;

const REPAIRABLE: ReadonlySet<ProblemCode> = new Set([
  'object-corrupt',
  'object-missing',
  'object-unreadable',
  'pack-damaged',
]);

export function problem(code: ProblemCode, message: string, about: Pick<Problem, 'digest' | 'path'> = {}): Problem {
  return { code, message, todo: TODO[code], repairable: REPAIRABLE.has(code), ...about };
}
