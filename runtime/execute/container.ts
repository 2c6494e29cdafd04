/** A program step that runs in an image: what is fetched for it, what it sees, and what the record says of it. */
import { sep } from 'node:path';
import type { ImagePlan } from '../../grammar/plan/plan.ts';
import { CONTAINER_VARIABLES, containerCommand, hiddenFrom, topOf } from '../environment/container/command.ts';
import { ensureImage } from '../environment/container/image.ts';
import { type ContainerRuntime, requireRuntime } from '../environment/container/runtimes.ts';
import { commandLine, textOf } from './command-line.ts';
import { limitsOf } from './process.ts';
import type { ProgramJob } from './program.ts';
import { FIXED_VARIABLES } from './variables.ts';

export interface ProgramContainer {
  runtime: ContainerRuntime;
  /** By its digest. */
  image: string;
  network: boolean;
  /** Inputs in the run folder. */
  readOnly: readonly string[];
}

/** How a program is started. */
export interface Start {
  /** The program first. */
  words: string[];
  environment: NodeJS.ProcessEnv;
}

/** How podman and docker end where not the program but they have failed. */
export const RUNTIME_FAILED = 125;

/** An image that is there, and what runs it. */
export interface OpenImage {
  container: Omit<ProgramContainer, 'readOnly'>;
  evidence: Record<string, unknown>;
}

/**
 * The runtime and the image, made to be there, and what the record says of both.
 *
 * @param onPull the image has to be fetched first
 * @throws MlpipeError as `requireRuntime` and `ensureImage`
 */
export async function openImage(plan: ImagePlan, signal: AbortSignal, onPull: () => void): Promise<OpenImage> {
  const runtime = await requireRuntime();
  const image = await ensureImage(runtime, plan, { environment: process.env, signal, onPull });
  return {
    container: { runtime, image: image.reference, network: plan.network === true },
    evidence: { runtime: `${runtime.name} ${runtime.version}`, ...image },
  };
}

/** Inputs, but for those in which the step is to write. */
export function readOnlyInputs(laid: readonly string[], written: readonly string[]): string[] {
  return [...new Set(laid)].filter((input) => !written.some((path) => path === input || path.startsWith(input + sep)));
}

export function startInContainer(
  job: ProgramJob,
  { runtime, image, network, readOnly }: ProgramContainer,
  secrets: Record<string, string>,
  temporary: string,
): Start {
  const open: Record<string, string> = { ...FIXED_VARIABLES, ...CONTAINER_VARIABLES };
  const hidden: Record<string, string> = {};
  for (const part of job.step.command) if (part.kind === 'secret') hidden[part.name] = secrets[part.name] ?? '';
  for (const [name, parts] of Object.entries(job.step.variables)) {
    const holdsSecret = parts.some(({ kind }) => kind === 'secret');
    (holdsSecret ? hidden : open)[name] = textOf(parts, secrets, job);
  }
  Object.assign(open, job.conditions?.variables);
  const { memory } = limitsOf(job.step);
  const { words, variables } = containerCommand({
    runtime,
    image,
    command: commandLine(job),
    folder: job.folder,
    top: topOf(job.folder),
    work: job.scope.work,
    temporary,
    readOnly,
    variables: open,
    secrets: Object.keys(hidden),
    network,
    ...(memory === undefined ? {} : { memory }),
    user: process.getuid && process.getgid ? { uid: process.getuid(), gid: process.getgid() } : undefined,
  });
  return {
    words: [runtime.program, ...words],
    environment: { ...job.environment, ...variables, ...hiddenFrom(runtime, hidden) },
  };
}
