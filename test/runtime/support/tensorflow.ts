/** Real TensorFlow for tests: installed in the user's cache, so that it is fetched once a machine. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { possibleHere } from '../../../runtime/engines/tensorflow/here.ts';
import { provideTensorflow } from '../../../runtime/engines/tensorflow/provide.ts';
import type { TensorflowSettings } from '../../../runtime/engines/tensorflow/settings.ts';
import type { FromTensorflow, Task } from '../tensorflow-child.ts';

/** The oldest that works, one in the middle, and the newest. */
export const TENSORFLOW_VERSIONS = ['2.12.0', '2.18.1', '2.21.0'] as const;
export const [OLDEST, MIDDLE, NEWEST] = TENSORFLOW_VERSIONS;

export const PLAIN: TensorflowSettings = { distribution: 'cpu', threads: 1, oneDnn: true, deterministic: false };
export const REPEATABLE: TensorflowSettings = { distribution: 'cpu', threads: 1, oneDnn: false, deterministic: true };

const CHILD = fileURLToPath(new URL('../tensorflow-child.ts', import.meta.url));

/** Makes a version be there. Where that cannot be, the tests fail if `CI` is set, and are left out loudly elsewhere. */
export async function needTensorflow(context: Mocha.Context, ...versions: string[]): Promise<void> {
  const here = possibleHere();
  if (!here.possible) {
    console.log(`      left out: ${here.reason}`);
    return context.skip();
  }
  try {
    for (const version of versions) await provideTensorflow(version, 'cpu');
  } catch (error) {
    if (process.env.CI) throw error;
    console.log(`      left out: ${(error as Error).message}`);
    context.skip();
  }
}

export interface ChildOptions {
  settings?: TensorflowSettings;
  node?: string;
  environment?: NodeJS.ProcessEnv;
}

/** What a process of its own says of a version. */
export function onTensorflow(version: string, task: Task, options: ChildOptions = {}): Promise<FromTensorflow[]> {
  const { settings = PLAIN, node = process.execPath, environment = {} } = options;
  // Node before 22.18 strips types only where it is told to.
  const words = ['--experimental-strip-types', '--no-warnings', CHILD, version, JSON.stringify(settings), task];
  return new Promise((resolve, reject) => {
    execFile(node, words, { env: { ...process.env, ...environment }, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      if (error) return reject(new Error(`${error.message}\n${stderr}`));
      const lines = stdout.split('\n').filter((line) => line.startsWith('{"kind"'));
      resolve(lines.map((line) => JSON.parse(line) as FromTensorflow));
    });
  });
}
