/** What is not here is asked for elsewhere: remotes and package indexes, and who does not answer has said nothing. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { digestOf } from '../../grammar/plan/canonical.ts';
import * as api from '../../runtime/api.ts';
import type { DecayItem } from '../../runtime/decay/decay.ts';
import { lockedPackages } from '../../runtime/decay/locked.ts';
import type { NetworkOptions } from '../../runtime/decay/network.ts';
import { push } from '../../runtime/share/push.ts';
import { addRemote } from '../../runtime/share/remotes.ts';
import { TemporaryProject } from './project.ts';
import { FILES } from './support/flowers.ts';

const SHA256 = ['a', 'b', 'c'].map((digit) => digit.repeat(64));
const SHA512 = `sha512-${Buffer.alloc(64, 7).toString('base64')}`;

const REQUIREMENTS = [
  '# from requirements.in',
  'Some_Package==1.2.3 ; python_version > "3.8" \\',
  `    --hash=sha256:${SHA256[0]} \\`,
  `    --hash=sha256:${SHA256[1]}`,
  `other[extra]==2.0 --hash=sha256:${SHA256[2]}`,
  '',
].join('\n');

const PACKAGE_LOCK = JSON.stringify({
  lockfileVersion: 3,
  packages: {
    '': { name: 'project' },
    'node_modules/left': { version: '1.0.0', resolved: 'https://packages.example.org/left.tgz', integrity: SHA512 },
    'node_modules/@scope/right': { version: '2.0.0', integrity: SHA512 },
    'node_modules/linked': { resolved: 'linked', link: true },
    'node_modules/hosted': { version: '1.0.0', resolved: 'git+ssh://git@example.org/it.git', integrity: SHA512 },
  },
});

const UV = `version = 1

[[package]]
name = "project"
version = "0.1.0"
source = { virtual = "." }

[[package]]
name = "some-package"
version = "1.2.3"
source = { registry = "https://index.example.org/simple" }
sdist = { url = "https://example.org/p.tar.gz", hash = "sha256:${SHA256[0]}", size = 1 }
wheels = [
    { url = "https://example.org/p.whl", hash = "sha256:${SHA256[1]}", size = 2 },
]
`;

describe('what lock files pin', () => {
  it('is read of requirements, uv.lock and package-lock.json', () => {
    const short = (file: string, text: string) =>
      lockedPackages(file, text).map(({ name, version, hashes }) => [name, version, hashes.length]);
    assert.deepEqual(short('requirements.txt', REQUIREMENTS), [
      ['some-package', '1.2.3', 2],
      ['other', '2.0', 1],
    ]);
    assert.deepEqual(short('uv.lock', UV), [['some-package', '1.2.3', 2]]);
    assert.deepEqual(short('package-lock.json', PACKAGE_LOCK), [
      ['left', '1.0.0', 1],
      ['@scope/right', '2.0.0', 1],
    ]);
    for (const text of ['', 'null', '[]', '{"packages":[1]}', '{"packages":{"node_modules/../x":{}}}', '{'])
      assert.deepEqual(lockedPackages('package-lock.json', text), [], text);
    assert.deepEqual(lockedPackages('Gemfile', REQUIREMENTS), []);
  });
});

describe('decay, asked of others', function () {
  this.timeout(60_000);
  let project: TemporaryProject;
  let server: http.Server;
  let address = '';
  let remote = '';
  let answers: Record<string, unknown>;
  let asked: string[];
  const files = (...hashes: (string | undefined)[]) => ({
    files: hashes.map((sha256, index) => ({ filename: `${index}.whl`, url: `${index}.whl`, hashes: { sha256 } })),
  });

  const decay = async (network?: NetworkOptions) =>
    project.open((opened) => api.decay(opened, api.pipelineFile(project.folder), network ? { network } : {}));
  const ask = (more: NetworkOptions = {}) =>
    decay({
      ...more,
      environment: {
        PATH: process.env.PATH,
        PIP_CONFIG_FILE: '/dev/null',
        PIP_INDEX_URL: `${address}/simple`,
        npm_config_registry: address,
        NPM_CONFIG_USERCONFIG: '/dev/null',
        ...more.environment,
      },
    });
  const brief = (items: readonly DecayItem[], state: DecayItem['state']) =>
    items.filter((item) => item.state === state).map(({ kind, name }) => `${kind} ${name}`);
  const object = (digest: string) => project.path(join('.mlpipe', 'objects', digest.slice(7, 9), digest.slice(9)));

  before(async () => {
    server = http.createServer((request, response) => {
      asked.push(request.url ?? '');
      const found = answers[decodeURIComponent(request.url ?? '')];
      if (typeof found === 'number') response.writeHead(found).end();
      else if (found === undefined) response.writeHead(404).end();
      else if (found !== 'silence')
        response.writeHead(200, { 'content-type': 'application/vnd.pypi.simple.v1+json' }).end(JSON.stringify(found));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const bound = server.address();
    address = `http://127.0.0.1:${typeof bound === 'object' ? bound?.port : ''}`;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  beforeEach(async () => {
    answers = {};
    asked = [];
    project = new TemporaryProject({ ...FILES });
    await project.run();
    remote = `${project.folder}-remote`;
    const opened = api.openProject(project.folder);
    await addRemote(opened, 'shared', { url: remote });
    await push(opened);
    opened.close();
  });
  afterEach(() => {
    project.remove();
    fs.rmSync(remote, { recursive: true, force: true });
  });

  /** The model and what it read are nowhere but on the remote. */
  const forget = async () => {
    const { items } = await decay();
    const pins = items.filter(({ kind }) => kind === 'model' || kind === 'data').map(({ pin }) => pin ?? '');
    for (const pin of new Set(pins)) fs.rmSync(object(pin));
    fs.rmSync(project.path('flowers.csv'));
    return pins;
  };

  it('finds on a remote what is not here, and fetches nothing', async () => {
    await forget();
    const alone = brief((await decay()).items, 'decayed').filter((each) => !each.startsWith('commit'));
    assert.deepEqual(alone, ['data flowers', 'model learn']);
    const { items } = await ask();
    const elsewhere = items.filter(({ kind }) => kind === 'model' || kind === 'data');
    const said = new Set(elsewhere.map(({ state, where }) => `${state}: ${where}`));
    assert.deepEqual([...said], ['resolves: the remote shared']);
    assert.deepEqual(
      brief((await decay()).items, 'decayed').filter((each) => !each.startsWith('commit')),
      alone,
    );
  });

  it('tells what is not on the remote either, and what of a sample is damaged there', async () => {
    const pins = await forget();
    const at = (digest: string) => join(remote, 'objects', digest.slice(7, 9), digest.slice(9));
    const [data = '', model = ''] = [...new Set(pins)];
    fs.chmodSync(at(model), 0o644);
    fs.appendFileSync(at(model), ' ');
    assert.deepEqual(
      brief((await ask()).items, 'decayed').filter((each) => /model|data/.test(each)),
      [],
    );
    const sampled = await ask({ sample: 100 });
    assert.equal(sampled.ok, false);
    assert.match(
      sampled.items.find(({ pin }) => pin === model)?.where ?? '',
      /the remote shared has other bytes of it/,
    );
    assert.match(sampled.items.find(({ pin }) => pin === data)?.where ?? '', /the remote shared, read and hashed/);
    fs.rmSync(at(data));
    const { items } = await ask();
    const found = items.find(({ pin }) => pin === data);
    assert.deepEqual([found?.state, found?.resolves], ['decayed', false]);
    assert.match(found?.where ?? '', /not in the store; not on the remote shared/);
  });

  it('says of a remote that cannot be asked that nothing is known, and of what is here that it is here', async () => {
    await forget();
    fs.renameSync(remote, `${remote}-away`);
    const found = await ask();
    fs.renameSync(`${remote}-away`, remote);
    assert.deepEqual(brief(found.items, 'unknown'), ['data flowers', 'model learn']);
    assert.match(found.items.find(({ kind }) => kind === 'model')?.where ?? '', /the remote shared cannot be asked/);
    assert.equal(found.items.find(({ kind }) => kind === 'plan')?.state, 'resolves');
    assert.deepEqual(
      brief(found.items, 'decayed').filter((each) => !each.startsWith('commit')),
      [],
    );
  });

  const lockedBy = async (language: string, name: string, text: string) => {
    project.write(name, text);
    const pin = digestOf(Buffer.from(text));
    project.write(
      'flowers.mlpipe',
      project
        .read('flowers.mlpipe')
        .replace('engine wasm "4.22.0"', `engine wasm "4.22.0"\n  ${language} "1.2.3" lock "${name}" pin ${pin}`),
    );
  };
  const packages = async (more: NetworkOptions = {}) =>
    Object.fromEntries(
      (await ask(more)).items.flatMap(({ kind, name, state, where }) =>
        kind === 'package' ? [[name, `${state}: ${where}`]] : [],
      ),
    );

  it('asks the configured index for every file that a Python lock file pins, by its digest', async () => {
    await lockedBy('python', 'requirements.txt', REQUIREMENTS);
    answers['/simple/some-package/'] = files(SHA256[0], SHA256[1], 'd'.repeat(64));
    answers['/simple/other/'] = files(SHA256[2]);
    assert.deepEqual(await packages(), {
      'python some-package': `resolves: ${address}/simple`,
      'python other': `resolves: ${address}/simple`,
    });
    answers['/simple/some-package/'] = files(SHA256[1]);
    answers['/simple/other/'] = undefined;
    const gone = await packages();
    assert.match(
      gone['python some-package'] ?? '',
      /^decayed: .* has only 1 of the 2 files that are pinned of 1\.2\.3/,
    );
    assert.match(gone['python other'] ?? '', /^decayed: .* has none of the 1 files/);
    answers['/simple/some-package/'] = 503;
    answers['/simple/other/'] = 401;
    assert.match(Object.values(await packages()).join('\n'), /^unknown: .* answers 401\nunknown: .* answers 503$/);
  });

  it('asks the registry for every tarball that a Node lock file pins, by its integrity', async () => {
    await lockedBy('node', 'package-lock.json', PACKAGE_LOCK);
    answers['/left/1.0.0'] = { dist: { integrity: SHA512 } };
    answers['/@scope/right'] = { versions: { '2.0.0': { dist: { integrity: SHA512 } } } };
    assert.deepEqual(await packages(), {
      'npm left': `resolves: ${address}`,
      'npm @scope/right': `resolves: ${address}`,
    });
    answers['/left/1.0.0'] = { dist: { integrity: `sha512-${Buffer.alloc(64, 8).toString('base64')}` } };
    answers['/@scope/right'] = { versions: {} };
    const gone = await packages();
    assert.equal(gone['npm left'], `decayed: ${address} has other bytes of it`);
    assert.equal(gone['npm @scope/right'], `decayed: ${address} does not have it`);
    answers['/left/1.0.0'] = { dist: { shasum: '00' } };
    assert.match((await packages())['npm left'] ?? '', /^unknown: /);
  });

  it('says of an index that is away, silent or forbidden that nothing is known', async () => {
    await lockedBy('python', 'requirements.txt', REQUIREMENTS);
    const states = async (more: NetworkOptions) => {
      const found = await ask(more);
      assert.ok(!brief(found.items, 'decayed').some((each) => each.startsWith('package')));
      return found.items.filter(({ kind }) => kind === 'package').map(({ where }) => where);
    };
    const away = await states({ environment: { PIP_INDEX_URL: 'http://127.0.0.1:9/simple' } });
    assert.match(away.join('\n'), /^http:\/\/127\.0\.0\.1:9\/simple\/other cannot be reached/);
    for (const name of ['some-package', 'other']) answers[`/simple/${name}/`] = 'silence';
    assert.match((await states({ silence: 300 })).join('\n'), /nothing came for too long/);
    const began = Date.now();
    assert.match((await states({ time: 500 })).join('\n'), /^there was no time to ask\nthere was no time to ask$/);
    assert.ok(Date.now() - began < 8000, 'the time is kept to');
    asked = [];
    assert.match((await states({ environment: { MLPIPE_OFFLINE: '1' } })).join('\n'), /^MLPIPE_OFFLINE forbids/);
    assert.deepEqual(asked, []);
  });

  it('never shows the credentials of an index', async () => {
    await lockedBy('python', 'requirements.txt', REQUIREMENTS);
    const found = await ask({
      environment: { PIP_INDEX_URL: `${address.replace('//', '//ada:secret@')}/simple` },
    });
    assert.doesNotMatch(JSON.stringify(found), /secret/);
    assert.ok(asked.length > 0);
  });
});
