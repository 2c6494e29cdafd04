/** One model and what stands behind it: whatever of that is damaged is found, and nothing else is looked at. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import * as api from '../../runtime/api.ts';
import { TemporaryProject } from './project.ts';
import { FILES } from './support/flowers.ts';

describe('verifying a model', function () {
  this.timeout(60_000);
  let project: TemporaryProject;
  let record: string;
  const verify = (options: Parameters<typeof api.verifyRecord>[2] = {}) =>
    project.open((opened) => api.verifyRecord(opened, record, options));
  const codes = async () => (await verify()).problems.map(({ code }) => code);
  const inStore = (kind: string, digest: string, rest = '') =>
    project.path(join('.mlpipe', kind, digest.slice(7, 9), `${digest.slice(9)}${rest}`));
  const damage = (path: string) => {
    fs.chmodSync(path, 0o644);
    fs.appendFileSync(path, ' ');
  };

  beforeEach(async () => {
    project = new TemporaryProject(FILES);
    const { step } = await project.run();
    record = step('learn').record ?? '';
  });
  afterEach(() => project.remove());

  it('finds it whole, counts what was looked at, and tells how far it is', async () => {
    const progress: api.VerifyProgress[] = [];
    const found = await verify({ onProgress: (each) => progress.push(each) });
    assert.deepEqual(found.problems, []);
    assert.equal(found.ok, true);
    // The training and its evaluation; the report is made from them and stands not behind.
    assert.deepEqual([found.records, found.signatures, found.locks, found.logs.length], [2, 2, 2, 1]);
    assert.ok(found.objects >= 8, `${found.objects} objects`);
    assert.deepEqual([...new Set(progress.map(({ what }) => what))], ['records', 'logs', 'objects']);
    const last = progress.at(-1);
    assert.ok(last !== undefined && last.total > 0 && last.done === last.total, JSON.stringify(last));
  });

  it('names the file of the model that is damaged, and what to do', async () => {
    const { digest } = project.record('learn').outputs.model ?? { digest: '' };
    const manifest = JSON.parse(fs.readFileSync(inStore('objects', digest), 'utf8')) as {
      entries: { path: string; digest: string }[];
    };
    const [file] = manifest.entries;
    assert.ok(file);
    damage(inStore('objects', file.digest));
    const { ok, problems } = await verify();
    assert.equal(ok, false);
    assert.deepEqual(
      problems.map(({ code, digest: which }) => [code, which]),
      [['object-corrupt', file.digest]],
    );
    assert.match(problems[0]?.message ?? '', new RegExp(`^learn\\.model/${file.path} \\(the object sha256:`));
    assert.match(problems[0]?.todo ?? '', /run the step that makes it again/);
  });

  it('misses the data, and a folder’s manifest', async () => {
    const [data] = project.record('learn').inputs;
    fs.rmSync(inStore('objects', data?.digest ?? ''), { force: true });
    assert.deepEqual(await codes(), ['object-missing']);
    const { message } = (await verify()).problems[0] ?? { message: '' };
    assert.match(message, /^flowers\.csv .* is not in the store/);
    damage(inStore('objects', project.record('learn').outputs.model?.digest ?? ''));
    assert.deepEqual((await codes()).sort(), ['object-corrupt', 'object-missing']);
  });

  it('finds an edited record, one that is gone, and one whose signature is', async () => {
    const evaluation = (await project.open(async (opened) => api.log(opened, { step: 'proof' })))[0]?.digest ?? '';
    const path = inStore('records', evaluation, '.json');
    const [signature] = fs.readdirSync(join(path, '..')).filter((name) => name.endsWith('.sig.json'));
    fs.rmSync(join(path, '..', signature ?? ''), { force: true });
    assert.deepEqual(await codes(), ['signature-missing']);
    damage(path);
    assert.ok((await codes()).includes('record-edited'));
    damage(inStore('records', record, '.json'));
    const edited = await verify();
    assert.ok(edited.problems.some(({ code, digest }) => code === 'record-edited' && digest === record));
  });

  it('finds a log that was rewritten, and a lock file that says something else', async () => {
    const lock = project.path('flowers.mlpipe.lock/learn.json');
    fs.writeFileSync(lock, fs.readFileSync(lock, 'utf8').replace('"learn"', '"other"'));
    assert.ok((await codes()).some((code) => code.startsWith('lock-')));
    const [writer = ''] = fs.readdirSync(project.path('.mlpipe/log'));
    const entries = project.path(join('.mlpipe', 'log', writer, 'entries'));
    const bytes = fs.readFileSync(entries);
    bytes[12] = (bytes[12] ?? 0) ^ 1;
    fs.chmodSync(entries, 0o644);
    fs.writeFileSync(entries, bytes);
    assert.ok((await codes()).includes('log-damaged'));
  });

  it('leaves alone what does not stand behind it', async () => {
    const report = project.record('report');
    damage(inStore('objects', report.outputs.page?.digest ?? ''));
    const { digest } = (await project.open(async (opened) => api.log(opened, { step: 'report' })))[0] ?? { digest: '' };
    damage(inStore('records', digest, '.json'));
    assert.equal((await project.open((opened) => api.verify(opened))).ok, false);
    assert.deepEqual(await codes(), []);
    fs.rmSync(inStore('records', digest, '.json'), { force: true });
    const all = await project.open((opened) => api.verify(opened));
    assert.ok(all.problems.some(({ code }) => code === 'record-missing'));
    assert.deepEqual(await codes(), []);
  });

  it('is cancelled, and says so', async () => {
    const signal = AbortSignal.abort();
    await assert.rejects(verify({ signal }), { code: 'cancelled' });
  });
});
