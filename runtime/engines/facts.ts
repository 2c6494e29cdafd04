/** What can train here, what could, and what never will, with the reason. Loads no engine. */
import type { EngineFact } from '../../grammar/rules/facts.ts';
import { missingForTensorflow, probeAdapter } from './probe.ts';
import { VERSIONS } from './versions.ts';

/**
 * Layers, losses and optimizers of the language that an engine cannot train. Everything else that tfjs gets wrong is
 * mended (`tfjs/kernels/`, `tfjs/repairs.ts`, own optimizers) or not in the language: three-dimensional convolution,
 * dilated convolution, mirrored padding, centered RMSProp.
 */
const CANNOT_TRAIN = { wasm: {}, webgpu: {} } as const;

/** Operations whose sums are made in an order that differs from run to run, on WebGPU. */
export const WEBGPU_UNORDERED: readonly string[] = ['embedding', 'dense and convolution with large inner sums'];

/** Asks the machine: takes up to some seconds the first time, nothing afterwards. */
export async function listEngines(): Promise<EngineFact[]> {
  return [tensorflowFact(), await webgpuFact(), wasmFact()];
}

function wasmFact(): EngineFact {
  return {
    name: 'wasm',
    state: 'installed',
    versions: [VERSIONS.wasm],
    cannotTrain: { ...CANNOT_TRAIN.wasm },
    deterministic: true,
  };
}

async function webgpuFact(): Promise<EngineFact> {
  const probe = await probeAdapter();
  const common = {
    name: 'webgpu' as const,
    versions: [VERSIONS.webgpu],
    cannotTrain: { ...CANNOT_TRAIN.webgpu },
    deterministic: false,
  };
  if (!probe.found) {
    return {
      ...common,
      state: 'impossible',
      reason: `${probe.reason} Train with \`engine wasm "${VERSIONS.wasm}"\`, or install a driver.`,
    };
  }
  return { ...common, state: 'installed' };
}

function tensorflowFact(): EngineFact {
  return {
    name: 'tensorflow',
    state: 'impossible',
    versions: [],
    reason: tensorflowReason(),
    cannotTrain: {},
    deterministic: true,
  };
}

/** In one sentence, and what to do. */
export function tensorflowReason(): string {
  const missing = missingForTensorflow();
  const what =
    missing.length > 0
      ? `${missing.join(', and ')}.`
      : 'it is installed, but this version of mlpipe does not use it yet.';
  return `TensorFlow cannot train here: ${what} Train with \`engine wasm "${VERSIONS.wasm}"\`.`;
}
