import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openProject, status, verify } from '../../runtime/api.ts';
import { remove, temporaryFolder } from '../cli/support.ts';
import { FILES } from '../runtime/support/flowers.ts';
import { atEachPoint, timeFor } from './killing.ts';

const CHILD = fileURLToPath(new URL('run-child.ts', import.meta.url));

function run(folder: string, point: number): Promise<{ killed: boolean; stdout: string }> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [CHILD, 'flowers.mlpipe', String(point)], { cwd: folder }, (error, stdout, stderr) => {
      if (error && error.signal !== 'SIGKILL') reject(new Error(`${error.message}\n${stderr}`));
      else resolve({ killed: error !== null, stdout });
    });
  });
}

describe('a run that is killed, at whatever call to the disk', function () {
  this.timeout(timeFor(600_000));
  let folder: string;
  before(() => {
    folder = temporaryFolder();
  });
  after(() => remove(folder));

  function begin(name: string): string {
    const path = join(folder, name);
    fs.mkdirSync(path);
    for (const [file, text] of Object.entries(FILES)) fs.writeFileSync(join(path, file), text);
    return path;
  }

  const modelIn = (path: string) =>
    JSON.parse(fs.readFileSync(join(path, 'flowers.mlpipe.lock/learn.json'), 'utf8')).outputs.model.digest;

  it('leaves a project that is whole, and that the next run completes with the very same model', async () => {
    const first = begin('first');
    const { calls, ok } = JSON.parse((await run(first, 0)).stdout);
    assert.equal(ok, true);
    assert.ok(calls > 200, `only ${calls} calls`);
    let killed = 0;
    const points = await atEachPoint(calls, async (point) => {
      const path = begin(`at-${point}`);
      if ((await run(path, point)).killed) killed += 1;
      let project = openProject(path);
      const found = await verify(project);
      project.close();
      // Of the logs more is said when the next process has completed them, which `verify` itself does.
      assert.deepEqual(found.problems, [], `after a kill at call ${point}`);
      const again = JSON.parse((await run(path, 0)).stdout);
      assert.equal(again.ok, true, `after a kill at call ${point}`);
      project = openProject(path);
      assert.equal((await status(project, join(path, 'flowers.mlpipe'))).upToDate, true);
      assert.deepEqual((await verify(project)).problems, []);
      assert.equal(modelIn(path), modelIn(first), `after a kill at call ${point}`);
      project.close();
      remove(path);
    });
    // How many calls there are differs a little from run to run: the last of them may not be met.
    assert.ok(killed >= points - 2, `${killed} of ${points} were killed`);
  });
});
