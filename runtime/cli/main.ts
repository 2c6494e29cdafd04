/** The command line: words and their meaning. What they do is in `runtime/api.ts`, loaded only when it is needed. */
import fs from 'node:fs';
import { resolve } from 'node:path';
import { Command, CommanderError, Option } from 'commander';
import { EXIT, type ExitCode, MlpipeError } from '../errors.ts';
import { takeGivenKey } from '../ledger/keys/given-key.ts';
import { type Output, reportError } from './output.ts';

// Whatever is started from here on does not see it.
takeGivenKey();

const VERSION = process.env.MLPIPE_VERSION ?? '0.0.0-development';

const EXIT_CODES = `Exit codes

  0    yes: it is so, or it worked
  1    the honest answer is no: errors in the pipeline, stale, a gate not passed, integrity broken
  2    wrong usage, or an environment that cannot do it
  130  cancelled
`;

/** What belongs to later versions: named, so that nobody takes a typing error for a missing feature. */
const LATER = 'trace promote rollback history serve monitor alerts ack drift fork merge review audit mcp'.split(' ');

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
const proof = () => import('./commands/proof.ts');
const share = () => import('./commands/share.ts');
const paper = () => import('./commands/paper.ts');
const ledger = () => import('./commands/ledger.ts');
const collect = () => import('./commands/collect.ts');
const machine = () => import('./commands/machine.ts');
const reprotest = () => import('./commands/reprotest.ts');
const imports = () => import('./commands/import.ts');

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
  .addOption(new Option('--kind <kind>', 'only such steps').choices(['train', 'evaluate', 'program', 'import']))
  .option('-l, --limit <number>', 'at most so many', positive);
command(
  'publish',
  'write the log and its records into refs of the repository',
  async () => (await ledger()).publish,
  log,
);
command('mend', 'log every record of yours that no log has', async () => (await ledger()).mend, log);
command('push [remote]', 'push records and logs to a git remote (origin)', async () => (await ledger()).push, log);
command('fetch [remote]', 'fetch the records and logs of others (origin)', async () => (await ledger()).fetch, log);
command('sign <references...>', 'stand for records, also those of others', async () => (await ledger()).sign);
command('show <reference>', 'one record', async () => (await past()).show);
command('diff <one> <other>', 'two records side by side', async () => (await past()).diff).option(
  '--md',
  'as a Markdown table',
);
command(
  'environment <what> <one> <other>',
  'diff: in what the environments of two records differ',
  async () => (await past()).environment,
);
command(
  'changes <model>',
  'what has changed since the last model that was good',
  async () => (await past()).changes,
).addOption(parameter());
command('lineage <reference>', 'the tree behind a model, or in front of it', async () => (await past()).lineage)
  .option('--up', 'what it was made from (the default)')
  .option('--down', 'what was made from it')
  .option('--depth <number>', 'so many records far', positive);
command('reproduce <model>', 'make a model again in a clean place, and compare', async () => (await proof()).reproduce)
  .addOption(
    new Option('--in <environment>', 'the environment that was recorded, or the one of today')
      .choices(['recorded', 'current'])
      .default('recorded'),
  )
  .addOption(
    new Option('--data <data>', 'the data that was recorded, or that of today')
      .choices(['recorded', 'current'])
      .default('recorded'),
  )
  .option('--clean', 'take no engine, interpreter or package from this machine’s cache')
  .option('--keep', 'leave the clean place, to be looked at');
command(
  'reprotest [step]',
  'run a step again and again, one thing varied at a time: what does its result depend on?',
  async () => (await reprotest()).reprotest,
).option('--vary <names>', 'only these, with commas: threads,locale');
command('decay [file]', 'does everything pinned still resolve, and to the same?', async () => (await proof()).decay)
  .option('--offline', 'ask no remote and no package index')
  .option('--sample <count>', 'read and hash so many of the objects that only a remote has')
  .option('--timeout <seconds>', 'for all questions to remotes and indexes (120)');
command('models [what] [reference]', 'models that are kept; `keep` keeps one', async () => (await paper()).models)
  .option('--tag <tag>', 'call the version so, too: v1.2.0')
  .option('-f, --force', 'keep it although a gate was not passed');
command(
  'remote <what> [name] [url]',
  'where models and data are kept for others: add, list, remove, default, upgrade',
  async () => (await share()).remote,
)
  .option('--endpoint <url>', 'S3: where it is not Amazon’s')
  .option('--region <name>', 'S3: the region')
  .option('--path-style', 'S3: the bucket stands in the path')
  .option('--default', 'make it the default');
command('push [models...]', 'send what the project names to a remote', async () => (await share()).push)
  .option('-r, --remote <name>', 'another than the default remote')
  .option('--repair', 'read what is there again, and replace what is wrong');
command('pull [models...]', 'fetch records and what they need from a remote', async () => (await share()).pull)
  .option('-r, --remote <name>', 'another than the default remote')
  .option('--all', 'every record that the remote has');
command('fetch', 'fetch records alone; contents come when they are needed', async () => (await share()).fetch)
  .option('-r, --remote <name>', 'another than the default remote')
  .option('--all', 'every record that the remote has');
command(
  'engine <what> [name]',
  'what can train here: list; install, remove or verify a version: tensorflow@2.19.1',
  async () => (await machine()).engine,
).option('--gpu', 'the build for NVIDIA’s graphics processors');
command(
  'export <reference>',
  'a record or a data set in a format of other tools',
  async () => (await paper()).exportRecord,
)
  .addOption(
    new Option('--format <format>', 'which')
      .choices(['in-toto', 'openlineage', 'cyclonedx', 'modelcard', 'ro-crate', 'croissant', 'model-signing'])
      .makeOptionMandatory(),
  )
  .option('-o, --output <file>', 'write it there; of a crate, the folder')
  .option('--key <file>', 'sign with this private key in PEM (in-toto, model-signing)')
  .option('--to <url>', 'also send the events to this server (openlineage)')
  .option('--about <file>', 'what people say of the data, where it is not beside it (croissant)')
  .option('--license <license>', 'of the crate (ro-crate)')
  .option('--html', 'as HTML rather than Markdown (modelcard)');
command(
  'import <what> [names...]',
  'what another tool has recorded: `dvc.yaml`, a pipeline with its data; `mlflow RUN`, a run',
  async () => (await imports()).importFrom,
)
  .option('-o, --output <file>', 'the pipeline that is written (dvc.yaml)')
  .option('-f, --force', 'also over a file that is there (dvc.yaml)')
  .option('--from <store>', 'mlruns, sqlite:///mlflow.db, or the address of a server (mlflow)')
  .option('--artifacts <folder>', 'where the run’s artifacts are (mlflow)')
  .option('--no-artifacts', 'take none of them (mlflow)');
command(
  'verify [model]',
  'whether objects, records, signatures and logs are whole: all, or those behind one model; exit 1 if not',
  async () => (await ledger()).verify,
)
  .option('--repair', 'bring back from the remotes what is damaged or missing in the store')
  .option('-r, --remote <name>', 'from this one alone');
command('gc', 'take away what nothing needs; asks for a scope', async () => (await collect()).gc)
  .option('--unreferenced', 'needed is what any record, any commit or the work tree names')
  .option('-w, --workspace', 'needed is what stands behind the pipelines, lock files and versions of the work tree')
  .option('-a, --all-branches', 'and of the tips of all branches')
  .option('-T, --all-tags', 'and of all branches and tags')
  .option('-A, --all-commits', 'and of every commit')
  .option('-n, --dry-run', 'say what would go')
  .option(
    '-r, --remote <name>',
    'there rather than here: what nothing needs is marked, and deleted by a gc after the grace',
  )
  .option('--grace <time>', 'spare what is younger: 12h, 7d (14d)')
  .option('--now', 'delete at once rather than set aside for a week; only while nobody else is writing');
command('keys [what] [names...]', 'who signs: list, add, trust, rotate, revoke', async () => (await ledger()).keys)
  .option('--name <name>', 'whose key it is')
  .option('--email <address>', 'how to reach that person')
  .option('--from <time>', 'trust nothing that ended before')
  .option('--reason <text>', 'why the key is revoked');
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
