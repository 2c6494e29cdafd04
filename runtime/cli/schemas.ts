/** The shapes of `--json`, as JSON Schema: a contract. Fields may be added, never renamed. */

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
    kind: oneOf('train', 'evaluate', 'program', 'reproduce'),
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
    environment: object({ name: orNull(text), fingerprint: digest, identity: map({}), evidence: map({}) }),
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
  },
  ['log'],
);

const storedRecord = object({ digest, record });

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
          error: object({ message: text, todo: text, where: map({}) }, ['todo', 'where']),
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
          record: object({
            kind: oneOf('train', 'evaluate', 'program', 'reproduce'),
            step: text,
            run: text,
            pipeline: text,
            file: text,
            status: oneOf('ok', 'failed', 'cancelled'),
            who: text,
            ended: text,
            seconds: number,
            metrics: map(number),
          }),
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
  dag: object({ nodes: list(object({ name: text, kind: text })), edges: list(object({ from: text, to: text })) }),
  engine: list(
    object(
      {
        name: oneOf('tensorflow', 'webgpu', 'wasm'),
        state: oneOf('installed', 'installable', 'impossible'),
        versions: list(text),
        reason: text,
        cannotTrain: map(text),
        deterministic: flag,
      },
      ['reason'],
    ),
  ),
  doctor: object({ ok: flag, points: list(object({ name: text, ok: flag, found: text, todo: text }, ['todo'])) }),
  fmt: list(object({ file: text, changed: flag })),
  init: object({ folder: text, written: list(text), kept: list(text) }),
};

/** A shape as a document of its own. */
export function schemaDocument(name: string): Schema | undefined {
  const schema = SCHEMAS[name];
  return (
    schema && { $schema: 'https://json-schema.org/draft/2020-12/schema', title: `mlpipe ${name} --json`, ...schema }
  );
}
