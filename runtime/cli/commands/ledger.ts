/** `verify`, `keys`, `log publish`, `log mend`, `log push`, `log fetch`: the ledger, evident. */
import { relative } from 'node:path';
import * as api from '../../api.ts';
import { EXIT, type ExitCode, MlpipeError } from '../../errors.ts';
import { answer, type Output, paint, shortDigest, table, talk } from '../output.ts';
import { travelling } from '../travelling.ts';

interface Context {
  folder: string;
  output: Output;
}

/** Problems of one kind that a person is shown; `--json` has all. */
const SHOWN = 10;

interface VerifyWords {
  repair?: boolean;
  remote?: string;
}

export async function verify({ folder, output }: Context, options: VerifyWords, model?: string): Promise<ExitCode> {
  if (options.repair) return repair({ folder, output }, options, model);
  return api.withProject(
    folder,
    async (project) => {
      const found = await (model === undefined
        ? api.verify(project, sayingWhat(output))
        : api.verifyRecord(project, model, { onProgress: sayingOnce(output) }));
      answer(output, found, () => describe(found));
      return found.ok ? EXIT.yes : EXIT.no;
    },
    { warn: (message) => output.verbose && talk(output, message) },
  );
}

async function repair({ folder, output }: Context, { remote }: VerifyWords, model?: string): Promise<ExitCode> {
  const found = await travelling(output, (transfer) =>
    api.withProject(
      folder,
      (project) => {
        const options = { ...transfer, ...(remote === undefined ? {} : { remote }) };
        return model === undefined
          ? api.verifyAndRepair(project, { ...options, onProgress: sayingWhat(output) })
          : api.repairRecord(project, model, { ...options, onProgress: sayingOnce(output) });
      },
      { warn: (message) => output.verbose && talk(output, message) },
    ),
  );
  const { repaired, lost, setAside, silent } = found.repair;
  answer(output, found, () => describe(found));
  for (const from of new Set(repaired.map((each) => each.from))) {
    const objects = repaired.filter((each) => each.from === from).length;
    talk(output, `brought back ${objects} ${objects === 1 ? 'object' : 'objects'} from ${from}`);
  }
  for (const digest of lost) {
    const where = setAside.includes(digest) ? ': what was there of it lies in .mlpipe/damaged now' : '';
    talk(output, `${paint('red', '✗')} no remote has ${digest}${where}`);
  }
  for (const { remote, why } of silent) talk(output, `${paint('yellow', '!')} ${remote} was not asked: ${why}`);
  return found.ok && lost.length === 0 ? EXIT.yes : EXIT.no;
}

function sayingWhat(output: Output): (what: string) => void {
  return (what) => output.verbose && talk(output, `reading ${what}`);
}

/** Of what comes many times with a number, a line. */
function sayingOnce(output: Output): (progress: api.VerifyProgress) => void {
  const say = sayingWhat(output);
  let said = '';
  return ({ what }) => {
    if (what !== said) say(what);
    said = what;
  };
}

function describe(found: api.Verification): string {
  const { ok, objects, records, signatures, locks, logs, countersigned, problems, notes } = found;
  const count = (number: number, one: string, many = `${one}s`) =>
    `${number.toLocaleString('en-US')} ${number === 1 ? one : many}`;
  const looked = [
    count(objects, 'object'),
    count(records, 'record'),
    count(signatures, 'signature'),
    ...(countersigned === 0 ? [] : [`${count(countersigned, 'record')} countersigned`]),
    `${count(logs.length, 'log')} of ${count(
      logs.reduce((sum, { entries }) => sum + entries, 0),
      'entry',
      'entries',
    )}`,
    count(locks, 'lock file'),
  ].join(', ');
  const lines = [ok ? paint('green', `whole: ${looked}`, process.stdout) : `looked at ${looked}`];
  for (const code of new Set(problems.map((each) => each.code))) {
    const alike = problems.filter((each) => each.code === code);
    for (const { message } of alike.slice(0, SHOWN)) lines.push(`${paint('red', '✗', process.stdout)} ${message}`);
    if (alike.length > SHOWN) lines.push(`  and ${alike.length - SHOWN} more like these; --json lists them`);
    lines.push(`    ${alike[0]?.todo ?? ''}`);
  }
  return [...lines, ...notes.map((note) => `${paint('yellow', '!', process.stdout)} ${note}`)].join('\n');
}

/** Stands for records that somebody else has made. */
export async function sign({ folder, output }: Context, _options: unknown, ...references: string[]): Promise<ExitCode> {
  return api.withProject(
    folder,
    async (project) => {
      const signed = await api.countersign(project, references);
      answer(output, signed, () =>
        signed
          .map(({ record, step, run, added }) => {
            const what = `${shortDigest(record)} (${step} of ${run})`;
            const keys = added.map(({ key, scheme }) => `${key} (${scheme})`).join(', ');
            return added.length === 0 ? `${what} bears your signature already` : `signed ${what} with ${keys}`;
          })
          .join('\n'),
      );
      if (!output.json) talk(output, '`mlpipe push` sends signatures to others.');
      return EXIT.yes;
    },
    { warn: (message) => talk(output, message) },
  );
}

interface KeyOptions {
  name?: string;
  email?: string;
  from?: string;
  reason?: string;
}

export async function keys(
  { folder, output }: Context,
  options: KeyOptions,
  what = 'list',
  ...names: string[]
): Promise<ExitCode> {
  return api.withProject(folder, async (project) => {
    const { name, email, from, reason } = options;
    const person = { ...(name === undefined ? {} : { name }), ...(email === undefined ? {} : { email }) };
    const written = (paths: readonly string[]) => {
      const files = paths.map((path) => relative(folder, path).replaceAll('\\', '/'));
      answer(output, { written: files }, () => files.map((file) => `wrote ${file}`).join('\n'));
      if (output.json) return;
      talk(
        output,
        files.length > 0 ? 'Next: commit it, so that others see it.' : 'The project names your keys already.',
      );
    };
    if (what === 'list') {
      const found = await api.listKeys(project);
      answer(output, found, () => table(found.map(line)));
      if (found.length === 0 && !output.json) talk(output, 'There is no key yet; the first run makes one.');
    } else if (what === 'add') {
      written(await api.addKeys(project, person));
    } else if (what === 'rotate') {
      const { before, after, written: files } = await api.rotateKey(project);
      talk(
        output,
        `${before === null ? 'Records are' : `The key ${before} is replaced; records are`} now signed with ${after}.`,
      );
      written(files);
    } else if (what === 'revoke') {
      written([api.revokeKey(project, required(names, 'keys revoke ada@example.org'), reason)]);
    } else if (what === 'trust') {
      const reference = required([names.join(' ')], 'keys trust bea.pub --name "Bea"');
      written([api.trustKey(project, reference, { ...person, ...(from === undefined ? {} : { from }) })]);
    } else {
      throw new MlpipeError(`\`mlpipe keys ${what}\` is nothing.`, {
        code: 'usage',
        todo: 'Say list, add, trust, rotate or revoke.',
        exit: EXIT.usage,
      });
    }
    return EXIT.yes;
  });
}

function line({ key, type, state, own, name, email, from, until, revoked, logs }: api.ListedKey): string[] {
  const colour = state === 'trusted' ? 'green' : state === 'revoked' ? 'red' : 'yellow';
  const day = (time: string) => time.slice(0, 10);
  const times = [
    ...(from === undefined ? [] : [`from ${day(from)}`]),
    ...(until === undefined ? [] : [`until ${day(until)}`]),
    ...(revoked === undefined
      ? []
      : [`revoked ${day(revoked.at)}${revoked.reason === undefined ? '' : `: ${revoked.reason}`}`]),
  ];
  return [
    paint('yellow', key, process.stdout),
    paint(colour, state, process.stdout),
    name === undefined ? '–' : `${name}${email === undefined ? '' : ` <${email}>`}`,
    type,
    own === undefined ? '' : own === 'signing' ? 'yours, signs' : 'yours, kept',
    [...times, ...logs.map((log) => `log ${log}`)].join(', '),
  ];
}

function required([first]: readonly string[], example: string): string {
  if (first) return first;
  throw new MlpipeError('Which key is meant must be said.', {
    code: 'usage',
    todo: `Write for example \`mlpipe ${example}\`.`,
    exit: EXIT.usage,
  });
}

export async function publish({ folder, output }: Context): Promise<ExitCode> {
  return api.withProject(folder, async (project) => {
    const logs = await api.publishLog(project);
    answer(output, logs, () =>
      logs
        .map(({ writer, entries, added }) => `log ${writer}: ${added} of ${entries} entries are new in refs/mlpipe`)
        .join('\n'),
    );
    if (logs.length === 0 && !output.json) talk(output, 'Nothing has been logged yet.');
    return EXIT.yes;
  });
}

export async function mend({ folder, output }: Context): Promise<ExitCode> {
  return api.withProject(folder, async (project) => {
    const records = await api.mendLog(project);
    answer(output, { records }, () => (records === 1 ? 'logged 1 record' : `logged ${records} records`));
    return EXIT.yes;
  });
}

export async function push({ folder, output }: Context, _options: unknown, remote = 'origin'): Promise<ExitCode> {
  return api.withProject(folder, async (project) => {
    const pushed = await api.push(project, remote);
    answer(output, pushed, () => pushed.refs.map((ref) => `pushed ${ref}`).join('\n'));
    if (!output.json) talk(output, 'Records and logs are pushed; contents go with `mlpipe push`, branches with git.');
    return EXIT.yes;
  });
}

export async function fetch({ folder, output }: Context, _options: unknown, remote = 'origin'): Promise<ExitCode> {
  return api.withProject(folder, async (project) => {
    const fetched = await api.fetch(project, remote);
    answer(
      output,
      fetched,
      () => `${fetched.records} new records; logs of ${fetched.writers.length} writers: ${fetched.writers.join(', ')}`,
    );
    for (const problem of fetched.problems) talk(output, problem);
    return fetched.problems.length === 0 ? EXIT.yes : EXIT.no;
  });
}
