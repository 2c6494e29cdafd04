/** Digits by a pinned TensorFlow that is not there yet: fetched from a mirror, trained, judged, and on the record. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { findInstalled } from '../../runtime/engines/tensorflow/installed.ts';
import type { RunEvent } from '../../runtime/events.ts';
import type { RunRecord } from '../../runtime/ledger/record.ts';
import { type PackageIndex, startPackageIndex } from '../runtime/support/package-index.ts';
import { MIDDLE, needTensorflow, OLDEST } from '../runtime/support/tensorflow.ts';
import { writeWheel } from '../runtime/support/wheel.ts';
import { ended, ensureBuilt, launch, mlpipe, remove, root, temporaryFolder, until } from './support.ts';

describe('a pipeline that pins TensorFlow', function () {
  if (process.platform !== 'linux') return;
  this.timeout(300_000);
  let folder: string;
  let index: PackageIndex;
  let environment: NodeJS.ProcessEnv;
  let wheelDigest: string;
  const project = () => join(folder, 'digits');

  before(async function () {
    await needTensorflow(this, OLDEST, MIDDLE);
    ensureBuilt();
    folder = temporaryFolder();
    fs.cpSync(join(root, 'examples/digits/data'), join(project(), 'data'), { recursive: true });
    const text = fs
      .readFileSync(join(root, 'examples/digits/digits.mlpipe'), 'utf8')
      .replace('wasm "4.22.0"', `tensorflow "${MIDDLE}"`)
      .replace('epochs     20', 'epochs     8');
    assert.match(text, /engine {3}tensorflow "/);
    fs.writeFileSync(join(project(), 'digits.mlpipe'), text);
    // The mirror has a wheel of the very libraries, so that the network is asked for them only once a machine.
    const real = findInstalled(MIDDLE, 'cpu');
    assert.ok(real);
    index = await startPackageIndex();
    const name = process.arch === 'arm64' ? 'tensorflow' : 'tensorflow-cpu';
    const tag = process.arch === 'arm64' ? 'manylinux_2_17_aarch64' : 'manylinux_2_17_x86_64';
    const path = join(folder, `${name.replace('-', '_')}-${MIDDLE}-cp39-cp39-${tag}.whl`);
    wheelDigest = writeWheel(
      path,
      real.manifest.libraries.map((library) => ({
        name: `tensorflow/${library.name}`,
        content: join(real.folder, library.name),
      })),
    );
    index.files.push({ package: name, path, sha256: wheelDigest });
    environment = {
      MLPIPE_CACHE: join(folder, 'cache'),
      PIP_INDEX_URL: index.address,
      PIP_CONFIG_FILE: '/dev/null',
      PIP_EXTRA_INDEX_URL: '',
    };
  });
  after(async () => {
    await index?.close();
    if (folder) remove(folder);
  });

  const call = (...words: string[]) => mlpipe(['-C', project(), ...words], { environment });

  it('is right before anything is installed, and wrong where the version is too old', async () => {
    const list = await call('engine', 'list');
    assert.match(list.stdout, /tensorflow\s+installable\s+any from 2\.12\.0 on/);
    assert.equal((await call('check')).code, 0);
    const file = join(project(), 'digits.mlpipe');
    const text = fs.readFileSync(file, 'utf8');
    fs.writeFileSync(file, text.replace(MIDDLE, '2.9.1'));
    const old = await call('check');
    fs.writeFileSync(file, text);
    assert.equal(old.code, 1);
    assert.match(`${old.stdout}${old.stderr}`, /MLP3006.*2\.9\.1 cannot be had here; `2\.12\.0` and newer can/);
  });

  it('says what to do where it may not be fetched', async () => {
    const offline = { ...environment, MLPIPE_OFFLINE: '1' };
    const run = await mlpipe(['-C', project(), 'run'], { environment: offline });
    // Nothing is wrong with the pipeline: this machine cannot run it.
    assert.equal(run.code, 2);
    assert.match(run.stderr, /TensorFlow 2\.18\.1 is not installed, and MLPIPE_OFFLINE forbids/);
    assert.match(run.stderr, /Next: .*mlpipe engine install tensorflow@2\.18\.1/);
  });

  it('can be cancelled while it is fetched', async () => {
    index.slow = 100;
    const child = launch(['-C', project(), 'run'], { environment });
    child.stderr?.once('data', () =>
      until(() => index.asked.some(({ url }) => url.startsWith('/files/')), 'a download').then(() =>
        child.kill('SIGINT'),
      ),
    );
    const { code, stderr } = await ended(child);
    index.slow = 0;
    assert.equal(code, 130, stderr);
    assert.match(stderr, /recognise cancelled/);
    assert.equal(fs.existsSync(join(folder, 'cache/tensorflow/leases')), true);
    assert.deepEqual(fs.readdirSync(join(folder, 'cache/tensorflow/leases')), []);
  });

  it('fetches it, trains in a process of its own, passes the gate, and records what was loaded', async () => {
    const child = launch(['-C', project(), 'run', '--events'], { environment });
    const seen: RunEvent[] = [];
    const mapped = { runtime: '', worker: '' };
    let worker: number | undefined;
    let rest = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const event = JSON.parse(line) as RunEvent;
        seen.push(event);
        if (event.type === 'step-started' && event.step === 'recognise') worker = event.pid;
        if (event.type === 'step-progress' && event.phase === 'training' && mapped.worker === '') {
          mapped.runtime = fs.readFileSync(`/proc/${child.pid}/maps`, 'utf8');
          mapped.worker = fs.readFileSync(`/proc/${worker}/maps`, 'utf8');
        }
      }
    });
    const { code, stderr } = await ended(child);
    assert.equal(code, 0, stderr);
    assert.match(mapped.worker, /libtensorflow_cc/);
    assert.doesNotMatch(mapped.runtime, /libtensorflow|mlpipe-tensorflow/);
    assert.match(stderr, /recognise: installing TensorFlow 2\.18\.1/);
    const installing = seen.flatMap((event) =>
      event.type === 'step-progress' && event.phase === 'installing TensorFlow 2.18.1' ? [event.share] : [],
    );
    assert.ok(installing.length > 10 && installing.at(-1) === 1);
    assert.deepEqual(
      installing,
      installing.slice().sort((a, b) => a - b),
    );

    const { record } = JSON.parse((await call('show', 'recognise', '--json')).stdout) as { record: RunRecord };
    assert.deepEqual(record.engine, { name: 'tensorflow', version: MIDDLE });
    assert.equal(record.environment.identity.engine, `tensorflow ${MIDDLE}`);
    assert.deepEqual(record.environment.identity.tensorflow, {
      distribution: 'cpu',
      threads: '1',
      oneDnn: 'off',
      deterministicOps: 'on',
    });
    const evidence = record.environment.evidence.engine as Record<string, string>;
    assert.equal(evidence.reported, MIDDLE);
    assert.equal(evidence.wheelDigest, `sha256:${wheelDigest}`);
    assert.equal(
      evidence['libtensorflow_cc.so.2'],
      `sha256:${findInstalled(MIDDLE, 'cpu')?.manifest.libraries[0]?.sha256}`,
    );
    const place = `tensorflow/${MIDDLE}-cpu-linux-${process.arch}/`;
    assert.equal(evidence.loaded, `${place}libtensorflow_cc.so.2, ${place}libtensorflow_framework.so.2`);
    assert.ok(!JSON.stringify(record.environment).includes(folder), 'no path of this machine');
  });

  it('gives the same model once more, and another key with another number of threads', async () => {
    const model = async () => {
      const { record } = JSON.parse((await call('show', 'recognise', '--json')).stdout) as { record: RunRecord };
      return { model: record.outputs.model?.digest, key: record.key };
    };
    const before = await model();
    const again = await call('run', 'recognise', '-f');
    assert.equal(again.code, 0, again.stderr);
    assert.deepEqual(await model(), before);
    const file = join(project(), 'digits.mlpipe');
    const text = fs.readFileSync(file, 'utf8');
    fs.writeFileSync(file, text.replace('  seed       7\n  stop', '  seed       7\n  resources  2 cpus\n  stop'));
    const status = await call('status');
    fs.writeFileSync(file, text);
    assert.match(status.stdout, /recognise\s+stale\s+.*environment/);
  });

  it('trains by two versions at once', async () => {
    const text = fs.readFileSync(join(project(), 'digits.mlpipe'), 'utf8').replace(/epochs +8/, 'epochs     2');
    const environmentBlock = /environment cpu \{[^}]*\}\n/.exec(text)?.[0] ?? '';
    const trainBlock = /train recognise \{[^}]*\}\n/.exec(text)?.[0] ?? '';
    const both = join(folder, 'both');
    fs.cpSync(join(project(), 'data'), join(both, 'data'), { recursive: true });
    const other = (block: string) =>
      block
        .replace(MIDDLE, OLDEST)
        .replace(/\bcpu\b/, 'old')
        .replace('recognise', 'again');
    fs.writeFileSync(
      join(both, 'both.mlpipe'),
      text
        .replace(/evaluate recognise[^}]*\}\n?/, '')
        .replace(environmentBlock, `${environmentBlock}\n${other(environmentBlock)}`)
        .replace(trainBlock, `${trainBlock}\n${other(trainBlock)}`),
    );
    // Out of the user's own cache, where both are.
    const run = await mlpipe(['-C', both, 'run', '-j', '2', '--events']);
    assert.equal(run.code, 0, run.stderr);
    const events = run.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as RunEvent);
    const kinds = events.map(({ type }) => type);
    assert.ok(kinds.lastIndexOf('step-started') < kinds.indexOf('step-finished'), 'both were at work together');
    const versions = events.flatMap((event) => (event.type === 'step-finished' ? [event.engine?.version ?? ''] : []));
    assert.deepEqual(versions.sort(), [OLDEST, MIDDLE]);
  });

  it('keeps it installed, proves it, and takes it away', async () => {
    const list = await call('engine', 'list', '--json');
    const facts = JSON.parse(list.stdout) as { name: string; state: string; versions: string[] }[];
    const fact = facts.find(({ name }) => name === 'tensorflow');
    assert.equal(fact?.state, 'installed');
    assert.deepEqual(fact?.versions, [MIDDLE]);
    const verify = await call('engine', 'verify', `tensorflow@${MIDDLE}`);
    assert.equal(verify.code, 0, verify.stderr);
    assert.match(verify.stdout, /byte for byte/);
    const gone = await call('engine', 'remove', `tensorflow@${MIDDLE}`);
    assert.equal(gone.code, 0, gone.stderr);
    const twice = await call('engine', 'remove', `tensorflow@${MIDDLE}`);
    assert.equal(twice.code, 2);
    assert.match(twice.stderr, /is not installed/);
    const install = await call('engine', 'install', `tensorflow@${MIDDLE}`);
    assert.equal(install.code, 0, install.stderr);
    assert.match(install.stdout, /is installed/);
  });
});
