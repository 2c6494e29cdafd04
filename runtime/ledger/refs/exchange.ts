/** Fetches what others have published, and pushes what is published here: refs alone, through git's own transport. */
import { EXIT, MlpipeError } from '../../errors.ts';
import { withoutUrlCredentials } from '../credentials.ts';
import { git } from '../git.ts';
import type { Ledger } from '../ledger.ts';
import { importLog, importRecords } from './import.ts';
import { fetchSpecs, OWN_PREFIXES, parseRef, trackingPrefix } from './names.ts';
import { commitFiles, filesIn, isAncestor, moveRef, type Ref, readObjects, refsBelow } from './objects.ts';
import { publish } from './publish.ts';

export interface Fetched {
  remote: string;
  /** How many were new here. */
  records: number;
  writers: string[];
  /** What is not as it should be. */
  problems: string[];
}

/** Some servers take few refs at once. */
const REFS_A_PUSH = 20;

/** @throws MlpipeError `remote-unknown`, `fetch-failed` */
export async function fetchLedger(root: string, ledger: Ledger, remote: string): Promise<Fetched> {
  refuseStrangeName(remote);
  const problems: string[] = [];
  const { code, stderr } = await git(root, [
    'fetch',
    '--no-prune',
    '--no-tags',
    '--no-write-fetch-head',
    remote,
    ...fetchSpecs(remote),
  ]);
  const rejected = [...stderr.matchAll(/\[rejected\]\s+(\S+)/g)].map(([, name]) => name);
  for (const name of rejected)
    problems.push(
      `${remote} has lost what it had of ${name}: somebody has rewritten it there. What was known before is kept.`,
    );
  if (code !== 0 && rejected.length === 0) throw failed('fetch', remote, stderr);
  let records = 0;
  const writers = new Set<string>();
  const refs = (await refsBelow(root, trackingPrefix(remote))).map((ref) => ({ ...ref, is: parseRef(ref.name) }));
  const warn = (message: string) => void problems.push(message);
  for (const { commit, is } of refs.filter((each) => each.is?.kind === 'records')) {
    records += await importRecords(root, ledger, commit, warn);
    if (is) writers.add(is.writer);
  }
  for (const { commit, is } of refs) {
    if (is?.kind !== 'log') continue;
    writers.add(is.writer);
    const problem = await importLog(root, ledger, is.writer, commit);
    if (problem !== undefined) problems.push(`The log ${is.writer} of ${remote} is not taken up: ${problem}.`);
  }
  ledger.refresh();
  return { remote, records, writers: [...writers].sort(), problems };
}

export interface Pushed {
  remote: string;
  refs: string[];
}

/** @throws MlpipeError `remote-unknown`, `push-failed`, and what publishing throws */
export async function pushLedger(root: string, ledger: Ledger, remote: string): Promise<Pushed> {
  refuseStrangeName(remote);
  await publish(root, ledger);
  for (let attempt = 0; ; attempt += 1) {
    // Records before the checkpoints that stand for them.
    const refs = (await refsBelow(root, ...OWN_PREFIXES)).sort((one, other) => rank(one) - rank(other));
    const behind: Ref[] = [];
    for (let from = 0; from < refs.length; from += REFS_A_PUSH) {
      const piece = refs.slice(from, from + REFS_A_PUSH);
      const specs = piece.map(({ name }) => `${name}:${name}`);
      const { code, stdout, stderr } = await git(root, ['push', '--porcelain', '--no-verify', remote, ...specs]);
      const refused = piece.filter(({ name }) => new RegExp(`^!\\t${name}:`, 'm').test(stdout.toString('utf8')));
      if (code !== 0 && refused.length === 0) throw failed('push', remote, stderr);
      behind.push(...refused);
      for (const ref of piece.filter((each) => !refused.includes(each))) await remember(root, remote, ref);
    }
    if (behind.length === 0) return { remote, refs: refs.map(({ name }) => name) };
    if (attempt === 3) throw failed('push', remote, `it refuses ${behind.map(({ name }) => name).join(', ')}`);
    await fetchLedger(root, ledger, remote);
    for (const ref of behind) await unite(root, remote, ref);
  }
}

/** The remote has this now: what `fetch` would find. */
async function remember(root: string, remote: string, { name, commit }: Ref): Promise<void> {
  await git(root, ['update-ref', trackingPrefix(remote) + name.slice('refs/mlpipe/'.length), commit]);
}

/** A commit that has what is here and what is there. Names are digests, so that there is nothing to decide. */
async function unite(root: string, remote: string, { name, commit }: Ref): Promise<void> {
  const [theirs] = await refsBelow(root, trackingPrefix(remote) + name.slice('refs/mlpipe/'.length));
  if (theirs === undefined || (await isAncestor(root, theirs.commit, commit))) return;
  if (await isAncestor(root, commit, theirs.commit)) {
    await moveRef(root, name, theirs.commit, commit);
    return;
  }
  if (parseRef(name)?.kind === 'log') {
    // Of two states of one log the longer one has the other in it; where it has not, `mlpipe verify` says so.
    const [ours, its] = await readObjects(root, [`${commit}:checkpoint`, `${theirs.commit}:checkpoint`]);
    const [longer, shorter] = sizeIn(its) > sizeIn(ours) ? [theirs.commit, commit] : [commit, theirs.commit];
    await moveRef(root, name, await commitFiles(root, new Map(), 'The longer one\n', longer, [shorter]), commit);
    return;
  }
  const [here, there] = [await filesIn(root, commit), await filesIn(root, theirs.commit)];
  const missing = [...there].filter(([path]) => !here.has(path));
  const contents = await readObjects(
    root,
    missing.map(([, object]) => object),
  );
  const files = new Map(
    missing.flatMap(([path], index) => (contents[index] ? [[path, contents[index]] as const] : [])),
  );
  const united = await commitFiles(root, files, 'What was here and what was there\n', commit, [theirs.commit]);
  await moveRef(root, name, united, commit);
}

function sizeIn(note: Buffer | undefined): number {
  return Number(note?.toString('utf8').split('\n')[1] ?? 0);
}

function rank({ name }: Ref): number {
  return parseRef(name)?.kind === 'records' ? 0 : 1;
}

/** A name that git would take for an option, or for a program to run. */
function refuseStrangeName(remote: string): void {
  if (/^[A-Za-z0-9_][A-Za-z0-9_./-]*$/.test(remote) && !remote.includes('..') && !remote.includes('::')) return;
  throw new MlpipeError(`${JSON.stringify(remote)} is no name of a remote.`, {
    code: 'remote-unknown',
    todo: '`git remote` lists them; `git remote add NAME URL` adds one.',
    exit: EXIT.usage,
  });
}

function failed(what: 'fetch' | 'push', remote: string, stderr: string): MlpipeError {
  const reason = withoutUrlCredentials(
    stderr.split('\n').find((line) => /^(?:fatal|error|remote):/.test(line)) ?? stderr.split('\n')[0] ?? '',
  );
  const unknown = /does not appear to be a git repository|No such remote/i.test(stderr);
  return new MlpipeError(
    `The records could not be ${what === 'push' ? 'pushed to' : 'fetched from'} ${remote}: ${reason}`,
    {
      code: unknown ? 'remote-unknown' : `${what}-failed`,
      todo: unknown
        ? '`git remote` lists the remotes; `git remote add NAME URL` adds one.'
        : `See whether \`git ${what} ${remote}\` works; a server may refuse refs/mlpipe, and then says so above.`,
      exit: EXIT.usage,
    },
  );
}
