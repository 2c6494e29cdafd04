/** `mlpipe import` as a person and a program meet it. */
import assert from 'node:assert/strict';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { ForeignProject } from '../runtime/support/imported.ts';
import { ensureBuilt, mlpipe } from './support.ts';

describe('mlpipe import', function () {
  this.timeout(60_000);
  let project: ForeignProject;
  before(ensureBuilt);
  afterEach(() => project.remove());
  const call = (...words: string[]) => mlpipe(words, { folder: project.folder });
  const json = async (schema: string, ...words: string[]): Promise<unknown> => {
    const { stdout, stderr } = await call(...words, '--json');
    const answer: unknown = JSON.parse(stdout || stderr);
    const shape: unknown = JSON.parse((await call('schema', schema)).stdout);
    const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
    assert.ok(ajv.validate(shape as object, answer), ajv.errorsText());
    return answer;
  };

  it('of a dvc.yaml says what it wrote and recorded, and what runs next', async () => {
    project = new ForeignProject('dvc-3');
    const { code, stdout, stderr } = await call('import', 'dvc.yaml');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^wrote project\.mlpipe$/m);
    assert.match(stdout, /^data {2}raw +data\/raw\.csv +pinned [0-9a-f]{12}$/m);
    assert.match(stdout, /^step {2}report_us +report@us +imported record [0-9a-f]{12}$/m);
    assert.match(stderr, /Next: `mlpipe status`, then `mlpipe run`/);
    const log = await call('log');
    assert.match(log.stdout, /import:train +imported +0\.0 s/);
    const shown = await call('show', 'import:train');
    assert.match(shown.stdout, /^imported +imported from DVC \(dvc\.lock\); mlpipe neither ran nor checked it$/m);
    assert.match(shown.stdout, /^claimed +source sh src\/train\.sh 0\.01$/m);
    assert.match(shown.stdout, /^code +not known to mlpipe$/m);
    const again = await call('import', 'dvc.yaml');
    assert.equal(again.code, 2);
    assert.match(again.stderr, /is there already[\s\S]*Next: .*--force/);
  });

  it('answers in the shapes that it publishes', async () => {
    project = new ForeignProject('dvc-3');
    const answer = (await json('import-dvc', 'import', 'dvc.yaml')) as { todo: string[] };
    assert.deepEqual(answer.todo, []);
    await json('show', 'show', 'import:train');
    await json('log', 'log', '--kind', 'import');
    await json('lineage', 'lineage', 'import:train');
  });

  it('answers 1 where a person has to mend the result, and says what', async () => {
    project = new ForeignProject('dvc-3');
    project.edit(
      'dvc.yaml',
      '      - src/prepare.sh\n',
      '      - src/prepare.sh\n      - src/gone.sh\n      - s3://bucket/x\n',
    );
    const { code, stderr } = await call('import', 'dvc.yaml');
    assert.equal(code, 1);
    assert.match(stderr, /^! project\.mlpipe:\d+:\d+: There is nothing at `src\/gone\.sh`/m);
    assert.match(stderr, /^! step prepare_data depends on s3:\/\/bucket\/x: take a snapshot/m);
  });

  it('of a run of MLflow says what it recorded, in words and in the shape that it publishes', async () => {
    project = new ForeignProject('mlflow-sqlite');
    const { code, stdout, stderr } = await call('import', 'mlflow', 'quiet-run');
    assert.equal(code, 0, stderr);
    assert.match(
      stdout,
      /^imported import:quiet-run \(run [0-9a-f]{32} of digits in sqlite:\/\/\/mlflow\.db\) as record sha256:/m,
    );
    assert.match(stdout, /^metric +accuracy 87\.5 %$/m);
    assert.match(stderr, /^! metric broken is not in the record: its value is NaN$/m);
    assert.match(stderr, /Next: `mlpipe show import:quiet-run`/);
    const shown = await call('show', 'import:quiet-run');
    assert.match(
      shown.stdout,
      /^imported +imported from MLflow \(sqlite:\/\/\/mlflow\.db\); mlpipe neither ran nor checked it$/m,
    );
    assert.match(shown.stdout, /^claimed +user ada$/m);
    assert.match(shown.stdout, /^claimed +data digits \(training\), digest abc123, from /m);
    await json('import-mlflow', 'import', 'mlflow', 'failed-run', '--from', 'mlflow.db', '--no-artifacts');
    await json('show', 'show', 'import:quiet-run');
    await json('lineage', 'lineage', 'import:quiet-run');
    const unknown = await call('import', 'mlflow', 'nobody');
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /There is no run nobody in sqlite:\/\/\/mlflow\.db\.\n {2}Next: /);
  });

  it('refuses what it does not know, and a broken file at its place', async () => {
    project = new ForeignProject('dvc-3');
    const unknown = await call('import', 'Snakefile');
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /not known how to import Snakefile\.\n {2}Next: /);
    project.write('dvc.yaml', 'stages:\n  train:\n    cmd: [\n');
    const broken = await call('import', 'dvc.yaml');
    assert.equal(broken.code, 2);
    assert.match(broken.stderr, /^mlpipe: dvc\.yaml:\d+:\d+: dvc\.yaml cannot be read as YAML: /);
  });
});
