import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import type { RunEvent } from '../../runtime/events.ts';
import { quote } from '../../runtime/execute/command-line.ts';
import { lineBuffer, masker } from '../../runtime/execute/secrets.ts';
import { parseTrace, whyNoTrace } from '../../runtime/execute/trace.ts';
import { isRunning, TemporaryProject, until } from './project.ts';

describe('a program step', () => {
  let project: TemporaryProject;
  const start = (step: string, files: Record<string, string> = {}) => {
    project = new TemporaryProject({ 'p.mlpipe': `pipeline p\n\n${step}\n`, ...files });
    return project;
  };
  afterEach(() => project.remove());

  it('runs in a folder that holds what it declares and nothing else', async () => {
    start('step list {\n  run "find . -type f > ${out}"\n  reads "a.txt", "deep/b.txt"\n  writes out "out.txt"\n}', {
      'a.txt': 'a',
      'deep/b.txt': 'b',
      'secret.txt': 'c',
    });
    const { answer } = await project.run();
    assert.equal(answer.ok, true, JSON.stringify(answer.steps));
    assert.deepEqual(project.read('out.txt').trim().split('\n').sort(), ['./a.txt', './deep/b.txt', './out.txt']);
  });

  it('gets cleaned environment variables, and those that it declares', async () => {
    start('step show {\n  run "env > ${out}"\n  variable LEVEL = "3"\n  writes out "out.txt"\n}');
    process.env.MLPIPE_TEST_STRAY = 'stray';
    await project.run();
    delete process.env.MLPIPE_TEST_STRAY;
    const variables = project.read('out.txt');
    assert.match(variables, /^LEVEL=3$/m);
    assert.match(variables, /^TZ=UTC$/m);
    assert.doesNotMatch(variables, /STRAY|NODE_OPTIONS/);
  });

  it('never shows a secret: not on the screen, not in the log, not in the record', async () => {
    const command = 'echo key=$KEY base=$(printf %s $KEY | base64) arg=${secret.MLPIPE_TEST_KEY} | tee ${out}';
    start(`step call {\n  run "${command}"\n  variable KEY = secret.MLPIPE_TEST_KEY\n  writes out "out.txt"\n}`);
    process.env.MLPIPE_TEST_KEY = 'hunter2-secret';
    const { answer, events } = await project.run();
    delete process.env.MLPIPE_TEST_KEY;
    assert.equal(answer.ok, true, JSON.stringify(answer.steps));
    const record = project.record('call');
    assert(record.log);
    const log = await project.object(record.log);
    assert.match(log, /key=\[secret MLPIPE_TEST_KEY\] base=\[secret MLPIPE_TEST_KEY\] arg=\[secret MLPIPE_TEST_KEY\]/);
    assert.doesNotMatch(JSON.stringify([events, record, log]), /hunter2-secret/);
    // The program itself got it.
    assert.match(project.read('out.txt'), /key=hunter2-secret/);
  });

  it('is not begun without its secret, and says which', async () => {
    start('step call {\n  run "echo ${secret.MLPIPE_TEST_NOWHERE}"\n  writes out "o"\n}');
    const { step } = await project.run();
    assert.equal(step('call').status, 'failed');
    assert.match(step('call').error?.message ?? '', /MLPIPE_TEST_NOWHERE is not set/);
  });

  const endings: [string, string, RegExp][] = [
    ['an exit code', 'exit 3', /ended with exit code 3/],
    ['a missing program', 'no-such-program-here', /exit code 127: a program was not found/],
    ['a signal', 'kill -SEGV $$', /SIGSEGV/],
    ['a file that it did not write', 'true', /did not write out\.txt/],
  ];
  for (const [what, command, words] of endings) {
    it(`tells ${what} in words`, async () => {
      start(`step bad {\n  run "${command}"\n  writes out "out.txt"\n}`);
      const { answer, step } = await project.run();
      assert.equal(answer.ok, false);
      assert.match(step('bad').error?.message ?? '', words);
      assert.equal(project.record('bad').exit.status, 'failed');
      assert.equal(project.exists('p.mlpipe.lock/bad.json'), false);
    });
  }

  it('is ended when its time is over', async () => {
    start('step slow {\n  run "sleep 60"\n  writes out "o"\n  resources 1 s\n}');
    const { step } = await project.run();
    assert.match(step('slow').error?.message ?? '', /ended after 1\.0 s, the time that its resources allow/);
  });

  it('is ended when it uses more memory than it may', async function () {
    if (process.platform !== 'linux') this.skip();
    start(
      `step greedy {\n  run "'${process.execPath}' hog.cjs"\n  reads "hog.cjs"\n  writes out "o"\n  resources 150 MiB\n}`,
      {
        'hog.cjs': 'const kept = []; setInterval(() => kept.push(Buffer.alloc(2e7, 1)), 20);',
      },
    );
    const { step } = await project.run();
    assert.match(step('greedy').error?.message ?? '', /used \d+ MiB of memory; its resources allow 150 MiB/);
  });

  it('says which undeclared file it read, and which it looked for in vain', async function () {
    if (whyNoTrace() !== null) this.skip();
    start('', { 'declared.txt': 'd', 'outside.txt': 'o', 'lost.txt': 'l' });
    project.write(
      'p.mlpipe',
      `pipeline p\n\nstep look {\n  run "cat declared.txt '${project.path('outside.txt')}' lost.txt > ` +
        '${out} || true"\n  reads "declared.txt"\n  writes out "out.txt"\n}\n',
    );
    const { events } = await project.run();
    assert.deepEqual(project.record('look').undeclaredReads, ['lost.txt', 'outside.txt']);
    assert(events.some((event) => event.type === 'step-warning' && event.message.includes('lost.txt, outside.txt')));
  });

  it('is ended with all its children within a second when the run is cancelled', async () => {
    start('step long {\n  run "sleep 300 & echo $! ; echo $$; wait"\n  writes out "o"\n}');
    const cancel = new AbortController();
    const events: RunEvent[] = [];
    const running = project.run({ signal: cancel.signal, onEvent: (event) => events.push(event) });
    const text = () =>
      events.flatMap((event) => (event.type === 'step-output' ? event.text.trim().split('\n') : [])).map(Number);
    const pids = await until(() => text().length >= 2 && text());
    assert(pids.every(isRunning));
    const asked = performance.now();
    cancel.abort();
    const { answer, step } = await running;
    await until(() => !pids.some(isRunning));
    assert(performance.now() - asked < 3000);
    assert.equal(step('long').status, 'cancelled');
    assert.equal(answer.ok, false);
    assert.equal(project.record('long').exit.status, 'cancelled');
  });

  it('keeps what a person wrote in the place of an output', async () => {
    start('step write {\n  run "echo made > ${out}"\n  writes out "out.txt"\n}');
    await project.run();
    project.write('out.txt', 'edited by hand\n');
    assert.deepEqual(
      (await project.status()).steps.map(({ reason }) => reason),
      ['out.txt was changed since it was written; it comes back from the store'],
    );
    const { step, events } = await project.run();
    assert.equal(step('write').status, 'cached');
    assert.equal(project.read('out.txt'), 'made\n');
    const warning = events.find((event) => event.type === 'step-warning');
    assert(warning?.type === 'step-warning');
    const digest = /sha256:[0-9a-f]{64}/.exec(warning.message)?.[0] ?? '';
    assert.equal(await project.object(digest), 'edited by hand\n');
  });

  it('is refused where the pinned interpreter is neither here nor to be had', async () => {
    start('environment old {\n  python "2.0.1"\n}\n\nstep write {\n  run "python x.py"\n  in old\n  writes out "o"\n}');
    const { step } = await project.run();
    assert.equal(step('write').status, 'failed');
    assert.match(
      step('write').error?.message ?? '',
      /^python 2\.0\.1 is pinned; this machine has .*no uv|Python 2\.0\.1 could not be provided/,
    );
  });

  it('keeps inputs from being changed in the project by what it does to them', async () => {
    start(
      'step spoil {\n  run "rm -f a.txt; echo spoilt > a.txt; cp a.txt ${out}"\n  reads "a.txt"\n  writes out "o.txt"\n}',
      {
        'a.txt': 'whole\n',
      },
    );
    await project.run();
    assert.equal(project.read('a.txt'), 'whole\n');
    assert.equal(project.read('o.txt'), 'spoilt\n');
    assert.equal(fs.existsSync(join(project.folder, '.mlpipe', 'runs', 'work')), false);
  });
});

describe('quoting', () => {
  it('leaves safe words bare and lets the shell read the others back', () => {
    assert.equal(quote('data/a-1.csv'), 'data/a-1.csv');
    if (process.platform !== 'win32') assert.equal(quote("it's $HOME"), "'it'\\''s $HOME'");
  });
});

describe('masking', () => {
  it('sees a secret that two chunks share', () => {
    const mask = masker({ KEY: 'abcdef' });
    const lines: string[] = [];
    const take = lineBuffer((line) => lines.push(mask(line)));
    take('x abc');
    take('def y\nrest');
    take();
    assert.deepEqual(lines, ['x [secret KEY] y\n', 'rest']);
  });
});

describe('a trace', () => {
  it('is read although lines of several processes are mixed', () => {
    const { opened, missing } = parseTrace(
      [
        '11 openat(AT_FDCWD</w>, "a.txt", O_RDONLY <unfinished ...>',
        '12 openat(AT_FDCWD</w>, "b.txt", O_RDONLY) = -1 ENOENT (No such file or directory)',
        '11 <... openat resumed>) = 3</w/a.txt>',
        '12 openat(AT_FDCWD</w>, "out", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 4</w/out>',
        '12 openat(AT_FDCWD</w>, "\\303\\244.txt", O_RDONLY) = 5</w/\\303\\244.txt>',
      ].join('\n'),
    );
    assert.deepEqual([...opened], ['/w/a.txt', '/w/ä.txt']);
    assert.deepEqual([...missing], ['/w/b.txt']);
  });
});
