/** The command line: words and their meaning. What they do is in `runtime/api.ts`, loaded only when it is needed. */
import fs from 'node:fs';
import { resolve } from 'node:path';
import { Command, CommanderError, Option } from 'commander';
import { EXIT, type ExitCode, MlpipeError } from '../errors.ts';
import { type Output, reportError } from './output.ts';

const VERSION = process.env.MLPIPE_VERSION ?? '0.0.0-development';

const EXIT_CODES = `Exit codes

  0    yes: it is so, or it worked
  1    the honest answer is no: errors in the pipeline, stale, a gate not passed, integrity broken
  2    wrong usage, or an environment that cannot do it
  130  cancelled
`;

/** What belongs to later versions: named, so that nobody takes a typing error for a missing feature. */
const LATER =
  'reproduce decay trace models promote rollback history serve monitor alerts ack drift fork merge review pull remote export import environment gc audit mcp'.split(
    ' ',
  );

interface Globals {
  C: string;
  quiet?: boolean;
  verbose?: boolean;
  json?: boolean;
  debug?: boolean;
}

const program = new Command('mlpipe')
  .description('Machine-learning pipelines that can be reproduced, accounted for, shared and deployed.')
  .version(VERSION)
  .option('-C <folder>', 'act as if started in this folder', '.')
  .option('-q, --quiet', 'no talk on stderr')
  .option('-v, --verbose', 'more talk on stderr')
  .option('--json', 'one JSON document on stdout')
  .option('--debug', 'stack traces with errors')
  .helpCommand(false)
  .showHelpAfterError('  Next: `mlpipe --help` lists the commands.')
  .exitOverride()
  .configureOutput({ writeErr: (text) => void process.stderr.write(text.replace(/^error: /, 'mlpipe: ')) });

/** An action that is loaded when its command is called. */
type Action<Options> = (
  context: { folder: string; output: Output; version: string },
  options: Options,
  ...names: string[]
) => Promise<ExitCode>;

function command<Options>(
  signature: string,
  description: string,
  load: () => Promise<Action<Options>>,
  parent: Command = program,
): Command {
  const added = parent.command(signature).description(description);
  added.action(async (...parameters: unknown[]) => {
    // Commander hands over the arguments, then the options, then the command.
    const options = parameters.at(-2) as Options;
    const names = parameters
      .slice(0, -2)
      .flat()
      .filter((name): name is string => typeof name === 'string');
    const globals = added.optsWithGlobals<Globals>();
    const output: Output = {
      json: globals.json ?? false,
      quiet: globals.quiet ?? false,
      verbose: globals.verbose ?? false,
      debug: globals.debug ?? false,
    };
    const folder = folderOf(globals.C);
    const action = await load();
    process.exitCode = await action({ folder, output, version: VERSION }, options, ...names);
  });
  return added;
}

/** Nothing may be written into a folder that is there only because its name was mistyped. */
function folderOf(name: string): string {
  const folder = resolve(name);
  if (fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return folder;
  throw new MlpipeError(`There is no folder ${name}.`, {
    code: 'folder-missing',
    todo: 'Name a folder after -C, or make one with `mlpipe init FOLDER`.',
    exit: EXIT.usage,
  });
}

const parameter = () =>
  new Option('-S, --set <name=value>', 'set a parameter (may be repeated)')
    .default({})
    .argParser((text: string, before: Record<string, string>) => {
      const at = text.indexOf('=');
      if (at < 1)
        throw new MlpipeError(`-S takes name=value, not ${text}.`, {
          code: 'usage',
          todo: 'Write for example `-S rate=0.01`.',
          exit: EXIT.usage,
        });
      return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
    });

const work = () => import('./commands/work.ts');
const past = () => import('./commands/past.ts');
const source = () => import('./commands/source.ts');
const ledger = () => import('./commands/ledger.ts');
const machine = () => import('./commands/machine.ts');

command('init [folder]', 'make a folder ready: a first pipeline that runs', async () => (await source()).init);
command(
  'check [files...]',
  'every diagnostic that the editor would show',
  async () => (await source()).check,
).addOption(new Option('--format <format>', 'how to print them').choices(['text', 'json', 'sarif', 'github']));
command('explain <code>', 'the page of a diagnostic', async () => (await source()).explain);
command('fmt [files...]', 'format', async () => (await source()).fmt).option(
  '--check',
  'change nothing; exit 1 if something would change',
);
command('pin [names...]', 'write pins of data and environments into the source', async () => (await source()).pin)
  .option('--update', 'also where a pin differs')
  .option('--file <file>', 'the pipeline, where the folder has several');
command('plan [file]', 'the plan', async () => (await work()).plan).addOption(parameter());
command('run [file] [steps...]', 'run what is not up to date, and say why', async () => (await work()).run)
  .option('-n, --dry-run', 'say what would run, and why')
  .option('-f, --force', 'run although it is up to date')
  .option('-j, --jobs <number>', 'steps at once', positive)
  .option('-k, --keep-going', 'after a failure, run what does not depend on it')
  .addOption(parameter())
  .option('--no-cache', 'take no result of an earlier run')
  .option('--downstream', 'also what depends on the named steps')
  .option('--events', 'a stream of events on stdout, one JSON object a line')
  .addOption(new Option('--executor <name>', 'where steps run').choices(['local', 'slurm']).default('local'));
command('status [file]', 'what would run, and why; exit 1 if anything', async () => (await work()).status).addOption(
  parameter(),
);
command('dag [file]', 'the graph, even of a file with errors', async () => (await work()).dag)
  .option('--mermaid', 'as a Mermaid flowchart')
  .option('--dot', 'for Graphviz');
const log = command('log [file]', 'what has run, and who has signed it', async () => (await past()).log)
  .option('--step <name>', 'only this step')
  .option('--by <person>', 'only by whose account, name or e-mail address has this')
  .option('--since <time>', 'only what ended then or later: 2026-11-25, 12h, 7d, 2w')
  .addOption(new Option('--status <status>', 'only what ended so').choices(['ok', 'failed', 'cancelled']))
  .addOption(new Option('--kind <kind>', 'only such steps').choices(['train', 'evaluate', 'program']))
  .option('-l, --limit <number>', 'at most so many', positive);
command(
  'publish',
  'write the log and its records into refs of the repository',
  async () => (await ledger()).publish,
  log,
);
command('mend', 'log every record of yours that no log has', async () => (await ledger()).mend, log);
command('show <reference>', 'one record', async () => (await past()).show);
command('diff <one> <other>', 'two records side by side', async () => (await past()).diff).option(
  '--md',
  'as a Markdown table',
);
command('lineage <reference>', 'the tree behind a model, or in front of it', async () => (await past()).lineage)
  .option('--up', 'what it was made from (the default)')
  .option('--down', 'what was made from it')
  .option('--depth <number>', 'so many records far', positive);
command(
  'verify',
  'whether objects, records, signatures and logs are whole; exit 1 if not',
  async () => (await ledger()).verify,
);
command('keys [what] [names...]', 'who signs: list, add, trust, rotate, revoke', async () => (await ledger()).keys)
  .option('--name <name>', 'whose key it is')
  .option('--email <address>', 'how to reach that person')
  .option('--from <time>', 'trust nothing that ended before')
  .option('--reason <text>', 'why the key is revoked');
command('push [remote]', 'push records and logs (origin)', async () => (await ledger()).push);
command('fetch [remote]', 'fetch the records and logs of others (origin)', async () => (await ledger()).fetch);
command('engine <what> [name]', 'what can train here: list', async () => (await machine()).engine);
command('doctor', 'what works on this machine, and how to mend the rest', async () => (await machine()).doctor);
command('schema [name]', 'the JSON Schema of a --json shape', async () => (await machine()).schema);
command('lsp', 'the language server, over stdio', async () => (await machine()).lsp).allowUnknownOption();
command('rpc', 'the runtime for an editor, over stdio', async () => (await machine()).rpc);
program
  .command('help [topic]')
  .description('help, or `help exit-codes`')
  .action((topic?: string) => {
    const found = program.commands.find((each) => each.name() === topic);
    if (topic !== undefined && topic !== 'exit-codes' && !found) {
      throw new MlpipeError(`There is no command ${topic}.`, {
        code: 'usage',
        todo: '`mlpipe --help` lists the commands.',
        exit: EXIT.usage,
      });
    }
    process.stdout.write(topic === 'exit-codes' ? EXIT_CODES : (found ?? program).helpInformation());
  });
for (const name of LATER) {
  program
    .command(`${name} [words...]`, { hidden: true })
    .allowUnknownOption()
    .action(() => {
      throw new MlpipeError(`\`mlpipe ${name}\` is not there yet.`, {
        code: 'not-yet',
        todo: 'See CHANGELOG.md for what this version can do.',
        exit: EXIT.usage,
      });
    });
}

function positive(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new MlpipeError(`${text} is no whole number above 0.`, {
    code: 'usage',
    todo: 'Write for example 2.',
    exit: EXIT.usage,
  });
}

// A reader that has seen enough (`mlpipe log | head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0);
  throw error;
});

program.parseAsync().catch((error: unknown) => {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? EXIT.yes : EXIT.usage;
  else process.exitCode = reportError(error, process.argv.includes('--debug'));
});
