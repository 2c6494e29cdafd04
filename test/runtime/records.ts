/** Records for tests: whole, and different where the test says so. */
import { digestOf } from '../../grammar/plan/canonical.ts';
import { RECORD_FORMAT, type RunRecord } from '../../runtime/ledger/record.ts';

export function recordOf(changes: Partial<RunRecord> = {}): RunRecord {
  return {
    format: RECORD_FORMAT,
    run: 'quiet-heron-41',
    step: 'recognise',
    kind: 'train',
    pipeline: { name: 'digits', file: 'digits.mlpipe', digest: digestOf('text') },
    key: digestOf('key'),
    keyParts: digestOf('parts'),
    reason: 'never ran',
    plan: digestOf('plan'),
    who: { user: 'ada' },
    where: { host: 'here', platform: 'linux', architecture: 'x64' },
    when: { started: '2026-01-01T00:00:00.000Z', ended: '2026-01-01T00:01:00.000Z', seconds: 60 },
    code: null,
    inputs: [],
    parameters: {},
    environment: { name: null, fingerprint: digestOf('{}'), identity: {}, evidence: {} },
    engine: null,
    outputs: {},
    metrics: {},
    gates: [],
    exit: { status: 'ok' },
    undeclaredReads: [],
    ...changes,
  };
}

/** The same record a number of minutes later. */
export function endedAt(minute: number): Pick<RunRecord, 'when'> {
  const ended = new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString();
  return { when: { started: ended, ended, seconds: 0 } };
}
