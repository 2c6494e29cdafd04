/** Which data set is meant, and what is known of it. */
import { dirname, resolve } from 'node:path';
import { EXIT, MlpipeError } from '../errors.ts';
import type { RecordedInput, StoredRecord } from '../ledger/record.ts';
import type { Project } from '../project.ts';
import { planOf } from '../reproduce/recorded.ts';
import { firstBytes, isFolder } from '../store/listing.ts';
import { aboutPath, readAbout } from './about.ts';
import type { DescribedData } from './croissant.ts';
import { plainName } from './names.ts';

export interface DataOptions {
  /** Where the file about the data lies, where not beside it. */
  about?: string;
  /** Finds the record that a reference means. */
  resolve: (reference: string) => StoredRecord;
}

/**
 * The data set of that name, as the newest record read it; or the one that a record or a model was made from.
 *
 * @throws MlpipeError `data-unknown`, `reference-ambiguous`, `about-missing`, `about-wrong`, `data-gone`
 */
export async function describedData(project: Project, reference: string, options: DataOptions): Promise<DescribedData> {
  const { stored, input } = find(project, reference, options);
  const plan = (await planOf(project, stored)).data[plainName(input.name)];
  if (plan === undefined || plan.source.kind !== 'path') {
    throw new MlpipeError(`${plainName(input.name)} is no data set of a file: it is what a step made.`, {
      code: 'data-unknown',
      todo: 'Export the data that the step was made from.',
      exit: EXIT.usage,
    });
  }
  const path = resolve(project.root, dirname(stored.record.pipeline.file), plan.source.path);
  const about = readAbout(options.about ?? aboutPath(path), project.root);
  const folder = (await isFolder(project.store, input.digest)) ?? /[*?[{]/.test(plan.source.path);
  return { plan, input, about, folder, header: folder ? [] : await header(project, input) };
}

function find(
  project: Project,
  reference: string,
  options: DataOptions,
): { stored: StoredRecord; input: RecordedInput } {
  const named = (stored: StoredRecord) => stored.record.inputs.find(({ name }) => name === `data:${reference}`);
  const newest = project.ledger.list().find((stored) => named(stored) !== undefined);
  const input = newest && named(newest);
  if (newest !== undefined && input !== undefined) return { stored: newest, input };
  const stored = options.resolve(reference);
  const inputs = stored.record.inputs.filter(({ name }) => name.startsWith('data:'));
  const [only] = inputs;
  if (only !== undefined && inputs.length === 1) return { stored, input: only };
  throw new MlpipeError(
    inputs.length === 0 ? `${reference} has read no data set.` : `${reference} has read ${inputs.length} data sets.`,
    {
      code: inputs.length === 0 ? 'data-unknown' : 'reference-ambiguous',
      todo:
        inputs.length === 0
          ? 'Name a data block that a step has read.'
          : `Name one: ${inputs.map(({ name }) => plainName(name)).join(', ')}.`,
      exit: EXIT.usage,
    },
  );
}

/** The first line of a table of text. A quoted name may hold the separator. */
async function header(project: Project, { path = '', digest }: RecordedInput): Promise<string[]> {
  if (!/\.(?:csv|tsv|tab|psv|txt|data)$/i.test(path)) return [];
  const beginning = await firstBytes(project.store, digest, 1 << 16);
  const [line = ''] = (beginning?.toString('utf8') ?? '').replace(/^\ufeff/, '').split(/\r?\n/, 1);
  const separator = ['\t', ';', '|', ','].find((each) => line.includes(each)) ?? ',';
  const cells = line.match(new RegExp(`"(?:[^"]|"")*"|[^${separator === '|' ? '\\|' : separator}]+`, 'g')) ?? [];
  return cells.map((cell) => cell.replace(/^"(.*)"$/, '$1').replaceAll('""', '"'));
}
