/** What can train here, and opening it. */
import type { EngineName } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import type { Engine } from './engine.ts';
import { VERSIONS } from './versions.ts';

/**
 * Opens an engine in exactly this version.
 *
 * @throws MlpipeError `engine-unknown`, `engine-version`, `engine-missing`, `engine-failed`
 */
export async function openEngine(name: string, version: string): Promise<Engine> {
  if (name === 'wasm') {
    checkVersion('wasm', version, VERSIONS.wasm);
    return (await import('./tfjs/engine.ts')).openWasm();
  }
  throw new MlpipeError(`There is no engine ${name} here.`, { code: 'engine-unknown', exit: 2 });
}

function checkVersion(name: EngineName, asked: string, here: string): void {
  if (asked === here) return;
  throw new MlpipeError(`${name} ${here} is what this mlpipe brings; the environment asks for ${asked}.`, {
    code: 'engine-version',
    todo: `Write \`engine ${name} "${here}"\`, or run the mlpipe that brings ${asked}.`,
    exit: 2,
  });
}
