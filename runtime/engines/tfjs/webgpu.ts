/** The WebGPU back end, by the `webgpu` package (Dawn). */
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { MlpipeError } from '../../errors.ts';
import { type Adapter, probeAdapter } from '../probe.ts';
import { type Core, startBackend } from './library.ts';

let started: Promise<Adapter> | undefined;

/** @throws MlpipeError `engine-missing` where there is no adapter: no other back end is ever taken instead */
export function startWebgpu(core: Core): Promise<Adapter> {
  started ??= start(core);
  return started;
}

async function start(core: Core): Promise<Adapter> {
  const probe = await probeAdapter();
  if (!probe.found) {
    throw new MlpipeError(`WebGPU cannot train here. ${probe.reason}`, {
      code: 'engine-missing',
      todo: 'Train with `engine wasm`, or install a driver for the graphics processor.',
      exit: 2,
    });
  }
  const path = createRequire(import.meta.url).resolve('webgpu');
  const { create, globals } = (await import(pathToFileURL(path).href)) as typeof import('webgpu');
  Object.assign(globalThis, globals);
  // tfjs looks for a browser's `navigator.gpu`, and registers its back end while it is imported.
  Object.defineProperty(navigator, 'gpu', { value: create([]), configurable: true });
  await import('@tensorflow/tfjs-backend-webgpu');
  await startBackend(core, 'webgpu');
  return probe.adapter;
}
