/** Models that are kept: what they are called, and that nothing of them can change unseen. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { canonicalJson, digestOfValue } from '../../grammar/plan/canonical.ts';
import * as api from '../../runtime/api.ts';
import { MlpipeError } from '../../runtime/errors.ts';
import type { ModelVersion } from '../../runtime/versions/version.ts';
import { TemporaryProject } from './project.ts';
import { FILES } from './support/flowers.ts';

const FOLDER = 'flowers.mlpipe.models';

describe('a model that is kept', function () {
  this.timeout(60_000);
  let project: TemporaryProject;
  const code = (wanted: string) => (error: unknown) => error instanceof MlpipeError && error.code === wanted;
  const keep = (reference: string, options: Parameters<typeof api.keep>[2] = {}) =>
    project.open((opened) => api.keep(opened, reference, options));
  const problems = async () => {
    const { models, damaged } = await project.open((opened) => api.versions(opened));
    return [...models.flatMap(({ problem }) => problem ?? []), ...damaged.map(({ problem }) => problem)];
  };
  /** As somebody would who knows of the digest. */
  const forge = (path: string, change: (version: ModelVersion) => ModelVersion) => {
    const { digest: _, ...version } = JSON.parse(project.read(path));
    const forged = change(version);
    fs.rmSync(project.path(path));
    project.write(path, JSON.stringify({ digest: digestOfValue(forged), ...JSON.parse(canonicalJson(forged)) }));
  };

  beforeEach(async () => {
    project = new TemporaryProject(FILES);
    project.beginRepository();
    await project.run();
  });
  afterEach(() => project.remove());

  it('has the next number of its name, and the same one when it is kept again', async () => {
    const first = await keep('learn', { tag: 'v1.0.0' });
    assert.deepEqual([first.name, first.version, first.tag, first.problem], ['learn', 1, 'v1.0.0', null]);
    assert.equal((await keep('proof')).version, 1, 'an evaluation means the model that it evaluated');
    await project.run({ parameters: { rate: '0.04' } });
    assert.equal((await keep('learn')).version, 2);
    assert.deepEqual(await problems(), []);
    assert.throws(() => fs.writeFileSync(project.path(`${FOLDER}/learn@1.json`), '', { flag: 'wx' }), /EEXIST/);
    assert.equal(fs.statSync(project.path(`${FOLDER}/learn@1.json`)).mode & 0o222, 0);
  });

  it('is found by its number and its tag wherever a model is named', async () => {
    const { record } = await keep('learn', { tag: 'v1.0.0' });
    await project.run({ parameters: { rate: '0.04' } });
    await project.open(async (opened) => {
      for (const reference of ['learn@1', 'learn@v1.0.0', 'models:/learn@1', 'models:/learn/1'])
        assert.equal(api.show(opened, reference).digest, record, reference);
      assert.notEqual(api.show(opened, 'learn').digest, record);
      assert.ok(api.diff(opened, 'learn@1', 'learn').differences.some(({ section }) => section === 'parameters'));
      assert.equal((await api.lineage(opened, 'learn@1')).start, record);
      assert.equal((await api.reproduce(opened, 'learn@1')).verdict, 'bitwise');
      const card = await api.exportDocument(opened, 'learn@1', { format: 'modelcard', version: '1.2.3' });
      assert.match(card.text, /^# learn@1 \(v1\.0\.0\)$/m);
      assert.match(card.text, /bitwise \(R3\)/);
      assert.throws(() => api.show(opened, 'learn@2'), /There is no learn@2/);
    });
  });

  it('is told from an expansion, whose name has a value', async () => {
    project.write(
      'flowers.mlpipe',
      project
        .read('flowers.mlpipe')
        .replace('train learn {', 'train learn for rate in [0.01, 0.02] {')
        .replace(/evaluate[\s\S]*/, ''),
    );
    const { answer } = await project.run();
    const [step = ''] = answer.steps.map((each) => each.step);
    assert.match(step, /^learn@rate=/);
    await keep(step, { force: true });
    await project.open((opened) => {
      assert.equal(api.show(opened, step).record.step, step);
      assert.equal(api.show(opened, `${step}@1`).record.step, step);
    });
  });

  it('is refused where a gate was not passed or a tag is taken, and never changes its tag', async () => {
    await keep('learn', { tag: 'v1' });
    await assert.rejects(keep('learn', { tag: 'v2' }), code('version-kept'));
    await assert.rejects(keep('learn', { tag: '7' }), code('tag-wrong'));
    await assert.rejects(keep('learn', { tag: 'rate=1' }), code('tag-wrong'));
    project.write('flowers.mlpipe', project.read('flowers.mlpipe').replace('accuracy >= 1%', 'loss <= 1e-9'));
    await project.run({ parameters: { rate: '0.04' } });
    await assert.rejects(keep('learn', { tag: 'v1' }), code('tag-taken'));
    await assert.rejects(keep('learn'), code('gate-missed'));
    assert.equal((await keep('learn', { force: true })).version, 2);
  });

  it('shows an edit, a merge, a gap, an exchange, and a commit that changed it', async () => {
    await keep('learn');
    await project.run({ parameters: { rate: '0.04' } });
    await keep('learn');
    project.git('add', '-A');
    project.git('commit', '-qm', 'two versions');
    const [one, two] = [`${FOLDER}/learn@1.json`, `${FOLDER}/learn@2.json`];
    const before = project.read(one);
    const write = (text: string) => {
      fs.rmSync(project.path(one), { force: true });
      project.write(one, text);
    };

    write(before.replace('"accuracy": ', '"accuracy": 1'));
    assert.match((await problems()).join(), /does not fit its own digest/);
    await assert.rejects(
      project.open((opened) => api.show(opened, 'learn@1')),
      code('version-damaged'),
    );
    await assert.rejects(keep('learn'), code('version-damaged'));

    write(`<<<<<<< ours\n${before}`);
    assert.match((await problems()).join(), /merge conflict/);

    write(before);
    forge(one, (version) => ({ ...version, kept: { ...version.kept, who: 'Mallory' } }));
    assert.deepEqual(await problems(), ['learn@1 is not the one that it was kept after']);

    fs.rmSync(project.path(one));
    assert.match((await problems()).join(), /learn@1 is missing/);

    write(before);
    assert.deepEqual(await problems(), []);
    forge(two, (version) => ({ ...version, kept: { ...version.kept, who: 'Mallory' } }));
    assert.deepEqual(await problems(), [], 'the newest has nothing after it that would tell');
    project.git('commit', '-qam', 'nothing to see here');
    assert.deepEqual(await problems(), ['a commit has changed it since it was kept']);
  });
});
