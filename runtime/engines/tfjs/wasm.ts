/** The WASM back end: runs everywhere, and gives the same bits everywhere. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MlpipeError } from '../../errors.ts';
import { installWasmKernels } from './kernels/index.ts';
import { type Core, startBackend } from './library.ts';

const BINARY = 'tfjs-backend-wasm-simd.wasm';

let started: Promise<void> | undefined;

export function startWasm(core: Core): Promise<void> {
  started ??= start(core);
  return started;
}

async function start(core: Core): Promise<void> {
  const module = await import('@tensorflow/tfjs-backend-wasm');
  const backend = module.default ?? module;
  backend.setWasmPaths(`${binaryFolder()}/`);
  // The module that Emscripten makes takes uncaught errors and rejections of the whole process for its own.
  const errors = new Set(process.listeners('uncaughtException'));
  const rejections = new Set(process.listeners('unhandledRejection'));
  await startBackend(core, 'wasm');
  for (const listener of process.listeners('uncaughtException')) {
    if (!errors.has(listener)) process.removeListener('uncaughtException', listener);
  }
  for (const listener of process.listeners('unhandledRejection')) {
    if (!rejections.has(listener)) process.removeListener('unhandledRejection', listener);
  }
  installWasmKernels(core);
}

/** Beside the bundle, where there is one; else in the package. */
function binaryFolder(): string {
  const beside = dirname(fileURLToPath(import.meta.url));
  if (existsSync(join(beside, BINARY))) return beside;
  try {
    return dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm'));
  } catch (cause) {
    throw new MlpipeError(`${BINARY} lies neither beside mlpipe nor in its packages.`, {
      code: 'engine-failed',
      todo: 'Install mlpipe again.',
      cause,
      exit: 2,
    });
  }
}
