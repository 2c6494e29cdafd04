/** Where a TensorFlow comes from: the cache, the store, the package index, Google's archive; each asked in its turn. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as api from '../../runtime/api.ts';
import { addonState } from '../../runtime/engines/tensorflow/addon.ts';
import { findInstalled, verifyInstalled } from '../../runtime/engines/tensorflow/installed.ts';
import { libraryPlatform } from '../../runtime/engines/tensorflow/platform.ts';
import { archiveAddress } from '../../runtime/engines/tensorflow/provision/google-archive.ts';
import { provisionTensorflow } from '../../runtime/engines/tensorflow/provision/provision.ts';
import { Retention } from '../../runtime/environment/retained.ts';
import { MlpipeError } from '../../runtime/errors.ts';
import type { RetainedItem } from '../../runtime/ledger/record.ts';
import { openStore } from '../../runtime/store/open.ts';
import type { Store } from '../../runtime/store/store.ts';
import { TemporaryProject } from './project.ts';
import { FILES, flowers, pipelineOf } from './support/flowers.ts';
import { type PackageIndex, startPackageIndex } from './support/package-index.ts';
import { writeWheel } from './support/wheel.ts';

const possible = libraryPlatform(process.platform, process.arch, 'glibc 2.36');
const MACHINE = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
const PACKAGE = process.arch === 'arm64' ? 'tensorflow' : 'tensorflow-cpu';
const VERSION = '2.15.1';

describe('TensorFlow comes', function () {
  // The packages below are Linux's.
  if (process.platform !== 'linux' || !possible.possible) return;
  const [main, framework] = possible.on.libraries;
  this.timeout(30_000);
  let folder: string;
  let index: PackageIndex;
  let store: Store;
  let archive: Archive;
  let known: RetainedItem[];
  let warnings: string[];

  beforeEach(async () => {
    folder = fs.mkdtempSync(join(tmpdir(), 'mlpipe-sources-'));
    index = await startPackageIndex();
    archive = await startArchive();
    store = openStore(join(folder, '.mlpipe'));
    known = [];
    warnings = [];
  });
  afterEach(async () => {
    store.close();
    await Promise.all([index.close(), archive.close()]);
    fs.rmSync(folder, { recursive: true, force: true });
  });

  function offerWheel(version = VERSION): void {
    const name = `${PACKAGE.replace('-', '_')}-${version}-cp311-cp311-manylinux_2_17_${MACHINE}.whl`;
    const libraries = [main, framework].map((library) => ({
      name: `tensorflow/${library}`,
      content: Buffer.alloc(100_000, `${library} ${version} of the index`),
    }));
    const path = join(folder, name);
    index.files.push({ package: PACKAGE, path, sha256: writeWheel(path, libraries) });
  }

  /** As Google packs it: links, headers and the two libraries. */
  function packArchive(version = VERSION, name = 'libtensorflow', libraries = ['', '_framework']): Buffer {
    const top = fs.mkdtempSync(join(folder, 'tree-'));
    fs.mkdirSync(join(top, 'lib'));
    fs.mkdirSync(join(top, 'include'));
    fs.writeFileSync(join(top, 'include', 'c_api.h'), '// nothing\n');
    for (const each of libraries) {
      const file = `libtensorflow${each}.so.${version}`;
      fs.writeFileSync(join(top, 'lib', file), Buffer.alloc(300_000, `${file} of the archive`));
      fs.symlinkSync(file, join(top, 'lib', `libtensorflow${each}.so.2`));
    }
    const path = join(folder, `${name}.tar.gz`);
    execFileSync('tar', ['-czf', path, '-C', top, '.']);
    return fs.readFileSync(path);
  }
  const oldPlace = `/libtensorflow/libtensorflow-cpu-linux-${MACHINE}-${VERSION}.tar.gz`;

  function retention(wanted = true): Retention {
    return new Retention(
      {
        store,
        async *named() {
          yield* known;
        },
      },
      {
        wanted,
        scratch: join(folder, 'scratch'),
        signal: new AbortController().signal,
        warn: (message) => warnings.push(message),
      },
    );
  }

  function provision(cache: string, kept?: Retention, environment: NodeJS.ProcessEnv = {}, version = VERSION) {
    return provisionTensorflow(version, 'cpu', {
      cache: join(folder, cache),
      ...(kept === undefined ? {} : { retention: kept }),
      environment: {
        PIP_INDEX_URL: index.address,
        PIP_CONFIG_FILE: '/dev/null',
        MLPIPE_TENSORFLOW_ARCHIVE: archive.address,
        ...environment,
      },
    });
  }
  const refused = (code: string, text: RegExp) => (error: unknown) => {
    assert.ok(error instanceof MlpipeError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, text);
    return true;
  };
  const beginning = (path: string) => fs.readFileSync(path, 'utf8').slice(0, 60);

  it('from the store where it is retained, and nobody is asked: the wheel, verified by its digest', async () => {
    offerWheel();
    const first = retention();
    const { manifest } = await provision('one', first);
    const items = first.recorded() ?? {};
    assert.deepEqual(Object.keys(items), [`tensorflow-${VERSION}-cpu-linux-${process.arch}`]);
    assert.ok(store.has(`sha256:${manifest.source.sha256}`), 'the wheel is the object that the index’s digest names');
    known = Object.values(items);

    index.asked.length = 0;
    const again = await provision('two', retention(), { MLPIPE_OFFLINE: '1' });
    assert.deepEqual(again.manifest.source, { ...manifest.source, index: 'store' });
    assert.deepEqual(
      again.manifest.libraries.map(({ sha256 }) => sha256),
      manifest.libraries.map(({ sha256 }) => sha256),
    );
    assert.deepEqual([index.asked.length, archive.asked.length], [0, 0]);
    await verifyInstalled(again);
    assert.deepEqual(
      fs.readdirSync(join(folder, 'two', 'tensorflow')).filter((name) => /\.new-/.test(name)),
      [],
    );
  });

  it('from the store where it was installed before it was retained: the libraries as they lay in the cache', async () => {
    offerWheel();
    const { manifest } = await provision('one');
    await index.close();
    const later = retention();
    await provision('one', later);
    known = Object.values(later.recorded() ?? {});
    const again = await provision('two', retention(), { MLPIPE_OFFLINE: '1' });
    assert.deepEqual(again.manifest.source, manifest.source);
    assert.ok(findInstalled(VERSION, 'cpu', join(folder, 'two')));
    assert.match(beginning(again.library), /of the index/);
  });

  it('from the index where a byte of what is retained was changed, and says so', async () => {
    offerWheel();
    const first = retention();
    const { manifest } = await provision('one', first);
    known = Object.values(first.recorded() ?? {});
    const { sha256 } = manifest.source;
    const object = join(folder, '.mlpipe', 'objects', sha256.slice(0, 2), sha256.slice(2));
    const { atime, mtime } = fs.statSync(object);
    fs.chmodSync(object, 0o644);
    const file = fs.openSync(object, 'r+');
    fs.writeSync(file, 'X', 5000);
    fs.closeSync(file);
    fs.utimesSync(object, atime, mtime);
    const again = await provision('two', retention(false));
    assert.equal(again.manifest.source.index, index.address);
    assert.match(warnings.join(), /What is retained as tensorflow-2\.15\.1-cpu-.* is not used/);
  });

  it('from the index sooner than from the archive', async () => {
    offerWheel();
    archive.files.set(oldPlace, { bytes: packArchive() });
    assert.match(beginning((await provision('one')).library), /of the index/);
    assert.deepEqual(archive.asked, []);
  });

  it('from the archive where the index has it not, or cannot be asked: both of its libraries, verified', async () => {
    const bytes = packArchive();
    archive.files.set(oldPlace, { bytes });
    const { library, manifest, folder: place } = await provision('one');
    assert.equal(library, join(place, 'libtensorflow.so.2'));
    assert.match(beginning(library), /^libtensorflow\.so\.2\.15\.1 of the archive/);
    assert.deepEqual(fs.readdirSync(place).sort(), [
      'libtensorflow.so.2',
      'libtensorflow_framework.so.2',
      'manifest.json',
    ]);
    assert.deepEqual(manifest.source, {
      index: archive.address,
      file: `libtensorflow-cpu-linux-${MACHINE}-${VERSION}.tar.gz`,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    });
    const found = findInstalled(VERSION, 'cpu', join(folder, 'one'));
    assert.equal(found?.library, library, 'it is found again, and what opens first is the same');
    await verifyInstalled(await provision('two', undefined, { PIP_INDEX_URL: 'http://127.0.0.1:1/simple' }));
  });

  it('from the archive’s newer places, and retained from there', async () => {
    const version = '2.18.1';
    const place = `/versions/${version}/libtensorflow-cpu-linux-${MACHINE}.tar.gz`;
    archive.files.set(place, { bytes: packArchive(version) });
    const first = retention();
    await provision('one', first, {}, version);
    known = Object.values(first.recorded() ?? {});
    const again = await provision('two', retention(), { MLPIPE_OFFLINE: '1' }, version);
    assert.match(beginning(again.library), /of the archive/);
  });

  it('never from an archive that says no digest, or another one, or is none', async () => {
    const bytes = packArchive();
    archive.files.set(oldPlace, { bytes, hash: null });
    await assert.rejects(
      provision('one'),
      refused('engine-version', /has no TensorFlow 2\.15\.1.*comes with no digest/),
    );
    archive.files.set(oldPlace, { bytes, hash: `md5=${createHash('md5').update('another').digest('base64')}` });
    await assert.rejects(provision('one'), refused('download-differs', /has the digest/));
    archive.files.set(oldPlace, { bytes: bytes.subarray(0, 2000) });
    await assert.rejects(provision('one'), refused('archive-damaged', /damaged/));
    archive.files.set(oldPlace, { bytes: packArchive(VERSION, 'half', ['']) });
    await assert.rejects(provision('one'), refused('wheel-without-library', /both libraries/));
    assert.equal(findInstalled(VERSION, 'cpu', join(folder, 'one')), undefined);
    assert.deepEqual(
      fs.readdirSync(join(folder, 'one', 'tensorflow')).filter((name) => /\.new-/.test(name)),
      [],
    );
  });

  it('from a mirror of the archive that has its digests beside it', async () => {
    const bytes = packArchive();
    archive.files.set(oldPlace, { bytes, hash: null });
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    archive.files.set(`${oldPlace}.sha256`, { bytes: Buffer.from(`${sha256}  libtensorflow.tar.gz\n`) });
    assert.equal((await provision('one')).manifest.source.sha256, sha256);
    archive.files.set(`${oldPlace}.sha256`, { bytes: Buffer.from(`${sha256.replace(/^../, '00')}\n`) });
    await assert.rejects(provision('two'), refused('download-differs', /has the digest/));
  });

  it('from nowhere, and says what each has said', async () => {
    offerWheel('2.14.0');
    await assert.rejects(
      provision('one'),
      refused(
        'engine-version',
        /The package index has no TensorFlow 2\.15\.1 for this platform; Google’s archive has none/,
      ),
    );
    await assert.rejects(
      provision('one', undefined, {
        PIP_INDEX_URL: 'http://127.0.0.1:1',
        MLPIPE_TENSORFLOW_ARCHIVE: 'http://127.0.0.1:2',
      }),
      refused('engine-unreachable', /127\.0\.0\.1:1\/.*; nor from Google’s archive: .*127\.0\.0\.1:2/),
    );
    archive.asked.length = 0;
    await assert.rejects(
      provision('one', undefined, { MLPIPE_OFFLINE: '1' }),
      refused('engine-offline', /MLPIPE_OFFLINE/),
    );
    await assert.rejects(
      provision('one', undefined, { MLPIPE_TENSORFLOW_ARCHIVE: 'none' }),
      refused('engine-version', /no TensorFlow 2\.15\.1 for this platform\.$/),
    );
    assert.deepEqual(archive.asked, []);
  });

  it('from the project where somebody asks for it by hand, as one that a run retained even though it failed', async function () {
    if (addonState().state === 'impossible') return this.skip();
    offerWheel();
    const variables = {
      MLPIPE_CACHE: join(folder, 'cache'),
      PIP_INDEX_URL: index.address,
      PIP_CONFIG_FILE: '/dev/null',
      MLPIPE_TENSORFLOW_ARCHIVE: 'none',
      MLPIPE_OFFLINE: '',
    };
    const before = Object.fromEntries(Object.keys(variables).map((name) => [name, process.env[name]]));
    Object.assign(process.env, variables);
    const text = pipelineOf(flowers()).replace(/engine wasm .*/, `engine tensorflow "${VERSION}"\n  retain`);
    const project = new TemporaryProject({ ...FILES, 'flowers.mlpipe': text });
    const opened = api.openProject(project.folder);
    try {
      const { step } = await project.run({ steps: ['learn'] });
      assert.equal(step('learn').status, 'failed', 'the library is none');
      await api.installTensorflow(VERSION, 'cpu', { project: opened });
      fs.rmSync(join(folder, 'cache', 'tensorflow'), { recursive: true });
      process.env.MLPIPE_OFFLINE = '1';
      await assert.rejects(api.installTensorflow(VERSION, 'cpu'), refused('engine-offline', /MLPIPE_OFFLINE/));
      const { folder: place } = await api.installTensorflow(VERSION, 'cpu', { project: opened });
      assert.match(beginning(join(place, main)), /of the index/);
    } finally {
      opened.close();
      project.remove();
      for (const [name, value] of Object.entries(before)) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    }
  });

  it('from Google’s own place where no other is named', () => {
    assert.match(archiveAddress({}) ?? '', /^https:\/\/[a-z.]+\/tensorflow$/);
    assert.equal(archiveAddress({ MLPIPE_TENSORFLOW_ARCHIVE: 'https://mirror/tf/' }), 'https://mirror/tf');
    assert.equal(archiveAddress({ MLPIPE_TENSORFLOW_ARCHIVE: 'none' }), undefined);
  });
});

interface Archive {
  address: string;
  asked: string[];
  /** By path; without a `hash` it has the right one, and `null` stands for none. */
  files: Map<string, { bytes: Buffer; hash?: string | null }>;
  close(): Promise<void>;
}

/** A storage bucket, which says of each file what it holds. */
async function startArchive(): Promise<Archive> {
  const server: Server = createServer((request, response) => {
    const { url = '' } = request;
    archive.asked.push(url);
    const file = archive.files.get(url);
    if (file === undefined) {
      response.statusCode = 404;
      return void response.end();
    }
    const { bytes, hash = `md5=${createHash('md5').update(bytes).digest('base64')}` } = file;
    if (hash !== null) response.setHeader('x-goog-hash', [`crc32c=AAAAAA==`, hash]);
    return void response.end(bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // it listens on a port
  const archive: Archive = {
    address: `http://127.0.0.1:${port}`,
    asked: [],
    files: new Map(),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return archive;
}
