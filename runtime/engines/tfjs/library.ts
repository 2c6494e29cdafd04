/** Loads TensorFlow.js when it is first needed, once a process. Nothing outside this folder sees its types. */
import { MlpipeError } from '../../errors.ts';
import { repair, repairOrthogonal } from './repairs.ts';

export type Core = typeof import('@tensorflow/tfjs-core');
export type Layers = typeof import('@tensorflow/tfjs-layers');

export interface Library {
  core: Core;
  layers: Layers;
}

let library: Promise<Library> | undefined;

export function loadLibrary(): Promise<Library> {
  library ??= load();
  return library;
}

async function load(): Promise<Library> {
  const [core, layers] = await Promise.all([import('@tensorflow/tfjs-core'), import('@tensorflow/tfjs-layers')]);
  // Both are CommonJS. Their names are on `default` when Node loads them, and in a bundle too.
  const library = { core: core.default ?? core, layers: layers.default ?? layers };
  repair(library.core);
  repairOrthogonal(library);
  return library;
}

/**
 * Makes a back end the one that computes, and makes sure of it: tfjs goes on silently on another one where the asked
 * one cannot start.
 *
 * @throws MlpipeError `engine-failed`
 */
export async function startBackend(core: Core, name: string): Promise<void> {
  let problem: unknown;
  const started = await core.setBackend(name).catch((error: unknown) => {
    problem = error;
    return false;
  });
  await core.ready();
  if (!started || core.getBackend() !== name) {
    throw new MlpipeError(`The ${name} back end could not be started on this machine.`, {
      code: 'engine-failed',
      todo: 'Run `mlpipe engine list` to see which engines can train here.',
      cause: problem,
      exit: 2,
    });
  }
}
