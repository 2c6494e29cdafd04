import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestOf, digestOfValue } from '../../grammar/plan/canonical.ts';
import type { EnvironmentPlan, ResourcesPlan } from '../../grammar/plan/plan.ts';
import type { MachineFact } from '../../grammar/rules/facts.ts';
import { hardwareClass, probe } from '../../runtime/environment/probe.ts';
import { MlpipeError } from '../../runtime/errors.ts';
import { resolveEnvironment } from '../../runtime/execute/environment.ts';

let folder = '';
beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'mlpipe-environment-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

const machine: MachineFact = {
  platform: 'linux',
  architecture: 'x64',
  cpus: 2,
  memory: 8 * 2 ** 30,
  gpus: [],
  node: '24.21.0',
  interpreters: [
    { language: 'python', version: '3.12.4', path: '/opt/python3.12/bin/python3' },
    { language: 'python', version: '3.11.9', path: '/opt/python3.11/bin/python3' },
  ],
};
const plan = (changes: Partial<EnvironmentPlan> = {}): EnvironmentPlan => ({
  name: 'py',
  interpreters: [],
  ...changes,
});
const resolve = (environment: EnvironmentPlan | undefined) =>
  resolveEnvironment(environment, {
    folder,
    machine,
    digest: async (path) => digestOf(fs.readFileSync(path)),
  });
const failure = (code: string, text: RegExp) => (error: unknown) =>
  error instanceof MlpipeError && error.code === code && text.test(error.message) && error.todo !== undefined;

describe('an environment', () => {
  it('gets exactly the interpreter that it pins', async () => {
    const { languages, recorded } = await resolve(plan({ interpreters: [{ language: 'python', version: '3.11.9' }] }));
    assert.deepEqual(
      languages.map(({ program }) => program),
      ['/opt/python3.11/bin/python3'],
    );
    assert.equal(recorded.identity.python, '3.11.9');
  });

  it('never gets another version than it pins: what is not here is left to be provided', async () => {
    for (const version of ['3.11.8', '3.11', '3.12.40']) {
      const { languages, recorded } = await resolve(plan({ interpreters: [{ language: 'python', version }] }));
      assert.deepEqual(languages, [{ language: 'python', version, here: ['3.12.4', '3.11.9'] }]);
      assert.equal(recorded.identity.python, version);
    }
  });

  it('is refused where its lock file is gone or is not what is pinned', async () => {
    const interpreters = [{ language: 'python' as const, version: '3.11.9', lock: 'requirements.txt' }];
    await assert.rejects(resolve(plan({ interpreters })), failure('lock-missing', /requirements\.txt/));
    fs.writeFileSync(join(folder, 'requirements.txt'), 'numpy==2.1.0');
    const { recorded } = await resolve(plan({ interpreters }));
    assert.equal(recorded.identity.pythonLock, digestOf('numpy==2.1.0'));
    const pinned = interpreters.map((each) => ({ ...each, pin: digestOf('numpy==2.0.0') }));
    await assert.rejects(resolve(plan({ interpreters: pinned })), failure('lock-differs', /requirements\.txt/));
  });

  it('is refused where the hardware is not there', async () => {
    await assert.rejects(resolve(plan({ hardware: { classes: ['gpu'] } })), failure('hardware-missing', /gpu/));
    await assert.rejects(
      resolve(plan({ hardware: { classes: [], memory: 64 * 2 ** 30 } })),
      failure('hardware-missing', /64\.0 GiB/),
    );
    await resolve(plan({ hardware: { classes: ['x64'], cpus: 2 } }));
  });

  it('has a fingerprint of its identity alone, with nothing of this machine in it but what determines a result', async () => {
    const { recorded } = await resolve(plan({ engine: { name: 'wasm', version: '4.22.0' }, results: 'close' }));
    assert.equal(recorded.fingerprint, digestOfValue(recorded.identity));
    assert.deepEqual(recorded.identity, {
      platform: process.platform,
      architecture: process.arch,
      engine: 'wasm 4.22.0',
      results: 'close',
    });
    const renamed = await resolve(plan({ name: 'x', engine: { name: 'wasm', version: '4.22.0' }, results: 'close' }));
    assert.equal(renamed.recorded.fingerprint, recorded.fingerprint);
    const other = await resolve(plan({ engine: { name: 'wasm', version: '4.23.0' }, results: 'close' }));
    assert.notEqual(other.recorded.fingerprint, recorded.fingerprint);
    for (const name of ['cpu', 'cpuClass', 'memory', 'kernel', 'libc', 'container'])
      assert.ok(name in recorded.evidence, name);
  });

  it('has the hardware class in its identity where results must be the same bits', async () => {
    const { recorded } = await resolve(plan({ results: 'repeatable' }));
    const { cpuClass, libc } = recorded.identity.hardware as { cpuClass: string; libc: string };
    assert.equal(cpuClass, recorded.evidence.cpuClass);
    assert.ok(process.platform !== 'linux' || /^glibc \d|^musl/.test(libc), libc);
  });

  it('has the switches of TensorFlow in its identity, the threads that the step asks for among them', async () => {
    const environment = plan({ engine: { name: 'tensorflow', version: '2.19.1' }, results: 'close' });
    const identity = async (resources: ResourcesPlan) =>
      (await resolveEnvironment(environment, { folder, machine, resources, digest: async () => digestOf('') })).recorded
        .identity.tensorflow;
    assert.deepEqual(await identity({}), {
      distribution: 'cpu',
      threads: '1',
      oneDnn: 'on',
      deterministicOps: 'off',
    });
    assert.notDeepEqual(await identity({ cpus: 2 }), await identity({}));
    assert.deepEqual(await identity({ memory: 2 ** 30, time: 60 }), await identity({}));
  });

  it('that is not named is said to be unpinned', async () => {
    const { recorded } = await resolve(undefined);
    assert.equal(recorded.name, null);
    assert.equal(recorded.identity.pinned, false);
  });
});

describe('this machine', () => {
  it('is known by its class of processor', () => {
    const second = ['cx16', 'lahf_lm', 'popcnt', 'sse4_1', 'sse4_2', 'ssse3'];
    const third = [...second, 'avx', 'avx2', 'bmi1', 'bmi2', 'f16c', 'fma', 'abm', 'movbe'];
    const fourth = [...third, 'avx512f', 'avx512bw', 'avx512cd', 'avx512dq', 'avx512vl'];
    assert.equal(hardwareClass(new Set(['sse2']), 'x64'), 'x86-64-v1');
    assert.equal(hardwareClass(new Set(second), 'x64'), 'x86-64-v2');
    assert.equal(hardwareClass(new Set(third), 'x64'), 'x86-64-v3');
    assert.equal(hardwareClass(new Set(fourth), 'x64'), 'x86-64-v4');
    assert.equal(hardwareClass(new Set(third.filter((flag) => flag !== 'ssse3')), 'x64'), 'x86-64-v1');
    assert.equal(hardwareClass(new Set(), 'arm64'), 'arm64');
  });

  it('is searched for interpreters that say their version, in the order of the search path', async () => {
    const program = join(folder, 'python3');
    fs.writeFileSync(program, '#!/bin/sh\necho Python 3.9.99\n', { mode: 0o755 });
    fs.writeFileSync(join(folder, 'python'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    const { interpreters, node, cpus } = await probe({ before: [folder] });
    const pythons = interpreters.filter(({ language }) => language === 'python');
    assert.deepEqual(pythons[0], { language: 'python', version: '3.9.99', path: program });
    assert.ok(!pythons.some(({ path }) => path === join(folder, 'python')));
    assert.equal(node, process.versions.node);
    assert.ok(cpus >= 1);
  });

  it('is looked at without starting a program where that is asked for', async () => {
    fs.writeFileSync(join(folder, 'python3'), `#!/bin/sh\ntouch ${folder}/started\n`, { mode: 0o755 });
    await probe({ before: [folder], execute: false });
    assert.equal(fs.existsSync(join(folder, 'started')), false);
  });
});
