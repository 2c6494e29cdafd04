/** What a pipeline and its kept models stand on goes away piece by piece, and each piece is named. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { digestOf } from '../../grammar/plan/canonical.ts';
import * as api from '../../runtime/api.ts';
import type { Decay, DecayItem } from '../../runtime/decay/decay.ts';
import { TemporaryProject } from './project.ts';
import { FILES, flowers } from './support/flowers.ts';

describe('decay', function () {
  this.timeout(60_000);
  let project: TemporaryProject;
  let server = '';
  const decay = (): Promise<Decay> => project.open((opened) => api.decay(opened, api.pipelineFile(project.folder)));
  const gone = async () => (await decay()).items.filter(({ resolves }) => !resolves);
  const kinds = (items: readonly DecayItem[]) => items.map(({ kind, name }) => `${kind} ${name}`);
  const object = (digest: string) => project.path(join('.mlpipe', 'objects', digest.slice(7, 9), digest.slice(9)));

  beforeEach(async () => {
    project = new TemporaryProject({ ...FILES, '.gitignore': 'report.txt\n' });
    server = `${project.folder}-server.git`;
    execFileSync('git', ['init', '-q', '--bare', server]);
    project.beginRepository();
    project.git('remote', 'add', 'origin', server);
    await project.run();
    await project.open((opened) => api.keep(opened, 'learn'));
  });
  afterEach(() => {
    project.remove();
    fs.rmSync(server, { recursive: true, force: true });
  });

  it('is none where everything is there and the commit is pushed', async () => {
    assert.deepEqual(
      (await gone()).map(({ kind, where }) => [kind, where]),
      [['commit', 'on no branch of a remote: push it']],
    );
    project.git('push', '-q', 'origin', 'main');
    const whole = await decay();
    assert.deepEqual([whole.ok, await gone()], [true, []]);
    assert.deepEqual([...new Set(whole.items.map(({ kind }) => kind))].sort(), [
      'commit',
      'data',
      'engine',
      'file',
      'model',
      'plan',
      'record',
    ]);
  });

  it('is none of data whose file is another now while the store has it, and is some once that has it no more', async () => {
    project.git('push', '-q', 'origin', 'main');
    const data = (await decay()).items.find(({ kind }) => kind === 'data');
    project.write('flowers.csv', flowers(30));
    assert.deepEqual(await gone(), []);
    fs.rmSync(object(data?.pin ?? ''));
    // The commit has it still, for the models; what is written in the pipeline is looked for where it would be read.
    assert.deepEqual(kinds(await gone()), ['data flowers']);
    assert.match((await gone())[0]?.where ?? '', /^flowers\.csv is another now .*; not in the store$/);
    fs.rmSync(project.path('flowers.csv'));
    assert.match((await gone())[0]?.where ?? '', /^flowers\.csv is not there/);
  });

  it('is remembered with its time, and becomes a diagnostic on the line that it is about', async () => {
    project.git('push', '-q', 'origin', 'main');
    const file = api.pipelineFile(project.folder);
    const findings = () =>
      project.open(async (opened) =>
        (await api.check(opened, file)).filter(({ code }) => code === 'MLP2017' || code === 'MLP3013'),
      );
    const data = (await decay()).items.find(({ kind }) => kind === 'data');
    assert.deepEqual(await findings(), []);
    fs.rmSync(project.path('flowers.csv'));
    const path = object(data?.pin ?? '');
    fs.chmodSync(path, 0o644);
    fs.appendFileSync(path, ' ');
    assert.deepEqual(await findings(), [], 'nobody has looked yet');
    const before = new Date().toISOString();
    await decay();
    const [found, ...others] = await findings();
    assert.deepEqual(others, []);
    const lines = project.read('flowers.mlpipe').split('\n');
    assert.match(lines[(found?.line ?? 0) - 1] ?? '', /^ +pin /);
    assert.match(
      found?.message ?? '',
      /^What `flowers` pins can no longer be had: flowers\.csv is not there; damaged in/,
    );
    assert.ok((found?.message ?? '').includes(`(checked ${before.slice(0, 13).replace('T', ' ')}`));
    project.write('flowers.csv', flowers());
    assert.deepEqual(await findings(), [], 'what is seen to be there again is not said to be gone');
  });

  it('is believed of nobody but this mlpipe', async () => {
    await decay();
    await project.open(async (opened) => {
      const path = api.decayPath(opened, api.pipelineFile(project.folder));
      const kept: unknown = JSON.parse(fs.readFileSync(path, 'utf8'));
      assert.ok(typeof kept === 'object' && kept !== null);
      const facts = async (text: string) => {
        fs.writeFileSync(path, text);
        return (await api.facts(opened, api.pipelineFile(project.folder))).decay;
      };
      assert.ok(await facts(JSON.stringify(kept)));
      for (const wrong of ['', '{', '[]', 'null', '{"format":"mlpipe-decay/1","when":"2026-01-01","gone":[{}]}'])
        assert.equal(await facts(wrong), undefined, wrong);
      for (const wrong of [{ format: 'mlpipe-decay/2' }, { when: 'yesterday' }, { gone: [{ kind: 1 }] }, { gone: 1 }])
        assert.equal(await facts(JSON.stringify({ ...kept, ...wrong })), undefined, JSON.stringify(wrong));
    });
  });

  it('is looked for until that is cancelled', async () => {
    const file = api.pipelineFile(project.folder);
    const told: [number, number][] = [];
    await project.open((opened) =>
      api.decay(opened, file, { onProgress: (done, total) => void told.push([done, total]) }),
    );
    assert.deepEqual([told[0], told.length > 2], [[0, 0], true]);
    const signal = AbortSignal.abort();
    await assert.rejects(
      project.open((opened) => api.decay(opened, file, { signal })),
      { code: 'cancelled' },
    );
  });

  it('is found in one changed byte of a model, and in a record that is gone', async () => {
    project.git('push', '-q', 'origin', 'main');
    const weights = object(
      digestOf(fs.readFileSync(project.path('.mlpipe/outputs/flowers.mlpipe/learn/model/weights.bin'))),
    );
    fs.chmodSync(weights, 0o644);
    const bytes = fs.readFileSync(weights);
    bytes.writeUInt8(bytes.readUInt8(0) ^ 1, 0);
    fs.writeFileSync(weights, bytes);
    const [damaged] = await gone();
    assert.deepEqual([damaged?.kind, damaged?.name], ['model', 'learn']);
    assert.match(damaged?.where ?? '', /damaged in the store/);
    for (const folder of fs.readdirSync(project.path('.mlpipe/records')))
      for (const name of fs.readdirSync(project.path(`.mlpipe/records/${folder}`)))
        fs.rmSync(project.path(`.mlpipe/records/${folder}/${name}`));
    fs.rmSync(project.path('.mlpipe/index.sqlite'), { force: true });
    const records = (await decay()).items.filter(({ kind }) => kind === 'record');
    assert.deepEqual(
      records.map(({ name, resolves }) => [name, resolves]),
      [
        ['learn@1', false],
        ['learn', false],
        ['proof', false],
        ['report', false],
      ],
    );
  });

  it('is found in an engine, an interpreter and a lock file that this machine has not', async () => {
    project.git('push', '-q', 'origin', 'main');
    project.write(
      'flowers.mlpipe',
      project
        .read('flowers.mlpipe')
        .replace('engine wasm "4.22.0"', 'engine wasm "1.0.0"\n  node "1.2.3" lock "package-lock.json"'),
    );
    assert.deepEqual(kinds(await gone()), ['engine wasm', 'interpreter node', 'lock package-lock.json']);
  });
});
