/** Which container runtime this machine has, and whether it works. */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { delimiter, join } from 'node:path';
import { MlpipeError } from '../../errors.ts';

export const RUNTIMES = ['podman', 'docker', 'apptainer'] as const;
export type RuntimeName = (typeof RUNTIMES)[number];

export interface ContainerRuntime {
  name: RuntimeName;
  /** Absolute. */
  program: string;
  version: string;
  /** Whether its containers' root is the user who starts them. */
  rootless: boolean;
}

export interface FoundRuntime {
  runtime?: ContainerRuntime;
  /** Those that are on the search path and do not work, and why. */
  broken: { name: RuntimeName; why: string }[];
}

/** What each says of itself where it works: its version, and on the next line whether it is rootless. */
const QUESTIONS: Record<RuntimeName, readonly string[]> = {
  podman: ['info', '--format', '{{.Version.Version}}\n{{.Host.Security.Rootless}}'],
  // Of the server: without one the client can do nothing.
  docker: ['info', '--format', '{{.ServerVersion}}\n{{range .SecurityOptions}}{{.}} {{end}}'],
  apptainer: ['--version'],
};

/**
 * The first that works of podman, docker and apptainer; `MLPIPE_CONTAINER` names one of them.
 *
 * @throws MlpipeError `container-unknown`
 */
export async function findRuntime(environment: NodeJS.ProcessEnv = process.env): Promise<FoundRuntime> {
  const broken: FoundRuntime['broken'] = [];
  for (const name of chosen(environment.MLPIPE_CONTAINER)) {
    const program = onPath(name, environment);
    if (program === undefined) continue;
    const { said, why } = await ask(program, QUESTIONS[name], environment);
    const version = /\d+\.\d+\S*/.exec(said)?.[0];
    if (why === undefined && version !== undefined) {
      const rootless = name === 'apptainer' || /true|rootless/.test(said.split('\n').slice(1).join(' '));
      return { runtime: { name, program, version, rootless }, broken };
    }
    broken.push({ name, why: why ?? 'it says no version' });
  }
  return { broken };
}

/** @throws MlpipeError `container-missing`, `container-unknown` */
export async function requireRuntime(environment: NodeJS.ProcessEnv = process.env): Promise<ContainerRuntime> {
  const { runtime, broken } = await findRuntime(environment);
  if (runtime !== undefined) return runtime;
  const named = environment.MLPIPE_CONTAINER;
  const here =
    broken.length > 0
      ? broken.map(({ name, why }) => `${name} is here and does not work: ${why}`).join('; ')
      : `this machine has ${named ? `no ${named}` : 'neither podman nor docker nor apptainer'}`;
  throw new MlpipeError(`An image needs a container runtime; ${here.replace(/\.$/, '')}.`, {
    code: 'container-missing',
    todo:
      broken.length > 0
        ? 'Mend it (docker: start its service), or install podman, which needs none: `apt install podman`, `dnf install podman`, `brew install podman`.'
        : 'Install podman (`apt install podman`, `dnf install podman`, `brew install podman`), docker or apptainer.',
    exit: 2,
  });
}

/** What `doctor` says: the runtime, or what is wrong with those that are here. */
export async function containerPoint(): Promise<{ name: string; ok: boolean; found: string; todo?: string }> {
  const { runtime, broken } = await findRuntime();
  if (runtime !== undefined) return { name: 'container', ok: true, found: `${runtime.name} ${runtime.version}` };
  const found =
    broken.length === 0 ? 'none' : broken.map(({ name, why }) => `${name} does not work: ${why}`).join('; ');
  return {
    name: 'container',
    ok: false,
    found,
    todo: 'Install podman, docker or apptainer, if steps run in an image.',
  };
}

function chosen(name: string | undefined): readonly RuntimeName[] {
  if (!name) return RUNTIMES;
  const known = RUNTIMES.find((each) => each === name);
  if (known !== undefined) return [known];
  throw new MlpipeError(`MLPIPE_CONTAINER names ${name}, which is no container runtime that is known here.`, {
    code: 'container-unknown',
    todo: `Name one of ${RUNTIMES.join(', ')}.`,
    exit: 2,
  });
}

function onPath(name: string, environment: NodeJS.ProcessEnv): string | undefined {
  return (environment.PATH ?? environment.Path ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, process.platform === 'win32' ? `${name}.exe` : name))
    .find((path) => fs.existsSync(path));
}

function ask(
  program: string,
  words: readonly string[],
  environment: NodeJS.ProcessEnv,
): Promise<{ said: string; why?: string }> {
  return new Promise((resolve) => {
    execFile(program, [...words], { env: environment, timeout: 20_000, windowsHide: true }, (error, stdout, stderr) => {
      if (!error) return resolve({ said: stdout });
      const lines = stderr.split('\n').filter((line) => line.trim() !== '');
      resolve({ said: '', why: lines.at(-1)?.trim().replace(/\.$/, '') ?? error.message });
    });
  });
}
