/** OpenLineage RunEvents (specification 2-0-2): a START and an end for each record behind what was asked for. */
import type { ProgramStep, StepPlan } from '../../grammar/plan/plan.ts';
import type { RecordedInput, RunRecord, StoredRecord } from '../ledger/record.ts';
import type { Evidence } from './evidence.ts';
import { HOME, plainName, repositoryOf, sourceUrl, uuidOf } from './names.ts';

type Facets = Record<string, Record<string, unknown>>;

interface Dataset {
  namespace: string;
  name: string;
  facets: Facets;
  inputFacets?: Facets;
  outputFacets?: Facets;
}

export interface RunEvent {
  eventType: 'START' | 'COMPLETE' | 'FAIL' | 'ABORT';
  eventTime: string;
  producer: string;
  schemaURL: string;
  run: { runId: string; facets: Facets };
  job: { namespace: string; name: string; facets: Facets };
  inputs: Dataset[];
  outputs: Dataset[];
}

const EVENT = 'https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent';

/** Which schema each facet follows. */
const SCHEMAS = {
  ExecutionParametersRunFacet: '1-0-0',
  EnvironmentVariablesRunFacet: '1-0-0',
  ErrorMessageRunFacet: '1-0-1',
  ProcessingEngineRunFacet: '1-1-1',
  SourceCodeLocationJobFacet: '1-1-0',
  JobTypeJobFacet: '2-0-4',
  DatasetVersionDatasetFacet: '1-0-1',
  SchemaDatasetFacet: '1-2-0',
  InputStatisticsInputDatasetFacet: '1-0-0',
  OutputStatisticsOutputDatasetFacet: '1-0-2',
} as const;

/** What every program gets, whatever it declares; see docs/cli.md, "Programs". */
const ALWAYS = { LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8', PYTHONHASHSEED: '0', TZ: 'UTC' };

/** The events, in the order in which they happened. */
export function runEvents(evidence: Evidence): RunEvent[] {
  return evidence.chain.flatMap((stored) => {
    const { record } = stored;
    const { status } = record.exit;
    const end = status === 'ok' ? 'COMPLETE' : status === 'cancelled' ? 'ABORT' : 'FAIL';
    return [event(evidence, stored, 'START', record.when.started), event(evidence, stored, end, record.when.ended)];
  });
}

function event(evidence: Evidence, stored: StoredRecord, type: RunEvent['eventType'], time: string): RunEvent {
  const { record } = stored;
  const facet = facetMaker(evidence.version);
  return {
    eventType: type,
    eventTime: time,
    producer: producer(evidence.version),
    schemaURL: EVENT,
    run: { runId: uuidOf(stored.digest), facets: runFacets(evidence, stored, type, facet) },
    job: {
      namespace: repositoryOf(record.code) ?? 'mlpipe',
      name: `${record.pipeline.name}.${record.step}`,
      facets: jobFacets(record, facet),
    },
    inputs: record.inputs.map((input) => inputDataset(evidence, record, input, facet)),
    outputs:
      type === 'START'
        ? []
        : Object.entries(record.outputs).map(([name, output]) => ({
            namespace: 'mlpipe',
            name: outputName(record, name),
            facets: { version: facet('DatasetVersionDatasetFacet', { datasetVersion: output.digest }) },
            outputFacets: { outputStatistics: facet('OutputStatisticsOutputDatasetFacet', { size: output.bytes }) },
          })),
  };
}

function runFacets(
  { plan }: Evidence,
  { digest, record }: StoredRecord,
  type: RunEvent['eventType'],
  facet: ReturnType<typeof facetMaker>,
): Facets {
  const step = plan.steps[record.step];
  const { message } = record.exit;
  return {
    executionParameters: facet('ExecutionParametersRunFacet', {
      parameters: Object.entries(parametersOf(record, step)).map(([key, value]) => ({ key, value })),
    }),
    ...(step?.kind === 'program'
      ? { environmentVariables: facet('EnvironmentVariablesRunFacet', { environmentVariables: variablesOf(step) }) }
      : {}),
    ...(record.engine === null
      ? {}
      : {
          processing_engine: facet('ProcessingEngineRunFacet', {
            name: record.engine.name,
            version: record.engine.version,
          }),
        }),
    ...(type === 'FAIL' || type === 'ABORT'
      ? {
          errorMessage: facet('ErrorMessageRunFacet', {
            message: message ?? record.exit.status,
            programmingLanguage: 'mlpipe',
          }),
        }
      : {}),
    // A facet of our own; that of every run is all the schema it has.
    mlpipe_record: {
      ...facet('ExecutionParametersRunFacet', {}),
      _schemaURL: 'https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunFacet',
      record: digest,
      key: record.key,
      run: record.run,
      environment: record.environment.fingerprint,
      ...(record.origin === undefined ? {} : { imported: { note: record.reason, ...record.origin } }),
    },
  };
}

function jobFacets(record: RunRecord, facet: ReturnType<typeof facetMaker>): Facets {
  const url = sourceUrl(record.code, record.pipeline.file);
  return {
    jobType: facet('JobTypeJobFacet', {
      processingType: 'BATCH',
      integration: 'MLPIPE',
      jobType: record.kind.toUpperCase(),
    }),
    ...(url === undefined || record.code === null
      ? {}
      : {
          sourceCodeLocation: facet('SourceCodeLocationJobFacet', {
            type: 'git',
            url,
            repoUrl: repositoryOf(record.code),
            path: record.pipeline.file,
            version: record.code.commit,
            ...(record.code.branch === undefined ? {} : { branch: record.code.branch }),
          }),
        }),
  };
}

/** Everything as a text, as the facet wants it. */
function parametersOf(record: RunRecord, step: StepPlan | undefined): Record<string, string> {
  const words = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));
  const own =
    step?.kind === 'train'
      ? {
          epochs: step.epochs,
          batch: step.batch,
          loss: step.loss.name,
          optimizer: step.optimizer.name,
          ...Object.fromEntries(
            Object.entries(step.optimizer.arguments).map(([name, value]) => [`optimizer.${name}`, value]),
          ),
          ...(step.seed === undefined ? {} : { seed: step.seed }),
        }
      : {};
  return Object.fromEntries(
    Object.entries({ ...own, ...record.parameters })
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([name, value]) => [name, words(value)]),
  );
}

/** The variables that a step declares; one that a secret has a part in is left out whole. */
function variablesOf(step: ProgramStep): { name: string; value: string }[] {
  const declared = Object.entries(step.variables).flatMap(([name, parts]) => {
    if (parts.some(({ kind }) => kind === 'secret')) return [];
    const value = parts.map((part) =>
      part.kind === 'text' ? part.text : part.kind === 'value' ? String(part.value) : `\${${part.kind}}`,
    );
    return [[name, value.join('')] as const];
  });
  return [...Object.entries(ALWAYS), ...declared]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, value]) => ({ name, value }));
}

function inputDataset(
  { plan, chain }: Evidence,
  record: RunRecord,
  input: RecordedInput,
  facet: ReturnType<typeof facetMaker>,
): Dataset {
  const maker = input.record === undefined ? undefined : chain.find(({ digest }) => digest === input.record)?.record;
  const output = maker && Object.entries(maker.outputs).find(([, { digest }]) => digest === input.digest)?.[0];
  const schema = input.name.startsWith('data:') ? plan.data[plainName(input.name)]?.schema : undefined;
  return {
    namespace: 'mlpipe',
    name:
      maker === undefined || output === undefined
        ? (input.path ?? `${record.pipeline.name}.${plainName(input.name)}`)
        : outputName(maker, output),
    facets: {
      version: facet('DatasetVersionDatasetFacet', { datasetVersion: input.digest }),
      ...(schema === undefined
        ? {}
        : {
            schema: facet('SchemaDatasetFacet', {
              fields: schema.map(({ name, type }) => ({
                name,
                type: 'shape' in type && type.shape.length > 0 ? `${type.kind}[${type.shape}]` : type.kind,
              })),
            }),
          }),
    },
    inputFacets: {
      inputStatistics: facet('InputStatisticsInputDatasetFacet', {
        size: input.bytes,
        ...(input.rows === undefined ? {} : { rowCount: input.rows }),
      }),
    },
  };
}

function outputName(record: RunRecord, output: string): string {
  return record.outputs[output]?.path ?? `${record.pipeline.name}.${record.step}.${output}`;
}

function producer(version: string): string {
  return `${HOME}/releases/${version}`;
}

function facetMaker(version: string) {
  return (schema: keyof typeof SCHEMAS, content: Record<string, unknown>): Record<string, unknown> => ({
    _producer: producer(version),
    _schemaURL: `https://openlineage.io/spec/facets/${SCHEMAS[schema]}/${schema}.json#/$defs/${schema}`,
    ...content,
  });
}
