/**
 * Runs a program step: in a folder of its own that holds its declared inputs at their paths, with cleaned environment
 * variables, by the system's shell (`sh -c`, so that pipes and `&&` mean what they mean everywhere).
 */
import { spawn } from 'node:child_process';
import { createWriteStream, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { finished } from 'node:stream/promises';
import type { CommandPart, Plan, PlanValue, ProgramStep } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import { type Conditions, commandUnder } from './conditions.ts';
import { type ProcessEnd, supervise } from './process.ts';
import { lineBuffer, masker, readSecrets, secretsOf } from './secrets.ts';
import { namedInOutput, straceArguments, type TraceScope, undeclaredReads, whyNoTrace } from './trace.ts';

export interface ProgramJob {
  plan: Plan;
  step: ProgramStep;
  /** The run folder: `log.txt`, `trace.txt`, `tmp/`. */
  folder: string;
  scope: TraceScope;
  /** Files that a data set matched, relative to the pipeline's folder, by data set. */
  files: Record<string, string[]>;
  /** Folders of pinned interpreters, put in front of the search path. */
  searchPath: string[];
  /** What the pinned languages want to be set. */
  variables: Record<string, string>;
  environment: NodeJS.ProcessEnv;
  conditions?: Conditions;
}

export interface ProgramEnd {
  end: ProcessEnd;
  undeclared: string[];
  /** Project files that the program's last words name although it had not declared them. */
  named: string[];
  /** Why undeclared reads could not be looked for. */
  untraced: string | null;
  logFile: string;
}

export interface ProgramHooks {
  onStart(pid: number): void;
  onOutput(stream: 'stdout' | 'stderr', text: string): void;
}

/** Variables of the caller's that a program gets; everything else has to be declared with `variable` or `secret`. */
export const PASSED_VARIABLES: readonly string[] = [
  'HOME',
  'USER',
  'LOGNAME',
  // How the network is reached, and whom to trust on it.
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  // Without these nothing starts on Windows.
  'SystemRoot',
  'SYSTEMROOT',
  'ComSpec',
  'PATHEXT',
  'WINDIR',
  'USERPROFILE',
  'APPDATA',
  'LOCALAPPDATA',
  'NUMBER_OF_PROCESSORS',
];

/** Variables that are the same on each machine, so that locale, time zone and hash order decide nothing. */
export const FIXED_VARIABLES: Readonly<Record<string, string>> = {
  LANG: 'C.UTF-8',
  LC_ALL: 'C.UTF-8',
  TZ: 'UTC',
  PYTHONHASHSEED: '0',
  PYTHONDONTWRITEBYTECODE: '1',
  PYTHONUNBUFFERED: '1',
};

/** A log longer than this is cut. */
const LONGEST_LOG = 64 * 1024 * 1024;

/**
 * Runs the command to its end.
 *
 * @throws MlpipeError `secret-missing`, `program-not-started`
 */
export async function runProgram(job: ProgramJob, hooks: ProgramHooks, signal: AbortSignal): Promise<ProgramEnd> {
  const { step, folder, scope } = job;
  const secrets = readSecrets(secretsOf(step), job.environment);
  const mask = masker(secrets);
  const temporary = temporaryOf(folder);
  mkdirSync(temporary, { recursive: true });
  for (const { path } of step.writes) mkdirSync(dirname(join(scope.work, path)), { recursive: true });

  const traceFile = join(folder, 'trace.txt');
  const untraced = whyNoTrace();
  const shell = shellCommand(commandLine(job));
  const [program, ...parameters] = commandUnder(
    job.conditions,
    untraced === null ? ['strace', ...straceArguments(traceFile), ...shell] : shell,
  );
  const child = spawn(program ?? 'sh', parameters, {
    cwd: scope.work,
    env: variablesOf(job, secrets, temporary),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: process.platform !== 'win32',
    windowsVerbatimArguments: process.platform === 'win32',
  });
  const failure = new Promise<Error | null>((resolve) => {
    child.once('error', resolve);
    child.once('spawn', () => resolve(null));
  });
  const ended = supervise(child, limitsOf(step), signal, markOf(folder));
  if (child.pid !== undefined) hooks.onStart(child.pid);

  const logFile = join(folder, 'log.txt');
  const log = createWriteStream(logFile);
  let written = 0;
  let tail = '';
  const take = (stream: 'stdout' | 'stderr') =>
    lineBuffer((line) => {
      const text = mask(line);
      tail = (tail + text).slice(-8000);
      if (written < LONGEST_LOG) log.write(text);
      written += text.length;
      hooks.onOutput(stream, text);
    });
  const out = take('stdout');
  const err = take('stderr');
  child.stdout.setEncoding('utf8').on('data', out);
  child.stderr.setEncoding('utf8').on('data', err);

  const problem = await failure;
  const end = await ended;
  out();
  err();
  if (written > LONGEST_LOG) log.write('\n[mlpipe: the output was longer; the rest is cut]\n');
  log.end();
  await finished(log);
  if (problem !== null) {
    throw new MlpipeError(`The shell could not be started: ${problem.message}`, {
      code: 'program-not-started',
      cause: problem,
    });
  }
  const failed = end.code !== 0 || end.signal !== null;
  return {
    end,
    undeclared:
      untraced === null && existsSync(traceFile) ? undeclaredReads(readFileSync(traceFile, 'utf8'), scope) : [],
    named: failed ? namedInOutput(tail, scope) : [],
    untraced,
    logFile,
  };
}

/** Where the programs of a run folder put what is temporary. */
function temporaryOf(folder: string): string {
  return join(folder, 'tmp');
}

/** What every process that works in a run folder has in its environment, and no other. */
export function markOf(folder: string): string {
  return `TMPDIR=${temporaryOf(folder)}`;
}

/** What a step may use, as limits. */
export function limitsOf(step: { resources: { time?: number; memory?: number } }): { time?: number; memory?: number } {
  const { time, memory } = step.resources;
  return { ...(time === undefined ? {} : { time }), ...(memory === undefined ? {} : { memory }) };
}

// ---------------------------------------------------------------- the command line

/** The command with everything put in and quoted. Secrets stand there as variables, for process lists show commands. */
export function commandLine(job: Pick<ProgramJob, 'plan' | 'step' | 'files'>): string {
  return job.step.command
    .map((part) => {
      if (part.kind === 'text') return part.text;
      if (part.kind === 'secret') return process.platform === 'win32' ? `"%${part.name}%"` : `"$${part.name}"`;
      if (part.kind === 'data') return (job.files[part.data] ?? []).map(quote).join(' ');
      return quote(pieceOf(part, job));
    })
    .join('');
}

/** Where an input or an output lies, relative to the folder that the program runs in. */
export function pathInRun(plan: Plan, step: string, output: string): string {
  const writer = plan.steps[step];
  const declared = writer?.kind === 'program' ? writer.writes.find(({ name }) => name === output)?.path : undefined;
  return declared ?? `.inputs/${step}/${output}`;
}

function pieceOf(part: CommandPart, job: Pick<ProgramJob, 'plan' | 'step' | 'files'>): string {
  switch (part.kind) {
    case 'text':
      return part.text;
    case 'value':
      return valueText(part.value);
    case 'input':
      return pathInRun(job.plan, part.step, part.output);
    case 'output':
      return pathInRun(job.plan, job.step.name, part.name);
    case 'data':
      return (job.files[part.data] ?? []).join(' ');
    case 'secret':
      return '';
  }
}

function valueText(value: PlanValue): string {
  return Array.isArray(value) ? value.map(valueText).join(',') : String(value);
}

/** A word as the shell reads it back: bare where that is safe, so that it may also stand inside quotes. */
export function quote(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  if (process.platform === 'win32') return `"${word.replaceAll('"', '""')}"`;
  return `'${word.replaceAll("'", "'\\''")}'`;
}

function shellCommand(command: string): string[] {
  return process.platform === 'win32'
    ? [process.env.ComSpec ?? 'cmd.exe', '/d', '/s', '/c', `"${command}"`]
    : ['/bin/sh', '-c', command];
}

function variablesOf(job: ProgramJob, secrets: Record<string, string>, temporary: string): NodeJS.ProcessEnv {
  const variables: NodeJS.ProcessEnv = {};
  for (const name of PASSED_VARIABLES) {
    const value = job.environment[name];
    if (value !== undefined) variables[name] = value;
  }
  const path = [...job.searchPath, job.environment.PATH ?? job.environment.Path ?? ''].filter((entry) => entry !== '');
  Object.assign(variables, FIXED_VARIABLES, {
    PATH: path.join(delimiter),
    TMPDIR: temporary,
    TEMP: temporary,
    TMP: temporary,
    PWD: job.scope.work,
    ...job.variables,
  });
  for (const part of job.step.command) if (part.kind === 'secret') variables[part.name] = secrets[part.name];
  for (const [name, parts] of Object.entries(job.step.variables)) {
    variables[name] = parts
      .map((part) => (part.kind === 'secret' ? (secrets[part.name] ?? '') : pieceOf(part, job)))
      .join('');
  }
  Object.assign(variables, job.conditions?.variables);
  return variables;
}
