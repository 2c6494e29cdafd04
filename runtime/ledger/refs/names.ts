/** What the ledger's refs are called. Records and logs never share one with branches: nobody checks them out. */
import { WRITER } from '../log/logs.ts';

const RECORDS = 'refs/mlpipe/records/';
const LOGS = 'refs/mlpipe/log/';
/** What remotes had; only `fetch` writes here. */
const TRACKING = 'refs/mlpipe-tracking/';

/** `ab/cdef….json`, `ab/cdef….0123456789abcdef.sig.json` */
export const recordsRef = (writer: string) => RECORDS + writer;
/** `checkpoint`, `key`, `entries/000000` */
export const logRef = (writer: string) => LOGS + writer;
export const trackingPrefix = (remote: string) => `${TRACKING}${remote}/`;

export interface LedgerRef {
  kind: 'records' | 'log';
  writer: string;
  /** Nothing for a ref of this repository's own. */
  remote?: string;
}

/** Nothing for a ref that is not of the ledger. */
export function parseRef(name: string): LedgerRef | undefined {
  const match = /^refs\/mlpipe(?:-tracking\/(.+))?\/(records|log)\/([^/]+)$/.exec(name);
  const [, remote, kind, writer] = match ?? [];
  if ((kind !== 'records' && kind !== 'log') || !writer || !WRITER.test(writer)) return undefined;
  return { kind, writer, ...(remote === undefined ? {} : { remote }) };
}

/** What `git fetch` is told. Without a `+`: a remote that has lost what it had is an alarm, and the old tip stays. */
export function fetchSpecs(remote: string): string[] {
  return [RECORDS, LOGS].map((prefix) => {
    const rest = prefix.slice('refs/mlpipe/'.length);
    return `${prefix}*:${trackingPrefix(remote)}${rest}*`;
  });
}

export const OWN_PREFIXES = [RECORDS, LOGS] as const;
export const LOG_PREFIXES = [LOGS, TRACKING] as const;
