/** `plan`, `run`, `status`, `dag`: what is to be done. */
import * as api from '../../api.ts';
import { EXIT, type ExitCode, MlpipeError } from '../../errors.ts';
import type { RunEvent } from '../../events.ts';
import { cancelOnSignal } from '../cancel.ts';
import { asDot, asMermaid, asText, graphOf } from '../graph.ts';
import { answer, type Output, paint, table, telling } from '../output.ts';
import { Progress } from '../progress.ts';

interface Context {
  folder: string;
  output: Output;
  version: string;
}

export async function plan(
  { folder, output }: Context,
  options: { set: Record<string, string> },
  name?: string,
): Promise<ExitCode> {
  const file = api.pipelineFile(folder, name);
  return api.withProject(folder, async (project) => {
    const parameters = options.set;
    const made = await api.plan(project, file, { parameters });
    const { steps } = await api.status(project, file, { parameters });
    const keys = Object.fromEntries(steps.map(({ step, key }) => [step, key]));
    answer(output, { ...made, keys }, () =>
      table(
        steps.map(({ step, key }) => [
          step,
          made.steps[step]?.kind ?? '',
          key ?? paint('gray', 'its key follows when what it reads is known', process.stdout),
        ]),
      ),
    );
    return EXIT.yes;
  });
}

export interface RunOptions {
  dryRun?: boolean;
  force?: boolean;
  jobs?: number;
  keepGoing?: boolean;
  set: Record<string, string>;
  cache: boolean;
  downstream?: boolean;
  events?: boolean;
  executor: 'local' | 'slurm';
}

export async function run(context: Context, options: RunOptions, ...names: string[]): Promise<ExitCode> {
  const { folder, output } = context;
  if (options.executor === 'slurm') {
    throw new MlpipeError('The Slurm executor is not there yet.', {
      code: 'not-yet',
      todo: 'Leave --executor out: steps then run here.',
      exit: EXIT.usage,
    });
  }
  const [named] = fileOf(names);
  const file = api.pipelineFile(folder, named);
  const steps = named === undefined ? names : names.slice(1);
  if (options.dryRun) {
    const { force = false, downstream = false } = options;
    return tellStatus(context, file, { parameters: options.set, steps, force, downstream, noCache: !options.cache });
  }
  const signal = cancelOnSignal(output);
  const progress = new Progress({ terminal: process.stderr.isTTY === true && !output.quiet, verbose: output.verbose });
  const show = (event: RunEvent) => {
    if (options.events) process.stdout.write(`${JSON.stringify(event)}\n`);
    if (!output.quiet) progress.show(event);
  };
  return api.withProject(
    folder,
    async (project) => {
      const result = await api.run(project, file, {
        steps,
        parameters: options.set,
        force: options.force ?? false,
        noCache: !options.cache,
        downstream: options.downstream ?? false,
        keepGoing: options.keepGoing ?? false,
        ...(options.jobs === undefined ? {} : { jobs: options.jobs }),
        signal,
        onEvent: show,
      });
      if (output.json && !options.events) answer(output, result, () => '');
      if (signal.aborted) return EXIT.cancelled;
      const cannot = result.steps.some(({ error }) => error?.exit === EXIT.usage);
      return result.ok ? EXIT.yes : cannot ? EXIT.usage : EXIT.no;
    },
    telling(output),
  );
}

const STATE_STYLES = {
  'up-to-date': 'green',
  stale: 'yellow',
  'never-ran': 'cyan',
  blocked: 'red',
  failed: 'red',
} as const;

export async function status(
  context: Context,
  options: { set: Record<string, string> },
  name?: string,
): Promise<ExitCode> {
  return tellStatus(context, api.pipelineFile(context.folder, name), { parameters: options.set });
}

async function tellStatus(
  { folder, output }: Context,
  file: string,
  options: NonNullable<Parameters<typeof api.status>[2]>,
): Promise<ExitCode> {
  return api.withProject(folder, async (project) => {
    const found = await api.status(project, file, options);
    answer(output, found, () =>
      output.quiet
        ? ''
        : table(
            found.steps.map(({ step, state, reason }) => [
              step,
              paint(STATE_STYLES[state], state, process.stdout),
              reason,
            ]),
          ),
    );
    return found.upToDate ? EXIT.yes : EXIT.no;
  });
}

export async function dag(
  { folder, output }: Context,
  options: { mermaid?: boolean; dot?: boolean },
  name?: string,
): Promise<ExitCode> {
  const graph = graphOf(await api.planWhatIsWhole(api.pipelineFile(folder, name)));
  answer(output, graph, () => (options.mermaid ? asMermaid(graph) : options.dot ? asDot(graph) : asText(graph)));
  return EXIT.yes;
}

/** The first name is the file only if it looks like one: `mlpipe run recognise` names a step. */
function fileOf(names: readonly string[]): string[] {
  const [first] = names;
  return first !== undefined && (/\.mlpipe$/.test(first) || /[\\/]/.test(first)) ? [first] : [];
}
