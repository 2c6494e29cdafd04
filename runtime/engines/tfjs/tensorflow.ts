/** The back end of tfjs-node, over a TensorFlow library that was opened at run time. */
import Module, { createRequire } from 'node:module';
import util from 'node:util';
import { MlpipeError } from '../../errors.ts';
import { type OpenTensorflow, openTensorflowLibrary } from '../tensorflow/open.ts';
import type { TensorflowSettings } from '../tensorflow/settings.ts';
import { type Core, startBackend } from './library.ts';

export const TENSORFLOW_BACKEND = 'tensorflow';

let started: Promise<OpenTensorflow> | undefined;

/** @throws MlpipeError as `openTensorflowLibrary`; `engine-failed` where a graphics processor is asked for and not used */
export function startTensorflow(core: Core, version: string, settings: TensorflowSettings): Promise<OpenTensorflow> {
  // Opens once a process, and refuses another version or other switches.
  const library = openTensorflowLibrary(version, settings);
  started ??= library.then((open) => start(core, open, settings));
  started.catch(() => {
    started = undefined;
  });
  return library.then(() => started ?? library);
}

async function start(core: Core, open: OpenTensorflow, settings: TensorflowSettings): Promise<OpenTensorflow> {
  mendUtil();
  takeCoreForWhole(core);
  // tfjs-node's own entry looks for an addon of its own, by a package that downloads one.
  await import('@tensorflow/tfjs-node/dist/register_all_kernels.js');
  const { NodeJSKernelBackend } = await import('@tensorflow/tfjs-node/dist/nodejs_kernel_backend.js');
  // The addon is built from tfjs-node's own sources, so it is what the back end takes.
  const binding = open.binding as unknown as ConstructorParameters<typeof NodeJSKernelBackend>[0];
  core.registerBackend(TENSORFLOW_BACKEND, () => new NodeJSKernelBackend(binding, '@tensorflow/tfjs-node'));
  await startBackend(core, TENSORFLOW_BACKEND);
  if (settings.distribution === 'gpu' && !open.binding.isUsingGpuDevice()) {
    throw new MlpipeError('TensorFlow finds no graphics processor that it can use.', {
      code: 'engine-failed',
      todo: 'Install the driver and the CUDA libraries of this version, or leave `gpu` out of `hardware`.',
      exit: 2,
    });
  }
  return open;
}

/**
 * tfjs-node asks for the package `tfjs`, of which it uses what `tfjs-core` has. Loading it would register every gradient
 * anew, over those that are mended here, and a back end for browsers. So it is given the core. In the bundles an alias
 * does the same.
 */
function takeCoreForWhole(core: Core): void {
  if (!import.meta.url.endsWith('.ts')) return;
  const require = createRequire(createRequire(import.meta.url).resolve('@tensorflow/tfjs-node/package.json'));
  const path = require.resolve('@tensorflow/tfjs');
  const stand = new Module(path);
  stand.exports = core;
  stand.loaded = true;
  require.cache[path] = stand;
}

/**
 * tfjs-node 4.22 calls two functions of which an older Node warns; Node 23 has taken one of them away. tfjs-node has mended
 * that in its sources and never released it.
 */
function mendUtil(): void {
  const old = util as unknown as Record<string, unknown>; // its types know only what the newest Node has
  old.isNullOrUndefined = (value: unknown) => value === null || value === undefined;
  old.isArray = Array.isArray;
}
