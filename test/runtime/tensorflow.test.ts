import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Engine } from '../../runtime/engines/engine.ts';
import { listEngines, openEngine } from '../../runtime/engines/index.ts';
import { addonState, ensureAddon } from '../../runtime/engines/tensorflow/addon.ts';
import { applySettings, settingsVariables, tensorflowSettings } from '../../runtime/engines/tensorflow/settings.ts';
import { MlpipeError } from '../../runtime/errors.ts';
import { distance, NETS, type Trained, trainThreeSteps } from './layer-nets.ts';
import { GRADIENT_CASES } from './slopes.ts';
import { NODE_FLOOR, nodeFloor } from './support/node-floor.ts';
import {
  MIDDLE,
  NEWEST,
  needTensorflow,
  OLDEST,
  onTensorflow,
  PLAIN,
  REPEATABLE,
  TENSORFLOW_VERSIONS,
} from './support/tensorflow.ts';
import type { FromTensorflow } from './tensorflow-child.ts';

describe('TensorFlow', function () {
  // The first time, the libraries come over the network.
  this.timeout(300_000);
  let expected: Map<string, Trained>;
  let engineFact: Awaited<ReturnType<typeof listEngines>>[number] | undefined;
  before(async function () {
    await needTensorflow(this, ...TENSORFLOW_VERSIONS);
    const wasm = await openEngine('wasm', '4.22.0');
    engineFact = (await listEngines()).find(({ name }) => name === 'tensorflow');
    expected = new Map();
    for (const net of NETS) expected.set(net.name, await trainThreeSteps(wasm, net));
  });

  const opened = ([first]: FromTensorflow[]): Engine['describe'] & { node: string } => {
    assert.equal(first?.kind, 'opened', JSON.stringify(first));
    return { ...first.describe, node: first.node };
  };
  const bitsOf = (said: FromTensorflow[]): string => {
    const last = said.at(-1);
    assert.equal(last?.kind, 'bits', JSON.stringify(last));
    return last.digest;
  };
  const compareNets = (said: FromTensorflow[]): void => {
    const cannot = engineFact?.cannotTrain ?? {};
    for (const { name } of NETS) {
      const answer = said.find((message) => 'net' in message && message.net === name);
      const wasm = expected.get(name);
      assert.ok(wasm);
      const right = answer?.kind === 'trained' && distance(answer.result, wasm) < 1e-4;
      const declared = cannot[name.split(' ')[0] ?? ''] !== undefined;
      assert.equal(right, !declared, `${name}: ${JSON.stringify(answer)}`);
    }
  };
  it('is listed with the versions that are installed, and what else can be had', () => {
    assert.equal(engineFact?.state, 'installed');
    assert.equal(engineFact?.installableFrom, '2.12.0');
    for (const version of TENSORFLOW_VERSIONS) assert.ok(engineFact?.versions.includes(version), version);
  });

  for (const version of TENSORFLOW_VERSIONS) {
    it(`${version} trains every layer, loss and optimizer as wasm does`, async () => {
      const said = await onTensorflow(version, 'nets');
      assert.equal(opened(said).evidence.reported, version);
      compareNets(said);
    });
  }

  it('trains on the oldest Node that mlpipe runs on', async () => {
    const node = await nodeFloor();
    for (const version of [OLDEST, NEWEST]) {
      const said = await onTensorflow(version, 'nets', { node });
      assert.equal(opened(said).node, NODE_FLOOR);
      compareNets(said);
    }
  });

  it('has the slopes of the loss for gradients', async () => {
    const said = await onTensorflow(NEWEST, 'gradients');
    opened(said);
    const failed = said.filter(({ kind }) => kind === 'failed' || kind === 'refused');
    assert.deepEqual(failed, []);
    assert.equal(said.filter(({ kind }) => kind === 'checked').length, GRADIENT_CASES.length);
  });

  it('is another version in another process, at the same time', async () => {
    const [one, other] = await Promise.all([OLDEST, NEWEST].map((version) => onTensorflow(version, 'bits')));
    assert.ok(one && other);
    for (const [version, said] of [
      [OLDEST, one],
      [NEWEST, other],
    ] as const) {
      const { evidence, identity } = opened(said);
      assert.equal(identity.version, version);
      assert.equal(evidence.reported, version);
      assert.match(evidence.wheel ?? '', new RegExp(`-${version.replaceAll('.', '\\.')}-`));
      for (const name of ['wheelDigest', 'libtensorflow_cc.so.2', 'libtensorflow_framework.so.2', 'addon'])
        if (process.platform === 'linux') assert.match(evidence[name] ?? '', /^sha256:[0-9a-f]{64}$/, name);
      if (process.platform === 'linux') {
        const place = `tensorflow/${version}-cpu-linux-${process.arch}/`;
        assert.equal(
          evidence.loaded,
          `${place}libtensorflow_cc.so.2, ${place}libtensorflow_framework.so.2`,
          'what is mapped is this version and no other',
        );
      }
    }
  });

  it('gives the same bits twice where results are to be repeatable, on one thread and on two', async () => {
    for (const version of [OLDEST, MIDDLE, NEWEST]) {
      for (const threads of version === NEWEST ? [1, 2] : [1]) {
        const settings = { ...REPEATABLE, threads };
        const runs = [];
        for (let run = 0; run < 3; run++) runs.push(bitsOf(await onTensorflow(version, 'bits', { settings })));
        assert.equal(new Set(runs).size, 1, `${version} on ${threads}: ${runs.join(' ')}`);
      }
    }
  });

  it('takes no switch from the caller’s environment', async () => {
    const foreign = {
      TF_NUM_INTRAOP_THREADS: '2',
      TF_ENABLE_ONEDNN_OPTS: '1',
      TF_DETERMINISTIC_OPS: '0',
      OMP_NUM_THREADS: '2',
      ONEDNN_MAX_CPU_ISA: 'SSE41',
    };
    const plain = bitsOf(await onTensorflow(NEWEST, 'bits', { settings: REPEATABLE }));
    const told = bitsOf(await onTensorflow(NEWEST, 'bits', { settings: REPEATABLE, environment: foreign }));
    assert.equal(told, plain);
    // Otherwise the two above would prove nothing.
    const otherwise = { ...REPEATABLE, threads: 2, oneDnn: true };
    assert.notEqual(bitsOf(await onTensorflow(NEWEST, 'bits', { settings: otherwise })), plain);
  });

  it('needs no more memory after five thousand steps than after one thousand', async () => {
    const said = await onTensorflow(NEWEST, 'memory');
    const samples = said.filter((message) => message.kind === 'memory');
    assert.deepEqual(
      samples.map(({ steps }) => steps),
      [1000, 2000, 3000, 4000, 5000],
    );
    const [first, last] = [samples[0], samples.at(-1)];
    assert.ok(first && last);
    assert.equal(last.tensors, first.tensors);
    // V8 makes room for young objects once, by 64 MiB, when it finds that they are many: that is no growth of ours.
    const grown = (last.native - first.native) / 2 ** 20;
    assert.ok(grown < 16, `${grown.toFixed(1)} MiB more`);
    assert.ok(last.heap < 128 * 2 ** 20, `${last.heap} bytes of JavaScript`);
  });

  it('is refused twice with different switches in one process', async () => {
    const said = await onTensorflow(OLDEST, 'open another');
    opened(said);
    const last = said.at(-1);
    assert.equal(last?.kind, 'refused');
    assert.equal(last.code, 'engine-failed');
    assert.match(last.message, /opened TensorFlow 2\.12\.0 already/);
  });

  it('is refused where it is not installed, with what to do', async () => {
    const [said] = await onTensorflow('2.12.1', 'open', { environment: { MLPIPE_CACHE: tmpdir() } });
    assert.equal(said?.kind, 'refused');
    assert.equal(said.code, 'engine-missing');
    assert.match(said.todo ?? '', /mlpipe engine install tensorflow@2\.12\.1/);
  });

  it('is an error and no crash where the library is none', async () => {
    const folder = fs.mkdtempSync(join(tmpdir(), 'mlpipe-addon-'));
    try {
      // Our own addon, whose one function this is.
      const addon = (await import('node:module')).createRequire(import.meta.url)(await ensureAddon()) as {
        open(path: string): unknown;
      };
      const open = (path: string) => () => addon.open(path);
      const refusal = (text: RegExp) => (error: unknown) =>
        error instanceof Error &&
        'code' in error &&
        error.code === 'ERR_TENSORFLOW_LIBRARY' &&
        text.test(error.message);
      assert.throws(open(join(folder, 'nothing.so')), refusal(/nothing\.so/));
      fs.writeFileSync(join(folder, 'text.so'), 'no library');
      assert.throws(open(join(folder, 'text.so')), refusal(/text\.so/));
      // A library, and not this one: any that is loaded already will do.
      const other = (process.report.getReport() as { sharedObjects: string[] }).sharedObjects.find((path) =>
        /libm[.-]/.test(path),
      );
      if (other) assert.throws(open(other), refusal(/ lacks TF_Version, .*TFE_Execute$/));
    } finally {
      fs.rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('the addon for TensorFlow', () => {
  let folder: string;
  before(() => {
    folder = fs.mkdtempSync(join(tmpdir(), 'mlpipe-addon-'));
  });
  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  it('is built once from its sources', async function () {
    this.timeout(120_000);
    const environment = { PATH: process.env.PATH ?? '', MLPIPE_CACHE: folder };
    if (addonState(environment).state === 'impossible' && !process.env.CI) return this.skip();
    const path = await ensureAddon(environment);
    const { mtimeMs } = fs.statSync(path);
    assert.ok(path.startsWith(folder));
    assert.equal(await ensureAddon(environment), path);
    assert.equal(fs.statSync(path).mtimeMs, mtimeMs);
    assert.deepEqual(addonState(environment), { state: 'ready', path, origin: 'built' });
  });

  it('is not to be had without a compiler, and that says what to do', async () => {
    await assert.rejects(ensureAddon({ PATH: folder, MLPIPE_CACHE: join(folder, 'none') }), (error: unknown) => {
      assert.ok(error instanceof MlpipeError);
      assert.equal(error.code, 'addon-missing');
      assert.match(error.message, /no C\+\+ compiler/);
      assert.match(error.todo ?? '', /apt install g\+\+/);
      return true;
    });
  });

  it('is not to be had from a compiler that fails, and that says what it said', async () => {
    const compiler = join(folder, 'c++');
    fs.writeFileSync(compiler, '#!/bin/sh\necho "x.cc:1: error: no such language" >&2\nexit 1\n', { mode: 0o755 });
    await assert.rejects(
      ensureAddon({ PATH: `${folder}:/bin:/usr/bin`, CXX: compiler, MLPIPE_CACHE: join(folder, 'none') }),
      (error: unknown) => {
        assert.ok(error instanceof MlpipeError);
        assert.equal(error.code, 'addon-broken');
        assert.match(error.message, /no such language/);
        return true;
      },
    );
  });
});

describe('the switches of TensorFlow', () => {
  it('follow from what the environment and the step ask for, and not from the machine', () => {
    assert.deepEqual(tensorflowSettings(undefined, {}), PLAIN);
    assert.deepEqual(tensorflowSettings({ results: 'close' }, { cpus: 4 }), { ...PLAIN, threads: 4 });
    assert.deepEqual(tensorflowSettings({ results: 'repeatable' }, {}), REPEATABLE);
    assert.deepEqual(tensorflowSettings({ results: 'repeatable' }, { cpus: 2 }), { ...REPEATABLE, threads: 2 });
    assert.equal(tensorflowSettings({ hardware: { classes: [], cpus: 8 } }, {}).threads, 8);
    assert.equal(tensorflowSettings({ hardware: { classes: ['gpu'] } }, {}).distribution, 'gpu');
    assert.equal(tensorflowSettings(undefined, { gpus: 1 }).distribution, 'gpu');
  });

  it('replace whatever else would be found', () => {
    const environment: NodeJS.ProcessEnv = {
      PATH: '/bin',
      TF_XLA_FLAGS: '--tf_xla_auto_jit=2',
      OMP_NUM_THREADS: '64',
      NVIDIA_TF32_OVERRIDE: '1',
      TFJS: 'kept',
    };
    applySettings(REPEATABLE, environment);
    assert.deepEqual(environment, { PATH: '/bin', TFJS: 'kept', ...settingsVariables(REPEATABLE) });
    assert.equal(settingsVariables(REPEATABLE).OMP_NUM_THREADS, '1');
  });
});
