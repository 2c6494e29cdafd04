/** `models`, `export`: models by their names, and records for other tools. */
import fs from 'node:fs';
import { dirname, extname, resolve } from 'node:path';
import * as api from '../../api.ts';
import { EXIT, type ExitCode, MlpipeError } from '../../errors.ts';
import { type Format, layCrate } from '../../export/export.ts';
import { writeFailure } from '../../store/errors.ts';
import { metric, minute } from '../../words.ts';
import { answer, type Output, paint, shortDigest, table, talk } from '../output.ts';

interface Context {
  folder: string;
  output: Output;
  version: string;
}

export async function models(
  { folder, output }: Context,
  options: { tag?: string; force?: boolean },
  what = 'list',
  reference?: string,
): Promise<ExitCode> {
  if (what === 'list') return listModels(folder, output);
  if (what !== 'keep' || reference === undefined) {
    throw new MlpipeError(`\`mlpipe models ${what}\` is not enough, or not known.`, {
      code: 'usage',
      todo: '`mlpipe models` lists what is kept, `mlpipe models keep recognise` keeps a model.',
      exit: EXIT.usage,
    });
  }
  return api.withProject(folder, async (project) => {
    const kept = await api.keep(project, reference, options);
    answer(output, kept, () => `${kept.name}@${kept.version}${kept.tag === null ? '' : ` (${kept.tag})`}`);
    talk(output, `Commit ${kept.file}: it is what everybody else knows the version by.`);
    return EXIT.yes;
  });
}

async function listModels(folder: string, output: Output): Promise<ExitCode> {
  return api.withProject(folder, async (project) => {
    const found = await api.versions(project);
    answer(output, found, () => table(found.models.map(line)));
    for (const { problem } of found.damaged) talk(output, `mlpipe: ${problem}`);
    if (found.models.length === 0) talk(output, 'No model is kept yet: `mlpipe models keep REFERENCE` keeps one.');
    const whole = found.damaged.length === 0 && found.models.every(({ problem }) => problem === null);
    return whole ? EXIT.yes : EXIT.no;
  });
}

function line(kept: api.KeptModel): string[] {
  return [
    `${kept.name}@${kept.version}`,
    kept.tag ?? '',
    minute(kept.kept.when),
    kept.kept.who,
    paint('yellow', shortDigest(kept.record), process.stdout),
    kept.problem === null
      ? Object.entries(kept.metrics)
          .filter(([name]) => ['accuracy', 'rootMeanSquaredError', 'loss'].includes(name))
          .map(([name, value]) => metric(name, value))
          .join(', ')
      : paint('red', kept.problem, process.stdout),
  ];
}

export interface ExportWords {
  format: Format;
  output?: string;
  key?: string;
  to?: string;
  about?: string;
  license?: string;
  html?: boolean;
}

export async function exportRecord(
  { folder, output, version }: Context,
  { output: destination, ...words }: ExportWords,
  reference = '',
): Promise<ExitCode> {
  return api.withProject(folder, async (project) => {
    const path = (name: string) => resolve(folder, name);
    const document = await api.exportDocument(project, reference, {
      ...words,
      version,
      ...(words.key === undefined ? {} : { key: path(words.key) }),
      ...(words.about === undefined ? {} : { about: path(words.about) }),
    });
    for (const warning of document.warnings) talk(output, `mlpipe: ${warning}`);
    if (document.sentTo !== undefined) talk(output, `sent to ${document.sentTo}`);
    if (destination === undefined) {
      process.stdout.write(document.text);
      return EXIT.yes;
    }
    const place = path(destination);
    // A crate is a folder; under the name of a file its description alone is written.
    if (document.crate !== undefined && extname(place) !== '.json') await layCrate(project.store, document, place);
    else write(place, document.text);
    talk(output, `wrote ${destination}`);
    return EXIT.yes;
  });
}

function write(place: string, text: string): void {
  try {
    fs.mkdirSync(dirname(place), { recursive: true });
    fs.writeFileSync(place, text);
  } catch (error) {
    throw writeFailure(place, error);
  }
}
