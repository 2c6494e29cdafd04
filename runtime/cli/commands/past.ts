/** `log`, `show`, `diff`, `lineage`: what was. */
import * as api from '../../api.ts';
import { EXIT, type ExitCode, MlpipeError } from '../../errors.ts';
import { type RecordDifference, worded } from '../../ledger/difference.ts';
import type { StoredRecord } from '../../ledger/record.ts';
import type { LineageAnswer } from '../../rpc/protocol.ts';
import { metric, metricValue } from '../../words.ts';
import { answer, duration, type Output, paint, shortDigest, table, talk } from '../output.ts';

interface Context {
  folder: string;
  output: Output;
}

export async function log(
  { folder, output }: Context,
  options: { step?: string; limit?: number },
  name?: string,
): Promise<ExitCode> {
  return api.withProject(folder, (project) => {
    const records = api.log(project, {
      ...(name === undefined ? {} : { file: api.pipelineFile(folder, name) }),
      ...(options.step === undefined ? {} : { step: options.step }),
      limit: options.limit ?? (output.json ? Number.POSITIVE_INFINITY : 30),
    });
    answer(output, records, () => table(records.map(line)));
    if (records.length === 0 && !output.json)
      talk(output, options.step === undefined ? 'Nothing has run yet.' : `Nothing called ${options.step} has run yet.`);
    return EXIT.yes;
  });
}

function line({ digest, record }: StoredRecord): string[] {
  const { status } = record.exit;
  return [
    paint('yellow', shortDigest(digest), process.stdout),
    record.when.ended.slice(0, 16).replace('T', ' '),
    record.run,
    record.step,
    paint(status === 'ok' ? 'green' : 'red', status, process.stdout),
    duration(record.when.seconds),
    ['accuracy', 'rootMeanSquaredError', 'loss']
      .flatMap((name) => (record.metrics[name] === undefined ? [] : [metric(name, record.metrics[name])]))
      .join(', '),
  ];
}

export async function show({ folder, output }: Context, _options: unknown, reference = ''): Promise<ExitCode> {
  return api.withProject(folder, (project) => {
    const stored = api.show(project, reference);
    answer(output, stored, () => describe(stored));
    return EXIT.yes;
  });
}

function describe({ digest, record }: StoredRecord): string {
  const { code } = record;
  const rows: string[][] = [
    ['record', digest],
    ['step', `${record.step} of ${record.pipeline.name} (${record.pipeline.file})`],
    ['run', `${record.run}, because ${record.reason}`],
    ['result', `${record.exit.status}${record.exit.message === undefined ? '' : `: ${record.exit.message}`}`],
    [
      'who',
      `${record.who.name ?? record.who.user}${record.who.email === undefined ? '' : ` <${record.who.email}>`} on ${record.where.host}`,
    ],
    ['when', `${record.when.started}, ${duration(record.when.seconds)}`],
    [
      'code',
      code === null
        ? 'not in a repository'
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
