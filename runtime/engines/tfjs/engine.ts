/** `Engine` by TensorFlow.js, whatever back end computes. */
import type { EngineName } from '../../../grammar/plan/plan.ts';
import type { Engine } from '../engine.ts';
import type { TensorflowSettings } from '../tensorflow/settings.ts';
import { dawnVersion, VERSIONS } from '../versions.ts';
import { type Library, loadLibrary } from './library.ts';
import { buildModel, meanLossOf, openModel, type Session } from './model.ts';
import { startTensorflow, TENSORFLOW_BACKEND } from './tensorflow.ts';
import { startWasm } from './wasm.ts';
import { startWebgpu } from './webgpu.ts';

export async function openWasm(): Promise<Engine> {
  const library = await loadLibrary();
  await startWasm(library.core);
  return tfjsEngine('wasm', VERSIONS.wasm, library, {
    identity: { engine: 'wasm', version: VERSIONS.wasm, kernels: 'mlpipe-wasm/1' },
    evidence: { simd: String(await library.core.env().getAsync('WASM_HAS_SIMD_SUPPORT')), threads: '1' },
  });
}

/** Reproducible to a tolerance: some sums are made in an order that differs from run to run. */
export async function openWebgpu(): Promise<Engine> {
  const library = await loadLibrary();
  const adapter = await startWebgpu(library.core);
  return tfjsEngine('webgpu', VERSIONS.webgpu, library, {
    identity: { engine: 'webgpu', version: VERSIONS.webgpu, dawn: dawnVersion() },
    evidence: { ...adapter },
  });
}

/** The same bits on the same class of hardware, where its switches ask for that; otherwise close. */
export async function openTensorflow(version: string, settings: TensorflowSettings): Promise<Engine> {
  const library = await loadLibrary();
  const { identity, evidence } = await startTensorflow(library.core, version, settings);
  return tfjsEngine(
    'tensorflow',
    version,
    library,
    { identity: { engine: 'tensorflow', version, ...identity }, evidence },
    TENSORFLOW_BACKEND,
  );
}

export function tfjsEngine(
  name: EngineName,
  version: string,
  library: Library,
  describe: Engine['describe'],
  backend: string = name,
): Engine {
  const session: Session = {
    library,
    activate() {
      // A back end that has been started is active when the call returns; the promise says nothing more.
      if (library.core.getBackend() !== backend) void library.core.setBackend(backend);
    },
  };
  return {
    name,
    version,
    describe,
    build: (model, options) => buildModel(session, model, options),
    load: (folder) => openModel(session, folder),
    loss: (plan, predictions, targets, rows) => meanLossOf(session, plan, predictions, targets, rows),
    async dispose() {
      // The back end stays with the process: starting it again costs more than keeping it.
    },
  };
}
