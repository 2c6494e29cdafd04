/** An error made for a person: what failed, where, why, and what to do next. */
import type { Location } from '../grammar/plan/plan.ts';

/** What the process answers with; `mlpipe help exit-codes` prints these. */
export const EXIT = {
  /** The honest answer is yes. */
  yes: 0,
  /** The honest answer is no: errors in the pipeline, stale, gate failed, integrity broken. */
  no: 1,
  /** Wrong usage, or an environment that cannot do it. */
  usage: 2,
  /** Interrupted. */
  cancelled: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export interface MlpipeErrorOptions {
  /** A stable word for programs: `data-missing`. */
  code: string;
  /** What to do next, as a sentence. */
  todo?: string;
  where?: Location;
  exit?: ExitCode;
  cause?: unknown;
}

export class MlpipeError extends Error {
  readonly code: string;
  readonly todo: string | undefined;
  readonly where: Location | undefined;
  readonly exit: ExitCode;

  constructor(message: string, options: MlpipeErrorOptions) {
    super(message, { cause: options.cause });
    this.name = 'MlpipeError';
    this.code = options.code;
    this.todo = options.todo;
    this.where = options.where;
    this.exit = options.exit ?? EXIT.no;
  }
}
