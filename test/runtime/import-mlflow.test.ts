/** Runs that MLflow itself has tracked become records: its word, with its artifacts, and nothing that mlpipe claims. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { MlflowImport, MlflowImportOptions } from '../../runtime/api.ts';
import * as api from '../../runtime/api.ts';
import { layCrate } from '../../runtime/export/export.ts';
import { lastOf } from '../../runtime/import/mlflow/run.ts';
import type { RunRecord } from '../../runtime/ledger/record.ts';
import { ForeignProject } from './support/imported.ts';
import { crateContext, installValidators, validate } from './support/validators.ts';

const ANSWERS = JSON.parse(
  fs.readFileSync(new URL('../fixtures/import/mlflow-server.json', import.meta.url), 'utf8'),
) as { run: string; answers: Record<string, { status: number; body: string }> };

describe('an import from MLflow', function () {
  this.timeout(60_000);
  let project: ForeignProject;
  afterEach(() => project.remove());
  const take = (reference: string, options: Partial<MlflowImportOptions> = {}): Promise<MlflowImport> =>
    project.open((opened) =>
      api.importMlflow(opened, reference, { folder: project.folder, variables: {}, ...options }),
    );
  const experimentOf = () => fs.readdirSync(project.path('mlruns')).find((name) => /^\d{5,}$/.test(name));
  const idOf = () => project.read('run-id.txt').trim();
  const nothingKept = async () => {
    assert.equal((await project.open((opened) => api.log(opened))).length, 0, 'nothing is recorded');
    const imports = project.path('.mlpipe/imports');
    assert.deepEqual(fs.existsSync(imports) ? fs.readdirSync(imports) : [], []);
  };
  /** No byte below the store says it. */
  const isNowhere = (text: string) => {
    for (const name of fs.readdirSync(project.path('.mlpipe'), { recursive: true, encoding: 'utf8' })) {
      const file = project.path(join('.mlpipe', name));
      if (fs.statSync(file).isFile()) assert.ok(!fs.readFileSync(file).includes(text), `${name} says ${text}`);
    }
  };
  const holds = (record: RunRecord, from: string, id: string) => {
    assert.equal(record.kind, 'import');
    assert.equal(record.reason, `imported from MLflow (${from}); mlpipe neither ran nor checked it`);
    assert.deepEqual([record.code, record.engine, record.inputs, record.gates], [null, null, [], []]);
    assert.deepEqual(record.parameters, { augment: 'True', epochs: '3', optimizer: 'adam', rate: '0.01' });
    assert.deepEqual(record.metrics, { accuracy: 0.875, loss: 0.125 });
    assert.deepEqual(Object.keys(record.outputs), ['model.txt', 'plots']);
    const { tool, id: run, claims, missing } = record.origin ?? assert.fail('it says not whose word it is');
    assert.deepEqual([tool, record.origin?.from, run], ['mlflow', from, id]);
    assert.deepEqual(missing, [{ name: 'metric broken', why: 'its value is NaN' }]);
    const { started, ended, ...said } = claims;
    assert.ok(started !== undefined && ended !== undefined && started < ended, `${started} ${ended}`);
    assert.notEqual(record.when.ended, ended, 'what ended now is the import');
    assert.deepEqual(said, {
      name: 'quiet-run',
      experiment: 'digits',
      user: 'ada',
      status: 'FINISHED',
      commit: '3f786850e387550fdab836ed7e6dc881de23001b',
      branch: 'main',
      repository: 'https://example.org/digits.git',
      source: 'train.py',
      tags: { 'mlflow.source.type': 'LOCAL', team: 'vision' },
      datasets: [
        {
          name: 'digits',
          digest: 'abc123',
          sourceType: 'http',
          source: '{"url": "https://example.org/digits.csv"}',
          context: 'training',
        },
      ],
    });
    isNowhere('hunter2');
  };

  for (const [archive, from] of Object.entries({ 'mlflow-file': 'mlruns', 'mlflow-sqlite': 'sqlite:///mlflow.db' })) {
    it(`out of ${from} keeps what MLflow says, as its word, with its artifacts`, async () => {
      project = new ForeignProject(archive);
      const found = await take(idOf());
      holds(await project.record(found.record), from, idOf());
      assert.equal(found.step, 'import:quiet-run');
      await project.open(async (opened) => {
        const { outputs, origin } = api.show(opened, 'import:quiet-run').record;
        assert.equal((await opened.store.read(outputs['model.txt']?.digest ?? 'sha256:')).toString(), 'weights\n');
        const evidence = JSON.parse((await opened.store.read(origin?.evidence ?? 'sha256:')).toString());
        assert.deepEqual(
          evidence.run.metrics.accuracy.map(({ step, value }: { step: number; value: number }) => [step, value]),
          [
            [0, 0.5],
            [1, 0.75],
            [2, 0.875],
          ],
          'every value, not the last alone',
        );
        assert.equal(evidence.run.metrics.broken[0].value, 'NaN');
        assert.equal((await api.verify(opened)).ok, true);
        const [signed] = await api.signed(opened, [api.show(opened, 'import:quiet-run')]);
        assert.equal(signed?.signatures.length, 1, 'signed by who imported it');
      });
    });

    it(`out of ${from} finds a run by its name, and one that failed is said to have`, async () => {
      project = new ForeignProject(archive);
      await take('failed-run');
      const record = await project.record('import:failed-run');
      assert.equal(record.origin?.claims.status, 'FAILED');
      assert.deepEqual([record.parameters, record.outputs], [{ rate: 'high' }, {}]);
      await assert.rejects(take('no-run'), { code: 'mlflow-run-unknown', message: new RegExp(`no-run in ${from}`) });
    });
  }

  it('shows its lineage as far as it is known, and as MLflow’s word', async () => {
    project = new ForeignProject('mlflow-file');
    const { record } = await take('quiet-run');
    const { nodes, edges } = await project.open((opened) =>
      api.lineage(opened, 'import:quiet-run', { direction: 'both' }),
    );
    const node = (label: string) => nodes.find((each) => each.label === label) ?? assert.fail(`no node ${label}`);
    assert.match(node('import:quiet-run').record?.origin ?? '', /neither ran nor checked it$/);
    assert.match(node('digits').detail ?? '', /^as mlflow says, digest abc123, .*; its bytes are not known$/);
    assert.equal(node('3f786850e387').commit, undefined, 'whether it had changes is not known');
    assert.ok(edges.some(({ from, label }) => from === record && label === 'wrote'));
    assert.ok(!nodes.some(({ kind }) => kind === 'environment'), 'in what it ran is not known');
  });

  it('is exported with what it is, so that the official validators take it', async function () {
    project = new ForeignProject('mlflow-file');
    await take('quiet-run');
    const write = (format: 'in-toto' | 'openlineage' | 'ro-crate') =>
      project.open((opened) => api.exportDocument(opened, 'import:quiet-run', { format, version: '1.2.3' }));
    const statement = JSON.parse((await write('in-toto')).text);
    const { buildDefinition, runDetails } = statement.predicate;
    assert.match(runDetails.builder.id, /\/builders\/import\/v1$/);
    assert.match(buildDefinition.internalParameters.imported.note, /neither ran nor checked/);
    assert.deepEqual(buildDefinition.resolvedDependencies, [], 'nothing is claimed of what it was made from');
    const [event] = JSON.parse((await write('openlineage')).text);
    assert.equal(event.run.facets.mlpipe_record.imported.claims.user, 'ada');
    const crate = JSON.parse((await write('ro-crate')).text);
    assert.match(JSON.stringify(crate['@graph']), /import: imported from MLflow/);
    await assert.rejects(
      project.open((opened) => api.exportDocument(opened, 'import:quiet-run', { format: 'modelcard', version: '1' })),
      { code: 'model-unknown', message: /was imported from MLflow \(mlruns\); mlpipe neither ran nor checked it: / },
    );
    this.timeout(500_000);
    if (installValidators() !== undefined) return;
    for (const format of ['in-toto', 'openlineage'] as const) {
      const path = project.path(`${format}.json`);
      fs.writeFileSync(path, (await write(format)).text);
      assert.deepEqual(validate(format, path), []);
    }
    const folder = join(project.top, 'crate');
    await project.open(async (opened) => {
      const options = { format: 'ro-crate', version: '1.2.3', license: 'CC0-1.0' } as const;
      await layCrate(opened.store, await api.exportDocument(opened, 'import:quiet-run', options), folder);
    });
    assert.deepEqual(validate('ro-crate', folder, crateContext(), 'REQUIRED'), []);
  });

  it('keeps no value of what is called like a secret', async () => {
    project = new ForeignProject('mlflow-file');
    const run = project.path(`mlruns/${experimentOf()}/${idOf()}`);
    fs.writeFileSync(join(run, 'params', 'hub_token'), 'hf_very_secret_1');
    fs.writeFileSync(join(run, 'tags', 'db.password'), 'very_secret_2');
    const { missing, parameters } = await take(idOf());
    assert.equal(parameters.hub_token, '…');
    assert.deepEqual(
      missing.filter(({ why }) => /secret/.test(why)).map(({ name }) => name),
      ['parameter hub_token', 'tag db.password'],
    );
    isNowhere('very_secret');
  });

  it('takes no artifacts from elsewhere but where it is told to', async () => {
    project = new ForeignProject('mlflow-sqlite');
    const elsewhere = join(project.top, 'elsewhere');
    fs.renameSync(project.path('mlruns'), elsewhere);
    const Database = (await import('better-sqlite3')).default;
    const database = new Database(project.path('mlflow.db'));
    database.prepare('UPDATE runs SET artifact_uri = ?').run(`file://${elsewhere}`);
    database.close();
    const { outputs, missing } = await take(idOf());
    assert.deepEqual(outputs, {});
    assert.match(
      missing[0]?.why ?? '',
      /^file:.*elsewhere lies outside of the project and of the store; name .*--artifacts/,
    );
    const told = await take(idOf(), { artifacts: join(elsewhere, '1', idOf(), 'artifacts') });
    assert.deepEqual(Object.keys(told.outputs), ['model.txt', 'plots']);
    assert.match((await take(idOf(), { noArtifacts: true })).missing[0]?.why ?? '', /not wanted/);
  });

  it('takes what a database writes for infinity as that', async () => {
    project = new ForeignProject('mlflow-sqlite');
    const Database = (await import('better-sqlite3')).default;
    const database = new Database(project.path('mlflow.db'));
    database.prepare("UPDATE metrics SET value = ? WHERE key = 'loss'").run(-Number.MAX_VALUE);
    database.close();
    const { metrics, missing } = await take(idOf());
    assert.deepEqual(metrics, { accuracy: 0.875 });
    assert.ok(missing.some(({ name, why }) => name === 'metric loss' && why === 'its value is -Infinity'));
  });

  const HOSTILE: Record<string, { code: string; message: RegExp; archive: string; make: () => void; from?: string }> = {
    'a link among the artifacts': {
      code: 'import-file-strange',
      message: /is a symbolic link/,
      archive: 'mlflow-sqlite',
      make: () => fs.symlinkSync('/etc/hostname', project.path(`mlruns/1/${idOf()}/artifacts/plots/link`)),
    },
    'a link among the parameters': {
      code: 'import-file-strange',
      message: /is a symbolic link/,
      archive: 'mlflow-file',
      make: () => {
        fs.symlinkSync('/etc/hostname', project.path(`mlruns/${experimentOf()}/${idOf()}/params/link`));
      },
    },
    'a database that is none': {
      code: 'mlflow-store-broken',
      message: /^sqlite:\/\/\/mlflow\.db cannot be read as a store of MLflow: file is not a database/,
      archive: 'mlflow-sqlite',
      make: () =>
        project.write('mlflow.db', 'this is no database, though it is long enough to be read as one'.repeat(20)),
    },
    'a meta.yaml that is broken': {
      code: 'yaml-broken',
      message: /meta\.yaml cannot be read as YAML/,
      archive: 'mlflow-file',
      make: () => {
        project.write(`mlruns/${experimentOf()}/${idOf()}/meta.yaml`, 'a: [');
      },
    },
    'a folder without a store': {
      code: 'mlflow-store-missing',
      message: /neither mlflow\.db nor mlruns/,
      archive: 'mlflow-file',
      make: () => fs.rmSync(project.path('mlruns'), { recursive: true }),
    },
    'a store that is not there': {
      code: 'mlflow-store-broken',
      message: /gone\.db cannot be read as a store of MLflow: there is no such file/,
      archive: 'mlflow-file',
      make: () => undefined,
      from: 'sqlite:///gone.db',
    },
    'a store of another kind': {
      code: 'mlflow-store-missing',
      message: /^A store at postgresql:\/\/host\/db cannot be read/,
      archive: 'mlflow-file',
      make: () => undefined,
      from: 'postgresql://ada:hunter2@host/db',
    },
  };
  for (const [what, { make, archive, from, ...error }] of Object.entries(HOSTILE)) {
    it(`is refused, and keeps nothing, for ${what}`, async () => {
      project = new ForeignProject(archive);
      const id = idOf();
      make();
      await assert.rejects(take(id, from === undefined ? {} : { from }), error);
      await nothingKept();
    });
  }

  describe('by a tracking server', () => {
    let server: Server;
    let address = '';
    let seen: { url: string; authorization: string | undefined }[] = [];
    let answers = { ...ANSWERS.answers };
    beforeEach(async () => {
      seen = [];
      answers = { ...ANSWERS.answers };
      server = createServer(({ url = '', headers }, response) => {
        seen.push({ url, authorization: headers.authorization });
        const answer = answers[url.slice(1)];
        response.statusCode = answer?.status ?? 404;
        if (answer?.status === 302) response.setHeader('location', '/elsewhere');
        response.end(answer === undefined ? '{}' : Buffer.from(answer.body, 'base64'));
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    });
    afterEach(() => new Promise((resolve) => server.close(resolve)));
    const listing = `api/2.0/mlflow/artifacts/list?run_id=${ANSWERS.run}`;
    const answerTo = (path: string, status: number, body: unknown) => {
      answers[path] = { status, body: Buffer.from(JSON.stringify(body)).toString('base64') };
    };

    it('keeps the same, sends its credentials, and records none', async () => {
      project = new ForeignProject('mlflow-file');
      const found = await take(ANSWERS.run, { from: `http://ada:hunter2@${address}` });
      holds(await project.record(found.record), `http://${address}`, ANSWERS.run);
      const basic = `Basic ${Buffer.from('ada:hunter2').toString('base64')}`;
      assert.ok(seen.length > 0 && seen.every(({ authorization }) => authorization === basic));
      assert.deepEqual(fs.readdirSync(project.path('.mlpipe/imports')), []);
    });

    it('says when there is no such run, and when the server wants to know who asks', async () => {
      project = new ForeignProject('mlflow-file');
      const from = `http://${address}`;
      await assert.rejects(take('0'.repeat(32), { from }), { code: 'mlflow-run-unknown', message: /not found/ });
      await assert.rejects(take('quiet-run', { from }), { code: 'mlflow-run-unknown', message: /by the id alone/ });
      answerTo(`api/2.0/mlflow/runs/get?run_id=${ANSWERS.run}`, 401, {});
      await assert.rejects(take(ANSWERS.run, { from }), {
        code: 'mlflow-server-refuses',
        message: /wants to know who/,
      });
      await nothingKept();
    });

    it('follows no redirection, and takes no artifact out of its folder', async () => {
      project = new ForeignProject('mlflow-file');
      const from = `http://${address}`;
      answerTo(listing, 200, { files: [{ path: '../../evil', is_dir: false }] });
      await assert.rejects(take(ANSWERS.run, { from }), {
        code: 'mlflow-store-broken',
        message: /leads out of its folder/,
      });
      answerTo(listing, 302, {});
      await assert.rejects(take(ANSWERS.run, { from }), { code: 'mlflow-server-away' });
      answerTo(listing, 200, 'nonsense');
      await assert.rejects(take(ANSWERS.run, { from }), { code: 'mlflow-store-broken' });
      assert.ok(!seen.some(({ url }) => url.includes('elsewhere')), 'the credentials would go along');
      assert.ok(!fs.existsSync(project.path('.mlpipe/evil')));
      await nothingKept();
    });

    it('that is away is said to be', async () => {
      project = new ForeignProject('mlflow-file');
      await assert.rejects(take(ANSWERS.run, { from: 'http://127.0.0.1:1' }), { code: 'mlflow-server-away' });
    });
  });
});

describe('the last value of a metric', () => {
  it('is that of the highest step, whenever it was logged', () => {
    const values = [
      { step: 2, time: 10, value: 1 },
      { step: 3, time: 5, value: 2 },
      { step: 3, time: 7, value: 3 },
      { step: 1, time: 99, value: 4 },
    ];
    assert.equal(lastOf(values)?.value, 3);
    assert.equal(lastOf([]), undefined);
  });
});
