/** Git's objects and refs as the ledger needs them: read in bulk, written without an index or a work tree. */
import { EXIT, MlpipeError } from '../../errors.ts';
import { type GitAnswer, git } from '../git.ts';

export interface Ref {
  name: string;
  commit: string;
}

/** Refs whose names begin so; none where there is no repository. */
export async function refsBelow(folder: string, ...prefixes: string[]): Promise<Ref[]> {
  const { code, stdout } = await git(folder, ['for-each-ref', '--format=%(objectname) %(refname)', ...prefixes]);
  if (code !== 0) return [];
  return lines(stdout).flatMap((line) => {
    const [commit, name] = line.split(' ', 2);
    return commit && name ? [{ commit, name }] : [];
  });
}

/**
 * The contents of many objects, in order, by any name that git has for them (`COMMIT:path`); nothing for one that is
 * not there.
 */
export async function readObjects(folder: string, names: readonly string[]): Promise<(Buffer | undefined)[]> {
  const contents: (Buffer | undefined)[] = [];
  // In pieces: an answer is held in memory as a whole.
  for (let from = 0; from < names.length; from += PIECE) {
    const piece = names.slice(from, from + PIECE);
    const { stdout } = await must(
      folder,
      ['cat-file', '--batch'],
      Buffer.from(piece.map((name) => `${name}\n`).join('')),
    );
    let at = 0;
    for (const _ of piece) {
      const end = stdout.indexOf(0x0a, at);
      const head = stdout.subarray(at, end).toString('utf8');
      const size = /^[0-9a-f]+ \w+ (\d+)$/.exec(head)?.[1];
      at = end + 1;
      contents.push(size === undefined ? undefined : stdout.subarray(at, at + Number(size)));
      if (size !== undefined) at += Number(size) + 1;
    }
  }
  return contents;
}

const PIECE = 2000;

/** All files below a commit: path → object. */
export async function filesIn(folder: string, commit: string): Promise<Map<string, string>> {
  const { stdout } = await must(folder, ['ls-tree', '-r', '-z', commit]);
  return new Map(
    stdout
      .toString('utf8')
      .split('\0')
      .flatMap((line) => {
        const match = /^\d+ blob ([0-9a-f]+)\t(.+)$/.exec(line);
        return match?.[1] && match[2] ? [[match[2], match[1]] as const] : [];
      }),
  );
}

/** Who writes the commits of records: they are signed one by one, and belong to no person's history. */
const AUTHOR = 'mlpipe <mlpipe@localhost>';

/**
 * Makes a commit that has the files of its parents and these besides, through `git fast-import`: ten thousand files take
 * less than a second. No ref points to it yet.
 *
 * @param base the commit whose files it has; nothing for none
 * @param others further parents
 */
export async function commitFiles(
  folder: string,
  files: ReadonlyMap<string, Uint8Array>,
  message: string,
  base: string | undefined,
  others: readonly string[] = [],
): Promise<string> {
  const temporary = `refs/mlpipe-temporary/${process.pid}-${Math.random().toString(36).slice(2)}`;
  const now = Math.floor(Date.now() / 1000);
  const parts: Uint8Array[] = [
    Buffer.from(
      `commit ${temporary}\ncommitter ${AUTHOR} ${now} +0000\ndata ${Buffer.byteLength(message)}\n${message}\n`,
    ),
    Buffer.from(base === undefined ? '' : `from ${base}\n`),
    Buffer.from(others.map((each) => `merge ${each}\n`).join('')),
  ];
  for (const [path, content] of files)
    parts.push(Buffer.from(`M 100644 inline ${path}\ndata ${content.length}\n`), content, Buffer.from('\n'));
  parts.push(Buffer.from('\n'));
  await must(folder, ['fast-import', '--quiet', '--force', '--date-format=raw'], Buffer.concat(parts));
  try {
    return (await must(folder, ['rev-parse', '--verify', temporary])).stdout.toString('utf8').trim();
  } finally {
    // The commit stays until git collects what nothing names, which is weeks.
    await git(folder, ['update-ref', '-d', temporary]);
  }
}

/** Moves a ref, if it still is where it was; `undefined` where it was not. @returns whether it was moved */
export async function moveRef(folder: string, name: string, to: string, from: string | undefined): Promise<boolean> {
  const { code } = await git(folder, ['update-ref', name, to, from ?? '0'.repeat(to.length)]);
  return code === 0;
}

export async function isAncestor(folder: string, older: string, newer: string): Promise<boolean> {
  return (await git(folder, ['merge-base', '--is-ancestor', older, newer])).code === 0;
}

/** @throws MlpipeError `git-failed`, `no-repository` */
export async function must(folder: string, words: readonly string[], input?: Uint8Array): Promise<GitAnswer> {
  const answer = await git(folder, words, {}, input);
  if (answer.code === 0) return answer;
  if (/not a git repository/i.test(answer.stderr) || answer.code === -1) {
    const lacks = answer.code === -1 ? 'git is not installed here' : `${folder} is in no git repository`;
    throw new MlpipeError(`${lacks}: records travel with git.`, {
      code: 'no-repository',
      todo: answer.code === -1 ? 'Install git.' : 'Make one with `git init`.',
      exit: EXIT.usage,
    });
  }
  throw new MlpipeError(`git ${words[0]} failed: ${answer.stderr.split('\n').at(-1) ?? answer.code}.`, {
    code: 'git-failed',
    todo: 'See what git says above, mend it, and do it again: nothing was half done.',
    exit: EXIT.usage,
  });
}

function lines(bytes: Buffer): string[] {
  return bytes
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '');
}
