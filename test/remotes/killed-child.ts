/** Sends or fetches, and is ended from inside just before the given call to the disk: `node killed-child.ts push 17`. */
import fs from 'node:fs';
import { openProject } from '../../runtime/project.ts';
import { pull } from '../../runtime/share/pull.ts';
import { push } from '../../runtime/share/push.ts';

const [, , direction = '', folder = '', point = '0'] = process.argv;
const project = openProject(folder);
project.ledger.list();

let calls = 0;
const CALLS = [
  'openSync',
  'writeSync',
  'fsyncSync',
  'closeSync',
  'renameSync',
  'linkSync',
  'unlinkSync',
  'futimesSync',
  'fchmodSync',
  'mkdirSync',
  'readFileSync',
] as const;
for (const name of CALLS) {
  const real: (...parameters: never[]) => unknown = fs[name];
  // The wrapper passes on whatever it is given; its type is that of what it stands for.
  (fs as unknown as Record<string, unknown>)[name] = (...parameters: never[]) => {
    calls += 1;
    if (calls === Number(point)) process.kill(process.pid, 'SIGKILL');
    return real(...parameters);
  };
}
const answer = await (direction === 'push' ? push(project) : pull(project));
process.stdout.write(JSON.stringify({ calls, answer }));
