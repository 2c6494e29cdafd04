/** Whoever is killed while sending or fetching, at whatever call to the disk, leaves nothing that is half. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openProject } from '../../runtime/project.ts';
import { pull } from '../../runtime/share/pull.ts';
import { push } from '../../runtime/share/push.ts';
import { atEachPoint, timeFor } from '../faults/killing.ts';
import {
  cloneLocks,
  filesIn,
  mustBeSound,
  projectAt,
  remove,
  tableOf,
  temporaryFolder,
  withRecords,
} from './support.ts';

const CHILD = fileURLToPath(new URL('killed-child.ts', import.meta.url));

interface End {
  killed: boolean;
  stdout: string;
}

function run(direction: 'push' | 'pull', folder: string, point: number): Promise<End> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [CHILD, direction, folder, String(point)], (error, stdout, stderr) => {
      if (error && error.signal !== 'SIGKILL') reject(new Error(`${error.message}\n${stderr}`));
      else resolve({ killed: error !== null, stdout });
    });
  });
}

describe('a transfer that is killed', function () {
  this.timeout(timeFor(300_000));
  let folder: string;
  const at = (...names: string[]) => join(folder, ...names);

  before(async () => {
    folder = temporaryFolder();
    const author = projectAt(at('author'), at('whole'));
    // Small files lie in packs here and there, and the table goes in chunks.
    await withRecords(author, 220, 0, tableOf(105_000));
    await push(author);
    author.close();
  });
  after(() => remove(folder));

  it('while sending leaves a remote on which everything has what it names, and which the next push completes', async () => {
    const whole = filesIn(at('whole'));
    const expected = mustBeSound(whole);
    const begin = (name: string) => {
      fs.cpSync(at('author'), at(name), { recursive: true, preserveTimestamps: true });
      projectAt(at(name), at(`${name}-remote`)).close();
    };
    begin('first');
    const { calls } = JSON.parse((await run('push', at('first'), 0)).stdout);
    assert.ok(calls > 60, `only ${calls} calls`);
    let killed = 0;
    const points = await atEachPoint(calls, async (point) => {
      const name = `push-${point}`;
      begin(name);
      if ((await run('push', at(name), point)).killed) killed += 1;
      mustBeSound(filesIn(at(`${name}-remote`)));
      const project = openProject(at(name));
      await push(project);
      project.close();
      assert.deepEqual(mustBeSound(filesIn(at(`${name}-remote`))), expected, `after a kill at call ${point}`);
      remove(at(name));
      remove(at(`${name}-remote`));
    });
    assert.equal(killed, points);
  });

  it('while fetching leaves a store in which everything has what it names, and which the next pull completes', async () => {
    const begin = (name: string) => {
      cloneLocks(at('author'), at(name));
      projectAt(at(name), at('whole')).close();
    };
    begin('stranger');
    const { calls } = JSON.parse((await run('pull', at('stranger'), 0)).stdout);
    const expected = mustBeSound(filesIn(at('stranger', '.mlpipe')));
    assert.ok(calls > 60, `only ${calls} calls`);
    let killed = 0;
    const points = await atEachPoint(calls, async (point) => {
      const name = `pull-${point}`;
      begin(name);
      if ((await run('pull', at(name), point)).killed) killed += 1;
      mustBeSound(filesIn(at(name, '.mlpipe')));
      const project = openProject(at(name));
      await pull(project);
      project.close();
      assert.deepEqual(mustBeSound(filesIn(at(name, '.mlpipe'))), expected, `after a kill at call ${point}`);
      remove(at(name));
    });
    assert.equal(killed, points);
  });
});
