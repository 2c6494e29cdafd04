/** The shapes of `--json`, as JSON Schema: a contract. Fields may be added, never renamed. */
import { RECORD_KINDS } from '../ledger/record.ts';
import { VARIATIONS } from '../reproduce/variations.ts';
import { VERDICTS } from '../reproduce/verdict.ts';

type Schema = Record<string, unknown>;

const text: Schema = { type: 'string' };
const number: Schema = { type: 'number' };
const flag: Schema = { type: 'boolean' };
const digest: Schema = { type: 'string', pattern: '^sha256:[0-9a-f]{64}$' };
const orNull = (schema: Schema): Schema => ({ anyOf: [schema, { type: 'null' }] });
const list = (items: Schema): Schema => ({ type: 'array', items });
const map = (values: Schema): Schema => ({ type: 'object', additionalProperties: values });
const oneOf = (...values: string[]): Schema => ({ enum: values });

/** Everything named is required, but what is in `optional`. */
function object(properties: Record<string, Schema>, optional: string[] = []): Schema {
  return { type: 'object', properties, required: Object.keys(properties).filter((name) => !optional.includes(name)) };
}

const output = object({ digest, bytes: number });
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

const amount = object({ objects: number, bytes: number });

const signature = object(
  {
    key: text,
    scheme: oneOf('ed25519', 'sshsig', 'openpgp'),
    state: oneOf('trusted', 'untrusted', 'outside', 'revoked', 'forged', 'unknown'),
    name: text,
    email: text,
  },
  ['name', 'email'],
);
const storedRecord = object({ digest, record, signatures: list(signature) });
const orNone = orNull(number);

const fetched = object({
  remote: text,
  records: number,
  objects: number,
  bytes: number,
  present: number,
  missing: list(object({ kind: oneOf('record', 'object'), digest, of: text })),
  signatures: number,
  logs: list(text),
  problems: list(text),
});

const keptModel = object({
  name: text,
  version: number,
  tag: orNull(text),
  record: digest,
  model: digest,
  file: text,
  metrics: map(number),
  kept: object({ when: text, who: text }),
  problem: orNull(text),
});

/** By the name of the command. */
export const SCHEMAS: Record<string, Schema> = {
  check: list(
    object({
      file: text,
      line: number,
      column: number,
      endLine: number,
      endColumn: number,
      severity: oneOf('error', 'warning', 'information', 'hint'),
      code: text,
      message: text,
      fixes: list(text),
    }),
  ),
  pin: list(object({ name: text, file: text, before: orNull(digest), after: digest })),
  plan: object({
    format: text,
    pipeline: text,
    parameters: map({}),
    environments: map({}),
    data: map({}),
    models: map({}),
    steps: map({}),
    deployments: map({}),
    monitors: map({}),
    locations: map({}),
    keys: map(orNull(digest)),
  }),
  run: object({
    run: text,
    pipeline: text,
    ok: flag,
    seconds: number,
    steps: list(
      object(
        {
          step: text,
          status: oneOf('ran', 'cached', 'failed', 'skipped', 'cancelled'),
          reason: text,
          key: orNull(digest),
          seconds: number,
          record: orNull(digest),
          outputs: map(output),
          metrics: map(number),
          engine: orNull(object({ name: text, version: text })),
          error: object({ message: text, todo: text, where: map({}), exit: number }, ['todo', 'where', 'exit']),
        },
        ['error'],
      ),
    ),
  }),
  status: object({
    upToDate: flag,
    steps: list(
      object({
        step: text,
        state: oneOf('up-to-date', 'stale', 'never-ran', 'blocked', 'failed'),
        reason: text,
        key: orNull(digest),
      }),
    ),
  }),
  log: list(storedRecord),
  show: storedRecord,
  diff: object({
    before: digest,
    after: digest,
    differences: list(object({ section: text, name: text, before: orNull(text), after: orNull(text) })),
  }),
  environment: object({
    before: digest,
    after: digest,
    differences: list(object({ section: text, name: text, before: orNull(text), after: orNull(text) })),
  }),
  lineage: object({
    start: text,
    nodes: list(
      object(
        {
          id: text,
          kind: oneOf('data', 'file', 'record', 'model', 'output', 'commit', 'environment'),
          label: text,
          detail: text,
          path: text,
          rows: number,
          bytes: number,
          commit: object({ id: text, branch: text, dirty: flag }, ['branch']),
          record: object(
            {
              kind: oneOf(...RECORD_KINDS),
              step: text,
              run: text,
              pipeline: text,
              file: text,
              status: oneOf('ok', 'failed', 'cancelled'),
              who: text,
              ended: text,
              seconds: number,
              metrics: map(number),
              origin: text,
            },
            ['origin'],
          ),
        },
        ['detail', 'path', 'rows', 'bytes', 'commit', 'record'],
      ),
    ),
    edges: list(object({ from: text, to: text, label: text })),
  }),
  reproduce: object(
    {
      model: digest,
      verdict: oneOf('bitwise', 'numeric', 'statistical', 'within-tolerance', 'inconclusive', 'failed'),
      level: oneOf('R3', 'R2', 'R1', 'R0'),
      because: text,
      environment: oneOf('recorded', 'current'),
      data: oneOf('recorded', 'current'),
      metrics: list(
        object({ name: text, recorded: number, reproduced: orNull(number), tolerance: orNull(number), ok: flag }),
      ),
      agreement: orNull(number),
      differences: list(object({ kind: text, name: text, recorded: orNull(text), now: orNull(text) })),
      record: digest,
      place: text,
    },
    ['place'],
  ),
  reprotest: object({
    step: text,
    kind: oneOf('train', 'program'),
    record: digest,
    ok: flag,
    because: text,
    asRecorded: flag,
    variations: list(
      object({
        variation: oneOf('again', ...VARIATIONS),
        varied: flag,
        why: orNull(text),
        from: orNull(text),
        to: orNull(text),
        declared: flag,
        note: orNull(text),
        verdict: orNull(oneOf(...VERDICTS)),
        level: orNull(oneOf('R3', 'R2', 'R1', 'R0')),
        because: orNull(text),
        metrics: list(
          object({ name: text, recorded: number, reproduced: orNull(number), tolerance: orNull(number), ok: flag }),
        ),
        agreement: orNone,
        differs: list(text),
        depends: orNull(flag),
      }),
    ),
  }),
  'import-dvc': object({
    tool: oneOf('dvc'),
    file: text,
    pipeline: text,
    steps: list(object({ stage: text, step: text, record: orNull(digest) })),
    data: list(object({ name: text, path: text, pin: orNull(digest), bytes: orNone })),
    todo: list(text),
  }),
  'import-mlflow': object({
    tool: oneOf('mlflow'),
    record: digest,
    step: text,
    id: text,
    name: text,
    experiment: text,
    from: text,
    parameters: map(text),
    metrics: map(number),
    outputs: map(output),
    missing: list(object({ name: text, why: text })),
  }),
  'remote-add': object({
    name: text,
    url: text,
    kind: oneOf('folder', 's3', 'ssh', 'http'),
    default: flag,
    read: flag,
    write: flag,
    list: flag,
    conditionalCreate: flag,
    ranges: flag,
    notes: list(text),
  }),
  'remote-list': list(object({ name: text, url: text, kind: oneOf('folder', 's3', 'ssh', 'http'), default: flag })),
  push: object({
    remote: text,
    objects: number,
    bytes: number,
    records: number,
    present: number,
    held: list(object({ record: digest, step: text, lacks: list(digest) })),
    logs: list(text),
    problems: list(text),
  }),
  pull: fetched,
  fetch: fetched,
  changes: object({
    step: text,
    good: object({ record: digest, run: text, ended: text, kept: orNull(text) }),
    newest: orNull(object({ record: digest, run: text, ended: text, missed: list(text) })),
    changes: list(object({ step: text, text })),
  }),
  decay: object({
    ok: flag,
    items: list(
      object({
        kind: oneOf(
          'data',
          'file',
          'lock',
          'engine',
          'interpreter',
          'commit',
          'changes',
          'model',
          'plan',
          'record',
          'retained',
          'image',
          'version',
          'package',
        ),
        name: text,
        pin: orNull(text),
        resolves: flag,
        state: oneOf('resolves', 'decayed', 'unknown'),
        where: text,
      }),
    ),
  }),
  models: object({ models: list(keptModel), damaged: list(object({ file: text, problem: text })) }),
  keep: keptModel,
  dag: object({ nodes: list(object({ name: text, kind: text })), edges: list(object({ from: text, to: text })) }),
  engine: list(
    object(
      {
        name: oneOf('tensorflow', 'webgpu', 'wasm'),
        state: oneOf('installed', 'installable', 'impossible'),
        versions: list(text),
        installableFrom: text,
        known: list(text),
        reason: text,
        cannotTrain: map(text),
        deterministic: flag,
      },
      ['reason', 'installableFrom', 'known'],
    ),
  ),
  doctor: object({ ok: flag, points: list(object({ name: text, ok: flag, found: text, todo: text }, ['todo'])) }),
  fmt: list(object({ file: text, changed: flag })),
  verify: object(
    {
      ok: flag,
      objects: number,
      records: number,
      signatures: number,
      locks: number,
      logs: list(
        object({
          writer: text,
          key: text,
          entries: number,
          elsewhere: number,
          checkpoints: object({ here: orNone, published: orNone, left: orNone }),
        }),
      ),
      standing: map(number),
      countersigned: number,
      problems: list(
        object({ code: text, message: text, todo: text, repairable: flag, digest, path: text }, ['digest', 'path']),
      ),
      notes: list(text),
      repair: object({
        repaired: list(object({ digest, from: text })),
        lost: list(digest),
        setAside: list(digest),
        asked: list(text),
        silent: list(object({ remote: text, why: text })),
      }),
    },
    ['repair'],
  ),
  gc: object({
    scope: oneOf('unreferenced', 'workspace', 'branches', 'tags', 'commits'),
    dryRun: flag,
    now: flag,
    keep: number,
    needed: amount,
    young: amount,
    collected: amount,
    deleted: amount,
    restored: number,
    rewritten: number,
  }),
  keys: list(
    object(
      {
        key: text,
        public: text,
        type: text,
        state: oneOf('trusted', 'replaced', 'revoked', 'untrusted'),
        own: oneOf('signing', 'kept'),
        name: text,
        email: text,
        from: text,
        until: text,
        revoked: object({ at: text, reason: text, logs: map(number) }, ['reason']),
        logs: list(text),
      },
      ['own', 'name', 'email', 'from', 'until', 'revoked'],
    ),
  ),
  publish: list(object({ writer: text, entries: number, added: number, commit: text })),
  'keys-changed': object({ written: list(text) }),
  mend: object({ records: number }),
  sign: list(
    object({
      record: digest,
      run: text,
      step: text,
      added: list(object({ key: text, scheme: oneOf('ed25519', 'sshsig', 'openpgp') })),
    }),
  ),
  'log-push': object({ remote: text, refs: list(text) }),
  'log-fetch': object({ remote: text, records: number, writers: list(text), problems: list(text) }),
  init: object({ folder: text, written: list(text), kept: list(text) }),
};

/** A shape as a document of its own. */
export function schemaDocument(name: string): Schema | undefined {
  const schema = SCHEMAS[name];
  return (
    schema && { $schema: 'https://json-schema.org/draft/2020-12/schema', title: `mlpipe ${name} --json`, ...schema }
  );
}
