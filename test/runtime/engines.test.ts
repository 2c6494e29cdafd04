import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { EngineFact } from '../../grammar/rules/facts.ts';
import { listEngines, openEngine } from '../../runtime/engines/index.ts';
import { MlpipeError } from '../../runtime/errors.ts';
import type { TrainJob, WorkerMessage } from '../../runtime/train/job.ts';
import { classificationJob } from './classification-job.ts';
import { distance, NETS, trainThreeSteps } from './layer-nets.ts';
import { modelPlan, numbers } from './models.ts';
import type { FromWebgpu } from './webgpu-child.ts';

const WORKER = fileURLToPath(new URL('../../runtime/train/worker.ts', import.meta.url));
const WEBGPU = fileURLToPath(new URL('./webgpu-child.ts', import.meta.url));
const WASM_BINARY = 'tfjs-backend-wasm-simd.wasm';

/** SwiftShader, as Chromium brings it on Debian: Vulkan in software, slow and good enough for small nets. */
const SOFTWARE_DRIVER = '/usr/lib/chromium/vk_swiftshader_icd.json';

/** One for each kind of kernel, as each has its shaders compiled first; all of them are trained where `CI` is set. */
const QUICK_NETS = [
  'dense',
  'conv2d',
  'conv2dTranspose',
  'depthwiseConv2d',
  'maxPool2d',
  'averagePool2d',
  'batchNormalization',
  'layerNormalization',
  'upSampling2d',
  'embedding',
  'lstm',
];

describe('the engines', () => {
  let facts: Map<string, EngineFact>;
  before(async () => {
    facts = new Map((await listEngines()).map((fact) => [fact.name, fact]));
  });

  it('are three, and each that cannot train says why and what to do', () => {
    assert.deepEqual([...facts.keys()].sort(), ['tensorflow', 'wasm', 'webgpu']);
    for (const { state, reason } of facts.values()) {
      if (state === 'installed') assert.equal(reason, undefined);
      else assert.match(reason ?? '', /^\w.+\. .*engine wasm "4\.22\.0"/);
    }
  });

  it('have wasm on every machine, in one version, the same bits each time', async () => {
    const fact = facts.get('wasm');
    assert.deepEqual(fact, {
      name: 'wasm',
      state: 'installed',
      versions: ['4.22.0'],
      cannotTrain: {},
      deterministic: true,
    });
    const engine = await openEngine('wasm', '4.22.0');
    assert.equal(engine.describe.identity.engine, 'wasm');
    assert.equal(engine.describe.identity.version, '4.22.0');
  });

  it('promise no equal bits of webgpu', () => {
    assert.equal(facts.get('webgpu')?.deterministic, false);
  });

  for (const [name, version] of [
    ['wasm', '4.21.0'],
    ['wasm', '4.22'],
    ['wasm', ''],
    ['webgpu', '9.0.0'],
  ] as const) {
    it(`are opened in no other version: ${name} "${version}"`, () =>
      assert.rejects(openEngine(name, version), (error) => {
        assert.ok(error instanceof MlpipeError);
        assert.equal(error.code, 'engine-version');
        assert.ok(error.message.includes(`${name} 4.22.0`) && error.message.includes(`for ${version}`));
        assert.match(error.todo ?? '', new RegExp(`engine ${name} "4\\.22\\.0"`));
        return true;
      }));
  }

  it('say of tensorflow what is installed, and from which version on any can be had', () => {
    const fact = facts.get('tensorflow');
    if (fact?.state === 'impossible') return assert.deepEqual(fact.versions, []);
    assert.equal(fact?.installableFrom, '2.12.0');
    assert.equal(fact?.state, fact && fact.versions.length > 0 ? 'installed' : 'installable');
    assert.equal(fact?.deterministic, true);
  });

  it('refuse a name that is none', () =>
    assert.rejects(openEngine('webgl', '4.22.0'), (error) => {
      assert.ok(error instanceof MlpipeError);
      assert.equal(error.code, 'engine-unknown');
      return true;
    }));
});

describe('webgpu', () => {
  it('is refused where there is no adapter, and nothing else trains in its place', async () => {
    const nowhere = join(tmpdir(), 'no-such-driver.json');
    const said = await onWebgpu({ VK_DRIVER_FILES: nowhere, VK_ICD_FILENAMES: nowhere }, ['dense 1']);
    if (process.platform !== 'linux' && said[0]?.kind === 'opened') return; // another system's driver is not named so
    assert.equal(said.length, 1);
    const [refused] = said;
    assert.equal(refused?.kind, 'refused');
    assert.equal(refused.code, 'engine-missing');
    assert.match(refused.message, /^WebGPU cannot train here\. .*(adapter|not installed|could not be started)/);
  });

  it('trains layers, losses and optimizers as wasm does, on Vulkan in software', async function () {
    if (!existsSync(SOFTWARE_DRIVER)) {
      assert.ok(!process.env.CI, `${SOFTWARE_DRIVER} is missing: install chromium.`);
      console.log(`      skipped: ${SOFTWARE_DRIVER} is missing (Debian: apt install chromium)`);
      return this.skip();
    }
    const webgpu = (await listEngines()).find(({ name }) => name === 'webgpu');
    const nets = NETS.filter(({ name }) => {
      const layer = name.split(' ')[0] ?? '';
      const wanted = process.env.CI ? true : name.endsWith(' 1') && QUICK_NETS.includes(layer);
      return wanted && webgpu?.cannotTrain[layer] === undefined;
    });
    const said = await onWebgpu(
      {
        VK_DRIVER_FILES: SOFTWARE_DRIVER,
        VK_ICD_FILENAMES: SOFTWARE_DRIVER,
        LD_LIBRARY_PATH: dirname(SOFTWARE_DRIVER),
      },
      nets.map(({ name }) => name),
    );
    assert.equal(said[0]?.kind, 'opened', JSON.stringify(said[0]));
    const wasm = await openEngine('wasm', '4.22.0');
    for (const net of nets) {
      const answer = said.find((message) => 'net' in message && message.net === net.name);
      assert.equal(answer?.kind, 'trained', `${net.name}: ${JSON.stringify(answer)}`);
      const apart = distance(answer.result, await trainThreeSteps(wasm, net));
      assert.ok(apart < 1e-4, `${net.name}: ${apart}`);
    }
  }).timeout(180_000);

  function onWebgpu(environment: Record<string, string>, nets: string[]): Promise<FromWebgpu[]> {
    return new Promise((resolve, reject) => {
      execFile(
        process.execPath,
        [WEBGPU, '4.22.0', ...nets],
        { env: { ...process.env, ...environment }, maxBuffer: 2 ** 26 },
        (error, stdout, stderr) => {
          if (error) return reject(new Error(`${error.message}\n${stderr}`));
          const lines = stdout.split('\n').filter((line) => line.startsWith('{"kind"'));
          resolve(lines.map((line) => JSON.parse(line) as FromWebgpu));
        },
      );
    });
  }
});

describe('wasm in a bundle', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mlpipe-bundle-'));
    await build({
      entryPoints: [WORKER],
      outfile: join(folder, 'worker.cjs'),
      bundle: true,
      platform: 'node',
      format: 'cjs',
      external: ['better-sqlite3', 'webgpu', '@tensorflow/tfjs-node'],
      loader: { '.mlpipe': 'text' },
      define: { 'import.meta.url': 'importMetaUrl' },
      banner: { js: "const importMetaUrl = require('node:url').pathToFileURL(__filename).href;" },
      logLevel: 'silent',
    });
    await writeFile(join(folder, 'rows.csv'), table());
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('says which file is missing beside it', async () => {
    const said = await train(join(folder, 'worker.cjs'), 'alone');
    const last = said.at(-1);
    assert.equal(last?.type, 'failed');
    assert.equal(last.code, 'engine-failed');
    assert.match(last.message, new RegExp(WASM_BINARY.replaceAll('.', '\\.')));
  });

  it('trains far from its packages, to the bits of the sources', async () => {
    const binaries = dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm'));
    await copyFile(join(binaries, WASM_BINARY), join(folder, WASM_BINARY));
    const digests: string[] = [];
    for (const [worker, run] of [
      [join(folder, 'worker.cjs'), 'bundled'],
      [WORKER, 'sources'],
    ] as const) {
      const last = (await train(worker, run)).at(-1);
      assert.equal(last?.type, 'done', JSON.stringify(last));
      assert.equal(last.engine.name, 'wasm');
      digests.push(
        createHash('sha256')
          .update(await readFile(join(folder, run, 'model', 'weights.bin')))
          .digest('hex'),
      );
    }
    assert.equal(digests[0], digests[1]);
  });

  async function train(worker: string, run: string): Promise<WorkerMessage[]> {
    const path = join(folder, `${run}.json`);
    await mkdir(join(folder, run));
    await writeFile(path, JSON.stringify(job(join(folder, run), join(folder, 'rows.csv'))));
    return new Promise((resolve) => {
      execFile(process.execPath, [worker, path], { cwd: folder }, (_, stdout) => {
        const lines = stdout.split('\n').filter((line) => line !== '');
        resolve(lines.map((line) => JSON.parse(line) as WorkerMessage));
      });
    });
  }
});

function job(folder: string, path: string): TrainJob {
  const model = modelPlan(
    [4, 4],
    [
      ['conv2d', { filters: 4, kernel: [3, 3], activation: 'relu' }],
      ['flatten'],
      ['dense', { units: 2, activation: 'softmax' }],
    ],
  );
  return classificationJob({
    folder,
    path,
    model,
    shape: [4, 4],
    classes: 2,
    resume: false,
    step: {
      optimizer: { name: 'adam', arguments: { rate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 } },
      epochs: 2,
      batch: 8,
      seed: 1,
    },
  });
}

function table(): string {
  const values = numbers(40 * 16, 3);
  const header = [...Array.from({ length: 16 }, (_, at) => `pixels${at + 1}`), 'label'].join(',');
  const rows = Array.from({ length: 40 }, (_, row) =>
    [...Array.from(values.subarray(row * 16, row * 16 + 16), (value) => value.toFixed(3)), row % 2].join(','),
  );
  return `${[header, ...rows].join('\n')}\n`;
}
