/** A Workflow Run RO-Crate 0.5 (on RO-Crate 1.1): the workflow, its run, what it read and what it wrote, in one folder. */
import type { Digest } from '../../grammar/plan/plan.ts';
import type { RunRecord, StoredRecord } from '../ledger/record.ts';
import { licenseUrl } from './about.ts';
import type { Evidence } from './evidence.ts';
import { HOME, hex, plainName, repositoryOf, uuidOf } from './names.ts';

type Entity = { '@id': string; '@type': string | string[] } & Record<string, unknown>;

export interface Crate {
  metadata: { '@context': unknown; '@graph': Entity[] };
  /** What the folder holds beside its metadata: content by digest, or a text. */
  contents: { path: string; digest?: Digest; text?: string }[];
}

const PROFILES = [
  ['https://w3id.org/ro/wfrun/process/0.5', 'Process Run Crate', '0.5'],
  ['https://w3id.org/ro/wfrun/workflow/0.5', 'Workflow Run Crate', '0.5'],
  ['https://w3id.org/workflowhub/workflow-ro-crate/1.0', 'Workflow RO-Crate', '1.0'],
] as const;

const LANGUAGE = HOME;

/**
 * The crate of a record and of everything that it was made from.
 *
 * @param license of the crate, an SPDX identifier or an address; without it none is stated, for nobody has said it
 */
export function workflowRunCrate(evidence: Evidence, license?: string): Crate {
  const { stored, chain, plan } = evidence;
  const { record } = stored;
  const text = evidence.pipelineText;
  // Where the pipeline's text is gone its plan says the same, every default written out.
  const workflowPath = text === undefined ? 'plan.json' : inside(record.pipeline.file);
  const workflow = addressOf(workflowPath);
  const data = dataEntities(evidence);
  const agents = new Map(chain.map((each) => [agentId(each.record), agent(each.record)]));
  const parameters = Object.entries(plan.parameters);
  const actions = chain.map((each) => action(each, evidence, workflow, data.ids));
  return {
    metadata: {
      '@context': [
        'https://w3id.org/ro/crate/1.1/context',
        // The one term of https://w3id.org/ro/terms/workflow-run/context that is used.
        { sha256: 'https://w3id.org/ro/terms/workflow-run#sha256' },
      ],
      '@graph': [
        descriptor(),
        root(stored, workflow, data.entities, actions, license),
        ...PROFILES.map(([id, name, version]) => ({ '@id': id, '@type': 'CreativeWork', name, version })),
        ...(license === undefined
          ? []
          : [
              {
                '@id': licenseUrl(license),
                '@type': 'CreativeWork',
                name: license,
                description: `The licence ${license}`,
              },
            ]),
        {
          '@id': workflow,
          '@type': ['File', 'SoftwareSourceCode', 'ComputationalWorkflow'],
          name: record.pipeline.name,
          description: `The pipeline ${record.pipeline.name}`,
          programmingLanguage: { '@id': LANGUAGE },
          encodingFormat: text === undefined ? 'application/json' : 'text/plain',
          version: record.code?.commit ?? record.pipeline.digest,
          sha256: hex(text === undefined ? record.plan : record.pipeline.digest),
          ...(repositoryOf(record.code) === undefined ? {} : { codeRepository: repositoryOf(record.code) }),
        },
        {
          '@id': LANGUAGE,
          '@type': 'ComputerLanguage',
          name: 'mlpipe',
          url: HOME,
          version: evidence.version,
        },
        ...parameters.map(([name, value]) => ({
          '@id': parameterId(name),
          '@type': 'PropertyValue',
          name,
          value: typeof value === 'object' ? JSON.stringify(value) : value,
        })),
        ...actions,
        ...agents.values(),
        ...data.entities,
      ],
    },
    contents: [
      text === undefined ? { path: workflowPath, digest: record.plan } : { path: workflowPath, text },
      ...data.contents,
    ],
  };
}

function descriptor(): Entity {
  return {
    '@id': 'ro-crate-metadata.json',
    '@type': 'CreativeWork',
    about: { '@id': './' },
    conformsTo: [
      { '@id': 'https://w3id.org/ro/crate/1.1' },
      { '@id': 'https://w3id.org/workflowhub/workflow-ro-crate/1.0' },
    ],
  };
}

function root(
  { record }: StoredRecord,
  workflow: string,
  data: readonly Entity[],
  actions: readonly Entity[],
  license: string | undefined,
): Entity {
  return {
    '@id': './',
    '@type': 'Dataset',
    name: `${record.pipeline.name}: ${record.step} (${record.run})`,
    description:
      record.origin === undefined
        ? `What ${record.step} of the pipeline ${record.pipeline.name} was made from, and what came of it.`
        : `${record.step}: ${record.reason}.`,
    datePublished: withOffset(record.when.ended),
    author: { '@id': agentId(record) },
    conformsTo: PROFILES.map(([id]) => ({ '@id': id })),
    mainEntity: { '@id': workflow },
    hasPart: [workflow, ...data.map((each) => each['@id'])].map((id) => ({ '@id': id })),
    mentions: actions.map((each) => ({ '@id': each['@id'] })),
    ...(license === undefined ? {} : { license: { '@id': licenseUrl(license) } }),
  };
}

function action(
  { digest, record }: StoredRecord,
  { plan }: Evidence,
  workflow: string,
  ids: ReadonlyMap<Digest, string>,
): Entity {
  const read = [
    ...record.inputs.flatMap((input) => ids.get(input.digest) ?? []),
    ...Object.keys(plan.parameters).map(parameterId),
  ];
  const wrote = Object.values(record.outputs).flatMap((output) => ids.get(output.digest) ?? []);
  const done = record.exit.status === 'ok';
  return {
    '@id': `urn:uuid:${uuidOf(digest)}`,
    '@type': 'CreateAction',
    name: `${record.step} (${record.run})`,
    description: `${record.kind}: ${record.reason}`,
    instrument: { '@id': workflow },
    agent: { '@id': agentId(record) },
    startTime: withOffset(record.when.started),
    endTime: withOffset(record.when.ended),
    actionStatus: `http://schema.org/${done ? 'CompletedActionStatus' : 'FailedActionStatus'}`,
    ...(done ? {} : { error: record.exit.message ?? record.exit.status }),
    object: oneOrAll([...new Set(read)]),
    result: oneOrAll([...new Set(wrote)]),
  };
}

/** The profile writes UTC as an offset. */
function withOffset(time: string): string {
  return time.replace(/Z$/, '+00:00');
}

/** RO-Crate writes a single value without a list. */
function oneOrAll(ids: readonly string[]): unknown {
  const [first, ...others] = ids.map((id) => ({ '@id': id }));
  return others.length === 0 ? first : [first, ...others];
}

function dataEntities({ stored, chain, folders, files }: Evidence) {
  const entities = new Map<string, Entity>();
  const ids = new Map<Digest, string>();
  const contents: Crate['contents'] = [];
  const add = (digest: Digest, path: string, name: string, bytes: number) => {
    if (ids.has(digest)) return;
    const folder = folders.has(digest);
    let place = inside(path);
    // Two contents that lay at one path at different times.
    if (contents.some((each) => each.path === place)) place = `${hex(digest).slice(0, 12)}/${place}`;
    contents.push({ path: place, digest });
    const id = addressOf(place) + (folder ? '/' : '');
    ids.set(digest, id);
    entities.set(id, {
      '@id': id,
      '@type': folder ? 'Dataset' : 'File',
      name,
      ...(folder
        ? { description: `A folder of ${bytes} bytes; the digest of its list of files is ${digest}.` }
        : { contentSize: String(bytes), encodingFormat: encodingOf(path), sha256: hex(digest) }),
    });
  };
  for (const { record } of chain) {
    for (const input of record.inputs) {
      if (input.record === undefined)
        add(input.digest, input.path ?? plainName(input.name), plainName(input.name), input.bytes);
    }
    for (const [name, output] of Object.entries(record.outputs).sort(([one], [other]) => (one < other ? -1 : 1))) {
      add(output.digest, output.path ?? outputPath(record, name), `${record.step}.${name}`, output.bytes);
    }
  }
  // The files of what was asked for are parts of it, each with a digest that any tool can check.
  for (const [name, each] of Object.entries(files)) {
    const folder = ids.get(stored.record.outputs[name]?.digest ?? 'sha256:');
    const parent = folder === undefined ? undefined : entities.get(folder);
    if (folder === undefined || parent === undefined || !folder.endsWith('/')) continue;
    parent.hasPart = each.map(({ path }) => ({ '@id': folder + addressOf(path) }));
    for (const { path, digest, bytes } of each) {
      const id = folder + addressOf(path);
      entities.set(id, {
        '@id': id,
        '@type': 'File',
        name: path,
        contentSize: String(bytes),
        encodingFormat: encodingOf(path),
        sha256: hex(digest),
      });
    }
  }
  return { entities: [...entities.values()], ids, contents };
}

function outputPath(record: RunRecord, output: string): string {
  const ending: Record<string, string> = { history: '.csv', predictions: '.csv', report: '.json', verdict: '.json' };
  return `outputs/${record.step}/${output}${ending[output] ?? ''}`;
}

function encodingOf(path: string): string {
  const endings: Record<string, string> = {
    csv: 'text/csv',
    json: 'application/json',
    md: 'text/markdown',
    parquet: 'application/vnd.apache.parquet',
    png: 'image/png',
    txt: 'text/plain',
  };
  return endings[path.slice(path.lastIndexOf('.') + 1).toLowerCase()] ?? 'application/octet-stream';
}

/** A path inside the crate: it may not lead out of it. */
function inside(path: string): string {
  return path
    .split('/')
    .filter((part) => part !== '' && part !== '.' && part !== '..')
    .join('/');
}

/** A path as a relative address. */
function addressOf(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

function parameterId(name: string): string {
  return `#parameter-${encodeURIComponent(name)}`;
}

function agentId({ who }: RunRecord): string {
  return `#agent-${encodeURIComponent(who.email ?? who.user)}`;
}

function agent(record: RunRecord): Entity {
  const { who } = record;
  return {
    '@id': agentId(record),
    '@type': 'Person',
    name: who.name ?? who.user,
    ...(who.email === undefined ? {} : { email: who.email }),
  };
}
