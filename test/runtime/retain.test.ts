/** What an environment retains is had again when its registry, its index and the user's cache are gone. */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import * as api from '../../runtime/api.ts';
import { probe } from '../../runtime/environment/probe.ts';
import { namedBy } from '../../runtime/ledger/named.ts';
import { push } from '../../runtime/share/push.ts';
import { addRemote } from '../../runtime/share/remotes.ts';
import { TemporaryProject } from './project.ts';
import { FILES, flowers, pipelineOf } from './support/flowers.ts';
import { type NpmRegistry, startNpmRegistry } from './support/npm-registry.ts';
import { type PackageIndex, startPackageIndex } from './support/package-index.ts';
import { writeWheel } from './support/wheel.ts';

/** Of no release, so that the package of the registry below is the only place that has it. */
const NODE = '99.0.1';
const NODE_PACKAGE = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;

/** What may not help: each test begins with nothing but what it puts there. */
const VARIABLES = {
  MLPIPE_CACHE: 'cache',
  npm_config_cache: 'npm-cache',
  // What is gone is gone at once.
  npm_config_fetch_retries: '0',
  PIP_RETRIES: '0',
  PIP_CONFIG_FILE: '/dev/null',
  PIP_NO_CACHE_DIR: '1',
  PIP_FIND_LINKS: '',
  PIP_EXTRA_INDEX_URL: '',
} as const;

describe('an environment that is retained', function () {
  if (process.platform === 'win32') return;
  this.timeout(180_000);
  let folder: string;
  let project: TemporaryProject;
  let kept: NodeJS.ProcessEnv;
  const projects: TemporaryProject[] = [];

  beforeEach(() => {
    kept = { ...process.env };
    folder = fs.mkdtempSync(join(tmpdir(), 'mlpipe-retain-'));
    for (const [name, value] of Object.entries(VARIABLES))
      process.env[name] = /cache$/.test(value) ? join(folder, value) : value;
  });
  afterEach(() => {
    for (const name of Object.keys(process.env)) if (!(name in kept)) delete process.env[name];
    Object.assign(process.env, kept);
    for (const each of projects.splice(0)) each.remove();
    fs.rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  });

  const start = (files: Record<string, string>) => {
    project = new TemporaryProject(files);
    projects.push(project);
    return project;
  };
  const pipeline = (environment: string, command: string) =>
    `pipeline p\n\nenvironment here {\n  ${environment}\n}\n\nstep say {\n  run "${command} > \${out}"\n  in here\n  writes out "out.txt"\n}\n`;
  const emptyCaches = () => {
    for (const value of ['cache', 'npm-cache']) fs.rmSync(join(folder, value), { recursive: true, force: true });
  };
  const retained = () => project.record('say').environment.retained ?? {};
  const languages = () => project.record('say').environment.evidence.languages as Record<string, unknown>;
  const object = (digest: string) => project.path(join('.mlpipe', 'objects', digest.slice(7, 9), digest.slice(9)));

  describe('of Node', () => {
    let registry: NpmRegistry;
    let lock: Record<string, string>;
    const COMMAND = `node -p 'require(\\"trunk\\") + process.env.PINNED'`;

    beforeEach(async () => {
      registry = await startNpmRegistry(join(folder, 'registry'));
      process.env.npm_config_registry = registry.address;
      registry.publish('leaf', '1.0.0', { 'index.js': { text: 'module.exports = 7;' } });
      const dependencies = { leaf: '^1.0.0' };
      const trunk = { text: 'module.exports = require("leaf") * 6;' };
      registry.publish('trunk', '2.0.0', { 'index.js': trunk }, { dependencies });
      const program = `#!/bin/sh\nPINNED=" by ${NODE}" exec "${process.execPath}" "$@"\n`;
      registry.publish(NODE_PACKAGE, NODE, { 'bin/node': { text: program, mode: 0o755 } });
      const place = join(folder, 'lock');
      fs.mkdirSync(place);
      const manifest = { name: 'p', version: '1.0.0', dependencies: { trunk: '2.0.0' } };
      fs.writeFileSync(join(place, 'package.json'), JSON.stringify(manifest));
      // Not at once: the registry that it asks is in this process.
      await promisify(execFile)('npm', ['install', '--package-lock-only'], { cwd: place });
      const read = (name: string) => fs.readFileSync(join(place, name), 'utf8');
      lock = { 'package.json': read('package.json'), 'package-lock.json': read('package-lock.json') };
    });
    afterEach(() => registry.close());

    const environment = (more = '\n  retain') => `node "${NODE}" lock "package-lock.json"${more}`;
    const vanish = async () => {
      await registry.close();
      emptyCaches();
    };

    it('is rebuilt from the store alone: the interpreter, and every package by its integrity', async () => {
      start({ 'p.mlpipe': pipeline(environment(), COMMAND), ...lock });
      const { step } = await project.run();
      assert.equal(step('say').error?.message, undefined);
      assert.equal(project.read('out.txt'), `42 by ${NODE}\n`);
      const names = Object.keys(retained());
      assert.equal(names.length, 2);
      assert.equal(names[0], `node-${NODE}-${process.platform}-${process.arch}`);
      assert.match(names[1] ?? '', /^node-packages-[0-9a-f]{32}-99\.0\.1-/);
      const named = namedBy(project.record('say')).objects;
      for (const { digest } of Object.values(retained())) assert.ok(named.includes(digest), 'it travels and is kept');
      const before = retained();

      const decay = () => project.open((opened) => api.decay(opened, project.path('p.mlpipe')));
      const about = async () =>
        (await decay()).items
          .filter(({ kind }) => kind === 'interpreter' || kind === 'retained')
          .map(({ kind, resolves, where }) => [kind, resolves, where]);
      assert.deepEqual(await about(), [
        ['interpreter', true, 'the store, where it is retained'],
        ['retained', true, 'the store'],
        ['retained', true, 'the store'],
      ]);

      await vanish();
      const again = await project.run({ force: true });
      assert.equal(again.step('say').error?.message, undefined);
      assert.equal(project.read('out.txt'), `42 by ${NODE}\n`);
      assert.equal(languages().packagesFrom, 'store');
      assert.deepEqual(retained(), before, 'it is named again, and not stored twice');
    });

    it('is not, where it does not say so', async () => {
      start({ 'p.mlpipe': pipeline(environment(''), COMMAND), ...lock });
      await project.run();
      assert.equal(project.record('say').environment.retained, undefined);
      await vanish();
      const { step } = await project.run({ force: true });
      assert.match(step('say').error?.message ?? '', /^Node 99\.0\.1 could not be provided/);
    });

    it('is retained from what is installed already, and said to be missing of a result that is reused', async () => {
      start({ 'p.mlpipe': pipeline(environment(''), COMMAND), ...lock });
      await project.run();
      project.write('p.mlpipe', pipeline(environment(), COMMAND));
      const reused = await project.run();
      assert.equal(reused.step('say').status, 'cached', '`retain` determines nothing');
      const warned = reused.events.flatMap((event) => (event.type === 'step-warning' ? [event.message] : []));
      assert.match(warned.join(), /nothing of it is kept.*--force say/);
      await project.run({ force: true });
      assert.equal(Object.keys(retained()).length, 2);
      assert.deepEqual(
        (await project.run()).events.filter(({ type }) => type === 'step-warning'),
        [],
      );
    });

    it('is not taken where a byte of it was changed: it is told, and nothing runs', async () => {
      start({ 'p.mlpipe': pipeline(environment(), COMMAND), ...lock });
      await project.run();
      const manifest = JSON.parse(await project.object(Object.values(retained())[1]?.digest ?? ''));
      const [{ digest }] = manifest.entries;
      const place = object(digest);
      const { atime, mtime } = fs.statSync(place);
      fs.chmodSync(place, 0o644);
      const bytes = fs.readFileSync(place);
      bytes.writeUInt8(bytes.readUInt8(20) ^ 1, 20);
      fs.writeFileSync(place, bytes);
      fs.utimesSync(place, atime, mtime);
      await vanish();
      const { step, events } = await project.run({ force: true });
      assert.equal(step('say').status, 'failed');
      const warned = events.flatMap((event) => (event.type === 'step-warning' ? [event.message] : []));
      assert.match(warned.join(), /What is retained as node-packages-.* is not used/);
    });

    it('comes from the project’s remote in a clone that has the lock files and nothing else', async () => {
      start({ 'p.mlpipe': pipeline(environment(), COMMAND), ...lock });
      await project.run();
      const author = project;
      await author.open(async (opened) => {
        await addRemote(opened, 'shared', { url: join(folder, 'remote') }, {});
        assert.deepEqual((await push(opened)).held, []);
      });
      const clone = start({});
      fs.cpSync(author.folder, clone.folder, {
        recursive: true,
        filter: (path) => basename(path) !== '.mlpipe' && basename(path) !== 'out.txt',
      });
      await vanish();
      const { step } = await clone.run({ force: true });
      assert.equal(step('say').error?.message, undefined);
      assert.equal(clone.read('out.txt'), `42 by ${NODE}\n`);
    });

    it('is what a reproduction runs in', async () => {
      const prepared = pipelineOf(flowers())
        .replace(/ {2}from "flowers\.csv"\n {2}pin .*\n/, '  from tidy.table\n')
        .replace(
          'model small {',
          `environment tools {\n  ${environment()}\n}\n\nstep tidy {\n  run "node -e 'require(\\"trunk\\"); process.stdout.write(require(\\"fs\\").readFileSync(\\"raw.csv\\"))' > \${table}"\n  reads "raw.csv"\n  in tools\n  writes table "tidy.csv"\n}\n\nmodel small {`,
        );
      start({ ...FILES, 'flowers.mlpipe': prepared, 'raw.csv': flowers(), ...lock });
      project.beginRepository();
      const { answer } = await project.run();
      assert.ok(answer.ok, JSON.stringify(answer.steps));
      await vanish();
      const found = await project.open((opened) => api.reproduce(opened, 'learn'));
      assert.equal(found.verdict, 'bitwise', JSON.stringify(found));
    });
  });

  describe('of Python', () => {
    let index: PackageIndex;
    let version: string;
    let requirements: string;

    beforeEach(async function () {
      const python = (await probe()).interpreters.find(({ language }) => language === 'python');
      if (python === undefined) {
        assert.ok(!process.env.CI, 'There is no Python here.');
        return this.skip();
      }
      version = python.version;
      index = await startPackageIndex();
      process.env.PIP_INDEX_URL = index.address;
      const greeting = offerWheel('greeting', '1.0', { 'greeting.py': 'WORD = "good morning"\n' });
      // Builds what it is asked to build: a source distribution stands on packages that no lock file names.
      offerWheel('builder', '1.0', { 'builder.py': BUILDER });
      const shout = offerSource('shout', '2.0', { 'shout.py': 'def loud(word):\n    return word.upper()\n' });
      requirements = `greeting==1.0 --hash=sha256:${greeting}\nshout==2.0 --hash=sha256:${shout}\n`;
    });
    afterEach(() => index?.close());

    function offerWheel(name: string, number: string, files: Record<string, string>): string {
      const path = join(folder, `${name}-${number}-py3-none-any.whl`);
      const info = `${name}-${number}.dist-info`;
      const all: Record<string, string> = {
        ...files,
        [`${info}/METADATA`]: `Metadata-Version: 2.1\nName: ${name}\nVersion: ${number}\n`,
        [`${info}/WHEEL`]: 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
      };
      const record = [...Object.keys(all), `${info}/RECORD`].map((each) => `${each},,\n`).join('');
      all[`${info}/RECORD`] = record;
      const sha256 = writeWheel(
        path,
        Object.entries(all).map(([each, text]) => ({ name: each, content: Buffer.from(text) })),
      );
      index.files.push({ package: name, path, sha256 });
      return sha256;
    }

    function offerSource(name: string, number: string, files: Record<string, string>): string {
      const top = `${name}-${number}`;
      const manifest = `[build-system]\nrequires = ["builder"]\nbuild-backend = "builder"\n`;
      const metadata = `Metadata-Version: 2.1\nName: ${name}\nVersion: ${number}\n`;
      fs.mkdirSync(join(folder, top), { recursive: true });
      for (const [each, text] of Object.entries({ ...files, 'pyproject.toml': manifest, 'PKG-INFO': metadata }))
        fs.writeFileSync(join(folder, top, each), text);
      const path = join(folder, `${top}.tar.gz`);
      execFileSync('tar', ['-czf', path, '-C', folder, top]);
      const sha256 = createHash('sha256').update(fs.readFileSync(path)).digest('hex');
      index.files.push({ package: name, path, sha256 });
      return sha256;
    }

    const COMMAND = `python -c 'import greeting, shout; print(shout.loud(greeting.WORD))'`;

    it('is rebuilt from the store alone: wheels, a source distribution, and what that is built with', async () => {
      const environment = `python "${version}" lock "requirements.txt"\n  retain`;
      start({ 'p.mlpipe': pipeline(environment, COMMAND), 'requirements.txt': requirements });
      const { step } = await project.run();
      assert.equal(step('say').error?.message, undefined);
      assert.equal(project.read('out.txt'), 'GOOD MORNING\n');
      const [name = '', item] = Object.entries(retained())[0] ?? [];
      assert.match(name, /^python-packages-/);
      const { entries } = JSON.parse(await project.object(item?.digest ?? '')) as { entries: { path: string }[] };
      assert.deepEqual(
        entries.map(({ path }) => path),
        ['builder-1.0-py3-none-any.whl', 'greeting-1.0-py3-none-any.whl', 'shout-2.0.tar.gz'],
      );

      await index.close();
      emptyCaches();
      const again = await project.run({ force: true });
      assert.equal(again.step('say').error?.message, undefined);
      assert.equal(project.read('out.txt'), 'GOOD MORNING\n');
      assert.equal(languages().packagesFrom, 'store');
    });

    it('is rebuilt from a lock file of uv without uv, and without its index', async () => {
      const bin = join(folder, 'bin');
      fs.mkdirSync(bin);
      // Plays the one word of uv's command line that is used: uv reads its own lock file.
      const uv = `#!/bin/sh\n[ "$1" = export ] && cat <<'END'\n${requirements}END\n`;
      fs.writeFileSync(join(bin, 'uv'), uv, { mode: 0o755 });
      const without = process.env.PATH;
      process.env.PATH = [bin, without ?? ''].join(delimiter);
      const environment = `python "${version}" lock "uv.lock"\n  retain`;
      start({ 'p.mlpipe': pipeline(environment, COMMAND), 'uv.lock': 'version = 1\n' });
      assert.equal((await project.run()).step('say').error?.message, undefined);
      process.env.PATH = without;
      fs.rmSync(bin, { recursive: true });
      await index.close();
      emptyCaches();
      assert.equal((await project.run({ force: true })).step('say').error?.message, undefined);
      assert.equal(project.read('out.txt'), 'GOOD MORNING\n');
    });

    it('fails where its index is gone and nothing was retained', async () => {
      start({
        'p.mlpipe': pipeline(`python "${version}" lock "requirements.txt"`, COMMAND),
        'requirements.txt': requirements,
      });
      await project.run();
      await index.close();
      emptyCaches();
      const { step } = await project.run({ force: true });
      assert.match(step('say').error?.message ?? '', /^The packages of requirements\.txt could not be provided/);
    });

    it('keeps a build of Python that was fetched, whole with its links', async () => {
      // Plays the two words of uv's command line that are used, with a build that is a script.
      const bin = join(folder, 'bin');
      fs.mkdirSync(bin);
      const uv = `#!/bin/sh
build="$UV_PYTHON_INSTALL_DIR/cpython-3.99.1-test"
case "$1 $2" in
  "--version ") echo "uv 0" ;;
  "python install") mkdir -p "$build/bin" && printf '#!/bin/sh\\necho "of the build"\\n' > "$build/bin/python3.99" &&
    chmod 755 "$build/bin/python3.99" && ln -s python3.99 "$build/bin/python" ;;
  "python find") echo "$build/bin/python3.99" ;;
esac
`;
      fs.writeFileSync(join(bin, 'uv'), uv, { mode: 0o755 });
      process.env.PATH = [bin, process.env.PATH ?? ''].join(delimiter);
      start({ 'p.mlpipe': pipeline('python "3.99.1"\n  retain', 'python') });
      assert.equal((await project.run()).step('say').error?.message, undefined);
      assert.deepEqual(Object.keys(retained()), [`python-3.99.1-${process.platform}-${process.arch}`]);
      fs.rmSync(bin, { recursive: true });
      emptyCaches();
      assert.equal((await project.run({ force: true })).step('say').error?.message, undefined);
      assert.equal(project.read('out.txt'), 'of the build\n');
    });
  });
});

/** A build back end (PEP 517) in as few lines as there can be. */
const BUILDER = `
import glob, os, zipfile

def build_wheel(directory, config_settings=None, metadata_directory=None):
    fields = dict(line.split(": ", 1) for line in open("PKG-INFO").read().splitlines())
    stem = fields["Name"] + "-" + fields["Version"]
    info = stem + ".dist-info/"
    with zipfile.ZipFile(os.path.join(directory, stem + "-py3-none-any.whl"), "w") as wheel:
        for path in glob.glob("*.py"):
            wheel.write(path)
        wheel.writestr(info + "METADATA", open("PKG-INFO").read())
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "RECORD", "")
    return stem + "-py3-none-any.whl"
`;
