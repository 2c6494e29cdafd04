/** Runs the package managers: their words are kept for the error, their passwords are not. */
import { execFile } from 'node:child_process';
import { MlpipeError } from '../../errors.ts';
import { withoutUrlCredentials } from '../../ledger/credentials.ts';

export interface CommandOptions {
  folder: string;
  environment: NodeJS.ProcessEnv;
  signal: AbortSignal;
  /** What it is for, as a person says it: `the packages of requirements.txt`. */
  what: string;
  /** What to do where it fails. */
  todo: string;
  code?: string;
  /** What has failed then: it `could not be provided` where nothing else is said. */
  failed?: string;
}

/** How it is said that something was provided and cannot be kept. */
export const RETAIN_FAILED: Pick<CommandOptions, 'code' | 'failed' | 'todo'> = {
  code: 'retain-failed',
  failed: 'cannot be retained',
  todo: 'See that the registry or index is reached and still has it, or take `retain` out of the environment.',
};

/** @throws MlpipeError `provision-failed` or the code of the options, `cancelled` */
export function runCommand(program: string, words: readonly string[], options: CommandOptions): Promise<string> {
  const {
    folder,
    environment,
    signal,
    what,
    todo,
    code = 'provision-failed',
    failed = 'could not be provided',
  } = options;
  return new Promise((resolve, reject) => {
    execFile(
      program,
      [...words],
      {
        cwd: folder,
        env: { ...environment, ...offline(environment) },
        signal,
        maxBuffer: 64 * 2 ** 20,
        windowsHide: true,
        shell: needsShell(program),
      },
      (error, stdout, stderr) => {
        if (!error) return resolve(stdout);
        if (signal.aborted) {
          return reject(new MlpipeError('Provisioning was cancelled.', { code: 'cancelled', exit: 130 }));
        }
        const said = withoutUrlCredentials(lastWords(`${stdout}\n${stderr}`));
        const missing = error.code === 'ENOENT' ? `${program} is not on the search path` : said;
        reject(
          new MlpipeError(`${what} ${failed}: ${missing || error.message}`, {
            code,
            todo,
            exit: 2,
            cause: error,
          }),
        );
      },
    );
  });
}

/** Whether a program can be started. */
export function isThere(program: string): Promise<boolean> {
  return new Promise((resolve) => {
    execFile(program, ['--version'], { timeout: 10_000, windowsHide: true }, (error) => resolve(error === null));
  });
}

/** Whether the user forbids to ask anybody for anything. */
export function isOffline({ MLPIPE_OFFLINE }: NodeJS.ProcessEnv): boolean {
  return MLPIPE_OFFLINE !== undefined && MLPIPE_OFFLINE !== '' && MLPIPE_OFFLINE !== '0';
}

/** `MLPIPE_OFFLINE` in the words of each package manager. */
function offline(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  if (!isOffline(environment)) return {};
  return { npm_config_offline: 'true', PIP_NO_INDEX: '1', UV_OFFLINE: '1' };
}

/** npm is a script of its shell on Windows. */
function needsShell(program: string): boolean {
  return process.platform === 'win32' && program === 'npm';
}

/** The last line that says what is wrong, else the last that says anything. */
function lastWords(text: string): string {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^npm (?:notice|warn)/i.test(line));
  const errors = lines.filter((line) => /error/i.test(line));
  return (errors.at(-1) ?? lines.at(-1) ?? '').slice(0, 400);
}
