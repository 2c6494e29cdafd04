/** What can train here, and opening it. */
import type { EngineName } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import type { Engine } from './engine.ts';
import { tensorflowReason } from './facts.ts';
import { VERSIONS } from './versions.ts';

export { listEngines } from './facts.ts';

/**
 * Opens an engine in exactly this version. Another version, or another back end in its place, is never taken.
 *
 * @throws MlpipeError `engine-unknown`, `engine-version`, `engine-missing`, `engine-failed`
 */
export async function openEngine(name: string, version: string): Promise<Engine> {
  switch (name) {
    case 'wasm':
      checkVersion('wasm', version, VERSIONS.wasm);
      return (await import('./tfjs/engine.ts')).openWasm();
    case 'webgpu':
      checkVersion('webgpu', version, VERSIONS.webgpu);
      return (await import('./tfjs/engine.ts')).openWebgpu();
    case 'tensorflow':
      throw new MlpipeError(tensorflowReason(), {
        code: 'engine-missing',
        todo: 'Run `mlpipe engine list` to see which engines can train here.',
        exit: 2,
      });
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
