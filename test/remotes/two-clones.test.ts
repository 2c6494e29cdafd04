/** A stranger on another machine, who has git and the remote and nothing else, gets everything that a model needs. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { ensureBuilt, mlpipe, remove, temporaryFolder } from '../cli/support.ts';
import { FILES } from '../runtime/support/flowers.ts';

describe('two clones of one project', function () {
  this.timeout(120_000);
  let folder: string;
  const at = (...names: string[]) => join(folder, ...names);
  const git = (where: string, ...words: string[]) =>
    execFileSync('git', ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org', ...words], {
      cwd: where,
      stdio: ['ignore', 'pipe', 'pipe'],
    }).toString();
  const call = async (where: string, ...words: string[]) => {
    const answer = await mlpipe(words, { folder: at(where) });
    assert.equal(answer.code, 0, `${words.join(' ')}: ${answer.stderr}${answer.stdout}`);
    return answer;
  };

  before(ensureBuilt);

  beforeEach(async () => {
    folder = temporaryFolder();
    git(folder, 'init', '-q', '--bare', '-b', 'main', 'origin.git');
    git(folder, 'clone', '-q', at('origin.git'), 'author');
    // The data is in no commit: the remote alone has it.
    for (const [name, text] of Object.entries({ ...FILES, '.gitignore': 'flowers.csv\n.mlpipe/\n' })) {
      fs.writeFileSync(at('author', name), text);
    }
    git(at('author'), 'add', '-A');
    git(at('author'), 'commit', '-qm', 'first');
    await call('author', 'run');
    await call('author', 'remote', 'add', 'shared', '../remote');
    await call('author', 'push');
    git(at('author'), 'add', '-A');
    git(at('author'), 'commit', '-qm', 'trained');
    git(at('author'), 'push', '-q', 'origin', 'HEAD:main');
    fs.rmSync(at('author'), { recursive: true });
    git(folder, 'clone', '-q', at('origin.git'), 'stranger');
  });

  afterEach(() => remove(folder));

  it('gives the stranger, who pulls, the same model bit for bit', async () => {
    const pulled = await call('stranger', 'pull', '--json');
    const { records, objects, missing } = JSON.parse(pulled.stdout);
    assert.equal(records, 3);
    assert.ok(objects > 8, `${objects} objects`);
    assert.deepEqual(missing, []);
    const again = JSON.parse((await call('stranger', 'pull', '--json')).stdout);
    assert.deepEqual([again.records, again.objects], [0, 0]);
    const found = JSON.parse((await call('stranger', 'reproduce', 'learn', '--json')).stdout);
    assert.equal(found.verdict, 'bitwise');
    assert.deepEqual(found.differences, []);
  });

  it('needs no pull: what a reproduction lacks, it fetches, and says so', async () => {
    const { stdout, stderr } = await call('stranger', 'reproduce', 'learn', '--json');
    assert.equal(JSON.parse(stdout).verdict, 'bitwise');
    assert.match(stderr, /fetched 3 records from shared/);
    assert.match(stderr, /fetched \d+ objects? \(.*\) from shared/);
  });

  it('lets a run take the recorded results and data that lie on the remote alone', async () => {
    await call('stranger', 'fetch');
    const { stderr, stdout } = await call('stranger', 'run', '--json');
    assert.deepEqual(
      JSON.parse(stdout).steps.map(({ status }: { status: string }) => status),
      ['cached', 'cached', 'cached'],
    );
    assert.match(stderr, /fetched .* from shared/);
  });

  it('tells of data that the remote is known to have, without asking it', async () => {
    const findings = async () => {
      const { stdout } = await mlpipe(['check', '--json'], { folder: at('stranger') });
      return JSON.parse(stdout).map(({ code, message }: { code: string; message: string }) => `${code} ${message}`);
    };
    assert.match((await findings()).join('\n'), /MLP2003 There is nothing at `flowers\.csv`/);
    await call('stranger', 'pull');
    assert.match((await findings()).join('\n'), /MLP2016 .*is gone, but what was pinned is still in the store/);
    for (const shard of fs.readdirSync(at('stranger', '.mlpipe', 'objects'))) {
      for (const name of fs.readdirSync(at('stranger', '.mlpipe', 'objects', shard))) {
        fs.rmSync(at('stranger', '.mlpipe', 'objects', shard, name));
      }
    }
    fs.renameSync(at('remote'), at('remote-away'));
    assert.match((await findings()).join('\n'), /MLP2016 .*is still on the remote shared\. A run brings it back/);
    fs.renameSync(at('remote-away'), at('remote'));
    fs.writeFileSync(at('stranger', 'flowers.csv'), FILES['flowers.csv'] ?? '');
    assert.doesNotMatch((await findings()).join('\n'), /MLP2014/);
  });

  it('says what to do where there is no remote', async () => {
    fs.rmSync(at('stranger', 'mlpipe.json'));
    const { code, stderr } = await mlpipe(['run'], { folder: at('stranger') });
    assert.equal(code, 1);
    assert.match(stderr, /There is no flowers\.csv[\s\S]*Next: .*mlpipe pull/);
    const pull = await mlpipe(['pull'], { folder: at('stranger') });
    assert.equal(pull.code, 2);
    assert.match(pull.stderr, /The project has no remote\.\n {2}Next: Add one: `mlpipe remote add NAME URL`/);
  });
});
