/** `import`: what other tools have recorded. */
import { resolve } from 'node:path';
import * as api from '../../api.ts';
import { EXIT, type ExitCode, MlpipeError } from '../../errors.ts';
import { metric } from '../../words.ts';
import { cancelOnSignal } from '../cancel.ts';
import { answer, type Output, paint, shortDigest, table, talk, telling } from '../output.ts';

interface Context {
  folder: string;
  output: Output;
}

interface Options {
  output?: string;
  force?: boolean;
  from?: string;
  /** False with `--no-artifacts`. */
  artifacts: string | boolean;
}

export async function importFrom(context: Context, options: Options, what = '', ...names: string[]): Promise<ExitCode> {
  if (/(^|[\\/])dvc\.yaml$/.test(what) && names.length === 0) return importDvc(context, options, what);
  const [run] = names;
  if (what === 'mlflow' && run !== undefined && names.length === 1) return importMlflow(context, options, run);
  throw new MlpipeError(`It is not known how to import ${[what, ...names].join(' ')}.`, {
    code: 'usage',
    todo: 'Write `mlpipe import dvc.yaml`, or `mlpipe import mlflow RUN`.',
    exit: EXIT.usage,
  });
}

async function importDvc({ folder, output }: Context, options: Options, path: string): Promise<ExitCode> {
  const signal = cancelOnSignal(output);
  return api.withProject(
    folder,
    async (project) => {
      const found = await api.importDvc(project, resolve(folder, path), {
        ...(options.output === undefined ? {} : { output: resolve(folder, options.output) }),
        force: options.force ?? false,
        signal,
      });
      const findings = (await api.check(project, resolve(project.root, found.file)))
        .filter(({ severity }) => severity === 'error')
        .map(({ line, column, message }) => `${found.file}:${line}:${column}: ${message}`);
      const todo = [...findings, ...found.todo];
      answer(output, { ...found, todo }, () => dvcReport(found));
      for (const each of todo) talk(output, `${paint('yellow', '!')} ${each}`);
      if (!output.json)
        talk(
          output,
          findings.length === 0 ? 'Next: `mlpipe status`, then `mlpipe run`' : 'Next: mend what is said above.',
        );
      return findings.length === 0 ? EXIT.yes : EXIT.no;
    },
    telling(output),
  );
}

function dvcReport({ file, steps, data }: api.DvcImport): string {
  return [
    `wrote ${file}`,
    table([
      ...data.map(({ name, path, pin }) => [
        'data',
        name,
        path,
        pin === null ? 'not pinned' : `pinned ${shortDigest(pin)}`,
      ]),
      ...steps.map(({ stage, step, record }) => [
        'step',
        step,
        stage,
        record === null ? 'no record' : `imported record ${shortDigest(record)}`,
      ]),
    ]),
  ]
    .map((part) => part.trimEnd())
    .join('\n');
}

async function importMlflow({ folder, output }: Context, options: Options, run: string): Promise<ExitCode> {
  const signal = cancelOnSignal(output);
  return api.withProject(
    folder,
    async (project) => {
      const found = await api.importMlflow(project, run, {
        folder,
        signal,
        noArtifacts: options.artifacts === false,
        ...(typeof options.artifacts === 'string' ? { artifacts: options.artifacts } : {}),
        ...(options.from === undefined ? {} : { from: options.from }),
      });
      answer(output, found, () => mlflowReport(found));
      for (const { name, why } of found.missing)
        talk(output, `${paint('yellow', '!')} ${name} is not in the record: ${why}`);
      if (!output.json) talk(output, `Next: \`mlpipe show ${found.step}\``);
      return EXIT.yes;
    },
    telling(output),
  );
}

function mlflowReport({ record, step, id, from, experiment, outputs, metrics, parameters }: api.MlflowImport): string {
  return [
    `imported ${step} (run ${id} of ${experiment} in ${from}) as record ${record}`,
    table([
      ...Object.entries(parameters).map(([name, value]) => ['parameter', `${name} = ${value}`]),
      ...Object.entries(metrics).map(([name, value]) => ['metric', metric(name, value)]),
      ...Object.entries(outputs).map(([name, { digest }]) => ['artifact', `${name}  ${shortDigest(digest)}`]),
    ]),
  ]
    .map((part) => part.trimEnd())
    .join('\n');
}
