/** Sends or fetches, and is ended from inside just before the given call to the disk: `node killed-child.ts push 17`. */
import { openProject } from '../../runtime/project.ts';
import { pull } from '../../runtime/share/pull.ts';
import { push } from '../../runtime/share/push.ts';
import { killAt } from '../faults/killing.ts';

const [, , direction = '', folder = '', point = '0'] = process.argv;
const project = openProject(folder);
project.ledger.list();

const calls = killAt(Number(point));
const answer = await (direction === 'push' ? push(project) : pull(project));
process.stdout.write(JSON.stringify({ calls: calls(), answer }));
