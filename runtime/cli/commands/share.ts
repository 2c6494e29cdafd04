/** `remote`, `push`, `pull`, `fetch`: to others, and from them. */
import * as api from '../../api.ts';
import { EXIT, type ExitCode, MlpipeError } from '../../errors.ts';
import type { PullAnswer } from '../../share/pull.ts';
import type { PushAnswer } from '../../share/push.ts';
import type { AddedRemote } from '../../share/remotes.ts';
import { count, size } from '../../words.ts';
import { answer, type Output, paint, shortDigest, table, talk } from '../output.ts';
import { travelling } from '../travelling.ts';

interface Context {
  folder: string;
  output: Output;
}

interface RemoteWords {
  endpoint?: string;
  region?: string;
  pathStyle?: boolean;
  default?: boolean;
}

export async function remote(
  { folder, output }: Context,
  options: RemoteWords,
  what = '',
  name?: string,
  url?: string,
): Promise<ExitCode> {
  const { addRemote, listRemotes, removeRemote, setDefaultRemote, upgrade } = await api.sharing.remotes();
  return api.withProject(folder, async (project) => {
    switch (what) {
      case 'add': {
        const { endpoint, region, pathStyle } = options;
        const settings = {
          url: needed(url, 'remote add NAME URL'),
          ...(endpoint === undefined ? {} : { endpoint }),
          ...(region === undefined ? {} : { region }),
          ...(pathStyle ? { pathStyle } : {}),
        };
        const added = await addRemote(project, needed(name, 'remote add NAME URL'), settings, {
          folder,
          makeDefault: options.default ?? false,
        });
        answer(output, added, () => describe(added));
        return EXIT.yes;
      }
      case 'list': {
        const remotes = listRemotes(project);
        answer(output, remotes, () =>
          table(
            remotes.map((each) => [each.name, each.url, each.default ? paint('gray', 'default', process.stdout) : '']),
          ),
        );
        if (remotes.length === 0 && !output.json)
          talk(output, 'The project has no remote. Add one: `mlpipe remote add NAME URL`.');
        return EXIT.yes;
      }
      case 'remove':
        removeRemote(project, needed(name, 'remote remove NAME'));
        talk(output, `${name} is taken out of mlpipe.json; what lies there stays.`);
        return EXIT.yes;
      case 'default':
        setDefaultRemote(project, needed(name, 'remote default NAME'));
        talk(output, `${name} is the default remote.`);
        return EXIT.yes;
      case 'upgrade': {
        const was = await upgrade(project, needed(name, 'remote upgrade NAME'));
        talk(output, was ? `${name} takes packs and chunks from now on.` : `${name} takes packs and chunks already.`);
        return EXIT.yes;
      }
      default:
        throw new MlpipeError(`\`mlpipe remote\` knows add, list, remove, default and upgrade, not ${what}.`, {
          code: 'usage',
          todo: 'See `mlpipe help remote`.',
          exit: EXIT.usage,
        });
    }
  });
}

function needed(word: string | undefined, usage: string): string {
  if (word !== undefined) return word;
  throw new MlpipeError('A word is missing.', { code: 'usage', todo: `Write \`mlpipe ${usage}\`.`, exit: EXIT.usage });
}

function describe(added: AddedRemote): string {
  const can = (able: boolean, what: string) => [
    able ? paint('green', '✓', process.stdout) : paint('yellow', '–', process.stdout),
    what,
  ];
  return [
    `${added.name}  ${added.url}${added.default ? '  (default)' : ''}`,
    table([
      can(added.write, 'can be written'),
      can(added.list, 'can be listed'),
      can(added.conditionalCreate, 'never replaces a name that is taken'),
      can(added.ranges, 'goes on with a broken download'),
    ]).trimEnd(),
    ...added.notes,
  ].join('\n');
}

interface TransferWords {
  remote?: string;
  repair?: boolean;
  all?: boolean;
}

export async function push(
  { folder, output }: Context,
  options: TransferWords,
  ...models: string[]
): Promise<ExitCode> {
  const sent = await travelling(output, (transfer) =>
    api.withProject(folder, (project) =>
      api.sharing.push(project, models, {
        ...transfer,
        ...(options.remote === undefined ? {} : { remote: options.remote }),
        ...(options.repair ? { repair: true } : {}),
      }),
    ),
  );
  answer(output, sent, () => sentWords(sent));
  for (const { record, step, lacks } of sent.held) {
    talk(
      output,
      `${paint('yellow', '!')} the record ${shortDigest(record)} of ${step} was not sent: ${lacks.map(shortDigest).join(', ')} is neither here nor there`,
    );
  }
  tellProblems(output, sent);
  return sent.held.length + sent.problems.length === 0 ? EXIT.yes : EXIT.no;
}

function sentWords({ remote: name, objects, bytes, records, present, logs }: PushAnswer): string {
  if (objects + records + logs.length === 0) return `${name} has everything already (${count(present)} objects).`;
  return `sent ${count(records)} records and ${count(objects)} objects (${size(bytes)}) to ${name}; ${count(present)} objects were there${logWords(logs)}`;
}

export async function pull(
  { folder, output }: Context,
  options: TransferWords,
  ...models: string[]
): Promise<ExitCode> {
  return arriving(folder, output, options, (project, all) => api.sharing.pull(project, models, all));
}

export async function fetch({ folder, output }: Context, options: TransferWords): Promise<ExitCode> {
  return arriving(folder, output, options, (project, all) => api.sharing.fetch(project, all));
}

async function arriving(
  folder: string,
  output: Output,
  options: TransferWords,
  get: (project: api.Project, options: Parameters<typeof api.sharing.fetch>[1]) => Promise<PullAnswer>,
): Promise<ExitCode> {
  const got = await travelling(output, (transfer) =>
    api.withProject(folder, (project) =>
      get(project, {
        ...transfer,
        warn: (message) => talk(output, `${paint('yellow', '!')} ${message}`),
        ...(options.remote === undefined ? {} : { remote: options.remote }),
        ...(options.all ? { all: true } : {}),
      }),
    ),
  );
  answer(output, got, () => gotWords(got));
  for (const { kind, digest, of } of got.missing.slice(0, 20)) {
    talk(output, `${paint('yellow', '!')} ${got.remote} lacks the ${kind} ${shortDigest(digest)}, named by ${of}`);
  }
  if (got.missing.length > 20) talk(output, `  and ${count(got.missing.length - 20)} more`);
  if (got.missing.length > 0) talk(output, '  Next: ask who made them to run `mlpipe push`.');
  tellProblems(output, got);
  return got.missing.length + got.problems.length === 0 ? EXIT.yes : EXIT.no;
}

/** Of logs that part, and of what is not what it is called. */
function tellProblems(output: Output, { problems }: { problems: readonly string[] }): void {
  for (const problem of problems) talk(output, `${paint('red', '✗')} ${problem}`);
}

function gotWords({ remote: name, objects, bytes, records, present, signatures, logs }: PullAnswer): string {
  if (objects + records + signatures + logs.length === 0)
    return `nothing new on ${name} (${count(present)} objects are here).`;
  const more = signatures === 0 ? '' : `; ${count(signatures)} more signatures`;
  return `got ${count(records)} records and ${count(objects)} objects (${size(bytes)}) from ${name}; ${count(present)} objects were here${more}${logWords(logs)}`;
}

/** Whose logs have grown by it. */
function logWords(logs: readonly string[]): string {
  return logs.length === 0 ? '' : `; ${logs.length === 1 ? 'the log' : 'the logs'} ${logs.join(', ')}`;
}
