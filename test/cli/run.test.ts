/** A run as it goes: events, a log, a terminal, and its end by a signal. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import type { RunEvent } from '../../runtime/events.ts';
import { ended, ensureBuilt, isAlive, launch, mlpipe, remove, start, temporaryFolder, until } from './support.ts';

const hasScript = process.platform === 'linux' && spawnSync('script', ['--version']).status === 0;

describe('a run', () => {
  let folder = '';

  before(async function () {
    this.timeout(120_000);
    ensureBuilt();
    folder = temporaryFolder();
    assert.equal((await mlpipe(['init'], { folder })).code, 0);
  });
  after(() => remove(folder));

  it('writes its events one a line with --events, and nothing else on stdout', async function () {
    this.timeout(60_000);
    const run = await mlpipe(['run', '--events', '--json'], { folder });
    assert.equal(run.code, 0, run.stderr);
    const events = run.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as RunEvent);
    assert.equal(events[0]?.type, 'run-started');
    assert.equal(events.at(-1)?.type, 'run-finished');
    assert.ok(events.some(({ type }) => type === 'step-progress'));
    assert.equal(events.filter(({ type }) => type === 'step-finished').length, 2);
  });

  it('is plain lines in a pipe: no control characters, an epoch a line', async function () {
    this.timeout(60_000);
    const run = await mlpipe(['run', '-f'], { folder });
    assert.equal(run.code, 0, run.stderr);
    assert.ok(!run.stderr.includes('\u001b') && !run.stderr.includes('\r'));
    assert.match(run.stderr, /^ {2}learn: epoch \d+\/60/m);
    assert.match(run.stderr, /^✓ learn ran in /m);
  });

  it('is a bar in a terminal', async function () {
    if (!hasScript) this.skip();
    this.timeout(60_000);
    const child = spawn('script', ['-qec', `'${process.execPath}' '${start}' run -f`, '/dev/null'], {
      cwd: folder,
      env: { ...process.env, TERM: 'xterm-256color', NO_COLOR: undefined },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const { code, stdout } = await ended(child);
    assert.equal(code, 0);
    assert.match(stdout, /━{8}/);
    assert.ok(stdout.includes('\u001b[1A'), 'the bar is drawn over');
  });

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    it(`ends at ${signal}: exit 130, the worker gone, and a later run goes on`, async function () {
      if (process.platform === 'win32') this.skip();
      this.timeout(60_000);
      const file = join(folder, 'moons.mlpipe');
      const text = fs.readFileSync(file, 'utf8');
      fs.writeFileSync(
        file,
        text.replace(/epochs( +)\d+/, 'epochs$1100000').replace(/(train learn \{[^}]*seed +)\d+/, '$13'),
      );
      const child = launch(['run', '--events'], { folder });
      let out = '';
      child.stdout?.on('data', (bytes: Buffer) => {
        out += bytes.toString();
      });
      const end = ended(child);
      await until(() => out.includes('"epoch":2'), 'the second epoch', 30_000);
      const worker = Number(/"pid":(\d+)/.exec(out)?.[1]);
      assert.ok(worker > 0 && isAlive(worker));
      child.kill(signal);
      const answer = await end;
      assert.equal(answer.code, 130, answer.stderr);
      assert.match(answer.stderr, /cancelling/);
      await until(() => !isAlive(worker), 'the worker is gone');
      fs.writeFileSync(file, text);
      const later = await mlpipe(['run', '--json'], { folder });
      assert.equal(later.code, 0, later.stderr);
      assert.equal(JSON.parse(later.stdout).ok, true);
    });
  }
});
