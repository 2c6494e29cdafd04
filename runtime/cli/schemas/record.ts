/** Of a record: what every one says, whatever made it. */
import { RECORD_KINDS } from '../../ledger/record.ts';
import { digest, flag, list, map, number, object, oneOf, orNull, text } from './shape.ts';

export const output = object({ digest, bytes: number });

const gate = object({ metric: text, operator: text, threshold: number, value: number, ok: flag });

const record = object(
  {
    format: text,
    run: text,
    step: text,
    kind: oneOf(...RECORD_KINDS),
    pipeline: object({ name: text, file: text, digest }),
    key: digest,
    keyParts: digest,
    reason: text,
    plan: digest,
    who: object({ user: text, name: text, email: text }, ['name', 'email']),
    where: object({ host: text, platform: text, architecture: text }),
    when: object({ started: text, ended: text, seconds: number }),
    code: orNull(
      object({ commit: text, branch: text, remote: text, dirty: flag, diff: digest }, ['branch', 'remote', 'diff']),
    ),
    inputs: list(
      object({ name: text, digest, bytes: number, path: text, rows: number, record: digest }, [
        'path',
        'rows',
        'record',
      ]),
    ),
    parameters: map({}),
    environment: object(
      { name: orNull(text), fingerprint: digest, identity: map({}), evidence: map({}), retained: map(output) },
      ['retained'],
    ),
    engine: orNull(object({ name: text, version: text })),
    outputs: map(object({ digest, bytes: number, path: text }, ['path'])),
    metrics: map(number),
    gates: list(gate),
    exit: object({ status: oneOf('ok', 'failed', 'cancelled'), code: number, signal: text, message: text }, [
      'code',
      'signal',
      'message',
    ]),
    undeclaredReads: list(text),
    log: digest,
    origin: object({
      tool: oneOf('dvc', 'mlflow'),
      from: text,
      id: text,
      evidence: digest,
      claims: object(
        {
          name: text,
          experiment: text,
          user: text,
          status: text,
          started: text,
          ended: text,
          commit: text,
          branch: text,
          repository: text,
          source: text,
          tags: map(text),
          datasets: list(
            object({ name: text, digest: text, sourceType: text, source: text, context: text }, ['context']),
          ),
        },
        [
          'name',
          'experiment',
          'user',
          'status',
          'started',
          'ended',
          'commit',
          'branch',
          'repository',
          'source',
          'tags',
          'datasets',
        ],
      ),
      missing: list(object({ name: text, why: text })),
    }),
  },
  ['log', 'origin'],
);

/** How a signature is made. */
export const scheme = oneOf('ed25519', 'sshsig', 'openpgp');

const signature = object(
  {
    key: text,
    scheme,
    state: oneOf('trusted', 'untrusted', 'outside', 'revoked', 'forged', 'unknown'),
    name: text,
    email: text,
  },
  ['name', 'email'],
);

export const storedRecord = object({ digest, record, signatures: list(signature) });

export const records = list(storedRecord);
