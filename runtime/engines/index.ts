/** What can train here, and opening it. */
import type { EngineName } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import type { Engine } from './engine.ts';
import { type TensorflowSettings, tensorflowSettings } from './tensorflow/settings.ts';
import { VERSIONS } from './versions.ts';

export { listEngines } from './facts.ts';

/**
 * Opens an engine in exactly this version. Another version, or another back end in its place, is never taken. TensorFlow
 * must be installed: this opens, and fetches nothing.
 *
 * @param settings TensorFlow's switches
 * @throws MlpipeError `engine-unknown`, `engine-version`, `engine-missing`, `engine-failed`
 */
export async function openEngine(
  name: string,
  version: string,
  settings: TensorflowSettings = tensorflowSettings(undefined, {}),
): Promise<Engine> {
  switch (name) {
    case 'wasm':
      checkVersion('wasm', version, VERSIONS.wasm);
      return (await import('./tfjs/engine.ts')).openWasm();
    case 'webgpu':
      checkVersion('webgpu', version, VERSIONS.webgpu);
      return (await import('./tfjs/engine.ts')).openWebgpu();
    case 'tensorflow':
      return (await import('./tfjs/engine.ts')).openTensorflow(version, settings);
    default:
      throw new MlpipeError(`There is no engine ${name}.`, {
        code: 'engine-unknown',
        todo: 'Engines are tensorflow, webgpu and wasm.',
        exit: 2,
      });
  }
}

function checkVersion(name: EngineName, asked: string, here: string): void {
  if (asked === here) return;
  throw new MlpipeError(`${name} ${here} is what this mlpipe brings; the environment asks for ${asked}.`, {
    code: 'engine-version',
    todo: `Write \`engine ${name} "${here}"\`, or run the mlpipe that brings ${asked}.`,
    exit: 2,
  });
}
