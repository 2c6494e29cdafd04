/** `log`, `show`, `diff`, `changes`, `lineage`: what was. */
import * as api from '../../api.ts';
import { EXIT, type ExitCode, MlpipeError } from '../../errors.ts';
import { type RecordDifference, worded } from '../../ledger/difference.ts';
import type { RecordOrigin } from '../../ledger/record.ts';
import type { LineageAnswer } from '../../rpc/protocol.ts';
import { metric, metricValue, minute } from '../../words.ts';
import { answer, duration, type Output, paint, shortDigest, table, talk } from '../output.ts';

interface Context {
  folder: string;
  output: Output;
}

export async function log(
  { folder, output }: Context,
  options: Omit<api.LogOptions, 'file'>,
  name?: string,
): Promise<ExitCode> {
  const warn = (message: string) => talk(output, message);
  return api.withProject(folder, async (project) => {
    const { since, limit, ...filter } = options;
    const records = api.log(project, {
      ...filter,
      ...(name === undefined ? {} : { file: api.pipelineFile(folder, name) }),
      ...(since === undefined ? {} : { since: timeOf(since) }),
      limit: limit ?? (output.json ? Number.POSITIVE_INFINITY : 30),
    });
    const signed = await api.signed(project, records, warn);
    answer(output, signed, () => table(signed.map(line)));
    if (records.length === 0 && !output.json) {
      if (options.step !== undefined) talk(output, `Nothing called ${options.step} has run yet.`);
      else talk(output, Object.keys(options).length > 0 ? 'Nothing that has run is such.' : 'Nothing has run yet.');
    }
    return EXIT.yes;
  });
}

const UNITS: Record<string, number> = { h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 };

/** `2026-11-25`, or so long ago: `12h`, `7d`, `2w`. */
function timeOf(text: string): string {
  const [, number, unit = ''] = /^(\d+)([hdw])$/.exec(text) ?? [];
  const time = number === undefined ? Date.parse(text) : Date.now() - Number(number) * (UNITS[unit] ?? 0);
  if (!Number.isNaN(time)) return new Date(time).toISOString();
  throw new MlpipeError(`${text} is no time.`, {
    code: 'usage',
    todo: 'Write it like 2026-11-25, or how long ago: 12h, 7d, 2w.',
    exit: EXIT.usage,
  });
}

function line({ digest, record, signatures }: api.SignedRecord): string[] {
  const { status } = record.exit;
  return [
    paint('yellow', shortDigest(digest), process.stdout),
    record.when.ended.slice(0, 16).replace('T', ' '),
    record.run,
    record.step,
    record.origin === undefined
      ? paint(status === 'ok' ? 'green' : 'red', status, process.stdout)
      : paint('yellow', 'imported', process.stdout),
    duration(record.when.seconds),
    signedBy(signatures),
    ['accuracy', 'rootMeanSquaredError', 'loss']
      .flatMap((name) => (record.metrics[name] === undefined ? [] : [metric(name, record.metrics[name])]))
      .join(', '),
  ];
}

/** Who stands for a record, in a word or two: the best of its signatures, and one that is forged in any case. */
function signedBy(signatures: readonly api.JudgedSignature[]): string {
  const has = (state: api.SignatureState) => signatures.find((each) => each.state === state);
  if (has('forged')) return paint('red', 'FORGED', process.stdout);
  const trusted = has('trusted');
  const others = api.signersOf(signatures).length - 1;
  if (trusted)
    return paint('green', `✓ ${trusted.name ?? trusted.key}${others > 0 ? ` +${others}` : ''}`, process.stdout);
  const [other] = signatures;
  return paint('yellow', other ? `${other.state} ${other.name ?? other.key.slice(0, 8)}` : 'unsigned', process.stdout);
}

export async function show({ folder, output }: Context, _options: unknown, reference = ''): Promise<ExitCode> {
  return api.withProject(folder, async (project) => {
    const warn = (message: string) => talk(output, message);
    const [stored] = await api.signed(project, [api.show(project, reference)], warn);
    if (stored) answer(output, stored, () => describe(stored));
    return EXIT.yes;
  });
}

const STANDING: Record<api.SignatureState, string> = {
  trusted: 'trusted',
  untrusted: 'untrusted: the project does not name this key',
  outside: 'not trusted: the key does not stand for this time',
  revoked: 'not trusted: the key was revoked',
  forged: 'FORGED: the key has not signed this',
  unknown: 'cannot be checked here',
};

function signatureRow({ key, scheme, state, name, email }: api.JudgedSignature): string[] {
  const person = name === undefined ? '' : `${name}${email === undefined ? '' : ` <${email}>`}, `;
  const colour = state === 'trusted' ? 'green' : state === 'forged' ? 'red' : 'yellow';
  return ['signed', `${person}key ${key} (${scheme}), ${paint(colour, STANDING[state], process.stdout)}`];
}

function describe({ digest, record, signatures }: api.SignedRecord): string {
  const { code } = record;
  const rows: string[][] = [
    ['record', digest],
    [
      'step',
      `${record.step} of ${record.pipeline.name}${record.pipeline.file === '' ? '' : ` (${record.pipeline.file})`}`,
    ],
    ...(record.origin === undefined
      ? [['run', `${record.run}, because ${record.reason}`]]
      : [
          ['imported', paint('yellow', record.reason, process.stdout)],
          ...originRows(record.origin),
          ['run', record.run],
        ]),
    ['result', `${record.exit.status}${record.exit.message === undefined ? '' : `: ${record.exit.message}`}`],
    [
      'who',
      `${record.who.name ?? record.who.user}${record.who.email === undefined ? '' : ` <${record.who.email}>`} on ${record.where.host}`,
    ],
    ['when', `${record.when.started}, ${duration(record.when.seconds)}`],
    ...(signatures.length === 0
      ? [['signed', paint('yellow', 'by nobody', process.stdout)]]
      : signatures.map(signatureRow)),
    [
      'code',
      code === null
        ? record.origin === undefined
          ? 'not in a repository'
          : 'not known to mlpipe'
        : `${code.commit}${code.branch === undefined ? '' : ` (${code.branch})`}${code.dirty ? ' with uncommitted changes' : ''}`,
    ],
    ...(code?.diff === undefined ? [] : [['', `changes: ${code.diff}`]]),
    [
      'environment',
      `${record.environment.name ?? 'none named'}, ${Object.entries(record.environment.identity)
        .map(([name, value]) => `${name} ${wordsOf(value)}`)
        .join(', ')}`,
    ],
    ...(record.engine === null ? [] : [['engine', `${record.engine.name} ${record.engine.version}`]]),
    ...record.inputs.map((input) => [
      'read',
      `${input.path ?? input.name}  ${input.digest}${input.rows === undefined ? '' : `  ${input.rows.toLocaleString('en-US')} rows`}`,
    ]),
    ...Object.entries(record.parameters).map(([name, value]) => ['parameter', `${name} = ${JSON.stringify(value)}`]),
    ...Object.entries(record.outputs).map(([name, output]) => [
      'wrote',
      `${name}  ${output.digest}  ${output.bytes.toLocaleString('en-US')} bytes`,
    ]),
    ...Object.entries(record.metrics).map(([name, value]) => ['metric', metric(name, value)]),
    ...record.gates.map((gate) => [
      'gate',
      `${gate.ok ? 'passed' : 'not passed'}: ${gate.metric} ${gate.operator} ${metricValue(gate.metric, gate.threshold)} (is ${metricValue(gate.metric, gate.value)})`,
    ]),
    ...record.undeclaredReads.map((path) => ['undeclared', path]),
  ];
  return table(rows);
}

/** What the other tool says, which nobody here has checked. */
function originRows({ id, from, claims, evidence, missing }: RecordOrigin): string[][] {
  const { tags = {}, datasets = [], ...said } = claims;
  return [
    ['from', `${id} in ${from}`],
    ...Object.entries(said).map(([name, value]) => ['claimed', `${name} ${value}`]),
    ...Object.entries(tags).map(([name, value]) => ['claimed', `tag ${name} = ${value}`]),
    ...datasets.map(({ name, digest, source, context }) => [
      'claimed',
      `data ${name}${context === undefined ? '' : ` (${context})`}, digest ${digest}, from ${source}`,
    ]),
    ...missing.map(({ name, why }) => ['missing', `${name}: ${why}`]),
    ['evidence', evidence],
  ];
}

/** `x64, memory 4 GiB` for what has parts; anything else as it is. */
function wordsOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  const parts = Object.entries(value).map(([name, part]) =>
    Array.isArray(value) ? wordsOf(part) : `${name} ${wordsOf(part)}`,
  );
  return parts.length === 0 ? 'none' : `(${parts.join(', ')})`;
}

export async function diff(
  { folder, output }: Context,
  options: { md?: boolean },
  one = '',
  other = '',
): Promise<ExitCode> {
  return api.withProject(folder, (project) => {
    const { markdown, ...comparison } = api.diff(project, one, other);
    answer(output, comparison, () => (options.md ? markdown : differenceTable(comparison.differences)));
    if (comparison.differences.length === 0 && !output.json) talk(output, 'They do not differ.');
    return EXIT.yes;
  });
}

export async function environment(
  { folder, output }: Context,
  _options: unknown,
  what = '',
  one = '',
  other = '',
): Promise<ExitCode> {
  if (what !== 'diff') {
    throw new MlpipeError(`\`mlpipe environment ${what}\` is not known.`, {
      code: 'usage',
      todo: 'Write `mlpipe environment diff ONE OTHER`.',
      exit: EXIT.usage,
    });
  }
  return api.withProject(folder, (project) => {
    const { markdown: _, ...comparison } = api.environmentDiff(project, one, other);
    answer(output, comparison, () => differenceTable(comparison.differences));
    if (comparison.differences.length === 0 && !output.json) talk(output, 'Their environments do not differ.');
    return EXIT.yes;
  });
}

export async function changes(
  { folder, output }: Context,
  options: { set: Record<string, string> },
  reference = '',
): Promise<ExitCode> {
  return api.withProject(folder, async (project) => {
    const found = await api.changesSinceGood(project, reference, { parameters: options.set });
    const { good, newest } = found;
    const name = good.kept === null ? '' : `, ${good.kept}`;
    answer(output, found, () =>
      [
        `${found.step} was good on ${minute(good.ended)} (${good.run}, ${shortDigest(good.record)}${name}).`,
        ...(newest === null
          ? []
          : [
              newest.missed.length === 0
                ? `The newest is ${newest.run}.`
                : `The newest, ${newest.run}, is not: ${newest.missed.join(', ')}.`,
            ]),
        found.changes.length === 0 ? 'Nothing has changed since.' : 'Since then:',
        table(found.changes.map(({ step, text }) => [`  ${step}`, text])).trimEnd(),
      ]
        .filter((part) => part !== '')
        .join('\n'),
    );
    return EXIT.yes;
  });
}

function differenceTable(differences: readonly RecordDifference[]): string {
  return table(
    differences
      .map(worded)
      .map(({ section, name, before, after }) => [section, name, before ?? '–', '→', after ?? '–']),
  );
}

export async function lineage(
  { folder, output }: Context,
  options: { down?: boolean; depth?: number },
  reference = '',
): Promise<ExitCode> {
  return api.withProject(folder, async (project) => {
    const graph = await api.lineage(project, reference, {
      folder,
      direction: options.down ? 'down' : 'up',
      ...(options.depth === undefined ? {} : { depth: options.depth }),
    });
    answer(output, graph, () => tree(graph, options.down ?? false));
    return EXIT.yes;
  });
}

/** Indented from what was asked for; what stands there already is named once more but not unfolded. */
function tree(graph: LineageAnswer, down: boolean): string {
  const lines: string[] = [];
  const seen = new Set<string>();
  const visit = (id: string, depth: number): void => {
    const node = graph.nodes.find((each) => each.id === id);
    if (!node) return;
    lines.push(
      `${'  '.repeat(depth)}${node.kind} ${node.label}${node.detail === undefined ? '' : paint('gray', `  ${node.detail}`, process.stdout)}`,
    );
    if (seen.has(id)) return;
    seen.add(id);
    for (const edge of graph.edges) {
      if (down ? edge.from === id : edge.to === id) visit(down ? edge.to : edge.from, depth + 1);
    }
  };
  visit(graph.start, 0);
  return lines.join('\n');
}
