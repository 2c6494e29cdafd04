/** Interpreters and packages are provided for real: from the registries that npm and pip are configured for. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requirementsWithoutHashes } from '../../runtime/environment/languages/python.ts';
import { probe } from '../../runtime/environment/probe.ts';
import { TemporaryProject } from './project.ts';

/** Not the project's own, so that it has to be fetched. */
const NODE = '22.16.0';
const SIX = `six==1.17.0 \\
    --hash=sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274 \\
    --hash=sha256:ff70335d468e7eb6ec65b95b99d3a2836546063f63acc5171de367e834932a81
`;

describe('an environment is provided', function () {
  this.timeout(180_000);
  let project: TemporaryProject;
  let cache: string;
  const kept = process.env.MLPIPE_CACHE;
  before(() => {
    cache = fs.mkdtempSync(join(tmpdir(), 'mlpipe-cache-'));
    process.env.MLPIPE_CACHE = cache;
  });
  after(() => {
    if (kept === undefined) delete process.env.MLPIPE_CACHE;
    else process.env.MLPIPE_CACHE = kept;
    fs.rmSync(cache, { recursive: true, force: true });
  });
  afterEach(() => project.remove());

  const start = (environment: string, command: string, files: Record<string, string>) => {
    project = new TemporaryProject({
      'p.mlpipe': `pipeline p\n\nenvironment here {\n  ${environment}\n}\n\nstep say {\n  run "${command} > \${out}"\n  in here\n  writes out "out.txt"\n}\n`,
      ...files,
    });
  };

  it('with Node in the pinned version and the packages of its lock file, and nothing of the project’s own', async () => {
    const folder = fs.mkdtempSync(join(tmpdir(), 'mlpipe-lock-'));
    fs.writeFileSync(
      join(folder, 'package.json'),
      '{"name": "p", "version": "1.0.0", "dependencies": {"ms": "2.1.3"}}\n',
    );
    execFileSync('npm', ['install', '--package-lock-only', '--ignore-scripts', '--no-audit', '--no-fund'], {
      cwd: folder,
    });
    const read = (name: string) => fs.readFileSync(join(folder, name), 'utf8');
    start(`node "${NODE}" lock "package-lock.json"`, `node -p 'process.versions.node + require(\\"ms\\")(60000)'`, {
      'package.json': read('package.json'),
      'package-lock.json': read('package-lock.json'),
      'node_modules/ms/index.js': 'module.exports = () => "of the project";',
    });
    fs.rmSync(folder, { recursive: true });
    const first = await project.run();
    assert.equal(first.step('say').error?.message, undefined);
    assert.equal(project.read('out.txt'), `${NODE}1m\n`);
    const { evidence } = project.record('say').environment;
    const { packages } = (evidence as { languages: { packages: Record<string, string> } }).languages;
    assert.match(packages.ms ?? '', /^2\.1\.3 sha512-/);
    assert.deepEqual(project.record('say').undeclaredReads, []);

    const again = await project.run({ force: true });
    assert.ok(
      again.events.every((event) => event.type !== 'step-progress' || !/waiting/.test(event.phase)),
      'what is there is taken',
    );
    fs.writeFileSync(project.path('package-lock.json'), '{}');
    const { step } = await project.run();
    assert.equal(step('say').status, 'failed');
    assert.match(step('say').reason, /lock|environment/i);
    assert.match(step('say').error?.message ?? '', /The packages of package-lock\.json could not be provided/);
  });

  it('with the packages of a requirements file, each by its hash', async function () {
    const python = (await probe()).interpreters.find(({ language }) => language === 'python');
    if (python === undefined) {
      assert.ok(!process.env.CI, 'There is no Python here.');
      return this.skip();
    }
    start(
      `python "${python.version}" lock "requirements.txt"`,
      `python -c 'import six, sys; print(six.__version__, sys.prefix != sys.base_prefix)'`,
      {
        'requirements.txt': SIX,
      },
    );
    const { step } = await project.run();
    assert.equal(step('say').error?.message, undefined);
    assert.equal(project.read('out.txt'), '1.17.0 True\n');
    assert.deepEqual(project.record('say').undeclaredReads, []);

    project.write('requirements.txt', SIX.replaceAll(/[0-9a-f]{64}/g, '0'.repeat(64)));
    const wrong = await project.run();
    assert.equal(wrong.step('say').status, 'failed');
    assert.match(wrong.step('say').error?.message ?? '', /could not be provided: .*(hash|HASH)/i);
    assert.equal(
      fs
        .readdirSync(join(cache, 'python-packages'))
        .filter((name) => fs.existsSync(join(cache, 'python-packages', name, 'mlpipe.json'))).length,
      1,
      'what failed does not count as built',
    );
    project.write('requirements.txt', 'six==1.17.0\n');
    assert.match((await project.run()).step('say').error?.message ?? '', /requirements\.txt gives no hashes for six/);
  });

  it('by nothing else than what it pins: a version that is nowhere fails, and says what to do', async () => {
    start('node "22.99.99"', 'node --version', {});
    const { step } = await project.run();
    assert.match(step('say').error?.message ?? '', /^Node 22\.99\.99 could not be provided: /);
    assert.match(step('say').error?.todo ?? '', /Install Node 22\.99\.99/);
  });
});

describe('a requirements file', () => {
  it('gives hashes for each requirement, or is refused', () => {
    assert.deepEqual(requirementsWithoutHashes(SIX), []);
    assert.deepEqual(
      requirementsWithoutHashes(
        `# a comment\n-r other.txt\nnumpy==2.1.0  # why\n\nscipy[all]==1.0 ; python_version > "3"\n${SIX}`,
      ),
      ['numpy', 'scipy[all]'],
    );
  });
});
