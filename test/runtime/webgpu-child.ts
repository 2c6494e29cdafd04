/** Trains nets on WebGPU in a process of its own, as a driver may take its process along, and says what came of them. */

import type { Engine } from '../../runtime/engines/engine.ts';
import { openEngine } from '../../runtime/engines/index.ts';
import { MlpipeError } from '../../runtime/errors.ts';
import { NETS, type Trained, trainThreeSteps } from './layer-nets.ts';

export type FromWebgpu =
  | { kind: 'opened'; evidence: Record<string, string> }
  | { kind: 'refused'; code: string; message: string }
  | { kind: 'trained'; net: string; result: Trained }
  | { kind: 'failed'; net: string; message: string };

const say = (message: FromWebgpu): void => console.log(JSON.stringify(message));

let engine: Engine | undefined;
try {
  engine = await openEngine('webgpu', process.argv[2] ?? '');
  say({ kind: 'opened', evidence: engine.describe.evidence });
} catch (error) {
  const code = error instanceof MlpipeError ? error.code : 'internal';
  say({ kind: 'refused', code, message: (error as Error).message });
}
if (engine) {
  for (const net of NETS) {
    if (!process.argv.slice(3).includes(net.name)) continue;
    try {
      say({ kind: 'trained', net: net.name, result: await trainThreeSteps(engine, net) });
    } catch (error) {
      say({ kind: 'failed', net: net.name, message: (error as Error).message });
    }
  }
}
// Dawn keeps the process alive while its device lives.
process.exit(0);
