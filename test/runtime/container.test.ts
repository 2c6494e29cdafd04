/** A step that runs in an image: for real where a runtime can run one, and by the command lines of the others. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import * as api from '../../runtime/api.ts';
import { containerName } from '../../runtime/environment/container/command.ts';
import { qualified } from '../../runtime/environment/container/image.ts';
import { requireRuntime } from '../../runtime/environment/container/runtimes.ts';
import { MlpipeError } from '../../runtime/errors.ts';
import { ensureBuilt, mlpipe } from '../cli/support.ts';
import { TemporaryProject, until } from './project.ts';
import { makeImage, type TestImage } from './support/container-image.ts';

const DIGEST = `sha256:${'5f0c3e'.repeat(10)}5f0c`;

const pipelineOf = (image: string, command: string, more = '') => `pipeline p

environment inside {
  image "${image}
}

step say {
  run "${command}"
  reads "word.txt"
  in inside
  writes out "made/out.txt"
${more}}
`;

describe('a step in an image', function () {
  if (process.platform === 'win32') return;
  this.timeout(120_000);
  let folder: string;
  let project: TemporaryProject;
  let kept: NodeJS.ProcessEnv;
  const projects: TemporaryProject[] = [];

  before(() => {
    ensureBuilt();
    kept = { ...process.env };
  });
  beforeEach(() => {
    folder = fs.mkdtempSync(join(tmpdir(), 'mlpipe-image-'));
  });
  afterEach(() => {
    for (const name of ['PATH', 'MLPIPE_CONTAINER', 'MLPIPE_OFFLINE', 'TOKEN'] as const) {
      if (kept[name] === undefined) delete process.env[name];
      else process.env[name] = kept[name];
    }
    for (const each of projects.splice(0)) each.remove();
    fs.rmSync(folder, { recursive: true, force: true });
  });

  const start = (text: string) => {
    project = new TemporaryProject({ 'p.mlpipe': text, 'word.txt': 'a word\n' });
    projects.push(project);
  };
  const outcome = async () => (await project.run()).step('say');

  describe('that really runs', () => {
    let image: TestImage | string;
    let place: string;
    before(async () => {
      place = fs.mkdtempSync(join(tmpdir(), 'mlpipe-image-root-'));
      image = await makeImage(place);
    });
    after(() => {
      if (typeof image !== 'string') image.remove();
      delete process.env.CONTAINERS_CONF;
      fs.rmSync(place, { recursive: true, force: true });
    });
    let made: TestImage;
    beforeEach(function () {
      if (typeof image === 'string') {
        console.log(`        not run: ${image}`);
        return this.skip();
      }
      made = image;
    });
    const containers = () =>
      execFileSync(made.runtime.program, ['ps', '--all', '--format', '{{.Names}}'], { encoding: 'utf8' })
        .split('\n')
        .filter((name) => name.startsWith('mlpipe-'));

    it('has the image’s files, its declared inputs to read, nothing of this machine, and writes as its user', async () => {
      process.env.TOKEN = 's3cret-token';
      const command = [
        'cat /etc/whose word.txt > ${out}',
        'pwd >> ${out}',
        'echo $HOME $TMPDIR $LEVEL >> ${out}',
        'test $KEY = s3cret-token && echo told >> ${out}',
        'cat /proc/net/dev | while read line; do case $line in eth*|en*) echo network ;; esac; done >> ${out}',
        '(echo changed > word.txt) 2>/dev/null || echo kept >> ${out}',
        // That the file's mode forbids it is not enough: whoever owns a file may change its mode.
        'while read line; do case $line in *project/word.txt*ro,*) echo read-only ;; esac; done < /proc/self/mountinfo >> ${out}',
        `ls ${process.cwd()} 2>/dev/null >> \${out}; true`,
      ].join('; ');
      start(pipelineOf(`${made.reference}"`, command, '  variable LEVEL = "3"\n  variable KEY = secret.TOKEN\n'));
      const step = await outcome();
      assert.equal(step.error?.message, undefined);
      assert.equal(
        project.read('made/out.txt'),
        'of the image\na word\n/mlpipe/project\n/tmp /tmp 3\ntold\nkept\nread-only\n',
      );
      assert.equal(project.read('word.txt'), 'a word\n');
      const { identity, evidence } = project.record('say').environment;
      assert.equal(identity.image, made.digest);
      const { runtime, reference, digest, id } = evidence.image as Record<string, string>;
      assert.equal(runtime, `${made.runtime.name} ${made.runtime.version}`);
      assert.deepEqual([reference, digest], [made.reference, made.digest]);
      assert.match(id ?? '', /^sha256:[0-9a-f]{64}$/);
      assert.deepEqual(project.record('say').undeclaredReads, []);
      assert.equal((await outcome()).status, 'cached');
      assert.deepEqual(containers(), []);
    });

    it('fails as its program does, in its own words', async () => {
      start(pipelineOf(`${made.reference}"`, 'no-such-program > ${out}'));
      const step = await outcome();
      assert.match(step.error?.message ?? '', /exit code 127/);
      assert.equal(step.error?.exit, undefined);
    });

    it('is over when it is cancelled, and when its time is', async () => {
      start(pipelineOf(`${made.reference}"`, 'sleep 1000; echo > ${out}'));
      const cancel = new AbortController();
      const running = project.run({ signal: cancel.signal });
      await until(() => containers().length > 0);
      cancel.abort();
      assert.equal((await running).step('say').status, 'cancelled');
      assert.deepEqual(containers(), []);
      project.write('p.mlpipe', pipelineOf(`${made.reference}"`, 'sleep 1001; echo > ${out}', '  resources 1 s\n'));
      assert.match((await outcome()).error?.message ?? '', /was ended after 1\.0 s/);
      assert.deepEqual(containers(), []);
    });

    it('ends what a killed run has left in the same run folder', async () => {
      start(pipelineOf(`${made.reference}"`, 'sleep 1000; echo > ${out}'));
      const other = project.runElsewhere();
      await until(() => containers().length > 0);
      const [left] = containers();
      other.process.kill('SIGKILL');
      await other.answer;
      const cancel = new AbortController();
      const again = project.run({
        signal: cancel.signal,
        onEvent: (event) => event.type === 'step-started' && setTimeout(() => cancel.abort(), 1500),
      });
      await again;
      assert.ok(left);
      assert.deepEqual(containers(), []);
    });

    it('is no other image: one that is nowhere cannot be fetched, and nothing runs', async () => {
      start(pipelineOf(`localhost/mlpipe-test@${DIGEST}"`, 'cat word.txt > ${out}'));
      const step = await outcome();
      assert.match(step.error?.message ?? '', /The image localhost\/mlpipe-test@sha256:5f0c3e.* could not be provided/);
      assert.equal(step.error?.exit, 2);
      assert.ok(!project.exists('made/out.txt'));
    });

    it('is known to `doctor` and to `decay`', async () => {
      start(pipelineOf(`${made.reference}"`, 'cat word.txt > ${out}'));
      const opened = api.openProject(project.folder);
      try {
        const { points } = await api.doctor(opened);
        const point = points.find(({ name }) => name === 'container');
        assert.deepEqual([point?.ok, point?.found], [true, `${made.runtime.name} ${made.runtime.version}`]);
        const item = async () =>
          (await api.decay(opened, project.path('p.mlpipe'))).items.find(({ kind }) => kind === 'image');
        assert.deepEqual([(await item())?.resolves, (await item())?.where], [true, made.runtime.name]);
        project.write('p.mlpipe', pipelineOf(`localhost/mlpipe-test@${DIGEST}"`, 'cat word.txt > ${out}'));
        assert.equal((await item())?.resolves, false);
      } finally {
        opened.close();
      }
    });
  });

  describe('by the command line of a runtime', () => {
    /** Plays a runtime: writes down what it was called with, and executes the command where the project is mounted. */
    function play(name: 'docker' | 'apptainer' | 'podman', info = '28.2.2\n\n') {
      const bin = join(folder, 'bin');
      fs.mkdirSync(bin, { recursive: true });
      const script = `#!${process.execPath}
const fs = require('node:fs');
const { spawnSync } = require('node:child_process');
const words = process.argv.slice(2);
fs.appendFileSync(${JSON.stringify(join(folder, 'calls'))}, JSON.stringify({ words, environment: process.env }) + '\\n');
const after = (word) => words[words.indexOf(word) + 1];
if (words[0] === 'info' || words[0] === '--version') process.stdout.write(${JSON.stringify(info)});
else if (words[0] === 'image') {
  const there = fs.existsSync(${JSON.stringify(join(folder, 'pulled'))});
  if (!there) { console.error('no such image'); process.exit(1); }
  console.log('["' + words.at(-1) + '"] sha256:' + 'a'.repeat(64));
} else if (words[0] === 'pull') fs.writeFileSync(${JSON.stringify(join(folder, 'pulled'))}, '');
else if (words[0] === 'run' || words[0] === 'exec') {
  const top = words.map((word) => /source=(.*),target=.mlpipe.project$/.exec(word) ?? /^(.*):.mlpipe.project:rw$/.exec(word)).find(Boolean)[1];
  const inside = after('--workdir') ?? after('--pwd');
  const cwd = top + (words.includes('--workdir') ? after('--workdir') : after('--pwd')).slice('/mlpipe/project'.length);
  process.exit(spawnSync('/bin/sh', ['-c', after('-c')], { cwd, stdio: 'inherit' }).status);
}
`;
      fs.writeFileSync(join(bin, name), script, { mode: 0o755 });
      // Nothing else that is called so; git and the shell stay.
      process.env.PATH = [bin, ...pathWithout()].join(delimiter);
    }
    const pathWithout = () => {
      const tools = join(folder, 'tools');
      fs.mkdirSync(tools, { recursive: true });
      for (const name of ['git', 'sh', 'cat', 'strace']) {
        const found = (kept.PATH ?? '')
          .split(delimiter)
          .map((each) => join(each, name))
          .find((path) => fs.existsSync(path));
        if (found !== undefined && !fs.existsSync(join(tools, name))) fs.symlinkSync(found, join(tools, name));
      }
      return [tools];
    };
    const calls = () =>
      fs
        .readFileSync(join(folder, 'calls'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { words: string[]; environment: Record<string, string> });
    const callOf = (word: string) => {
      const found = calls().find(({ words }) => words[0] === word);
      assert.ok(found, `${word} was not called`);
      return found;
    };

    it('docker: fetched once by its digest, no network, inputs read-only, and no secret in the words', async () => {
      play('docker');
      process.env.TOKEN = 's3cret-token';
      start(
        pipelineOf(
          `team/tools@${DIGEST}"`,
          'cat word.txt > ${out}',
          '  variable KEY = "${secret.TOKEN}"\n  resources 2 GiB\n',
        ),
      );
      assert.equal((await outcome()).error?.message, undefined);
      assert.equal(project.read('made/out.txt'), 'a word\n');
      const reference = `docker.io/team/tools@${DIGEST}`;
      assert.deepEqual(callOf('pull').words, ['pull', '--quiet', reference]);
      const { words, environment } = callOf('run');
      const run = fs.realpathSync(join(project.folder, '.mlpipe', 'runs'));
      const at = words.findIndex((word) => word.startsWith('type=bind'));
      const top = /source=(.*),target/.exec(words[at] ?? '')?.[1] ?? '';
      assert.ok(top.startsWith(run) && top.endsWith('/work'), top);
      const named = containerName(join(top, '..'));
      assert.deepEqual(words, [
        ...['run', '--rm', '--name', named, '--pull', 'never', '--entrypoint', '/bin/sh'],
        ...['--user', `${process.getuid?.()}:${process.getgid?.()}`, '--cap-drop', 'all'],
        ...['--security-opt', 'no-new-privileges', '--security-opt', 'label=disable', '--network', 'none'],
        ...['--memory', String(2 * 2 ** 30)],
        ...['--mount', `type=bind,source=${top},target=/mlpipe/project`],
        ...['--mount', `type=bind,source=${join(top, '..', 'tmp')},target=/tmp`],
        ...['--mount', `type=bind,source=${join(top, 'word.txt')},target=/mlpipe/project/word.txt,readonly`],
        ...['--workdir', '/mlpipe/project', '--env', 'LANG=C.UTF-8', '--env', 'LC_ALL=C.UTF-8', '--env', 'TZ=UTC'],
        ...['--env', 'PYTHONHASHSEED=0', '--env', 'PYTHONDONTWRITEBYTECODE=1', '--env', 'PYTHONUNBUFFERED=1'],
        ...['--env', 'HOME=/tmp', '--env', 'TMPDIR=/tmp', '--env', 'KEY'],
        ...[reference, '-c', 'cat word.txt > made/out.txt'],
      ]);
      assert.equal(environment.KEY, 's3cret-token');
      assert.doesNotMatch(
        calls()
          .flatMap((call) => call.words)
          .join(' '),
        /s3cret/,
      );
      await project.run({ force: true });
      assert.equal(calls().filter(({ words: [word] }) => word === 'pull').length, 1);
    });

    it('docker without root, and podman without root: files are still the user’s', async () => {
      play('docker', '28.2.2\nname=seccomp,profile=builtin name=rootless \n');
      start(pipelineOf(`team/tools@${DIGEST}"`, 'cat word.txt > ${out}'));
      await outcome();
      assert.ok(!callOf('run').words.includes('--user'), 'root there is whoever started it');
      fs.rmSync(join(folder, 'bin'), { recursive: true });
      fs.rmSync(join(folder, 'calls'));
      play('podman', '4.3.1\ntrue\n');
      await project.run({ force: true });
      const { words } = callOf('run');
      assert.equal(words[words.indexOf('--userns') + 1], 'keep-id');
      assert.ok(words.includes('--user') && words.includes('--http-proxy=false'));
    });

    it('docker: fetches nothing where that is forbidden, and uses what is there', async () => {
      play('docker');
      process.env.MLPIPE_OFFLINE = '1';
      start(pipelineOf(`team/tools@${DIGEST}"`, 'cat word.txt > ${out}'));
      const step = await outcome();
      assert.match(step.error?.message ?? '', /MLPIPE_OFFLINE forbids to fetch it/);
      assert.equal(step.error?.exit, 2);
      assert.ok(calls().every(({ words: [word] }) => word !== 'pull' && word !== 'run'));
      fs.writeFileSync(join(folder, 'pulled'), '');
      assert.equal((await outcome()).error?.message, undefined);
    });

    it('docker: says that no graphics processor is passed on, where one is asked for', async () => {
      play('docker');
      start(pipelineOf(`team/tools@${DIGEST}"`, 'cat word.txt > ${out}', '  resources 1 gpu\n'));
      const { events } = await project.run();
      const said = events.flatMap((event) => (event.type === 'step-warning' ? [event.message] : []));
      assert.match(said.join(), /No graphics processor is passed on/);
    });

    it('a network where it is declared, which is another environment', async () => {
      play('docker');
      start(pipelineOf(`team/tools@${DIGEST}"`, 'cat word.txt > ${out}'));
      const before = (await outcome()).key;
      project.write('p.mlpipe', pipelineOf(`team/tools@${DIGEST}" network`, 'cat word.txt > ${out}'));
      const step = await outcome();
      assert.equal(step.status, 'ran');
      assert.notEqual(step.key, before);
      assert.ok(
        !calls()
          .filter(({ words: [word] }) => word === 'run')
          .at(-1)
          ?.words.includes('--network'),
      );
      assert.equal(project.record('say').environment.identity.network, true);
    });

    it('apptainer: contained, with what it sees bound', async () => {
      play('apptainer', 'apptainer version 1.3.4\n');
      process.env.TOKEN = 's3cret-token';
      start(pipelineOf(`team/tools@${DIGEST}"`, 'cat word.txt > ${out}', '  variable KEY = secret.TOKEN\n'));
      assert.equal((await outcome()).error?.message, undefined);
      assert.equal(project.read('made/out.txt'), 'a word\n');
      const { words, environment } = callOf('exec');
      const top = (words.find((word) => word.endsWith(':/mlpipe/project:rw')) ?? '').split(':')[0] ?? '';
      assert.deepEqual(words, [
        ...[
          'exec',
          '--containall',
          '--no-home',
          '--cleanenv',
          '--pwd',
          '/mlpipe/project',
          '--net',
          '--network',
          'none',
        ],
        ...['--bind', `${top}:/mlpipe/project:rw`, '--bind', `${join(top, '..', 'tmp')}:/tmp:rw`],
        ...['--bind', `${join(top, 'word.txt')}:/mlpipe/project/word.txt:ro`],
        ...[`docker://docker.io/team/tools@${DIGEST}`, '/bin/sh', '-c', 'cat word.txt > made/out.txt'],
      ]);
      assert.equal(environment.APPTAINERENV_KEY, 's3cret-token');
      assert.equal(environment.APPTAINERENV_TZ, 'UTC');
    });

    it('none: an error that says what to do, and the run answers 2', async () => {
      process.env.PATH = pathWithout().join(delimiter);
      start(pipelineOf(`team/tools@${DIGEST}"`, 'cat word.txt > ${out}'));
      const step = await outcome();
      assert.match(step.error?.message ?? '', /neither podman nor docker nor apptainer/);
      assert.match(step.error?.todo ?? '', /apt install podman/);
      assert.equal(step.error?.exit, 2);
      const { code, stderr } = await mlpipe(['run'], { folder: project.folder });
      assert.equal(code, 2, stderr);
      assert.match(stderr, /apt install podman/);
      const bin = join(folder, 'bin');
      fs.mkdirSync(bin);
      const broken = '#!/bin/sh\necho "Cannot connect to the Docker daemon." >&2\nexit 1\n';
      fs.writeFileSync(join(bin, 'docker'), broken, { mode: 0o755 });
      process.env.PATH = [bin, ...pathWithout()].join(delimiter);
      await assert.rejects(requireRuntime(), (error: unknown) => {
        assert.ok(error instanceof MlpipeError);
        assert.deepEqual([error.code, error.exit], ['container-missing', 2]);
        assert.match(error.message, /docker is here and does not work: Cannot connect to the Docker daemon/);
        return true;
      });
      await assert.rejects(
        requireRuntime({ ...process.env, MLPIPE_CONTAINER: 'podman' }),
        /this machine has no podman/,
      );
      await assert.rejects(requireRuntime({ MLPIPE_CONTAINER: 'lxc' }), /names lxc/);
    });

    it('never for a tag: not even where what is said of it is silenced', async () => {
      play('docker');
      start(pipelineOf('docker.io/library/python:3.11"', 'cat word.txt > ${out}'));
      await assert.rejects(project.run(), /MLP3014|not whole|can be another image/);
      project.write(
        'p.mlpipe',
        pipelineOf('docker.io/library/python:3.11"  // mlpipe: ignore MLP3014 -- trust me', 'cat word.txt > ${out}'),
      );
      const message = await outcome().then(
        ({ error }) => error?.message ?? 'it ran',
        (error: Error) => error.message,
      );
      assert.match(message, /is not named by its digest|can be another image/);
      assert.ok(!project.exists('made/out.txt'));
    });
  });

  it('is of the registry that docker means where none is named', () => {
    assert.equal(qualified('python'), 'docker.io/library/python');
    assert.equal(qualified('team/tools'), 'docker.io/team/tools');
    for (const whole of ['ghcr.io/team/tools', 'localhost/tools', 'localhost:5000/tools', 'docker.io/library/python'])
      assert.equal(qualified(whole), whole);
  });
});
