/** Writes and reads models in the TensorFlow.js layers format: `model.json` beside `weights.bin`. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { io } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { MlpipeError } from '../../errors.ts';
import type { Library } from './library.ts';

const MODEL_FILE = 'model.json';
const WEIGHTS_FILE = 'weights.bin';

export async function saveLayersModel({ core }: Library, model: LayersModel, folder: string): Promise<void> {
  const handler = core.io.withSaveHandler(async (artifacts: io.ModelArtifacts) => {
    const weights = core.io.CompositeArrayBuffer.join(artifacts.weightData);
    const description = {
      format: 'layers-model',
      generatedBy: artifacts.generatedBy,
      convertedBy: null,
      modelTopology: artifacts.modelTopology,
      weightsManifest: [{ paths: [WEIGHTS_FILE], weights: artifacts.weightSpecs }],
    };
    await writeFile(join(folder, MODEL_FILE), `${JSON.stringify(description)}\n`);
    await writeFile(join(folder, WEIGHTS_FILE), new Uint8Array(weights));
    return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' as const } };
  });
  await model.save(handler);
}

/** @throws MlpipeError `model-unreadable` */
export async function loadLayersModel({ core, layers }: Library, folder: string): Promise<LayersModel> {
  try {
    const description = JSON.parse(await readFile(join(folder, MODEL_FILE), 'utf8')) as io.ModelJSON;
    const group = description.weightsManifest[0];
    const bytes = await readFile(join(folder, group?.paths[0] ?? WEIGHTS_FILE));
    return await layers.loadLayersModel(
      core.io.fromMemory({
        modelTopology: description.modelTopology,
        weightSpecs: group?.weights ?? [],
        weightData: new Uint8Array(bytes).buffer,
      }),
    );
  } catch (cause) {
    throw new MlpipeError(`The model in ${folder} cannot be read: ${(cause as Error).message}`, {
      code: 'model-unreadable',
      todo: 'Train it again, or take it from the store with `mlpipe show`.',
      cause,
    });
  }
}
