/** What has changed since a model was last good, in words that a person can act on. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import * as api from '../../runtime/api.ts';
import { MlpipeError } from '../../runtime/errors.ts';
import { TemporaryProject } from './project.ts';
import { FILES, flowers } from './support/flowers.ts';

describe('what has changed since a model was last good', function () {
  this.timeout(60_000);
  let project: TemporaryProject;
  const changes = (reference = 'learn') => project.open((opened) => api.changesSinceGood(opened, reference));
  const edit = (before: string, after: string) =>
    project.write('flowers.mlpipe', project.read('flowers.mlpipe').replace(before, after));

  beforeEach(async () => {
    project = new TemporaryProject({ ...FILES, '.gitignore': 'report.txt\n' });
    project.beginRepository();
    await project.run();
  });
  afterEach(() => project.remove());

  it('is nothing while nothing has, wherever blocks stand and whatever comments say', async () => {
    const found = await changes();
    assert.deepEqual([found.step, found.newest, found.changes], ['learn', null, []]);
    edit('train learn {', '// A comment.\n\ntrain learn {');
    assert.deepEqual(
      (await changes()).changes.map(({ step }) => step),
      ['code'],
    );
  });

  it('is told of data, parameters, gates and code, though nothing of it has run', async () => {
    const kept = await project.open((opened) => api.keep(opened, 'learn'));
    project.write('flowers.csv', flowers(90));
    edit('param rate = 0.05', 'param rate = 0.5');
    edit('accuracy >= 1%', 'accuracy >= 2%');
    project.git('commit', '-qam', 'second');
    const found = await changes('learn@1');
    assert.deepEqual([found.good.record, found.good.kept], [kept.record, 'learn@1']);
    const told = new Map(found.changes.map(({ step, text }) => [step, text]));
    assert.equal(
      told.get('learn'),
      'flowers.csv changed: 60 → 90 rows, rate 0.05 → 0.5; model and environment the same',
    );
    assert.match(told.get('proof') ?? '', /gates\.accuracy\.threshold 0\.01 → 0\.02/);
    assert.match(told.get('code') ?? '', /^[0-9a-f]{12} → [0-9a-f]{12}, 1 commit: flowers\.csv, flowers\.mlpipe$/);
  });

  it('is told of an engine that this machine has not, and of data that is gone', async () => {
    edit('engine wasm "4.22.0"', 'engine wasm "1.0.0"');
    assert.match((await changes()).changes[0]?.text ?? '', /environment changed: engine wasm 4\.22\.0 → wasm 1\.0\.0/);
    // The store would have it, were it pinned as it was.
    edit('from "flowers.csv"', 'from "roses.csv"');
    project.write('flowers.mlpipe', project.read('flowers.mlpipe').replace(/sha256:\w+/, `sha256:${'0'.repeat(64)}`));
    assert.match((await changes()).changes[0]?.text ?? '', /roses\.csv is gone/);
  });

  it('passes over a newer model that has missed a gate, and says which', async () => {
    const good = (await changes()).good.record;
    edit('accuracy >= 1%', 'loss <= 1e-9');
    await project.run({ parameters: { rate: '0.04' } });
    const found = await changes();
    assert.equal(found.good.record, good);
    assert.match(found.newest?.missed.join() ?? '', /^loss [\d.]+, not <= 1e-9$/);
    assert.ok(found.changes.some(({ step, text }) => step === 'proof' && /gates/.test(text)));
  });

  it('is not known where none was ever good', async () => {
    edit('accuracy >= 1%', 'loss <= 1e-9');
    fs.rmSync(project.path('.mlpipe'), { recursive: true });
    fs.rmSync(project.path('flowers.mlpipe.lock'), { recursive: true });
    await project.run();
    await assert.rejects(changes(), (error) => error instanceof MlpipeError && error.code === 'never-good');
    await assert.rejects(
      changes('nobody'),
      (error) => error instanceof MlpipeError && error.code === 'reference-unknown',
    );
  });
});
