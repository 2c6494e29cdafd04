/** `export`: a record for other tools. */
import fs from 'node:fs';
import { dirname, extname, resolve } from 'node:path';
import * as api from '../../api.ts';
import { EXIT, type ExitCode } from '../../errors.ts';
import { type Format, layCrate } from '../../export/export.ts';
import { writeFailure } from '../../store/errors.ts';
import { type Output, talk } from '../output.ts';

interface Context {
  folder: string;
  output: Output;
  version: string;
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
