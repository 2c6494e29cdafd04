/** `init`, `check`, `explain`, `fmt`, `pin`: what is written. */
import fs from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import * as api from '../../api.ts';
import { EXIT, type ExitCode, MlpipeError } from '../../errors.ts';
import { type FileFinding, type FORMATS, formatFindings } from '../findings.ts';
import { answer, type Output, talk } from '../output.ts';
import { pageOf } from '../pages.ts';
import { writeTemplate } from '../template.ts';

interface Context {
  folder: string;
  output: Output;
  version: string;
}

export async function init({ folder, output }: Context, _options: unknown, name?: string): Promise<ExitCode> {
  const place = resolve(folder, name ?? '.');
  if (fs.statSync(place, { throwIfNoEntry: false })?.isFile()) {
    throw new MlpipeError(`${name ?? '.'} is a file.`, {
      code: 'folder-missing',
      todo: 'Name the folder that is to hold the pipeline.',
      exit: EXIT.usage,
    });
  }
  fs.mkdirSync(place, { recursive: true });
  const { written, kept } = writeTemplate(place);
  await api.withProject(place, async (project) => {
    // The template's data is pinned as anybody's would be.
    for (const file of written.filter((each) => each.endsWith('.mlpipe'))) await api.pin(project, join(place, file));
    try {
      const keys = await api.addFirstKeys(project);
      written.push(...keys.map((path) => relative(place, path).replaceAll('\\', '/')));
    } catch (error) {
      // A project without keys runs, and its records are shown as unsigned.
      if (!(error instanceof MlpipeError)) throw error;
      talk(output, error.todo === undefined ? error.message : `${error.message} ${error.todo}`);
    }
  });
  answer(output, { folder: place, written, kept }, () =>
    [...written.map((each) => `wrote ${each}`), ...kept.map((each) => `kept ${each}`)].join('\n'),
  );
  if (!output.json)
    talk(output, written.length > 0 ? 'Next: `mlpipe run`' : 'There was a pipeline already; nothing was changed.');
  return EXIT.yes;
}

export async function check(
  { folder, output, version }: Context,
  options: { format?: (typeof FORMATS)[number] },
  ...names: string[]
): Promise<ExitCode> {
  const files = filesOf(folder, names);
  const findings: FileFinding[] = [];
  for (const file of files) {
    await api.withProject(dirname(file), async (project) => {
      const path = relative(folder, file).replaceAll('\\', '/') || basename(file);
      for (const finding of await api.check(project, file)) findings.push({ file: path, ...finding });
    });
  }
  process.stdout.write(formatFindings(options.format ?? (output.json ? 'json' : 'text'), findings, version));
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  const warnings = findings.filter(({ severity }) => severity === 'warning').length;
  talk(
    output,
    `${files.length} ${files.length === 1 ? 'file' : 'files'}: ${errors} ${errors === 1 ? 'error' : 'errors'}, ${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`,
  );
  return errors > 0 ? EXIT.no : EXIT.yes;
}

export async function explain({ output }: Context, _options: unknown, code = ''): Promise<ExitCode> {
  const name = code.toUpperCase();
  const text = pageOf(name);
  if (text === undefined) {
    throw new MlpipeError(`There is no diagnostic ${code}.`, {
      code: 'code-unknown',
      todo: 'Codes look like MLP2001; `mlpipe check` prints them.',
      exit: EXIT.usage,
    });
  }
  answer(output, { code: name, text }, () => text);
  return EXIT.yes;
}

export async function fmt(
  { folder, output }: Context,
  options: { check?: boolean },
  ...names: string[]
): Promise<ExitCode> {
  const { formatText } = await import('../../../grammar/formatting/formatter.ts');
  const results: { file: string; changed: boolean }[] = [];
  for (const file of filesOf(folder, names)) {
    const text = api.readPipelineText(file);
    const formatted = await formatText(text);
    const changed = formatted !== text;
    if (changed && !options.check) api.writePipelineText(file, formatted);
    results.push({ file: relative(folder, file).replaceAll('\\', '/'), changed });
  }
  const changed = results.filter((each) => each.changed);
  answer(output, results, () =>
    changed.map(({ file }) => `${options.check ? 'would format' : 'formatted'} ${file}`).join('\n'),
  );
  return options.check && changed.length > 0 ? EXIT.no : EXIT.yes;
}

export async function pin(
  { folder, output }: Context,
  options: { update?: boolean; file?: string },
  ...names: string[]
): Promise<ExitCode> {
  const file = api.pipelineFile(folder, options.file);
  return api.withProject(folder, async (project) => {
    const pins = await api.pin(project, file, { names, update: options.update ?? false });
    answer(output, pins, () =>
      pins.length === 0
        ? ''
        : pins
            .map(({ name, after, before }) => `${before === null ? 'pinned' : 'updated'} ${name}  ${after}`)
            .join('\n'),
    );
    if (pins.length === 0 && !output.json)
      talk(
        output,
        options.update ? 'Every pin is as the world is.' : 'Nothing is unpinned; --update also takes what has changed.',
      );
    return EXIT.yes;
  });
}

/** The files that are named; else every pipeline in the folder. */
function filesOf(folder: string, names: readonly string[]): string[] {
  if (names.length > 0) return names.map((name) => api.pipelineFile(folder, name));
  const found = api.pipelinesIn(folder);
  return found.length > 0 ? found.map((name) => join(folder, name)) : [api.pipelineFile(folder)];
}
