/** Runs a pipeline in this process and says on stdout what happens, for tests with several runs at once. */
import * as api from '../../runtime/api.ts';

const folder = process.argv[2] ?? '.';
const project = api.openProject(folder);
const say = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);
const answer = await api.run(project, api.pipelineFile(folder), { onEvent: (event) => say({ event }) });
say({ answer });
project.close();
