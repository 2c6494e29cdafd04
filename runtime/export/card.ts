/** A model card as plain data: what a model is, from what, how good, how sure, and what nobody has measured. */
import type { ColumnPlan } from '../../grammar/plan/plan.ts';
import type { RecordedGate } from '../ledger/record.ts';
import { count, duration, listed, metricValue, minute, size } from '../words.ts';
import { taskOf } from './cyclonedx.ts';
import { type Evidence, modelFiles } from './evidence.ts';
import { limitsOf } from './limits.ts';
import { intervalWords, measuredMetrics } from './measured.ts';
import { plainName } from './names.ts';

export interface Card {
  title: string;
  summary: string;
  sections: CardSection[];
}

export interface CardSection {
  title: string;
  tables: { head: string[]; rows: string[][] }[];
  points: string[];
}

/** @throws MlpipeError `model-unknown` */
export function modelCard(evidence: Evidence): Card {
  const { record } = evidence.stored;
  const { kept } = evidence;
  const name = kept === undefined ? record.step : `${kept.name}@${kept.version}`;
  const tag = kept?.tag === undefined ? '' : ` (${kept.tag})`;
  return {
    title: `${name}${tag}`,
    summary: `Trained by ${record.who.name ?? record.who.user} on ${minute(record.when.ended)} UTC, in ${duration(record.when.seconds)}, by ${record.pipeline.file}.`,
    sections: [
      model(evidence),
      data(evidence),
      metrics(evidence),
      gates(evidence),
      environment(evidence),
      reproductions(evidence),
      { title: 'Limits', tables: [], points: limitsOf(evidence) },
      provenance(evidence),
    ],
  };
}

function model(evidence: Evidence): CardSection {
  const { plan, step } = evidence;
  const files = modelFiles(evidence);
  const train = step?.kind === 'train' ? step : undefined;
  const shape = train && plan.models[train.model];
  const target = train && plan.data[train.on.data]?.schema.find(({ name }) => name === train.target);
  const rows = [
    ...(target === undefined ? [] : [['Task', `${taskOf(target.type)} of ${target.name}`]]),
    ...(shape === undefined
      ? []
      : [
          ['Layers', shape.layers.map(({ layer }) => layer).join(' → ')],
          ['Parameters', count(shape.parameterCount)],
          ['Input', `[${shape.inputShape.join(', ')}] from ${shape.inputs.join(', ')}`],
          ['Output', `[${shape.outputShape.join(', ')}]`],
        ]),
    ...(train === undefined
      ? []
      : [
          ['Loss, optimizer', `${train.loss.name}, ${train.optimizer.name}(${argumentsOf(train.optimizer.arguments)})`],
          ['Epochs, batch, seed', `${train.epochs}, ${train.batch}, ${train.seed ?? 'none'}`],
        ]),
    ...Object.entries(evidence.stored.record.parameters).map(([name, value]) => [
      `Parameter ${name}`,
      JSON.stringify(value),
    ]),
  ];
  return {
    title: 'Model',
    tables: [
      { head: ['', ''], rows },
      {
        head: ['File', 'Size', 'Digest'],
        rows: files.map(({ path, bytes, digest }) => [path, size(bytes), digest]),
      },
    ],
    points: [],
  };
}

function data({ plan, chain }: Evidence): CardSection {
  const read = chain.flatMap(({ record }) => record.inputs.filter((input) => input.record === undefined));
  const once = [...new Map(read.map((input) => [`${input.name} ${input.digest}`, input])).values()];
  const names = new Set(once.filter(({ name }) => name.startsWith('data:')).map(({ name }) => plainName(name)));
  const described = Object.values(plan.data).filter(({ name }) => names.has(name));
  return {
    title: 'Data',
    tables: [
      {
        head: ['What', 'Rows', 'Size', 'Digest'],
        rows: once.map((input) => [
          input.path ?? plainName(input.name),
          input.rows === undefined ? '–' : count(input.rows),
          size(input.bytes),
          input.digest,
        ]),
      },
      ...described.map(({ name, schema }) => ({
        head: [`Column of ${name}`, 'Type', 'Range'],
        rows: schema.map((column) => [column.name, typeWords(column), rangeWords(column)]),
      })),
    ],
    points: described.flatMap(({ name, split }) =>
      split === undefined
        ? []
        : [
            `${name} is split into ${listed(split.parts.map((part) => `${part.name} ${Number((part.share * 100).toFixed(2))} %`))}, with seed ${split.seed}${split.stratify === undefined ? '' : `, stratified by ${split.stratify}`}${split.group === undefined ? '' : `, grouped by ${split.group}`}.`,
          ],
    ),
  };
}

function metrics(evidence: Evidence): CardSection {
  const measured = measuredMetrics(evidence);
  return {
    title: 'Metrics',
    tables:
      measured.length === 0
        ? []
        : [
            {
              head: ['Metric', 'Value', '95 % interval', 'On', 'Rows'],
              rows: measured.map(({ name, value, interval, seeds, on, rows }) => [
                name,
                metricValue(name, value),
                [interval, seeds]
                  .flatMap((each) => (each === undefined ? [] : [`${intervalWords(name, each)} (${each.method})`]))
                  .join('; ') || '–',
                on,
                rows === undefined ? '–' : count(rows),
              ]),
            },
          ],
    points: [],
  };
}

function gates({ evaluations }: Evidence): CardSection {
  const all = evaluations.flatMap(({ stored }) =>
    stored.record.gates.map((gate) => [stored.record.step, gate] as const),
  );
  return {
    title: 'Gates',
    tables:
      all.length === 0
        ? []
        : [
            {
              head: ['Evaluation', 'Gate', 'Is', ''],
              rows: all.map(([step, gate]) => [
                step,
                `${gateName(gate)} ${gate.operator} ${metricValue(gate.metric, gate.threshold)}`,
                metricValue(gate.metric, gate.value),
                gate.ok ? 'passed' : 'not passed',
              ]),
            },
          ],
    points: all.length === 0 ? ['No gate was declared.'] : [],
  };
}

export function gateName(gate: Pick<RecordedGate, 'metric' | 'class' | 'k'>): string {
  if (gate.class !== undefined) return `${gate.metric}(class: ${gate.class})`;
  return gate.k === undefined ? gate.metric : `${gate.metric}(k: ${gate.k})`;
}

function environment({ stored: { record } }: Evidence): CardSection {
  const words = (value: unknown): string =>
    typeof value === 'object' && value !== null
      ? Object.entries(value)
          .map(([name, part]) => `${name} ${Array.isArray(part) ? part.join(', ') || 'none' : words(part)}`)
          .join(', ')
      : String(value);
  return {
    title: 'Environment',
    tables: [
      {
        head: ['', ''],
        rows: [
          ['Name', record.environment.name ?? 'none named'],
          ...Object.entries(record.environment.identity).map(([name, value]) => [name, words(value)]),
          ['Processor', String(record.environment.evidence.cpu ?? 'unknown')],
          ['Fingerprint', record.environment.fingerprint],
        ],
      },
    ],
    points: [],
  };
}

function reproductions({ verdicts }: Evidence): CardSection {
  return {
    title: 'Reproductions',
    tables:
      verdicts.length === 0
        ? []
        : [
            {
              head: ['When', 'Verdict', 'Because', 'Environment, data'],
              rows: verdicts.map(({ verdict }) => [
                minute(verdict.when),
                `${verdict.verdict} (${verdict.level})`,
                verdict.because,
                `${verdict.environment}, ${verdict.data}`,
              ]),
            },
          ],
    points: verdicts.length === 0 ? ['Nobody has tried to make it again.'] : [],
  };
}

function provenance({ stored, chain, version }: Evidence): CardSection {
  const { record } = stored;
  const { code } = record;
  return {
    title: 'Provenance',
    tables: [
      {
        head: ['', ''],
        rows: [
          [
            'Who',
            record.who.email === undefined
              ? (record.who.name ?? record.who.user)
              : `${record.who.name ?? record.who.user} <${record.who.email}>`,
          ],
          ['When', `${record.when.started} – ${record.when.ended}`],
          ['Run', record.run],
          [
            'Commit',
            code === null ? 'in no repository' : `${code.commit}${code.dirty ? ' with uncommitted changes' : ''}`,
          ],
          ...(code?.remote === undefined ? [] : [['Repository', code.remote]]),
          ['Model', record.outputs.model?.digest ?? '–'],
          ['Record', stored.digest],
          ...chain
            .filter(({ digest }) => digest !== stored.digest)
            .map((each) => [`Made from ${each.record.step}`, each.digest]),
          ['Written by', `mlpipe ${version}`],
        ],
      },
    ],
    points: [],
  };
}

function argumentsOf(values: Record<string, unknown>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ');
}

function typeWords({ type }: ColumnPlan): string {
  switch (type.kind) {
    case 'text':
      return 'text';
    case 'class':
      return `class of ${type.labels === undefined ? (type.count ?? 0) : type.labels.join(', ')}`;
    default:
      return type.shape.length === 0 ? type.kind : `${type.kind}[${type.shape.join(', ')}]`;
  }
}

function rangeWords({ range }: ColumnPlan): string {
  return range === undefined ? '–' : `${range.lower} … ${range.upper}`;
}
