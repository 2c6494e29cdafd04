/** The exact versions of what this mlpipe brings, read from the packages themselves. */
import tfjs from '@tensorflow/tfjs-backend-wasm/package.json' with { type: 'json' };
import tfjsWebgpu from '@tensorflow/tfjs-backend-webgpu/package.json' with { type: 'json' };
import dawn from 'webgpu/package.json' with { type: 'json' };

export const VERSIONS = {
  wasm: tfjs.version,
  webgpu: tfjsWebgpu.version,
  /** The package that brings WebGPU itself. */
  dawn: dawn.version,
} as const;
