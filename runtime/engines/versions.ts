/** The exact versions of what this mlpipe brings, read from the packages themselves. */
import { createRequire } from 'node:module';
import tfjs from '@tensorflow/tfjs-backend-wasm/package.json' with { type: 'json' };
import tfjsWebgpu from '@tensorflow/tfjs-backend-webgpu/package.json' with { type: 'json' };

export const VERSIONS = { wasm: tfjs.version, webgpu: tfjsWebgpu.version } as const;

/** Of the package that brings WebGPU itself. It is found at run time, where it is installed, and never bundled. */
export function dawnVersion(): string {
  const manifest = createRequire(import.meta.url)('webgpu/package.json') as { version: string };
  return manifest.version;
}
