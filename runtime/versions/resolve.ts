/** What a person means by `recognise@1`, `models:/recognise@1` or `recognise@v1.2.0`. */
import { basename } from 'node:path';
import { EXIT, MlpipeError } from '../errors.ts';
import type { StoredRecord } from '../ledger/record.ts';
import type { Project } from '../project.ts';
import { findVersions } from './find.ts';
import { type StoredVersion, versionPath } from './version.ts';

/**
 * The record that a reference means: a version of a model, or what `Ledger.resolve` understands.
 *
 * @throws MlpipeError `reference-unknown`, `reference-ambiguous`, `version-damaged`, `record-missing`
 */
export function resolveReference(project: Project, reference: string): StoredRecord {
  const words = wordsOf(reference);
  if (words === undefined) return project.ledger.resolve(reference);
  const version = versionOf(project, words);
  if (version !== undefined) return recordOf(project, version);
  try {
    return project.ledger.resolve(reference);
  } catch (error) {
    if (!(error instanceof MlpipeError) || error.code !== 'reference-unknown') throw error;
    throw unknown(project, words);
  }
}

interface Words {
  name: string;
  /** A number or a tag. */
  which: string;
}

/** `recognise@rate=0.01` is the name of a step: no version has a `=`. */
function wordsOf(reference: string): Words | undefined {
  const plain = reference.replace(/^models:\/+/, '');
  const parts = /^(.+)@([^@=/]+)$/.exec(plain) ?? (plain === reference ? null : /^(.+)\/([^@=/]+)$/.exec(plain));
  const [, name, which] = parts ?? [];
  return name === undefined || which === undefined ? undefined : { name, which };
}

function versionOf(project: Project, { name, which }: Words): StoredVersion | undefined {
  const { versions, damaged } = findVersions(project.root);
  const fits = versions.filter(
    ({ version }) => version.name === name && (String(version.version) === which || version.tag === which),
  );
  const file = basename(versionPath('', name, Number(which)));
  const broken = damaged.find(({ path }) => basename(path) === file);
  if (fits.length === 0 && broken !== undefined) throw broken.problem;
  if (fits.length <= 1) return fits[0];
  throw new MlpipeError(`${name}@${which} is kept by ${fits.length} pipelines.`, {
    code: 'reference-ambiguous',
    todo: `Name the record: ${fits.map(({ version }) => version.record.slice(7, 19)).join(' or ')}.`,
    exit: EXIT.usage,
  });
}

function recordOf(project: Project, { version }: StoredVersion): StoredRecord {
  const stored = project.ledger.get(version.record);
  const name = `${version.name}@${version.version}`;
  if (stored === undefined) {
    throw new MlpipeError(`The record of ${name} (${version.record.slice(0, 19)}…) is not here.`, {
      code: 'record-missing',
      todo: 'Fetch it from where the model was trained.',
    });
  }
  if (stored.record.outputs.model?.digest === version.model) return stored;
  throw new MlpipeError(`${name} names a record of another model.`, {
    code: 'version-damaged',
    todo: 'Bring the file back as it was committed first.',
  });
}

function unknown(project: Project, { name, which }: Words): MlpipeError {
  const known = findVersions(project.root).versions.filter(({ version }) => version.name === name);
  const names = known.map(({ version }) => `${name}@${version.version}`).join(', ');
  return new MlpipeError(`There is no ${name}@${which}.`, {
    code: 'reference-unknown',
    todo:
      names === ''
        ? `Keep a model first: \`mlpipe models keep ${name}\`.`
        : `There is ${names}; \`mlpipe models\` lists all.`,
    exit: EXIT.usage,
  });
}
