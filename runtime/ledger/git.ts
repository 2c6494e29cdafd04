/** The one place that runs git. Bytes in and out, no hooks, no prompts, exit codes that mean what git means. */
import { execFile } from 'node:child_process';

export interface GitAnswer {
  code: number;
  stdout: Buffer;
  stderr: string;
}

/** A repository that was cloned from somebody must not run that somebody's programs. */
const SAFE = ['-c', 'core.hooksPath=/dev/null', '-c', 'core.fsmonitor=false', '-c', 'protocol.ext.allow=never'];

/** Runs git for its bytes. Never throws: a git that is missing, or ended by the signal, answers −1. */
export function git(
  folder: string,
  args: readonly string[],
  environment: Record<string, string> = {},
  input?: Uint8Array,
  signal?: AbortSignal,
): Promise<GitAnswer> {
  return new Promise((resolve) => {
    const child = execFile(
      'git',
      [...SAFE, ...args],
      {
        cwd: folder,
        encoding: 'buffer',
        maxBuffer: 256 * 2 ** 20,
        ...(signal === undefined ? {} : { signal }),
        env: { ...process.env, LC_ALL: 'C', GIT_TERMINAL_PROMPT: '0', GIT_OPTIONAL_LOCKS: '0', ...environment },
      },
      (error, stdout, stderr) => {
        const code = error ? (typeof error.code === 'number' ? error.code : -1) : 0;
        resolve({ code, stdout, stderr: stderr.toString('utf8').trim() });
      },
    );
    // A git that ends before it has read everything says so by its code.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}

export interface Changes {
  /** Relative to the root of the work tree. */
  tracked: string[];
  /** Not ignored. */
  untracked: string[];
}

/**
 * What has changed in a work tree, by simple-git's reading of it.
 *
 * @throws Error what git said
 */
export async function changedPaths(folder: string): Promise<Changes> {
  // Loaded when it is needed: commands that ask git nothing start without it.
  const { simpleGit } = await import('simple-git');
  const client = simpleGit({
    baseDir: folder,
    // A command that fails without a word still failed.
    errors: (error, result) =>
      result.exitCode === 0 ? undefined : (error ?? Buffer.from(`git exited with ${result.exitCode}`)),
  });
  // A renamed file must be seen at both of its names, or the patch would not remove the old one.
  const status = await client.status(['--untracked-files=all', '--no-renames']);
  const untracked = new Set(status.not_added);
  return {
    untracked: [...untracked],
    tracked: status.files.map(({ path }) => path).filter((path) => !untracked.has(path)),
  };
}
