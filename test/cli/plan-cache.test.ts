import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const START = fileURLToPath(new URL('../../runtime/cli/start.cjs', import.meta.url));

describe('a plan that is remembered', function () {
  this.timeout(30_000);
  let folder: string;
  beforeEach(() => {
    folder = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'mlpipe-plan-')));
    fs.mkdirSync(join(folder, '.git'));
    fs.writeFileSync(
      join(folder, 'main.mlpipe'),
      'import shown from "./shared.mlpipe"\n\nparam word = "one"\n\nstep say {\n  run "echo ${word}"\n  writes o "o"\n}\n',
    );
    shared('first');
  });
  afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

  const shared = (word: string) =>
    fs.writeFileSync(join(folder, 'shared.mlpipe'), `step shown {\n  run "echo ${word}"\n  writes o "shown.txt"\n}\n`);
  const command = (...words: string[]) => {
    const { stdout, stderr } = spawnSync(process.execPath, [START, 'plan', 'main.mlpipe', '--json', ...words], {
      cwd: folder,
      encoding: 'utf8',
    });
    assert.equal(stderr, '');
    return stdout;
  };
  const remembered = () => fs.readdirSync(join(folder, '.mlpipe', 'cache', 'plans'));

  it('is the same as one that is made', () => {
    const made = command();
    assert.equal(remembered().length, 1);
    assert.equal(command(), made);
  });

  it('is made anew when an imported file changes', () => {
    assert.match(command(), /echo first/);
    shared('second');
    assert.match(command(), /echo second/);
  });

  it('is another one for other parameters', () => {
    assert.match(command(), /"value": "one"/);
    assert.match(command('-S', 'word=two'), /"value": "two"/);
    assert.match(command(), /"value": "one"/);
  });

  it('is made anew when what was remembered is damaged', () => {
    const made = command();
    for (const name of remembered()) fs.writeFileSync(join(folder, '.mlpipe', 'cache', 'plans', name), '{"build":');
    assert.equal(command(), made);
  });
});
