/** Keeps a trained model under the next number of its name. */
import { resolve } from 'node:path';
import { EXIT, MlpipeError } from '../errors.ts';
import { who } from '../ledger/provenance.ts';
import type { StoredRecord } from '../ledger/record.ts';
import type { Project } from '../project.ts';
import { readFolder } from './find.ts';
import { modelDigest, modelOf } from './model.ts';
import { type StoredVersion, VERSION_FORMAT, versionFolder, writeVersion } from './version.ts';

export interface KeepOptions {
  tag?: string;
  /** Also where a gate was not passed, or nothing was evaluated. */
  force?: boolean;
}

/**
 * Keeps a model. One that is kept already stays what it is.
 *
 * @throws MlpipeError `model-unknown`, `tag-wrong`, `tag-taken`, `version-kept`, `version-damaged`, `gate-missed`
 */
export async function keepModel(
  project: Project,
  reference: string,
  options: KeepOptions = {},
): Promise<StoredVersion> {
  const stored = modelOf(project, reference);
  const { record } = stored;
  const pipeline = resolve(project.root, record.pipeline.file);
  refuseWrongTag(options.tag);
  for (;;) {
    const { versions, damaged } = readFolder(versionFolder(pipeline));
    const [broken] = damaged;
    if (broken !== undefined) throw broken.problem;
    const own = versions.filter(({ version }) => version.name === record.step);
    const already = own.find(({ version }) => version.record === stored.digest);
    if (already !== undefined) return sameOrRefused(already, options.tag);
    const taken = own.find(({ version }) => options.tag !== undefined && version.tag === options.tag);
    if (taken !== undefined) throw tagTaken(taken);
    const metrics = judged(project, stored, options);
    const last = own.reduce<StoredVersion | undefined>(
      (newest, each) => (newest === undefined || each.version.version > newest.version.version ? each : newest),
      undefined,
    );
    const person = await who(project.root);
    const written = writeVersion(pipeline, {
      format: VERSION_FORMAT,
      name: record.step,
      version: (last?.version.version ?? 0) + 1,
      tag: options.tag ?? null,
      record: stored.digest,
      model: modelDigest(stored),
      previous: last?.digest ?? null,
      metrics,
      kept: { when: new Date().toISOString(), who: person.name ?? person.user },
    });
    // Another process has taken the number; the next one is tried.
    if (written !== undefined) return written;
  }
}

/** What the model's evaluations measured. @throws MlpipeError `gate-missed` */
function judged(project: Project, stored: StoredRecord, { force = false }: KeepOptions): Record<string, number> {
  const newest = new Map<string, StoredRecord>();
  for (const reader of project.ledger.readers(modelDigest(stored))) {
    const before = newest.get(reader.record.step);
    if (reader.record.kind !== 'evaluate') continue;
    if (before === undefined || before.record.when.ended < reader.record.when.ended)
      newest.set(reader.record.step, reader);
  }
  const evaluations = [...newest.values()];
  const missed = evaluations.find(({ record }) => record.exit.status !== 'ok' || record.gates.some(({ ok }) => !ok));
  if (!force && (evaluations.length === 0 || missed !== undefined)) {
    const { step } = stored.record;
    throw new MlpipeError(
      missed === undefined ? `${step} was never evaluated.` : `${step} has not passed ${missed.record.step}.`,
      { code: 'gate-missed', todo: 'Keep a model that has passed its gates, or this one all the same with --force.' },
    );
  }
  return Object.assign({}, stored.record.metrics, ...evaluations.map(({ record }) => record.metrics));
}

function sameOrRefused(already: StoredVersion, tag: string | undefined): StoredVersion {
  const { name, version, tag: has } = already.version;
  if (tag === undefined || tag === has) return already;
  throw new MlpipeError(
    `This model is kept as ${name}@${version}${has === null ? '' : ` (${has})`}, and a version never changes.`,
    {
      code: 'version-kept',
      todo: 'A tag is given when a model is kept. Tag the commit that holds its file, if it needs another name.',
      exit: EXIT.usage,
    },
  );
}

/** A tag is no number, which would be a version, and has no `=`, which would be the name of a step. */
function refuseWrongTag(tag: string | undefined): void {
  if (tag === undefined || /^(?!\d+$)[A-Za-z0-9][A-Za-z0-9._+-]*$/.test(tag)) return;
  throw new MlpipeError(`${tag} cannot be a tag.`, {
    code: 'tag-wrong',
    todo: 'Write letters, digits, dots and dashes, and not digits alone: v1.2.0.',
    exit: EXIT.usage,
  });
}

function tagTaken({ version }: StoredVersion): MlpipeError {
  return new MlpipeError(`The tag ${version.tag} is that of ${version.name}@${version.version}, and stays with it.`, {
    code: 'tag-taken',
    todo: 'Choose another tag.',
    exit: EXIT.usage,
  });
}
