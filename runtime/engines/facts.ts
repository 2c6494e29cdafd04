/** What can train here, what could, and what never will, with the reason. Loads no engine. */
import type { EngineFact } from '../../grammar/rules/facts.ts';
import { probeAdapter } from './probe.ts';
import { addonState } from './tensorflow/addon.ts';
import { possibleHere } from './tensorflow/here.ts';
import { knownVersions, listInstalled } from './tensorflow/installed.ts';
import { OLDEST_VERSION } from './tensorflow/version.ts';
import { VERSIONS } from './versions.ts';

/**
 * Layers, losses and optimizers of the language that an engine cannot train. Everything else that tfjs gets wrong is
 * mended (`tfjs/kernels/`, `tfjs/repairs.ts`, own optimizers) or not in the language: three-dimensional convolution,
 * dilated convolution, mirrored padding, centered RMSProp.
 */
const CANNOT_TRAIN = { tensorflow: {}, wasm: {}, webgpu: {} } as const;

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

/** Looks at the disk alone: whether an index has a version is found out when it is installed. */
function tensorflowFact(): EngineFact {
  const common = { name: 'tensorflow' as const, cannotTrain: { ...CANNOT_TRAIN.tensorflow }, deterministic: true };
  const here = possibleHere();
  const addon = addonState();
  const why = !here.possible ? here.reason : addon.state === 'impossible' ? `${addon.reason}.` : undefined;
  if (why !== undefined) {
    return {
      ...common,
      state: 'impossible',
      versions: [],
      reason: `TensorFlow cannot train here: ${why} Train with \`engine wasm "${VERSIONS.wasm}"\`.`,
    };
  }
  const versions = [...new Set(listInstalled().map(({ manifest: { version } }) => version))];
  const known = knownVersions();
  const more = { installableFrom: OLDEST_VERSION, ...(known.length > 0 ? { known } : {}) };
  if (versions.length > 0) return { ...common, ...more, state: 'installed', versions };
  return {
    ...common,
    ...more,
    state: 'installable',
    versions,
    reason: `TensorFlow ${OLDEST_VERSION} or newer is installed by the first run that pins it, or by \`mlpipe engine install tensorflow@2.19.1\`. Until then, \`engine wasm "${VERSIONS.wasm}"\` needs nothing.`,
  };
}
