/** A CycloneDX 1.6 bill of materials of a model (ML-BOM): the model with its card, its data, its engine. */
import type { ColumnType, Plan, TrainStep } from '../../grammar/plan/plan.ts';
import { type Evidence, modelFiles } from './evidence.ts';
import { measuredMetrics } from './measured.ts';
import { enginePackage, hex, plainName, repositoryOf, uuidOf } from './names.ts';

type Json = Record<string, unknown>;

export interface BillOfMaterials extends Json {
  bomFormat: 'CycloneDX';
  specVersion: '1.6';
}

/** @throws MlpipeError `model-unknown` */
export function billOfMaterials(evidence: Evidence): BillOfMaterials {
  const { stored, version, kept } = evidence;
  const { record } = stored;
  const files = modelFiles(evidence);
  const parts = components(evidence);
  const model = record.outputs.model;
  const commit = record.code;
  const repository = repositoryOf(commit);
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${uuidOf(stored.digest)}`,
    version: 1,
    metadata: {
      timestamp: record.when.ended,
      tools: { components: [{ type: 'application', name: 'mlpipe', version }] },
      component: {
        type: 'machine-learning-model',
        'bom-ref': 'model',
        name: record.step,
        version: kept === undefined ? (model?.digest ?? record.key) : String(kept.version),
        components: files.map(({ path, digest }) => ({
          type: 'file',
          'bom-ref': `model/${path}`,
          name: path,
          hashes: hashes(hex(digest)),
        })),
        ...(repository === undefined || commit === null
          ? {}
          : { externalReferences: [{ type: 'vcs', url: repository, comment: `commit ${commit.commit}` }] }),
        modelCard: modelCard(evidence),
        properties: properties({
          'mlpipe:model': model?.digest ?? '',
          'mlpipe:record': stored.digest,
          'mlpipe:run': record.run,
          'mlpipe:pipeline': record.pipeline.file,
          ...(commit === null ? {} : { 'mlpipe:commit': commit.commit, 'mlpipe:uncommitted': String(commit.dirty) }),
        }),
      },
    },
    components: parts,
    dependencies: [
      { ref: 'model', dependsOn: parts.map((part) => String(part['bom-ref'])).sort() },
      ...parts.map((part) => ({ ref: String(part['bom-ref']) })),
    ],
  };
}

function modelCard(evidence: Evidence): Json {
  const { plan, step } = evidence;
  const train = step?.kind === 'train' ? step : undefined;
  return {
    modelParameters: {
      approach: { type: 'supervised' },
      ...(train === undefined ? {} : architecture(plan, train)),
      datasets: dataInputs(evidence).map(({ reference }) => ({ ref: reference })),
    },
    quantitativeAnalysis: {
      performanceMetrics: measuredMetrics(evidence).map(({ name, value, on, interval }) => ({
        type: name,
        value: String(value),
        slice: on,
        ...(interval === undefined
          ? {}
          : { confidenceInterval: { lowerBound: String(interval.lower), upperBound: String(interval.upper) } }),
      })),
    },
  };
}

function architecture(plan: Plan, train: TrainStep): Json {
  const model = plan.models[train.model];
  const target = plan.data[train.on.data]?.schema.find(({ name }) => name === train.target)?.type;
  if (model === undefined) return {};
  return {
    ...(target === undefined ? {} : { task: taskOf(target) }),
    architectureFamily: 'feed-forward neural network',
    modelArchitecture: model.layers.map(({ layer }) => layer).join(' → '),
    inputs: [{ format: `float[${model.inputShape}] from ${model.inputs.join(', ')}` }],
    outputs: [{ format: `float[${model.outputShape}] for ${train.target}` }],
  };
}

export function taskOf(target: ColumnType): string {
  return target.kind === 'class' || target.kind === 'bool' ? 'classification' : 'regression';
}

function components(evidence: Evidence): Json[] {
  const { record } = evidence.stored;
  const engine = enginePackage(record.engine);
  const { identity } = record.environment;
  return [
    ...dataInputs(evidence).map(({ reference, name, digest, rows, dataset }) => ({
      type: dataset ? 'data' : 'file',
      'bom-ref': reference,
      name,
      version: digest,
      hashes: hashes(hex(digest)),
      ...(dataset ? { data: [{ type: 'dataset', name }] } : {}),
      ...(rows === undefined ? {} : { properties: properties({ 'mlpipe:rows': String(rows) }) }),
    })),
    ...(engine === undefined || record.engine === null
      ? []
      : [
          {
            type: 'framework',
            'bom-ref': engine,
            name: record.engine.name,
            version: record.engine.version,
            purl: engine,
          },
        ]),
    ...['node', 'python'].flatMap((language) =>
      typeof identity[language] === 'string'
        ? [
            {
              type: 'platform',
              'bom-ref': `${language}@${identity[language]}`,
              name: language,
              version: identity[language],
            },
          ]
        : [],
    ),
  ];
}

/** Everything that was read from outside along the way, each content once. */
function dataInputs({ chain }: Evidence) {
  const found = new Map<
    string,
    { reference: string; name: string; digest: `sha256:${string}`; rows?: number; dataset: boolean }
  >();
  for (const { record } of chain) {
    for (const input of record.inputs) {
      if (input.record !== undefined || found.has(input.digest)) continue;
      const name = input.path ?? plainName(input.name);
      found.set(input.digest, {
        reference: `${name}@${input.digest}`,
        name,
        digest: input.digest,
        ...(input.rows === undefined ? {} : { rows: input.rows }),
        dataset: input.name.startsWith('data:'),
      });
    }
  }
  return [...found.values()].sort((one, other) => (one.reference < other.reference ? -1 : 1));
}

function hashes(content: string): Json[] {
  return [{ alg: 'SHA-256', content }];
}

function properties(values: Record<string, string>): Json[] {
  return Object.entries(values)
    .filter(([, value]) => value !== '')
    .map(([name, value]) => ({ name, value }));
}
