/**
 * Runs a program step: in a folder of its own that holds its declared inputs at their paths, with cleaned environment
 * variables, by the system's shell (`sh -c`, so that pipes and `&&` mean what they mean everywhere).
 */
import { spawn } from 'node:child_process';
import { createWriteStream, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { finished } from 'node:stream/promises';
import type { Plan, ProgramStep } from '../../grammar/plan/plan.ts';
import { removeContainer } from '../environment/container/command.ts';
import { MlpipeError } from '../errors.ts';
import { commandLine, textOf } from './command-line.ts';
import { type Conditions, commandUnder } from './conditions.ts';
import { type ProgramContainer, type Start, startInContainer } from './container.ts';
import { limitsOf, type ProcessEnd, supervise } from './process.ts';
import { lineBuffer, masker, readSecrets, secretsOf } from './secrets.ts';
import { namedInOutput, straceArguments, type TraceScope, undeclaredReads, whyNoTrace } from './trace.ts';
import { FIXED_VARIABLES, PASSED_VARIABLES } from './variables.ts';

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
  /** What it runs in, where that is not this machine itself. */
  container?: ProgramContainer;
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
  // A container has what it is given and nothing else: there is nothing undeclared that it could read.
  const untraced = job.container ? null : whyNoTrace();
  const start = job.container
    ? startInContainer(job, job.container, secrets, temporary)
    : startHere(job, secrets, temporary, untraced === null ? traceFile : undefined);
  if (job.container) await removeContainer(job.container.runtime, folder);
  const [program = 'sh', ...parameters] = commandUnder(job.conditions, start.words);
  const child = spawn(program, parameters, {
    cwd: scope.work,
    env: start.environment,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: process.platform !== 'win32',
    windowsVerbatimArguments: process.platform === 'win32',
  });
  const failure = new Promise<Error | null>((resolve) => {
    child.once('error', resolve);
    child.once('spawn', () => resolve(null));
  });
  // What runs in a container is no child of ours: it is ended below.
  const ended = supervise(child, limitsOf(step), signal, job.container ? undefined : markOf(folder));
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
  if (job.container) await removeContainer(job.container.runtime, folder);
  out();
  err();
  if (written > LONGEST_LOG) log.write('\n[mlpipe: the output was longer; the rest is cut]\n');
  log.end();
  await finished(log);
  if (problem !== null) {
    throw new MlpipeError(`${job.container?.runtime.name ?? 'The shell'} could not be started: ${problem.message}`, {
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

// ---------------------------------------------------------------- how it is started

function shellCommand(command: string): string[] {
  return process.platform === 'win32'
    ? [process.env.ComSpec ?? 'cmd.exe', '/d', '/s', '/c', `"${command}"`]
    : ['/bin/sh', '-c', command];
}

function startHere(
  job: ProgramJob,
  secrets: Record<string, string>,
  temporary: string,
  traceFile: string | undefined,
): Start {
  const shell = shellCommand(commandLine(job));
  const words = traceFile === undefined ? shell : ['strace', ...straceArguments(traceFile), ...shell];
  return { words, environment: variablesOf(job, secrets, temporary) };
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
    variables[name] = textOf(parts, secrets, job);
  }
  Object.assign(variables, job.conditions?.variables);
  return variables;
}
