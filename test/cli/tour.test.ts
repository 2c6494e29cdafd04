/** A project from its first minute on, as the README tells it; every `--json` against its published shape. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { type Answer, ensureBuilt, mlpipe, remove, root, temporaryFolder } from './support.ts';

describe('a first project', () => {
  let folder = '';
  let project = '';
  const call = (...words: string[]): Promise<Answer> => mlpipe(words, { folder: project });

  before(async function () {
    this.timeout(120_000);
    ensureBuilt();
    folder = temporaryFolder();
    project = join(folder, 'moons');
  });
  after(() => remove(folder));

  /** What `--json` answers, once it is proved to be of the shape of that name, and alone on stdout. */
  async function shaped<Shape>(name: string, words: string[], code = 0): Promise<Shape> {
    const schema = await mlpipe(['schema', name], { folder });
    assert.equal(schema.code, 0, schema.stderr);
    const answer = await call(...words, '--json');
    assert.equal(answer.code, code, answer.stderr);
    const value: unknown = JSON.parse(answer.stdout);
    const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
    assert.ok(ajv.validate(JSON.parse(schema.stdout), value), `${name}: ${ajv.errorsText()}`);
    // The schema has just been found to hold.
    return value as Shape;
  }

  it('says of itself which version it is', async () => {
    const { version } = JSON.parse(fs.readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    const answer = await mlpipe(['--version'], { folder });
    assert.deepEqual(answer, { code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('is begun by init, its data pinned', async () => {
    const answer = await mlpipe(['init', project, '--json'], { folder });
    assert.equal(answer.code, 0, answer.stderr);
    const { written } = JSON.parse(answer.stdout) as { written: string[] };
    assert.deepEqual(written.slice(0, 2), ['moons.mlpipe', 'data/moons.csv']);
    // Whoever begins a project is its first person.
    assert.match(written[2] ?? '', /^\.mlpipe-keys\/[0-9a-f]{32}\.json$/);
    assert.equal(answer.stderr, '');
    assert.match(fs.readFileSync(join(project, 'moons.mlpipe'), 'utf8'), /^ {2}pin {3}sha256:[0-9a-f]{64}$/m);
  });

  it('is not changed by a second init', async () => {
    const before = fs.readFileSync(join(project, 'moons.mlpipe'), 'utf8');
    const table = fs.readFileSync(join(project, 'data/moons.csv'), 'utf8');
    const second = await shaped<{ written: string[] }>('init', ['init']);
    assert.deepEqual(second.written, []);
    assert.equal(fs.readFileSync(join(project, 'moons.mlpipe'), 'utf8'), before);
    assert.equal(fs.readFileSync(join(project, 'data/moons.csv'), 'utf8'), table);
  });

  it('is without findings, and formatted as fmt would', async () => {
    assert.deepEqual(
      (await shaped<{ severity: string }[]>('check', ['check'])).filter(({ severity }) => severity === 'error'),
      [],
    );
    const formatted = await shaped<{ changed: boolean }[]>('fmt', ['fmt', '--check']);
    assert.deepEqual(formatted, [{ file: 'moons.mlpipe', changed: false }]);
  });

  it('has a plan and a graph', async () => {
    const plan = await shaped<{ steps: object }>('plan', ['plan']);
    assert.deepEqual(Object.keys(plan.steps), ['learn', 'learn.test']);
    const graph = await shaped<{ edges: object[] }>('dag', ['dag']);
    assert.ok(graph.edges.some((edge) => JSON.stringify(edge) === '{"from":"learn","to":"learn.test"}'));
    assert.match((await call('dag', '--mermaid')).stdout, /^flowchart LR\n/);
    assert.match((await call('dag', '--dot')).stdout, /"learn" -> "learn.test";/);
  });

  it('has never run: status says so and answers no', async () => {
    const status = await shaped<{ steps: { state: string }[] }>('status', ['status'], 1);
    assert.deepEqual(
      status.steps.map(({ state }) => state),
      ['never-ran', 'stale'],
    );
    assert.equal((await call('run', '-n')).code, 1);
    const log = await call('log');
    assert.deepEqual({ code: log.code, stdout: log.stdout }, { code: 0, stdout: '' });
    assert.match(log.stderr, /Nothing has run yet\./);
  });

  it('runs, passes its gate, and then has nothing to do', async function () {
    this.timeout(60_000);
    type Run = { ok: boolean; steps: { status: string; reason: string; metrics: Record<string, number> }[] };
    const first = await shaped<Run>('run', ['run']);
    assert.deepEqual(
      first.steps.map(({ status }) => status),
      ['ran', 'ran'],
    );
    assert.ok((first.steps[1]?.metrics.accuracy ?? 0) >= 0.9);
    const second = await shaped<Run>('run', ['run']);
    assert.deepEqual(
      second.steps.map(({ status, reason }) => [status, /^unchanged since /.test(reason)]),
      [
        ['cached', true],
        ['cached', true],
      ],
    );
    assert.equal((await shaped<{ upToDate: boolean }>('status', ['status'])).upToDate, true);
  });

  it('speaks to people on stderr and keeps stdout for data', async () => {
    const run = await call('run');
    assert.equal(run.stdout, '');
    assert.match(run.stderr, /= learn cached/);
    const quiet = await call('run', '-q');
    assert.deepEqual(quiet, { code: 0, stdout: '', stderr: '' });
  });

  it('says that the data changed, takes it with pin --update, and says why it will run', async () => {
    fs.appendFileSync(join(project, 'data/moons.csv'), '0.5,0.5,upper\n');
    const differs = await shaped<{ steps: { state: string; reason: string }[] }>('status', ['status'], 1);
    assert.equal(differs.steps[0]?.state, 'blocked');
    assert.match(differs.steps[0]?.reason ?? '', /data\/moons\.csv is not what is pinned/);
    const refused = await call('run');
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /Next: .*`mlpipe pin --update points`/);
    assert.deepEqual(await shaped('pin', ['pin']), []);
    const pins = await shaped<{ name: string; before: string | null }[]>('pin', ['pin', '--update']);
    assert.deepEqual(
      pins.map(({ name, before }) => [name, typeof before]),
      [['points', 'string']],
    );
    const stale = await shaped<{ steps: { reason: string }[] }>('status', ['status'], 1);
    assert.match(stale.steps[0]?.reason ?? '', /data\/moons\.csv changed: 200 → 201 rows/);
  });

  it('remembers both runs: log, show, lineage, diff', async function () {
    this.timeout(60_000);
    assert.equal((await call('run')).code, 0);
    const log = await shaped<{ digest: string; record: { step: string } }[]>('log', ['log']);
    assert.deepEqual(
      log.map(({ record }) => record.step),
      ['learn.test', 'learn', 'learn.test', 'learn'],
    );
    assert.equal((await call('log')).stdout.trimEnd().split('\n').length, 4);
    assert.equal((await call('log', '-l', '1', '--step', 'learn')).stdout.trimEnd().split('\n').length, 1);

    const newest = log[1]?.digest ?? '';
    const oldest = log[3]?.digest ?? '';
    assert.equal((await shaped<{ digest: string }>('show', ['show', 'learn'])).digest, newest);
    assert.equal((await shaped<{ digest: string }>('show', ['show', oldest.slice(7, 19)])).digest, oldest);
    assert.match((await call('show', 'learn')).stdout, /^read +data\/moons\.csv .* 201 rows$/m);

    const lineage = await shaped<{ nodes: { kind: string }[] }>('lineage', ['lineage', 'learn']);
    assert.ok(lineage.nodes.some(({ kind }) => kind === 'data'));
    await shaped('lineage', ['lineage', 'learn', '--down', '--depth', '1']);
    assert.match((await call('lineage', 'learn.test')).stdout, /record learn /);
    // A file means what lies there now, and where no run knows that, what was last read from there.
    const data = join(project, 'data/moons.csv');
    const [now, text] = [/record learn {2}[a-z-]+-\d+/, fs.readFileSync(data, 'utf8')];
    assert.match((await call('lineage', '--down', 'data/moons.csv')).stdout, now);
    fs.rmSync(data);
    assert.match((await call('lineage', '--down', 'data/moons.csv')).stdout, now);
    fs.writeFileSync(data, text);
    assert.match((await call('lineage', 'moons.mlpipe')).stderr, /Nothing here is called moons\.mlpipe/);

    const words = ['diff', oldest.slice(0, 20), newest.slice(0, 20)];
    const diff = await shaped<{ differences: { section: string }[] }>('diff', words);
    assert.ok(diff.differences.some(({ section }) => /data/i.test(section)));
    assert.match((await call(...words, '--md')).stdout, /^\|/m);
    const same = await call('diff', newest, newest);
    assert.deepEqual({ code: same.code, stdout: same.stdout }, { code: 0, stdout: '' });
    assert.match(same.stderr, /do not differ/);
  });

  it('keeps a model by a number, and writes it for other tools', async function () {
    this.timeout(60_000);
    const kept = await shaped<{ name: string; version: number }>('keep', ['models', 'keep', 'learn', '--tag', 'v1']);
    assert.deepEqual([kept.name, kept.version], ['learn', 1]);
    const listed = await shaped<{ models: { tag: string }[] }>('models', ['models']);
    assert.deepEqual(
      listed.models.map(({ tag }) => tag),
      ['v1'],
    );
    assert.match((await call('models')).stdout, /^learn@1 +v1 .* accuracy /);
    assert.match((await call('show', 'learn@v1')).stdout, /^step +learn of moons/m);
    assert.equal((await call('models', 'promote')).code, 2);

    const document = await call('export', 'learn@1', '--format', 'in-toto');
    assert.equal(JSON.parse(document.stdout).predicateType, 'https://slsa.dev/provenance/v1');
    assert.match(document.stderr, /not signed/);
    const html = await call('export', 'learn@1', '--format', 'modelcard', '--html', '-o', 'card.html');
    assert.deepEqual([html.code, html.stdout], [0, '']);
    assert.match(fs.readFileSync(join(project, 'card.html'), 'utf8'), /^<!doctype html>/);
    assert.equal((await call('export', 'learn@1')).code, 2);
    assert.equal((await call('export', 'learn@1', '--format', 'word')).code, 2);

    const changes = await shaped<{ good: { kept: string }; changes: object[] }>('changes', ['changes', 'learn']);
    assert.deepEqual([changes.good.kept, changes.changes], ['learn@1', []]);
    assert.match((await call('changes', 'learn')).stdout, /Nothing has changed since\./);

    const decay = await shaped<{ ok: boolean; items: { kind: string }[] }>('decay', ['decay']);
    assert.ok(decay.items.some(({ kind }) => kind === 'model'));
  });

  it('has no parameter that nobody wrote, and says what to do', async () => {
    const wrong = await call('run', '-S', 'rate=1');
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /no parameter `rate`/);
    assert.match(wrong.stderr, /^ {2}Next: /m);
  });

  it('takes a parameter from -S and trains anew for it', async function () {
    this.timeout(60_000);
    const file = join(project, 'moons.mlpipe');
    const text = fs.readFileSync(file, 'utf8');
    fs.writeFileSync(
      file,
      text
        .replace('environment cpu', 'param rate = 0.02 in 1e-4 .. 1\n\nenvironment cpu')
        .replace('adam(rate: 0.02)', 'adam(rate: rate)'),
    );
    const run = await call('run', 'learn', '-S', 'rate=0.03', '--json');
    assert.equal(run.code, 0, run.stderr);
    assert.equal(JSON.parse(run.stdout).steps[0].status, 'ran');
    const outside = await call('run', '-S', 'rate=7');
    assert.equal(outside.code, 2, outside.stderr);
    assert.match(outside.stderr, /rate/);
  });

  it('knows what can train here, and what this machine lacks', async () => {
    const engines = await shaped<{ name: string; state: string }[]>('engine', ['engine', 'list']);
    assert.equal(engines.find(({ name }) => name === 'wasm')?.state, 'installed');
    const doctor = await shaped<{ ok: boolean }>('doctor', ['doctor']);
    assert.equal(doctor.ok, true);
    assert.match((await call('doctor')).stdout, /Node \d+/);
  });

  it('publishes a shape for every name that schema lists', async () => {
    const names = (await call('schema')).stdout.trim().split('\n');
    assert.deepEqual(JSON.parse((await call('schema', '--json')).stdout), names);
    for (const name of names) {
      const document = JSON.parse((await call('schema', name)).stdout);
      assert.doesNotThrow(() => new Ajv2020({ strict: true, allowUnionTypes: true }).compile(document), name);
    }
  });
});
