/** `gc` and `verify --repair` as a person uses them: what goes, what stays, and what comes back. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { openStore } from '../../runtime/store/open.ts';
import { FILES } from '../runtime/support/flowers.ts';
import { ensureBuilt, mlpipe, remove, temporaryFolder } from './support.ts';

describe('mlpipe gc', function () {
  this.timeout(120_000);
  let folder: string;
  const at = (...names: string[]) => join(folder, ...names);
  const call = (...words: string[]) => mlpipe(words, { folder });
  const good = async (...words: string[]) => {
    const answer = await call(...words);
    assert.equal(answer.code, 0, `${words.join(' ')}: ${answer.stderr}${answer.stdout}`);
    return answer.stdout;
  };
  const commit = (message: string) => {
    const person = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org'];
    execFileSync('git', ['add', '-A'], { cwd: folder });
    execFileSync('git', [...person, 'commit', '-qm', message], { cwd: folder });
  };
  /** The model that the lock file names. */
  const model = () => JSON.parse(fs.readFileSync(at('flowers.mlpipe.lock/learn.json'), 'utf8')).outputs.model.digest;
  const has = (digest: `sha256:${string}`) => {
    const store = openStore(at('.mlpipe'));
    const there = store.has(digest);
    store.close();
    return there;
  };

  before(ensureBuilt);
  beforeEach(async () => {
    folder = temporaryFolder();
    execFileSync('git', ['init', '-q', '-b', 'main'], { cwd: folder });
    for (const [name, text] of Object.entries({ ...FILES, '.gitignore': '.mlpipe/\n' }))
      fs.writeFileSync(at(name), text);
    await good('run');
    commit('first');
  });
  afterEach(() => remove(folder));

  async function trainAgain(): Promise<[`sha256:${string}`, `sha256:${string}`]> {
    const before = model();
    const text = fs.readFileSync(at('flowers.mlpipe'), 'utf8');
    const changed = text.replace(/epochs\s+\d+/, 'epochs 7');
    assert.notEqual(changed, text);
    fs.writeFileSync(at('flowers.mlpipe'), changed);
    await good('run');
    assert.notEqual(model(), before);
    return [before, model()];
  }

  it('does nothing without a scope, and says which there are', async () => {
    for (const words of [['gc'], ['gc', '--grace', '0'], ['gc', '--unreferenced', '--workspace']]) {
      const { code, stderr } = await call(...words);
      assert.equal(code, 2);
      assert.match(stderr, /--unreferenced.*--workspace/s);
    }
    assert.equal((await call('gc', '--unreferenced', '--grace', 'soon')).code, 2);
  });

  it('takes what no record names, and keeps what the oldest one does', async () => {
    const [old, now] = await trainAgain();
    const store = openStore(at('.mlpipe'));
    const { digest } = await store.putBytes('of a run that was killed');
    store.close();
    const dry = JSON.parse(await good('gc', '--unreferenced', '--grace', '0', '-n', '--json'));
    assert.deepEqual([dry.dryRun, dry.collected.objects], [true, 1]);
    assert.ok(fs.existsSync(at(`.mlpipe/objects/${digest.slice(7, 9)}/${digest.slice(9)}`)));
    const found = JSON.parse(await good('gc', '--unreferenced', '--grace', '0', '--now', '--json'));
    assert.equal(found.collected.objects, 1);
    assert.deepEqual([has(digest), has(old), has(now)], [false, true, true]);
    await good('verify');
    await good('status');
  });

  it('spares what is young where nobody says otherwise', async () => {
    await trainAgain();
    const found = JSON.parse(await good('gc', '--workspace', '--json'));
    assert.equal(found.collected.objects, 0);
    assert.ok(found.young.objects > 0);
  });

  it('keeps what stands behind the work tree, and by a wider scope what an older commit names', async () => {
    const [old, now] = await trainAgain();
    commit('second');
    await good('gc', '--all-commits', '--grace', '0');
    assert.ok(fs.existsSync(at(`.mlpipe/objects/${old.slice(7, 9)}/${old.slice(9)}`)), 'a commit names it');
    execFileSync('git', ['branch', 'before', 'HEAD~1'], { cwd: folder });
    await good('gc', '--all-branches', '--grace', '0', '--now');
    assert.ok(has(old), 'a branch names it');
    execFileSync('git', ['branch', '-D', 'before'], { cwd: folder, stdio: 'ignore' });
    await good('gc', '--all-branches', '--grace', '0', '--now');
    assert.deepEqual([has(old), has(now)], [false, true]);
    await good('verify');
    assert.equal((await call('status')).code, 0);
  });

  it('sets aside what comes back by itself, and says for how long', async () => {
    const [old] = await trainAgain();
    const { stderr, stdout } = await call('gc', '--workspace', '--grace', '0');
    assert.match(stdout, /collected \d+ objects/);
    assert.match(stderr, /7 days/);
    assert.equal(fs.existsSync(at(`.mlpipe/objects/${old.slice(7, 9)}/${old.slice(9)}`)), false);
    // The old pipeline finds its result by its key.
    execFileSync('git', ['checkout', '-q', '.'], { cwd: folder });
    const run = JSON.parse(await good('run', '--json'));
    assert.deepEqual([...new Set(run.steps.map((step: { status: string }) => step.status))], ['cached']);
    assert.ok(has(old));
  });

  it('marks on a remote what nothing needs, and deletes it when others have had their time', async () => {
    const remote = fs.mkdtempSync(join(folder, '..', 'mlpipe-models-'));
    const names = () =>
      new Set(
        fs.readdirSync(remote, { recursive: true, encoding: 'utf8' }).filter((name) => /[0-9a-f]{60}/.test(name)),
      );
    try {
      await good('remote', 'add', 'shared', remote);
      await good('push');
      const [old, now] = await trainAgain();
      await good('push');
      const before = names();
      for (const words of [['--now'], ['--grace', '12h']]) {
        const { code, stderr } = await call('gc', '-r', 'shared', '--workspace', ...words);
        assert.equal(code, 2);
        assert.match(stderr, /who is just sending/);
      }
      const collect = async (...words: string[]) => {
        const found = JSON.parse(await good('gc', '-r', 'shared', '--json', ...words));
        assert.ok(new Ajv2020().validate(JSON.parse(await good('schema', 'gc-remote')), found));
        return found as Record<string, { files: number }>;
      };
      assert.equal((await collect('--unreferenced')).marked?.files, 0);
      // What was recorded within the grace is spared, and all of this was.
      assert.equal((await collect('--workspace', '-n')).marked?.files, 0);
      fs.mkdirSync(join(remote, 'objects/00'), { recursive: true });
      fs.writeFileSync(join(remote, 'objects/00', '0'.repeat(62)), 'left by somebody');
      const { stdout, stderr } = await call('gc', '-r', 'shared', '--workspace');
      assert.match(stdout, /marked: 1 file \(16 bytes\)/);
      assert.match(stderr, /deleted by a gc in 14 days/);
      const [epoch = ''] = fs.readdirSync(join(remote, 'trash')).filter((name) => /^\d+$/.test(name));
      const twoWeeksAgo = String(Number(epoch) - 15 * 86_400_000).padStart(15, '0');
      fs.renameSync(join(remote, 'trash', epoch), join(remote, 'trash', twoWeeksAgo));
      assert.equal((await collect('--workspace', '-n')).deleted?.files, 1);
      assert.equal((await collect('--workspace')).deleted?.files, 1);
      assert.deepEqual(names(), before);
      assert.ok(has(old) && has(now));
      await good('pull');
      assert.match((await call('gc', '-r', 'nowhere', '--workspace')).stderr, /no remote nowhere/);
    } finally {
      fs.rmSync(remote, { recursive: true, force: true });
    }
  });

  it('takes nothing in a shallow clone, which lacks what older commits name', async () => {
    await trainAgain();
    commit('second');
    const whole = folder;
    folder = temporaryFolder();
    try {
      execFileSync('git', ['clone', '-q', '--depth', '1', `file://${whole}`, at('shallow')]);
      const { code, stderr } = await mlpipe(['gc', '--all-commits', '--grace', '0'], { folder: at('shallow') });
      assert.equal(code, 1);
      assert.match(stderr, /shallow.*--unshallow/s);
      execFileSync('git', ['fetch', '-q', '--unshallow'], { cwd: at('shallow') });
      assert.equal((await mlpipe(['gc', '--all-commits', '--grace', '0'], { folder: at('shallow') })).code, 0);
    } finally {
      remove(folder);
      folder = whole;
    }
  });

  it('takes nothing where a record is damaged', async () => {
    const [shard = ''] = fs
      .readdirSync(at('.mlpipe/records'))
      .filter((name) => fs.readdirSync(at('.mlpipe/records', name)).length);
    const [name = ''] = fs
      .readdirSync(at('.mlpipe/records', shard))
      .filter((each) => /^[0-9a-f]{62}\.json$/.test(each));
    const path = at('.mlpipe/records', shard, name);
    fs.chmodSync(path, 0o644);
    fs.writeFileSync(path, fs.readFileSync(path, 'utf8').replace('"kind"', '"kinds"'));
    const { code, stderr } = await call('gc', '--unreferenced', '--grace', '0');
    assert.equal(code, 1);
    assert.match(stderr, /Nothing was collected/);
  });
});

describe('mlpipe verify --repair', function () {
  this.timeout(120_000);
  let folder: string;
  const at = (...names: string[]) => join(folder, ...names);
  const call = (...words: string[]) => mlpipe(words, { folder: at('project') });

  before(ensureBuilt);
  beforeEach(async () => {
    folder = temporaryFolder();
    fs.mkdirSync(at('project'));
    for (const [name, text] of Object.entries(FILES)) fs.writeFileSync(at('project', name), text);
    for (const words of [['run'], ['remote', 'add', 'shared', '../remote'], ['push']]) {
      const answer = await call(...words);
      assert.equal(answer.code, 0, answer.stderr);
    }
  });
  afterEach(() => remove(folder));

  function objects(): string[] {
    const folder = at('project/.mlpipe/objects');
    return fs
      .readdirSync(folder)
      .flatMap((shard) => fs.readdirSync(join(folder, shard)).map((name) => join(folder, shard, name)));
  }

  it('finds every object that is flipped, cut or emptied, and brings all of them back', async () => {
    const ways = [
      (bytes: Buffer) => Buffer.from(bytes.map((byte, index) => (index === bytes.length >> 1 ? byte ^ 4 : byte))),
      (bytes: Buffer) => bytes.subarray(0, -1),
      () => Buffer.alloc(0),
    ];
    // One that is empty cannot be emptied.
    const paths = objects().filter((path) => fs.statSync(path).size > 0);
    assert.ok(paths.length > 8);
    paths.forEach((path, index) => {
      const change = ways[index % ways.length] ?? Buffer.from;
      const bytes = change(fs.readFileSync(path));
      fs.chmodSync(path, 0o644);
      fs.writeFileSync(path, bytes);
    });
    const broken = JSON.parse((await call('verify', '--json')).stdout);
    const wrong = broken.problems.filter(({ code }: { code: string }) => code === 'object-corrupt');
    assert.equal(wrong.length, paths.length);
    const { code, stdout, stderr } = await call('verify', '--repair', '--json');
    const found = JSON.parse(stdout);
    assert.deepEqual([code, found.ok, found.problems], [0, true, []], stderr);
    assert.equal(found.repair.repaired.length, paths.length);
    assert.equal(fs.readdirSync(at('project/.mlpipe/damaged')).length, paths.length);
    assert.equal((await call('status')).code, 0);
  });

  it('says what no remote has, and which remote did not answer', async () => {
    const path = objects().find((each) => fs.statSync(each).size > 0) ?? '';
    fs.chmodSync(path, 0o644);
    fs.writeFileSync(path, 'something else');
    fs.renameSync(at('remote'), at('elsewhere'));
    const { code, stdout, stderr } = await call('verify', '--repair');
    assert.equal(code, 1);
    assert.match(stderr, /no remote has sha256:[0-9a-f]{64}/);
    assert.match(stdout + stderr, /shared/);
  });

  it('mends what stands behind one model alone', async () => {
    const paths = objects().filter((path) => fs.statSync(path).size > 0);
    for (const path of paths) {
      fs.chmodSync(path, 0o644);
      fs.appendFileSync(path, '!');
    }
    const { code, stdout, stderr } = await call('verify', 'learn', '--repair', '--json');
    const found = JSON.parse(stdout);
    assert.deepEqual([code, found.ok, found.problems], [0, true, []], stderr);
    const repaired = found.repair.repaired.length;
    assert.ok(repaired > 0 && repaired < paths.length, `${repaired} of ${paths.length}`);
    assert.match(stderr, new RegExp(`brought back ${repaired} objects? from shared`));
    assert.equal((await call('verify', 'learn')).code, 0);
    assert.equal((await call('verify')).code, 1);
  });
});
