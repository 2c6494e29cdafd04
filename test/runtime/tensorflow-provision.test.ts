import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  findInstalled,
  knownVersions,
  listInstalled,
  removeInstalled,
  verifyInstalled,
} from '../../runtime/engines/tensorflow/installed.ts';
import { libraryPlatform } from '../../runtime/engines/tensorflow/platform.ts';
import {
  indexConfiguration,
  withoutCredentials,
} from '../../runtime/engines/tensorflow/provision/index-configuration.ts';
import { type ProvisionOptions, provisionTensorflow } from '../../runtime/engines/tensorflow/provision/provision.ts';
import { compareVersions, wheelVersion } from '../../runtime/engines/tensorflow/version.ts';
import { userCache } from '../../runtime/environment/user-cache.ts';
import { MlpipeError } from '../../runtime/errors.ts';
import { type PackageIndex, startPackageIndex } from './support/package-index.ts';
import { writeWheel } from './support/wheel.ts';

const INSTALL = fileURLToPath(new URL('./support/install-child.ts', import.meta.url));
const possible = libraryPlatform(process.platform, process.arch, 'glibc 2.36');
const MACHINE = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
const PACKAGE = process.arch === 'arm64' ? 'tensorflow' : 'tensorflow-cpu';

describe('installing TensorFlow', function () {
  // The wheels below are Linux's; what differs elsewhere is told by the table of platforms.
  if (process.platform !== 'linux' || !possible.possible) return;
  const [main, framework] = possible.on.libraries;
  this.timeout(30_000);
  let folder: string;
  let cache: string;
  let index: PackageIndex;

  beforeEach(async () => {
    folder = fs.mkdtempSync(join(tmpdir(), 'mlpipe-install-'));
    cache = join(folder, 'cache');
    index = await startPackageIndex();
  });
  afterEach(async () => {
    await index.close();
    fs.rmSync(folder, { recursive: true, force: true });
  });

  /** A wheel with small files in place of the libraries, in the index. */
  function offer(
    version: string,
    options: { python?: string; platform?: string; empty?: boolean; lie?: boolean } = {},
  ) {
    const python = options.python ?? 'cp311';
    const name = `${PACKAGE.replace('-', '_')}-${version}-${python}-${python}-${options.platform ?? `manylinux_2_17_${MACHINE}`}.whl`;
    const path = join(folder, name);
    const libraries = [main, framework].map((library) => ({
      name: `tensorflow/${library}`,
      content: Buffer.alloc(200_000, `${library} ${version} ${python}`),
    }));
    const sha256 = writeWheel(path, [
      { name: 'tensorflow/__init__.py', content: Buffer.from('') },
      ...(options.empty ? [] : libraries),
    ]);
    index.files.push({ package: PACKAGE, path, sha256: options.lie ? sha256.replace(/^../, '00') : sha256 });
    return { name, sha256 };
  }

  function provision(version: string, options: ProvisionOptions & { address?: string } = {}) {
    const { environment = {}, address = index.address, ...rest } = options;
    return provisionTensorflow(version, 'cpu', {
      cache,
      environment: {
        PIP_INDEX_URL: address,
        PIP_CONFIG_FILE: '/dev/null',
        MLPIPE_TENSORFLOW_ARCHIVE: 'none',
        ...environment,
      },
      ...rest,
    });
  }

  const refused = (code: string, text: RegExp) => (error: unknown) => {
    assert.ok(error instanceof MlpipeError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(`${error.message} ${error.todo}`, text);
    return true;
  };
  const downloads = () => index.asked.filter(({ url }) => url.startsWith('/files/'));
  const left = () => fs.readdirSync(join(cache, 'tensorflow')).filter((name) => /\.(new|gone)-/.test(name));

  it('puts both libraries under the version, and remembers where they are from', async () => {
    const { name, sha256 } = offer('2.19.1');
    const shares: number[] = [];
    const {
      folder: place,
      library,
      manifest,
    } = await provision('2.19.1', { onProgress: (share) => shares.push(share) });
    assert.equal(place, join(cache, 'tensorflow', `2.19.1-cpu-linux-${process.arch}`));
    assert.equal(library, join(place, main));
    assert.ok(fs.readFileSync(library, 'utf8').startsWith(`${main} 2.19.1`));
    assert.deepEqual(manifest.source, { index: index.address, file: name, sha256 });
    assert.equal(manifest.libraries.length, 2);
    assert.deepEqual(
      shares,
      [...shares].sort((a, b) => a - b),
    );
    assert.equal(shares.at(-1), 1);
    assert.deepEqual(fs.readdirSync(join(cache, 'tensorflow', 'downloads')), []);
    await provision('2.19.1');
    assert.equal(downloads().length, 1, 'what is installed is not fetched again');
  });

  it('keeps versions side by side, and takes one away', async () => {
    for (const version of ['2.19.1', '2.12.0', '2.9.1', '2.20.0']) offer(version);
    for (const version of ['2.19.1', '2.12.0', '2.20.0']) await provision(version);
    const versions = () => listInstalled(cache).map(({ manifest }) => manifest.version);
    assert.deepEqual(versions(), ['2.12.0', '2.19.1', '2.20.0']);
    const [oldest] = listInstalled(cache);
    assert.ok(oldest);
    removeInstalled(oldest);
    assert.deepEqual(versions(), ['2.19.1', '2.20.0']);
    assert.deepEqual(left(), []);
  });

  it('takes the wheel of the oldest Python, whatever order the index has', async () => {
    for (const python of ['cp312', 'cp39', 'cp310']) offer('2.19.1', { python });
    assert.match((await provision('2.19.1')).manifest.source.file, /-cp39-/);
  });

  it('takes no wheel of another platform', async () => {
    offer('2.19.1', { platform: 'win_amd64' });
    offer('2.19.1', { platform: 'macosx_12_0_arm64' });
    offer('2.18.1');
    await assert.rejects(provision('2.19.1'), refused('engine-version', /no TensorFlow 2\.19\.1 .*It has 2\.18\.1/));
    assert.deepEqual(knownVersions(cache), ['2.18.1'], 'what it has is remembered');
  });

  it('refuses what is older than the library, and what is no exact version', async () => {
    await assert.rejects(
      provision('2.11.1'),
      refused('engine-version', /inside a Python extension.*2\.12\.0 or newer/),
    );
    await assert.rejects(provision('2.19'), refused('engine-version', /no exact version/));
    assert.equal(index.asked.length, 0);
  });

  it('refuses a wheel whose digest is not what the index says, and keeps nothing of it', async () => {
    offer('2.19.1', { lie: true });
    await assert.rejects(provision('2.19.1'), refused('download-differs', /has the digest .* the index says/));
    assert.deepEqual(fs.readdirSync(join(cache, 'tensorflow', 'downloads')), []);
    assert.equal(findInstalled('2.19.1', 'cpu', cache), undefined);
  });

  it('refuses a wheel without libraries', async () => {
    offer('2.19.1', { empty: true });
    await assert.rejects(provision('2.19.1'), refused('wheel-without-library', /libtensorflow_cc/));
    assert.deepEqual(left(), []);
  });

  it('goes on where a download broke off', async () => {
    offer('2.19.1');
    index.breakOff = { times: 2, after: 150_000 };
    await provision('2.19.1');
    const ranges = downloads().map(({ range }) => range);
    assert.equal(ranges.length, 3);
    assert.equal(ranges[0], undefined);
    for (const range of ranges.slice(1)) assert.match(range ?? '', /^bytes=[1-9]\d*-$/);
  });

  it('begins anew where what an earlier attempt has left is something else', async () => {
    const { sha256 } = offer('2.19.1');
    const part = join(cache, 'tensorflow', 'downloads', `${sha256}.part`);
    fs.mkdirSync(dirname(part), { recursive: true });
    fs.writeFileSync(part, 'not the beginning of this file');
    await provision('2.19.1');
    assert.deepEqual(
      downloads().map(({ range }) => range),
      ['bytes=30-', undefined],
    );
  });

  it('is whole or not there where its process is killed, and goes on from what was fetched', async () => {
    offer('2.19.1');
    index.slow = 20;
    const child = spawn(process.execPath, [INSTALL, '2.19.1', cache, index.address], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (Number(text.trim().split('\n').at(-1)) > 0.2) child.kill('SIGKILL');
    });
    await ended;
    assert.equal(child.signalCode, 'SIGKILL');
    assert.equal(findInstalled('2.19.1', 'cpu', cache), undefined);
    index.slow = 0;
    await provision('2.19.1');
    assert.match(downloads().at(-1)?.range ?? '', /^bytes=[1-9]/);
    assert.deepEqual(left(), []);
  });

  it('removes what a killed unpacking has left', async () => {
    offer('2.19.1');
    const half = join(cache, 'tensorflow', `2.19.1-cpu-linux-${process.arch}.new-99999-00`);
    fs.mkdirSync(half, { recursive: true });
    fs.writeFileSync(join(half, 'manifest.json'), '{"format": "mlpipe-tensorflow/1", "libraries": []}');
    assert.deepEqual(listInstalled(cache), []);
    await provision('2.19.1');
    assert.deepEqual(left(), []);
  });

  it('happens once where two want it at the same time', async () => {
    offer('2.19.1');
    index.slow = 5;
    let waited = 0;
    const both = await Promise.all([1, 2].map(() => provision('2.19.1', { onWait: () => waited++ })));
    assert.equal(downloads().length, 1);
    assert.equal(waited, 1);
    assert.deepEqual(both[0], both[1]);
  });

  it('can be cancelled', async () => {
    offer('2.19.1');
    index.slow = 20;
    const cancel = new AbortController();
    const onProgress = (share: number) => share > 0.1 && cancel.abort();
    await assert.rejects(provision('2.19.1', { signal: cancel.signal, onProgress }), refused('cancelled', /cancelled/));
    assert.equal(findInstalled('2.19.1', 'cpu', cache), undefined);
  });

  it('sees a changed library at once, a flipped bit when asked to read it all, and mends both', async () => {
    offer('2.19.1');
    const { library } = await provision('2.19.1');
    fs.chmodSync(library, 0o644);
    fs.appendFileSync(library, 'x');
    assert.throws(
      () => findInstalled('2.19.1', 'cpu', cache),
      refused('engine-damaged', /was changed.*engine install/),
    );
    const mended = await provision('2.19.1');
    await verifyInstalled(mended);
    const { atime, mtime } = fs.statSync(library);
    fs.chmodSync(library, 0o644);
    const file = fs.openSync(library, 'r+');
    fs.writeSync(file, 'X', 7);
    fs.closeSync(file);
    fs.utimesSync(library, atime, mtime);
    await assert.rejects(verifyInstalled(mended), refused('engine-damaged', /is not what was installed/));
    await verifyInstalled(await provision('2.19.1', { thorough: true }));
  });

  it('takes a folder that was copied from elsewhere, if its bytes are right', async () => {
    offer('2.19.1');
    const { folder: place } = await provision('2.19.1');
    const other = join(folder, 'other');
    const copy = join(other, 'tensorflow', basename(place));
    fs.cpSync(place, copy, { recursive: true });
    const offline = { cache: other, environment: { MLPIPE_OFFLINE: '1' } };
    assert.equal((await provision('2.19.1', offline)).folder, copy);
    assert.equal(findInstalled('2.19.1', 'cpu', other)?.folder, copy, 'its times are noted');
    fs.chmodSync(join(copy, main), 0o644);
    fs.writeFileSync(join(copy, main), 'something else');
    await assert.rejects(provision('2.19.1', offline), refused('engine-offline', /MLPIPE_OFFLINE/));
  });

  it('says what to do where no index can be reached, and where none may be asked', async () => {
    const { port } = index;
    await assert.rejects(
      provision('2.19.1', { address: 'http://127.0.0.1:1/simple' }),
      refused('engine-unreachable', /not installed, and cannot be fetched: .*127\.0\.0\.1:1.*PIP_INDEX_URL/),
    );
    for (const name of ['PIP_NO_INDEX', 'UV_OFFLINE', 'MLPIPE_OFFLINE']) {
      await assert.rejects(
        provision('2.19.1', { environment: { [name]: '1' } }),
        refused('engine-offline', new RegExp(`${name} forbids`)),
      );
    }
    assert.equal(index.port, port);
    assert.equal(index.asked.length, 0);
  });

  it('reads an index in HTML', async () => {
    const { sha256 } = offer('2.19.1');
    index.html = true;
    assert.equal((await provision('2.19.1')).manifest.source.sha256, sha256);
  });

  it('gives the name and password of an index to it alone, and never tells them', async () => {
    offer('2.19.1');
    index.credentials = 'someone:s3cret';
    const address = index.address.replace('//', '//someone:s3cret@');
    const { manifest, folder: place } = await provision('2.19.1', { address });
    assert.equal(manifest.source.index, index.address);
    assert.doesNotMatch(fs.readFileSync(join(place, 'manifest.json'), 'utf8'), /s3cret/);
    index.credentials = 'someone:else';
    await assert.rejects(provision('2.18.1', { address }), (error: unknown) => {
      assert.ok(error instanceof MlpipeError);
      assert.match(error.message, /answers 401/);
      assert.doesNotMatch(`${error.message} ${error.todo} ${String(error.cause)}`, /s3cret/);
      return true;
    });
  });
});

describe('the configured package index', () => {
  let folder: string;
  before(() => {
    folder = fs.mkdtempSync(join(tmpdir(), 'mlpipe-pip-'));
  });
  after(() => fs.rmSync(folder, { recursive: true, force: true }));
  const none = { PIP_CONFIG_FILE: '/dev/null' };

  it('is the official one where nothing is said', () => {
    const { indexes, forbidden } = indexConfiguration(none);
    assert.equal(indexes.length, 1);
    assert.match(indexes[0] ?? '', /^https:\/\/[^/]+\/simple$/);
    assert.equal(forbidden, undefined);
  });

  it('is that of pip, then that of uv', () => {
    const of = (environment: NodeJS.ProcessEnv) => indexConfiguration({ ...none, ...environment }).indexes;
    assert.deepEqual(of({ PIP_INDEX_URL: 'https://a/simple/', UV_INDEX_URL: 'https://b/simple' }), [
      'https://a/simple',
    ]);
    assert.deepEqual(of({ UV_DEFAULT_INDEX: 'company=https://b/simple' }), ['https://b/simple']);
    assert.deepEqual(of({ UV_INDEX_URL: 'https://c/simple' }), ['https://c/simple']);
    assert.deepEqual(of({ PIP_INDEX_URL: 'https://a', PIP_EXTRA_INDEX_URL: 'https://x https://y/' }), [
      'https://a',
      'https://x',
      'https://y',
    ]);
  });

  it('may stand in a file', () => {
    const file = join(folder, 'pip.conf');
    fs.writeFileSync(
      file,
      '# ours\n[global]\nindex-url = https://mirror/simple\nextra-index-url =\n    https://one/simple\n    https://two/simple\n[install]\nno_index: true\n',
    );
    const found = indexConfiguration({ PIP_CONFIG_FILE: file });
    assert.deepEqual(found.indexes, ['https://mirror/simple', 'https://one/simple', 'https://two/simple']);
    assert.equal(found.forbidden, '`no-index` of pip');
  });

  it('is told without what lets one in', () => {
    assert.equal(withoutCredentials('https://me:pw@host:8080/simple?token=1#x'), 'https://host:8080/simple');
  });
});

describe('what TensorFlow is to a platform', () => {
  it('is a reason where there is none', () => {
    const reason = (platform: string, architecture: string, libc = 'glibc 2.36') => {
      const answer = libraryPlatform(platform, architecture, libc);
      return answer.possible ? '' : answer.reason;
    };
    assert.match(reason('win32', 'x64'), /Windows/);
    assert.match(reason('darwin', 'x64'), /darwin on x64/);
    assert.match(reason('linux', 'ppc64'), /linux on ppc64/);
    assert.match(reason('linux', 'x64', 'musl'), /musl/);
    for (const [platform, architecture] of [
      ['linux', 'x64'],
      ['linux', 'arm64'],
      ['darwin', 'arm64'],
    ] as const)
      assert.equal(reason(platform, architecture), '');
  });

  it('is told versions apart by number', () => {
    const versions = ['2.9.1', '2.12.0', '2.15.0', '2.15.0.post1', '2.20.0rc0', '2.20.0rc1', '2.20.0', '2.100.0'];
    assert.deepEqual([...versions].reverse().sort(compareVersions), versions);
    assert.equal(wheelVersion('2.20.0-rc0'), '2.20.0rc0');
    assert.equal(wheelVersion('2.15.0-post1'), '2.15.0.post1');
    assert.equal(wheelVersion('2.20'), undefined);
  });

  it('lies where the system keeps what can be made again', () => {
    assert.equal(userCache({ MLPIPE_CACHE: '/somewhere' }, 'linux'), '/somewhere');
    assert.equal(userCache({ XDG_CACHE_HOME: '/x' }, 'linux'), '/x/mlpipe');
    assert.match(userCache({}, 'linux'), /\/\.cache\/mlpipe$/);
    assert.match(userCache({}, 'darwin'), /\/Library\/Caches\/mlpipe$/);
    assert.match(userCache({ LOCALAPPDATA: '/local' }, 'win32'), /^\/local\/mlpipe\/Cache$/);
  });
});
