/** Projects that DVC itself has made become pipelines that run, with its data pinned and its results recorded. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { dirname, join } from 'node:path';
import type { DvcImport, DvcImportOptions } from '../../runtime/api.ts';
import * as api from '../../runtime/api.ts';
import { pythonFloat } from '../../runtime/import/dvc/template.ts';
import { ForeignProject } from './support/imported.ts';

describe('an import from DVC', function () {
  this.timeout(60_000);
  let project: ForeignProject;
  afterEach(() => project.remove());
  const take = (options: DvcImportOptions = {}): Promise<DvcImport> =>
    project.open((opened) => api.importDvc(opened, project.path('dvc.yaml'), options));
  const errors = async (file: string) =>
    (await project.open((opened) => api.check(opened, project.path(file))))
      .filter(({ severity }) => severity === 'error')
      .map(({ message }) => message);
  const run = (file: string) => project.open((opened) => api.run(opened, project.path(file)));
  /** Refused with that, and nothing is there that was not there before. */
  const refused = async (error: { code: string; message: RegExp }, options: DvcImportOptions = {}) => {
    const before = project.files();
    await assert.rejects(take(options), (thrown: Error & { code?: string; todo?: string }) => {
      assert.equal(thrown.code, error.code, thrown.stack);
      assert.match(thrown.message, error.message);
      assert.ok((thrown.todo ?? '') !== '', 'it says what to do');
      return true;
    });
    assert.deepEqual(project.files(), before);
    assert.equal((await project.open((opened) => api.log(opened))).length, 0, 'nothing is recorded');
    const imports = project.path('.mlpipe/imports');
    assert.deepEqual(fs.existsSync(imports) ? fs.readdirSync(imports) : [], []);
  };
  const cached = (text: string, place = '.dvc/cache/files/md5') => {
    const md5 = createHash('md5').update(text).digest('hex');
    return project.path(`${place}/${md5.slice(0, 2)}/${md5.slice(2)}`);
  };

  for (const version of ['3', '2']) {
    it(`of version ${version} passes check, runs, and comes to the bytes that DVC has recorded`, async () => {
      project = new ForeignProject(`dvc-${version}`);
      // As in a clone: nothing lies in the work tree but what git has.
      for (const made of ['prepared', 'model.txt', 'data/raw.csv', 'data/lines.txt', 'data/pictures', 'words.txt'])
        fs.rmSync(project.path(made), { recursive: true });
      const found = await take();
      assert.deepEqual([found.file, found.todo], ['project.mlpipe', []]);
      assert.deepEqual(await errors('project.mlpipe'), []);
      assert.deepEqual(
        found.data.map(({ name, path }) => [name, path]),
        [
          ['lines', 'data/lines.txt'],
          ['pictures', 'data/pictures'],
          ['raw', 'data/raw.csv'],
        ],
      );
      const answer = await run('project.mlpipe');
      assert.equal(answer.ok, true, JSON.stringify(answer.steps, undefined, 1));
      assert.ok(
        answer.steps.every(({ status }) => status === 'ran'),
        'no import is taken for a result',
      );
      for (const { step } of found.steps) {
        const [imported, ran] = [await project.record(`import:${step}`), await project.record(step)];
        for (const [name, { digest }] of Object.entries(ran.outputs))
          assert.equal(imported.outputs[name]?.digest, digest, `${step}.${name}`);
      }
      assert.equal(project.read('words.txt'), 'hello 1e-05 "10" home\n');
    });
  }

  it('writes what a person would: parameters, names of data and outputs, expansions, folders', async () => {
    project = new ForeignProject('dvc-3');
    const link = join(project.top, 'link');
    fs.symlinkSync(project.folder, link);
    const found = await take({ output: join(link, 'other.mlpipe') });
    const text = project.read('other.mlpipe');
    for (const line of [
      'param train_rate = 0.01',
      '  run     "sh src/prepare.sh ${raw}"',
      '  run       "sh src/train.sh ${train_rate}"',
      '  reads     "src/train.sh", "params.yaml"',
      '  variable  DEPENDENCY_PREPARE_DATA_PREPARED = "${prepare_data.prepared}"',
      '  run       "cat ${train.model} data/pictures/a.txt > ${report_us}"',
      '  run     "cd src && (cat *.sh | wc -l > lines.txt\\n) && (echo done >> lines.txt; echo twice >> lines.txt\\n)"',
      '  writes  lines "src/lines.txt"',
      '  run     "echo 2 blue > ${grid_2_blue}"',
    ])
      assert.ok(text.includes(`${line}\n`), `${line}\n\n${text}`);
    assert.deepEqual(
      found.steps.map(({ stage }) => stage),
      'prepare-data train report@us report@eu words count grid@1-red grid@1-blue grid@2-red grid@2-blue'.split(' '),
    );
  });

  it('records what dvc.lock says as DVC’s word, signed by who imported it', async () => {
    project = new ForeignProject('dvc-3');
    const { steps } = await take();
    const record = await project.record('import:train');
    assert.equal(record.kind, 'import');
    assert.match(record.reason, /^imported from DVC \(dvc\.lock\); mlpipe neither ran nor checked it$/);
    assert.deepEqual([record.code, record.engine, record.when.seconds], [null, null, 0]);
    assert.deepEqual(record.metrics, { 'test.sum': 44 });
    assert.deepEqual(record.parameters, { 'train.epochs': 3 });
    assert.deepEqual(
      record.inputs.map(({ name, path, record: from }) => [name, path, from !== undefined]),
      [
        ['output:prepare_data.prepared', 'prepared', true],
        ['file:src/train.sh', 'src/train.sh', false],
      ],
    );
    const origin = record.origin;
    assert.deepEqual([origin?.tool, origin?.id, origin?.missing], ['dvc', 'train', []]);
    assert.equal(origin?.claims.source, 'sh src/train.sh 0.01');
    await project.open(async (opened) => {
      const evidence = await opened.store.read(origin?.evidence ?? 'sha256:');
      assert.equal(evidence.toString(), project.read('dvc.lock'));
      const [signed] = await api.signed(opened, [api.show(opened, 'import:train')]);
      assert.equal(signed?.signatures.length, 1);
      const { nodes } = await api.lineage(opened, 'import:train');
      const labels = nodes.map(({ label }) => label);
      for (const label of ['import:train', 'import:prepare_data', 'data/raw.csv']) assert.ok(labels.includes(label));
      assert.equal((await api.verify(opened)).ok, true);
      assert.equal(api.log(opened, { kind: 'import' }).length, steps.length);
    });
    // A step of that name has never run.
    const status = await project.open((opened) => api.status(opened, project.path('project.mlpipe')));
    assert.ok(status.steps.every(({ state, reason }) => state === 'never-ran' || /will run/.test(reason)));
  });

  it('takes from a remote that is a folder what the cache does not have', async () => {
    project = new ForeignProject('dvc-3');
    fs.rmSync(project.path('.dvc/cache'), { recursive: true });
    for (const made of ['data/raw.csv', 'data/lines.txt', 'data/pictures', 'prepared', 'model.txt'])
      fs.rmSync(project.path(made), { recursive: true });
    const { todo, data } = await take();
    assert.deepEqual(todo, []);
    assert.ok(data.every(({ pin }) => pin !== null));
  });

  it('says what a record lacks where an output is nowhere any more', async () => {
    project = new ForeignProject('dvc-3');
    const model = project.read('model.txt');
    fs.rmSync(join(project.top, 'remote'), { recursive: true });
    fs.rmSync(cached(model));
    fs.rmSync(project.path('model.txt'));
    const { todo, steps } = await take();
    assert.match(
      todo.join('\n'),
      /step train: model\.txt is not in the record: its content \(MD5 [0-9a-f]{32}\) is in no/,
    );
    assert.match(todo.join('\n'), /step report_us: model\.txt is not in the record/);
    const record = await project.record('import:train');
    assert.deepEqual(Object.keys(record.outputs), ['metrics']);
    assert.deepEqual(
      record.origin?.missing.map(({ name }) => name),
      ['model.txt'],
    );
    assert.ok(steps.every((step) => step.record !== null));
  });

  it('says where dvc.lock is of another state than dvc.yaml, or is not there', async () => {
    project = new ForeignProject('dvc-3');
    project.edit('params.yaml', 'rate: 0.01', 'rate: 0.5');
    assert.deepEqual((await take()).todo, ['step train: dvc.lock is of another command: sh src/train.sh 0.01']);
    assert.match(project.read('project.mlpipe'), /^param train_rate = 0\.5$/m);
    fs.rmSync(project.path('dvc.lock'));
    const { todo, steps } = await take({ force: true });
    assert.deepEqual(todo, ['there is no dvc.lock: nothing is recorded of earlier runs']);
    assert.ok(steps.every(({ record }) => record === null));
  });

  it('takes a command that it cannot expand from dvc.lock', async () => {
    project = new ForeignProject('dvc-3');
    project.edit('dvc.yaml', 'sh src/train.sh ${train.rate}', 'sh src/train.sh ${train}');
    await take();
    assert.match(project.read('project.mlpipe'), /run {7}"sh src\/train\.sh 0\.01"/);
    project.edit('dvc.lock', '  train:\n', '  another:\n');
    await assert.rejects(take({ force: true }), {
      code: 'dvc-template',
      message: /\$\{train\} is a list, a map or nothing/,
    });
  });

  it('begins at the top of the DVC project where a stage reads beside its folder, and takes no data of others', async () => {
    project = new ForeignProject('dvc-3');
    fs.mkdirSync(project.path('nested'));
    fs.rmSync(project.path('dvc.yaml'));
    fs.rmSync(project.path('dvc.lock'));
    project.write(
      'nested/dvc.yaml',
      'stages:\n  go:\n    cmd: sh ../src/prepare.sh ../data/raw.csv\n    deps: [../data/raw.csv, ../src/prepare.sh]\n    outs: [prepared]\n',
    );
    const found = await project.open((opened) => api.importDvc(opened, project.path('nested')));
    assert.equal(found.file, 'nested.mlpipe');
    assert.deepEqual(
      found.data.map(({ path }) => path),
      ['data/raw.csv'],
    );
    assert.match(project.read('nested.mlpipe'), /"cd nested && sh \.\.\/src\/prepare\.sh \.\.\/data\/raw\.csv"/);
    assert.deepEqual(await errors('nested.mlpipe'), []);
    const answer = await run('nested.mlpipe');
    assert.equal(answer.ok, true, JSON.stringify(answer.steps));
    assert.equal(project.read('nested/prepared/rows.csv'), '1,2\n3,4\n5,6\n');
  });

  it('does not write over a pipeline that is there, and does with force', async () => {
    project = new ForeignProject('dvc-3');
    project.write('project.mlpipe', 'pipeline mine\n');
    await refused({ code: 'file-exists', message: /project\.mlpipe is there already/ });
    assert.equal(project.read('project.mlpipe'), 'pipeline mine\n');
    await take({ force: true });
    assert.match(project.read('project.mlpipe'), /^pipeline project$/m);
    await assert.rejects(take({ output: '/elsewhere/x.mlpipe' }), { code: 'usage' });
  });

  const HOSTILE: Record<string, { code: string; message: RegExp; make: () => void }> = {
    'YAML that cannot be read': {
      code: 'yaml-broken',
      message: /^dvc\.yaml cannot be read as YAML: /,
      make: () => project.write('dvc.yaml', 'stages:\n  a: [1, 2\n  b: }\n'),
    },
    'a key that stands twice': {
      code: 'yaml-broken',
      message: /Map keys must be unique/,
      make: () => project.edit('dvc.yaml', 'stages:\n', 'stages:\n  words:\n    cmd: "true"\n'),
    },
    'aliases that unfold without end': {
      code: 'yaml-broken',
      message: /unfolds to more than five million|more than 100 levels|[Aa]lias/,
      make: () => {
        const lines = Array.from(
          { length: 30 },
          (_, n) => `  a${n}: &a${n} [${n === 0 ? '1' : `*a${n - 1}, *a${n - 1}`}]`,
        );
        project.write('dvc.yaml', `vars:\n- x:\n  ${lines.join('\n  ')}\nstages: {}\n`);
      },
    },
    'brackets without end': {
      code: 'yaml-broken',
      message: /dvc\.yaml cannot be read as YAML/,
      make: () => project.write('dvc.yaml', `stages: ${'['.repeat(20_000)}`),
    },
    'a stage that is no map': {
      code: 'yaml-unexpected',
      message: /The stage train is not a map|the stage train is not a map/,
      make: () => project.write('dvc.yaml', 'stages:\n  train: 7\n'),
    },
    'a dependency outside of the project': {
      code: 'path-outside',
      message: /names "\.\.\/\.\.\/secret", which leads out of the project/,
      make: () => project.edit('dvc.yaml', '- src/prepare.sh', '- ../../secret'),
    },
    'an absolute dependency': {
      code: 'path-outside',
      message: /names "\/etc\/passwd"/,
      make: () => project.edit('dvc.yaml', '- src/prepare.sh', '- /etc/passwd'),
    },
    'an output outside of the project in dvc.lock': {
      code: 'path-outside',
      message: /words in dvc\.lock names "\.\.\/words\.txt"/,
      make: () => project.edit('dvc.lock', 'path: words.txt', 'path: ../words.txt'),
    },
    'a digest that is a path': {
      code: 'dvc-digest-wrong',
      message: /is no digest of DVC’s/,
      make: () =>
        project.edit('data/raw.csv.dvc', 'md5: 75686325fc1eeb7a446be9d181ccca5d', 'md5: ../../../../etc/passwd'),
    },
    'data that is in no cache': {
      code: 'dvc-cache-missing',
      message: /has data\/raw\.csv \(MD5 75686325fc1eeb7a446be9d181ccca5d\)/,
      make: () => {
        fs.rmSync(join(project.top, 'remote'), { recursive: true });
        fs.rmSync(cached('x,y\n1,2\n3,4\n5,6\n'));
        fs.rmSync(project.path('data/raw.csv'));
      },
    },
    'a content that is not what its name says': {
      code: 'dvc-md5-differs',
      message: /is not what its name says: its MD5 is another/,
      make: () => {
        const file = cached('x,y\n1,2\n3,4\n5,6\n');
        fs.chmodSync(file, 0o644);
        fs.writeFileSync(file, 'x,y\n1,2\n3,4\n6,6\n');
      },
    },
    'a link in the place of a content': {
      code: 'import-file-strange',
      message: /is a symbolic link/,
      make: () => {
        const file = cached('x,y\n1,2\n3,4\n5,6\n');
        fs.rmSync(file);
        fs.symlinkSync('/etc/hostname', file);
      },
    },
    'a folder whose list leads out of it': {
      code: 'dvc-folder-broken',
      message: /names "\.\.\/\.\.\/evil", which leads out of the folder/,
      make: () => {
        const list = JSON.stringify([{ md5: 'f97c5d29941bfb1b2fdab0874906ab82', relpath: '../../evil' }]);
        const file = `${cached(list)}.dir`;
        fs.mkdirSync(dirname(file), { recursive: true });
        fs.writeFileSync(file, list);
        const md5 = createHash('md5').update(list).digest('hex');
        project.edit('data/pictures.dvc', '94e056791a6116f8bb29bfe3c47e6c89', md5);
      },
    },
    'a dvc.yaml that is a link': {
      code: 'import-file-strange',
      message: /dvc\.yaml is a symbolic link/,
      make: () => {
        fs.renameSync(project.path('dvc.yaml'), project.path('real.yaml'));
        fs.symlinkSync('real.yaml', project.path('dvc.yaml'));
      },
    },
    'a params.yaml of a hundred megabytes': {
      code: 'import-file-large',
      message: /params\.yaml has \d+ bytes, more than/,
      make: () => fs.truncateSync(project.path('params.yaml'), 100 * 2 ** 20),
    },
    'a project that DVC does not know': {
      code: 'dvc-missing',
      message: /no folder \.dvc/,
      make: () => fs.rmSync(project.path('.dvc'), { recursive: true }),
    },
  };
  for (const [what, { make, ...error }] of Object.entries(HOSTILE)) {
    it(`is refused, and leaves nothing half-written, for ${what}`, async () => {
      project = new ForeignProject('dvc-3');
      make();
      await refused(error);
    });
  }

  it('that is cancelled leaves nothing', async () => {
    project = new ForeignProject('dvc-3');
    const before = project.files();
    await assert.rejects(take({ signal: AbortSignal.abort() }));
    assert.deepEqual(project.files(), before);
  });
});

describe('a number', () => {
  it('is put into commands as Python writes it', () => {
    const texts = {
      '1': '1.0',
      '0.01': '0.01',
      '1e-5': '1e-05',
      '0.0001': '0.0001',
      '1e16': '1e+16',
      '-2.5e-7': '-2.5e-07',
    };
    for (const [written, text] of Object.entries(texts)) assert.equal(pythonFloat(Number(written)), text);
  });
});
