/** What does a result depend on? Programs that each depend on one thing, and a training that depends on its seed alone. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Reprotest, ReprotestOptions, TriedVariation } from '../../runtime/api.ts';
import * as api from '../../runtime/api.ts';
import { isRunning, TemporaryProject, until } from './project.ts';
import { FILES } from './support/flowers.ts';

/** By step: what it prints, and the variation that must catch it. */
const DEPENDENT: Record<string, { run: string; on: api.VariationName[] }> = {
  zone: { run: 'date -d @0 +%H', on: ['time-zone'] },
  words: { run: 'echo $LC_ALL', on: ['locale'] },
  plurals: { run: `node -p 'new Intl.NumberFormat().format(0.5)'`, on: ['locale'] },
  here: { run: 'pwd', on: ['path'] },
  house: { run: 'echo $HOME', on: ['home'] },
  person: { run: 'id -u', on: ['user'] },
  machine: { run: 'hostname', on: ['host'] },
  rights: { run: 'umask', on: ['umask'] },
  cores: { run: 'nproc', on: ['cores'] },
  pool: { run: 'echo $OMP_NUM_THREADS', on: ['threads'] },
  hashes: { run: 'echo $PYTHONHASHSEED', on: ['hash-seed'] },
  firm: { run: 'cat note.txt', on: [] },
};

const PROGRAMS = `pipeline programs\n\n${Object.entries(DEPENDENT)
  .map(
    ([name, { run }]) =>
      `step ${name} {\n  run "${run.replaceAll('$', '\\$')} > \${out}"\n  reads "note.txt"\n  writes out "${name}.txt"\n}\n`,
  )
  .join('\n')}`;

describe('a test of what a result depends on', function () {
  this.timeout(120_000);
  let project: TemporaryProject;
  afterEach(() => project.remove());
  const start = (files: Record<string, string>) => {
    project = new TemporaryProject(files);
    project.beginRepository();
  };
  const reprotest = async (reference: string, options: ReprotestOptions = {}): Promise<Reprotest> =>
    project.open((opened) => api.reprotest(opened, reference, options));
  const left = () => fs.readdirSync(project.path('.mlpipe/reproductions'));
  const dependsOn = ({ variations }: Reprotest) =>
    variations.filter(({ depends }) => depends === true).map(({ variation }) => variation);
  const named = ({ variations }: Reprotest, name: string): TriedVariation => {
    const found = variations.find(({ variation }) => variation === name);
    if (found === undefined) throw new Error(`${name} was neither varied nor said not to be.`);
    return found;
  };

  it('catches each program that prints what it should not know, by the variation of that', async () => {
    start({ 'programs.mlpipe': PROGRAMS, 'note.txt': 'a note\n' });
    assert.equal((await project.run()).answer.ok, true);
    for (const [step, { on }] of Object.entries(DEPENDENT)) {
      // What it depends on, and one thing that it does not; of the one that depends on nothing, all.
      const found = await reprotest(
        step,
        on.length === 0 ? {} : { vary: [...on, on[0] === 'path' ? 'umask' : 'path'] },
      );
      const possible = on.filter((name) => named(found, name).varied);
      assert.deepEqual(dependsOn(found), possible, `${step}: ${JSON.stringify(found)}`);
      assert.equal(found.ok, possible.length === 0);
      // Who prints the folder prints another here than where it was recorded.
      assert.equal(found.asRecorded, step !== 'here');
      if (possible.length > 0) assert.deepEqual(named(found, possible[0] ?? '').differs, [`${step}.out`]);
      if (on.length === 0) {
        assert.deepEqual(
          found.variations.map(({ variation }) => variation),
          ['again', ...api.VARIATIONS],
          'each is answered for, varied or not',
        );
        assert.match(named(found, 'seed').why ?? '', /a program declares no seed/);
        const everywhere = ['threads', 'locale', 'time-zone', 'path', 'home', 'user', 'hash-seed'];
        for (const name of everywhere) assert.equal(named(found, name).varied, true, name);
      }
      for (const { varied, why, verdict } of found.variations) {
        assert.equal(varied, verdict !== null);
        assert.equal(varied, why === null);
      }
      assert.deepEqual(left(), []);
    }
  });

  it('of a training finds the seed, which is declared, and nothing else', async () => {
    start({ ...FILES, 'flowers.mlpipe': (FILES['flowers.mlpipe'] ?? '').replace('epochs 2', 'epochs 1') });
    await project.run({ steps: ['proof'] });
    const found = await reprotest('proof', { vary: ['seed', 'threads', 'locale', 'cores', 'umask'] });
    assert.equal(found.step, 'learn');
    assert.deepEqual(dependsOn(found), ['seed'], JSON.stringify(found));
    assert.equal(found.ok, true);
    assert.match(found.because, /depends on the seed, as the pipeline declares$/);
    const seed = named(found, 'seed');
    assert.deepEqual([seed.from, seed.to, seed.declared], ['3', '4', true]);
    assert.notEqual(seed.verdict, 'bitwise');
    assert.ok(seed.differs.includes('learn.model'));
    assert.equal(named(found, 'umask').verdict, 'bitwise');
    const accuracy = named(found, 'locale').metrics.find(({ name }) => name === 'accuracy');
    assert.equal(accuracy?.recorded, accuracy?.reproduced);
    assert.equal(typeof accuracy?.recorded, 'number');
  });

  it('reaches the process that trains, and what runs before it', async () => {
    const text = (FILES['flowers.mlpipe'] ?? '')
      .replace(/ {2}from "flowers\.csv"\n {2}pin .*\n/, '  from tidy.table\n')
      .replace(
        'model small {',
        // Of the time zone one more row is made.
        'step tidy {\n  run "cat flowers.csv > ${table}; test \\$TZ = UTC || echo 1,2,0 >> ${table}"\n  reads "flowers.csv"\n  writes table "tidy.csv"\n}\n\nmodel small {',
      )
      .replace('epochs 2', 'epochs 1');
    start({ ...FILES, 'flowers.mlpipe': text });
    await project.run({ steps: ['learn'] });
    const found = await reprotest('learn', { vary: ['time-zone', 'path'] });
    assert.deepEqual(dependsOn(found), ['time-zone'], JSON.stringify(found));
    assert.deepEqual(
      named(found, 'time-zone').differs.filter((name) => /tidy|model/.test(name)),
      ['learn.model', 'tidy.table'],
    );
    assert.equal(found.ok, false);
    assert.equal(found.because, 'the result depends on the time zone');
  });

  it('puts its conditions around the process that trains, too', async () => {
    start(FILES);
    const seen = project.path('seen.txt');
    const { answer } = await project.run({
      steps: ['learn'],
      conditions: { before: ['sh', '-c', `env > '${seen}' && exec "$@"`, 'sh'], variables: { TZ: 'Etc/GMT-14' } },
    });
    assert.equal(answer.ok, true, JSON.stringify(answer));
    assert.match(project.read('seen.txt'), /^TZ=Etc\/GMT-14$/m);
  });

  it('a program that draws by chance differs from itself, and then nothing can be told from chance', async () => {
    start({
      'dice.mlpipe': 'pipeline dice\n\nstep dice {\n  run "date +%s%N > ${out}"\n  writes out "dice.txt"\n}\n',
    });
    await project.run();
    const found = await reprotest('dice');
    assert.deepEqual(dependsOn(found), ['again']);
    assert.equal(found.ok, false);
    assert.equal(found.because, 'the result depends on chance or the time');
    assert.equal(found.asRecorded, false);
    assert.match(named(found, 'locale').why ?? '', /differ already/);
  });

  const LIST = {
    'list.mlpipe':
      'pipeline list\n\nstep list {\n  run "ls -U notes > ${out}"\n  reads "notes/*.txt"\n  writes out "list.out"\n}\n',
    ...Object.fromEntries(['c', 'a', 'd', 'b'].map((name) => [`notes/${name}.txt`, name])),
  };

  it('sees the order in which a folder lists its files, or says that the file system does not change it', async () => {
    start(LIST);
    await project.run();
    const found = await reprotest('list', { vary: ['file-order'] });
    const order = named(found, 'file-order');
    if (order.varied) assert.deepEqual(dependsOn(found), ['file-order']);
    else assert.match(order.why ?? '', /an order of its own/);
  });

  it('turns the order of files round where a file system keeps it, for programs and for trainings', async function () {
    const memory = '/dev/shm';
    if (!fs.existsSync(memory)) this.skip();
    const temporary = process.env.TMPDIR;
    process.env.TMPDIR = memory;
    try {
      start(LIST);
      await project.run();
      assert.deepEqual(dependsOn(await reprotest('list', { vary: ['file-order'] })), ['file-order']);
      project.remove();
      start(FILES);
      await project.run({ steps: ['learn'] });
      const order = named(await reprotest('learn', { vary: ['file-order'] }), 'file-order');
      assert.deepEqual([order.varied, order.depends], [true, false], order.why ?? '');
    } finally {
      if (temporary === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = temporary;
    }
  });

  it('says which tool is missing where something cannot be varied', async () => {
    start({ 'programs.mlpipe': PROGRAMS, 'note.txt': 'a note\n' });
    await project.run({ steps: ['firm'] });
    const path = process.env.PATH;
    const tools = project.path('.tools');
    fs.mkdirSync(tools);
    for (const tool of ['sh', 'cat', 'git', 'strace']) {
      const folder = (path ?? '').split(delimiter).find((each) => fs.existsSync(join(each, tool))) ?? '';
      fs.symlinkSync(join(folder, tool), join(tools, tool));
    }
    process.env.PATH = tools;
    try {
      const found = await reprotest('firm', { vary: ['cores', 'host', 'user', 'clock'] });
      if (process.platform === 'linux')
        assert.match(named(found, 'cores').why ?? '', /^taskset is not installed|one core/);
      assert.match(named(found, 'host').why ?? '', /^unshare is not installed/);
      assert.match(named(found, 'clock').why ?? '', /^faketime .*is not installed/);
      const user = named(found, 'user');
      assert.equal(user.varied, true, 'its variables can be');
      assert.match(user.note ?? '', /number stays the same: unshare is not installed/);
      assert.equal(found.ok, true);
    } finally {
      process.env.PATH = path;
    }
  });

  it('that is cancelled ends its program and leaves nothing', async () => {
    start({
      'slow.mlpipe':
        'pipeline slow\n\nstep slow {\n  run "cat wait.txt; sh -c \\"\\$(cat wait.txt)\\" > ${out}"\n  reads "wait.txt"\n  writes out "slow.out"\n}\n',
      'wait.txt': 'test $TZ = UTC || sleep 60',
    });
    await project.run();
    const cancelled = new AbortController();
    let trial = '';
    let pid = 0;
    const test = reprotest('slow', {
      vary: ['time-zone'],
      signal: cancelled.signal,
      onTrial: (name) => {
        trial = name;
      },
      onEvent: (event) => {
        if (trial !== 'time-zone' || event.type !== 'step-started') return;
        pid = event.pid ?? 0;
        setTimeout(() => cancelled.abort(), 200);
      },
    });
    await assert.rejects(test, { code: 'cancelled', exit: 130 });
    assert.deepEqual(left(), []);
    assert.ok(pid > 0);
    await until(() => !isRunning(pid));
  });

  it('of what does not run is refused', async () => {
    start({ 'programs.mlpipe': PROGRAMS, 'note.txt': 'a note\n' });
    await project.run({ steps: ['firm'] });
    await assert.rejects(reprotest('nothing'), { code: 'reference-unknown' });
    project.write(
      'programs.mlpipe',
      'pipeline programs\n\nstep broken {\n  run "cat note.txt > ${out}; false"\n  reads "note.txt"\n  writes out "out.txt"\n}\n',
    );
    await project.run();
    await assert.rejects(reprotest('broken'), { code: 'control-failed', message: /broken did not run: .*exit code 1/ });
    assert.deepEqual(left(), []);
  });
});
