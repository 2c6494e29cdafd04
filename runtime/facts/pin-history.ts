/** Who wrote a pin, when, and what stood there before, as git remembers the line. */
import { basename, dirname, join, relative, resolve } from 'node:path';
import { digestOf } from '../../grammar/plan/canonical.ts';
import type { Digest } from '../../grammar/plan/plan.ts';
import { git } from '../ledger/git.ts';

export interface PinQuestion {
  /** Absolute path of the file that has the pin. */
  file: string;
  /** As it stands in the editor, saved or not. */
  text: string;
  /** Of the digest, counted from 0. */
  line: number;
  digest: Digest;
  /** Whose content is pinned: a data set, or the lock file of an interpreter. */
  owner: PinOwner;
}

export interface PinOwner {
  name: string;
  /** Of an environment's interpreter. */
  language?: 'node' | 'python';
}

export type PinOrigin =
  /** The folder is in no repository, or there is no git. */
  | { state: 'no-repository' }
  /** The file is in no commit yet. */
  | { state: 'file-uncommitted' }
  /** The line is not in the last commit. */
  | { state: 'uncommitted'; before: PinBefore }
  | {
      state: 'committed';
      commit: { id: string; subject: string };
      who: string;
      /** ISO 8601. */
      when: string;
      /** What came before that commit; `unknown` where a shallow clone does not reach so far. */
      before: PinBefore | 'unknown';
    };

/** The digest that stood there; `unpinned` where the block had none, `new` where there was no such block. */
export type PinBefore = Digest | 'unpinned' | 'new';

/** A line that was moved or indented anew is followed so many times. */
const MOVES = 50;
/** A history in which git does not find a line within this time, in milliseconds, is not waited for. */
const PATIENCE = 10_000;
const REMEMBERED = 64;

export class PinHistories {
  /** By what the answer depends on; the newest last. */
  readonly #known = new Map<string, PinOrigin>();

  /**
   * Asks git, at most once for the same text and commit.
   *
   * @returns nothing where git takes too long
   * @throws the signal's reason, where it is aborted
   */
  async originOf(question: PinQuestion, signal?: AbortSignal): Promise<PinOrigin | undefined> {
    const patience = AbortSignal.timeout(PATIENCE);
    const both = signal === undefined ? patience : AbortSignal.any([signal, patience]);
    const head = await git(dirname(question.file), ['rev-parse', '--verify', '--quiet', 'HEAD'], {}, undefined, both);
    const key = [question.file, question.line, digestOf(question.text), head.stdout.toString('utf8')].join('\0');
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const found = await lookUp(question, both);
    signal?.throwIfAborted();
    if (patience.aborted) return undefined;
    this.#known.set(key, found);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= REMEMBERED) break;
      this.#known.delete(oldest);
    }
    return found;
  }
}

async function lookUp({ file, text, line, digest, owner }: PinQuestion, signal: AbortSignal): Promise<PinOrigin> {
  const folder = dirname(file);
  const up = await git(folder, ['rev-parse', '--show-cdup'], {}, undefined, signal);
  if (up.code !== 0) return { state: 'no-repository' };
  const root = resolve(folder, up.stdout.toString('utf8').trim());
  const within = relative(root, join(folder, basename(file))).replaceAll('\\', '/');
  let found = await blame(root, within, line, { text }, signal);
  if (found === undefined) return { state: 'file-uncommitted' };
  if (/^0+$/.test(found.commit)) {
    const before = await textAt(root, 'HEAD', within, signal);
    return { state: 'uncommitted', before: before === undefined ? 'new' : pinBefore(before, owner, digest).before };
  }
  for (let moves = 0; moves < MOVES; moves += 1) {
    const { commit, previous, who, when, subject } = found;
    const answer = { state: 'committed', commit: { id: commit, subject }, who, when } as const;
    const earlier = previous && (await textAt(root, previous.commit, previous.path, signal));
    if (previous === undefined || earlier === undefined) {
      const isCut = found.boundary && (await isShallow(root, signal));
      return { ...answer, before: isCut ? 'unknown' : 'new' };
    }
    const then = await textAt(root, commit, found.path, signal);
    const name = then === undefined ? undefined : nameAbove(then, found.line, owner);
    const { before, line: at } = pinBefore(earlier, { ...owner, name: name ?? owner.name }, digest);
    if (before !== digest) return { ...answer, before };
    // The same pin stood there already: this commit has only moved it.
    const next = await blame(root, previous.path, at, { commit: previous.commit }, signal);
    if (next === undefined) return { ...answer, before };
    found = next;
  }
  const { commit, who, when, subject } = found;
  return { state: 'committed', commit: { id: commit, subject }, who, when, before: 'unknown' };
}

interface Blamed {
  /** Only zeros where the line is in no commit. */
  commit: string;
  /** The file and the line, counted from 0, as that commit has them. */
  path: string;
  line: number;
  who: string;
  when: string;
  subject: string;
  /** Nothing is known of what came before. */
  boundary: boolean;
  previous?: { commit: string; path: string };
}

/** @param line counted from 0 */
async function blame(
  root: string,
  path: string,
  line: number,
  at: { text: string } | { commit: string },
  signal: AbortSignal,
): Promise<Blamed | undefined> {
  const range = `-L${line + 1},${line + 1}`;
  const words = ['-c', 'blame.ignoreRevsFile=', '-c', 'core.quotePath=false', 'blame', '-w', '--porcelain', range];
  const answer =
    'text' in at
      ? await git(root, [...words, '--contents', '-', '--', path], {}, Buffer.from(at.text), signal)
      : await git(root, [...words, at.commit, '--', path], {}, undefined, signal);
  if (answer.code !== 0) return undefined;
  const lines = answer.stdout.toString('utf8').split('\n');
  const [, commit, original] = /^([0-9a-f]{40,64}) (\d+)/.exec(lines[0] ?? '') ?? [];
  if (commit === undefined) return undefined;
  const about = (word: string) => lines.find((each) => each.startsWith(`${word} `))?.slice(word.length + 1);
  const previous = /^([0-9a-f]{40,64}) (.+)$/.exec(about('previous') ?? '');
  return {
    commit,
    path: about('filename') ?? path,
    line: Number(original) - 1,
    who: about('author') ?? '',
    when: new Date(Number(about('author-time') ?? 0) * 1000).toISOString(),
    subject: about('summary') ?? '',
    boundary: lines.includes('boundary'),
    ...(previous?.[1] && previous[2] ? { previous: { commit: previous[1], path: previous[2] } } : {}),
  };
}

async function textAt(root: string, commit: string, path: string, signal: AbortSignal): Promise<string | undefined> {
  const { code, stdout } = await git(root, ['cat-file', 'blob', `${commit}:${path}`], {}, undefined, signal);
  return code === 0 ? stdout.toString('utf8') : undefined;
}

async function isShallow(root: string, signal: AbortSignal): Promise<boolean> {
  const { stdout } = await git(root, ['rev-parse', '--is-shallow-repository'], {}, undefined, signal);
  return stdout.toString('utf8').trim() === 'true';
}

/**
 * The pin of a block in an earlier text of its file, which may have errors; where the block had another name, the line
 * with the same digest.
 */
function pinBefore(text: string, { name, language }: PinOwner, digest: Digest): { before: PinBefore; line: number } {
  const lines = text.split(/\r?\n/);
  const header = new RegExp(`^\\s*${blockOf(language)}\\s+${escaped(name)}(?![\\w-])`);
  const start = lines.findIndex((line) => header.test(line));
  const pin = new RegExp(`^\\s*${language === undefined ? '' : `${language}\\b.*\\b`}pin\\s+(sha256:[0-9a-f]{64})`);
  for (let line = start; start >= 0 && line < lines.length; line += 1) {
    const found = pin.exec(lines[line] ?? '')?.[1];
    // The expression admits nothing else.
    if (found !== undefined) return { before: found as Digest, line };
    if (/^\}/.test(lines[line] ?? '')) break;
  }
  const elsewhere = lines.findIndex((line) => line.includes(digest));
  if (elsewhere >= 0) return { before: digest, line: elsewhere };
  return { before: start >= 0 ? 'unpinned' : 'new', line: start };
}

/** What the block around a line is called there: it may have been renamed since. */
function nameAbove(text: string, line: number, { language }: PinOwner): string | undefined {
  const header = new RegExp(`^\\s*${blockOf(language)}\\s+([\\w-]+)`);
  const above = text.split(/\r?\n/).slice(0, line);
  return above.map((each) => header.exec(each)?.[1]).findLast((name) => name !== undefined);
}

function blockOf(language: PinOwner['language']): string {
  return language === undefined ? 'data' : 'environment';
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
