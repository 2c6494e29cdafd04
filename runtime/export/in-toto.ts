/** An in-toto Statement v1 with SLSA provenance v1: what came out, and what it was built from. */
import type { Digest } from '../../grammar/plan/plan.ts';
import { EXIT, MlpipeError } from '../errors.ts';
import type { RunRecord } from '../ledger/record.ts';
import type { Evidence } from './evidence.ts';
import { enginePackage, HOME, hex, plainName, repositoryOf, uuidOf } from './names.ts';

/** An object of the in-toto attestation framework, as much of it as is used. */
interface ResourceDescriptor {
  name?: string;
  uri?: string;
  digest?: { sha256: string } | { gitCommit: string };
  mediaType?: string;
}

export interface Statement {
  _type: 'https://in-toto.io/Statement/v1';
  subject: { name: string; digest: { sha256: string } }[];
  predicateType: string;
  predicate: Record<string, unknown>;
}

/** A folder's digest is that of its list of files, which is an object of its own. */
const FOLDER = 'application/vnd.mlpipe.folder.v1+json';

/**
 * The statement, unsigned. Each file of an output is a subject, so that `sha256sum` can tell that it is the one meant.
 *
 * @throws MlpipeError `nothing-made` where the step left nothing
 */
export function provenanceStatement(evidence: Evidence): Statement {
  const { stored, files } = evidence;
  const { record } = stored;
  const subject = Object.entries(files).flatMap(([output, each]) =>
    each.map(({ path, digest }) => ({
      name: [record.outputs[output]?.path ?? `${record.step}/${output}`, path].filter((part) => part !== '').join('/'),
      digest: { sha256: hex(digest) },
    })),
  );
  if (subject.length === 0) {
    throw new MlpipeError(`${record.step} (${record.run}) left nothing that could be attested.`, {
      code: 'nothing-made',
      todo: 'Name a record whose outputs are in the store; `mlpipe log` lists them.',
      exit: EXIT.usage,
    });
  }
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject,
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: `${HOME}/buildtypes/${record.kind}/v1`,
        externalParameters: {
          ...(record.pipeline.file === '' ? {} : { pipeline: record.pipeline.file }),
          step: record.step,
          parameters: record.parameters,
        },
        internalParameters: {
          key: record.key,
          plan: record.plan,
          environment: { name: record.environment.name ?? '', ...record.environment.identity },
          // What another tool says is no provenance of ours: it stands here as its word.
          ...(record.origin === undefined ? {} : { imported: { note: record.reason, ...record.origin } }),
          ...(record.engine === null ? {} : { engine: `${record.engine.name} ${record.engine.version}` }),
        },
        resolvedDependencies: dependencies(evidence),
      },
      runDetails: {
        // Whoever ran it on a machine of their own: SLSA's build level 1 asks no more, and no more is claimed. What was
        // imported was built by nobody here.
        builder: { id: `${HOME}/builders/${record.origin === undefined ? 'local' : 'import'}/v1` },
        metadata: {
          invocationId: `urn:uuid:${uuidOf(stored.digest)}`,
          startedOn: record.when.started,
          finishedOn: record.when.ended,
        },
        byproducts: byproducts(evidence),
      },
    },
  };
}

function dependencies({ stored: { record }, folders }: Evidence): ResourceDescriptor[] {
  const engine = enginePackage(record.engine);
  return [
    ...codeOf(record),
    ...(record.pipeline.file === ''
      ? []
      : [{ name: record.pipeline.file, digest: { sha256: hex(record.pipeline.digest) } }]),
    ...record.inputs.map((input) => content(input.path ?? plainName(input.name), input.digest, folders)),
    ...(engine === undefined ? [] : [{ uri: engine }]),
  ];
}

function codeOf({ code }: RunRecord): ResourceDescriptor[] {
  if (code === null || /^0+$/.test(code.commit)) return [];
  const repository = repositoryOf(code);
  const branch = code.branch === undefined ? '' : `@refs/heads/${code.branch}`;
  const place =
    repository === undefined
      ? { name: 'commit' }
      : { uri: `${repository.replace(/^(?=https?:|ssh:)/, 'git+')}${branch}` };
  return [
    { ...place, digest: { gitCommit: code.commit } },
    ...(code.diff === undefined ? [] : [{ name: 'uncommitted changes', digest: { sha256: hex(code.diff) } }]),
  ];
}

function byproducts({ stored, evaluations, folders }: Evidence): ResourceDescriptor[] {
  const { record } = stored;
  return [
    { name: 'record', digest: { sha256: hex(stored.digest) } },
    { name: 'plan', digest: { sha256: hex(record.plan) } },
    ...(record.log === undefined ? [] : [{ name: 'log', digest: { sha256: hex(record.log) } }]),
    ...evaluations.flatMap(({ stored: evaluation }) =>
      Object.entries(evaluation.record.outputs).map(([name, { digest }]) =>
        content(`${evaluation.record.step}/${name}`, digest, folders),
      ),
    ),
  ];
}

function content(name: string, digest: Digest, folders: ReadonlySet<Digest>): ResourceDescriptor {
  return { name, digest: { sha256: hex(digest) }, ...(folders.has(digest) ? { mediaType: FOLDER } : {}) };
}
