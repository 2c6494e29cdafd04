/** A program's command line inside of an image: what it sees, who it is, and what it reaches. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join, relative } from 'node:path';
import { MlpipeError } from '../../errors.ts';
import type { ContainerRuntime } from './runtimes.ts';

/** The project as the program sees it, on every machine: where it lies outside shows in nothing. */
export const INSIDE = '/mlpipe/project';
const TEMPORARY = '/tmp';

export interface ContainerJob {
  runtime: ContainerRuntime;
  /** `docker.io/library/python@sha256:…` */
  image: string;
  /** For `sh -c`. */
  command: string;
  /** The run folder: it is what the container is called after. */
  folder: string;
  /** The project's mirror in the run folder, and the program's own folder in it. */
  top: string;
  work: string;
  temporary: string;
  /** Inputs, inside of `top`. */
  readOnly: readonly string[];
  /** Without secrets: they stand in the command line, which others can see. */
  variables: Readonly<Record<string, string>>;
  /** Names of variables that the runtime takes from its own environment. */
  secrets: readonly string[];
  network: boolean;
  /** Bytes. */
  memory?: number;
  user: { uid: number; gid: number } | undefined;
}

/** The same for the same run folder: so that what an earlier run has left can be found. */
export function containerName(folder: string): string {
  return `mlpipe-${createHash('sha256').update(folder).digest('hex').slice(0, 16)}`;
}

/**
 * The words after the runtime's name, and the variables that it needs besides its own.
 *
 * @throws MlpipeError `path-not-mountable`
 */
export function containerCommand(job: ContainerJob): { words: string[]; variables: Record<string, string> } {
  return job.runtime.name === 'apptainer' ? apptainer(job) : dockerLike(job);
}

function dockerLike(job: ContainerJob): { words: string[]; variables: Record<string, string> } {
  const { runtime, user, network, memory } = job;
  const words = ['run', '--rm', '--name', containerName(job.folder), '--pull', 'never', '--entrypoint', '/bin/sh'];
  // Files that the program writes are the user's own; a rootless docker makes root of whoever started it.
  if (runtime.name === 'podman' && runtime.rootless) words.push('--userns', 'keep-id');
  if (user !== undefined && !(runtime.name === 'docker' && runtime.rootless))
    words.push('--user', `${user.uid}:${user.gid}`);
  words.push('--cap-drop', 'all', '--security-opt', 'no-new-privileges', '--security-opt', 'label=disable');
  if (!network) words.push('--network', 'none');
  if (runtime.name === 'podman') words.push('--http-proxy=false');
  if (memory !== undefined) words.push('--memory', String(memory));
  for (const [from, to] of mounts(job)) words.push('--mount', mount(from, to, job.readOnly.includes(from)));
  words.push('--workdir', inside(job, job.work));
  for (const [name, value] of Object.entries(job.variables)) words.push('--env', `${name}=${value}`);
  for (const name of job.secrets) words.push('--env', name);
  words.push(job.image, '-c', job.command);
  return { words, variables: {} };
}

function apptainer(job: ContainerJob): { words: string[]; variables: Record<string, string> } {
  const words = ['exec', '--containall', '--no-home', '--cleanenv', '--pwd', inside(job, job.work)];
  if (!job.network) words.push('--net', '--network', 'none');
  for (const [from, to] of mounts(job)) {
    refuse(from, /[,:]/);
    words.push('--bind', `${from}:${to}:${job.readOnly.includes(from) ? 'ro' : 'rw'}`);
  }
  words.push(`docker://${job.image}`, '/bin/sh', '-c', job.command);
  // Secrets are put there by the caller under the same beginning.
  const variables = Object.entries(job.variables).map(([name, value]) => [`APPTAINERENV_${name}`, value]);
  return { words, variables: Object.fromEntries(variables) };
}

/** What is seen where; the wider first, so that what is read-only lies over it. */
function mounts(job: ContainerJob): [string, string][] {
  return [
    [job.top, INSIDE],
    [job.temporary, TEMPORARY],
    ...job.readOnly.map((path): [string, string] => [path, inside(job, path)]),
  ];
}

function inside({ top }: ContainerJob, path: string): string {
  const way = relative(top, path).replaceAll('\\', '/');
  return way === '' ? INSIDE : `${INSIDE}/${way}`;
}

function mount(from: string, to: string, readOnly: boolean): string {
  refuse(from, /[",]/);
  refuse(to, /[",]/);
  return ['type=bind', `source=${from}`, `target=${to}`, ...(readOnly ? ['readonly'] : [])].join(',');
}

/** A mount is written in one word, whose parts these signs divide. */
function refuse(path: string, signs: RegExp): void {
  if (!signs.test(path)) return;
  throw new MlpipeError(`${path} cannot be seen in a container: its name has one of the signs , : ".`, {
    code: 'path-not-mountable',
    todo: 'Rename it, or move the project.',
    exit: 2,
  });
}

/** Variables that are so in every image, besides those that are the same on each machine. */
export const CONTAINER_VARIABLES: Readonly<Record<string, string>> = {
  // Whoever runs it has no home in the image.
  HOME: TEMPORARY,
  TMPDIR: TEMPORARY,
};

/** Secrets as variables of the runtime's own process, from which it takes them. */
export function hiddenFrom({ name }: ContainerRuntime, secrets: Record<string, string>): Record<string, string> {
  if (name !== 'apptainer') return secrets;
  return Object.fromEntries(Object.entries(secrets).map(([variable, value]) => [`APPTAINERENV_${variable}`, value]));
}

/** Ends and removes what a run folder's container is or was. Most often there is none any more. */
export function removeContainer({ name, program }: ContainerRuntime, folder: string): Promise<void> {
  if (name === 'apptainer') return Promise.resolve();
  const words = ['rm', '--force', ...(name === 'podman' ? ['--ignore', '--time', '0'] : []), containerName(folder)];
  return new Promise((resolve) => {
    // That there is none is what is wanted.
    execFile(program, words, { timeout: 60_000, windowsHide: true }, () => resolve());
  });
}

/** Where the project's mirror lies in a run folder. */
export function topOf(folder: string): string {
  return join(folder, 'work');
}
