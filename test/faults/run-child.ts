/** Runs a pipeline, and is ended from inside just before the given call to the disk: `run-child.ts FILE 17`. */
import { resolve } from 'node:path';
import { openProject, run } from '../../runtime/api.ts';
import { killAt } from './killing.ts';

const [, , file = '', point = '0'] = process.argv;
const project = openProject('.');
const calls = killAt(Number(point));
const { ok } = await run(project, resolve(file));
project.close();
process.stdout.write(JSON.stringify({ calls: calls(), ok }));
