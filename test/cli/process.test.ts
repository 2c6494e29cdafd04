import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { isRunning, until } from '../runtime/project.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const START = join(ROOT, 'runtime', 'cli', 'start.cjs');
const BUNDLE = join(ROOT, 'dist', 'cli.cjs');

const PIPELINE = `pipeline words

step count {
  run    "wc -w < text.txt > \${number}"
  reads  "text.txt"
  writes number "number.txt"
}
`;

describe('the command line', function () {
  this.timeout(60_000);
  let folder: string;

  before(() => {
    if (!fs.existsSync(BUNDLE)) spawnSync(process.execPath, [join(ROOT, 'esbuild.ts')], { stdio: 'inherit' });
  });
  beforeEach(() => {
    folder = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'mlpipe-cli-')));
    fs.mkdirSync(join(folder, '.git'));
    fs.writeFileSync(join(folder, 'words.mlpipe'), PIPELINE);
    fs.writeFileSync(join(folder, 'text.txt'), 'one two three\n');
  });
  afterEach(() => fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

  const mlpipe = (...words: string[]): SpawnSyncReturns<string> =>
    spawnSync(process.execPath, [START, ...words], { cwd: folder, encoding: 'utf8' });

  /** The one JSON document on stdout, after it was held against the published schema. */
  const json = (schema: string, ...words: string[]): unknown => {
    const { stdout, stderr } = mlpipe(...words, '--json');
    const document: unknown = JSON.parse(stdout);
    const shape: unknown = JSON.parse(mlpipe('schema', schema).stdout);
    const ajv = new Ajv2020({ strict: false, allErrors: true });
    assert(typeof shape === 'object' && shape !== null);
    assert(ajv.validate(shape, document), `${words.join(' ')}: ${ajv.errorsText()}\n${stdout}\n${stderr}`);
    return document;
  };

  describe('answers by its exit code', () => {
    const cases: [string, string[], number][] = [
      ['0 for the version', ['--version'], 0],
      ['0 for help', ['--help'], 0],
      ['0 for the codes themselves', ['help', 'exit-codes'], 0],
      ['1 for what is stale', ['status'], 1],
      ['0 for a file without errors', ['check'], 0],
      ['2 for an unknown command', ['bogus'], 2],
      ['2 for an unknown option', ['run', '--bogus'], 2],
      ['2 for a file that is not there', ['status', 'nowhere.mlpipe'], 2],
      ['2 for a step that is not there', ['run', 'nowhere'], 2],
      ['2 for a parameter without a value', ['run', '-S', 'rate'], 2],
      ['2 for an executor that is not there yet', ['run', '--executor', 'slurm'], 2],
      ['2 for a command that is not there yet', ['serve'], 2],
      ['2 for a reference that means nothing', ['show', 'nothing'], 2],
    ];
    for (const [what, words, code] of cases) {
      it(what, () => {
        const { status, stderr } = mlpipe(...words);
        assert.equal(status, code, stderr);
        assert.doesNotMatch(stderr, /\n\s+at /, 'There is a stack trace.');
        if (code === 2) assert.match(stderr, /^mlpipe: .+/);
      });
    }

    it('0 where everything is up to date, 1 after a failure', () => {
      assert.equal(mlpipe('run').status, 0);
      assert.equal(mlpipe('status').status, 0);
      fs.rmSync(join(folder, 'text.txt'));
      assert.equal(mlpipe('run').status, 1);
    });

    it('1 for a file with errors, which says where', () => {
      fs.writeFileSync(join(folder, 'words.mlpipe'), 'pipeline words\n\ntrain x {\n  model nothing\n}\n');
      const { status, stdout } = mlpipe('check');
      assert.equal(status, 1);
      assert.match(stdout, /words\.mlpipe:4:/);
    });

    it('130 when it is interrupted, and ends what it has started', async function () {
      if (process.platform === 'win32') this.skip();
      fs.writeFileSync(
        join(folder, 'words.mlpipe'),
        'pipeline w\n\nstep wait {\n  run "echo $$ > pid; echo begun; sleep 300"\n  writes o "o"\n}\n',
      );
      const child = spawn(process.execPath, [START, 'run', '--events'], {
        cwd: folder,
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      let text = '';
      const code = new Promise<number | null>((resolve) => child.once('close', resolve));
      await new Promise<void>((resolve) => {
        child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
          if (text.includes('begun')) resolve();
        });
      });
      child.kill('SIGINT');
      assert.equal(await code, 130);
      const events = text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { type: string; pid?: number; status?: string });
      assert.equal(events.at(-1)?.type, 'run-finished');
      assert(events.some(({ status }) => status === 'cancelled'));
      const pid = events.find((event) => event.pid !== undefined)?.pid ?? 0;
      await until(() => !isRunning(pid));
    });
  });

  it('keeps data on stdout and talk on stderr', () => {
    const run = mlpipe('run');
    assert.equal(run.stdout, '');
    assert.match(run.stderr, /count/);
    assert.match(mlpipe('status').stdout, /^count\s+up-to-date\s+unchanged since/);
    assert.equal(mlpipe('status').stderr, '');
    const quiet = mlpipe('run', '-q');
    assert.equal(quiet.stdout + quiet.stderr, '');
  });

  it('says why, before and after', () => {
    mlpipe('run');
    fs.writeFileSync(join(folder, 'text.txt'), 'one two three four\n');
    const why = 'text.txt changed: 14 bytes → 19 bytes; environment and parameters the same';
    assert(mlpipe('status').stdout.includes(why));
    assert(mlpipe('run', '-n').stdout.includes(why));
    assert(mlpipe('run').stderr.includes(why));
    assert.equal(fs.readFileSync(join(folder, 'number.txt'), 'utf8').trim(), '4');
  });

  it('acts as if started elsewhere with -C', () => {
    const { status } = spawnSync(process.execPath, [START, '-C', folder, 'run'], { cwd: tmpdir() });
    assert.equal(status, 0);
    assert(fs.existsSync(join(folder, 'number.txt')));
  });

  it('survives a reader that has seen enough', () => {
    mlpipe('run');
    const { status, stderr } = spawnSync('sh', ['-c', `"${process.execPath}" "${START}" show count | head -c 1`], {
      cwd: folder,
      encoding: 'utf8',
    });
    assert.equal(status, 0);
    assert.equal(stderr, '');
  });

  describe('prints JSON that its schema describes', () => {
    it('run, status, log, show, diff, lineage', () => {
      const first = json('run', 'run') as { ok: boolean; steps: { record: string }[] };
      assert.equal(first.ok, true);
      json('status', 'status');
      fs.writeFileSync(join(folder, 'text.txt'), 'other\n');
      const second = json('run', 'run') as { steps: { record: string }[] };
      json('log', 'log');
      json('show', 'show', 'count');
      const [one, two] = [first.steps[0]?.record ?? '', second.steps[0]?.record ?? ''];
      const difference = json('diff', 'diff', one.slice(7, 19), two.slice(7, 19)) as {
        differences: { name: string }[];
      };
      assert(difference.differences.some(({ name }) => name === 'file:text.txt'));
      json('lineage', 'lineage', 'count');
    });

    it('check, plan, dag, pin, fmt, engine, doctor', () => {
      json('plan', 'plan');
      json('dag', 'dag');
      json('pin', 'pin');
      json('fmt', 'fmt', '--check');
      json('engine', 'engine', 'list');
      json('doctor', 'doctor');
      fs.writeFileSync(join(folder, 'words.mlpipe'), 'pipeline words\n\ntrain x {\n  model nothing\n}\n');
      const findings = json('check', 'check') as unknown[];
      assert(findings.length > 0);
    });

    it('init', () => {
      fs.rmSync(join(folder, 'words.mlpipe'));
      const made = json('init', 'init') as { written: string[] };
      assert(made.written.length > 0);
    });
  });

  it('draws the graph of a file with errors', () => {
    fs.appendFileSync(join(folder, 'words.mlpipe'), '\ntrain x {\n  model nothing\n}\n');
    assert.match(mlpipe('dag', '--mermaid').stdout, /flowchart[\s\S]*count/);
    assert.match(mlpipe('dag', '--dot').stdout, /digraph[\s\S]*count/);
  });

  it('begins a folder with a pipeline that runs, and never writes over anything', () => {
    const place = join(folder, 'fresh');
    assert.equal(mlpipe('init', 'fresh').status, 0);
    const made = fs.readdirSync(place).find((name) => name.endsWith('.mlpipe')) ?? '';
    const run = mlpipe('-C', place, 'run');
    assert.equal(run.status, 0, run.stderr);
    fs.writeFileSync(join(place, made), '// mine\n');
    assert.equal(mlpipe('init', 'fresh').status, 0);
    assert.equal(fs.readFileSync(join(place, made), 'utf8'), '// mine\n');
  });

  it('pins data, and says when it differs from its pin', () => {
    fs.writeFileSync(join(folder, 't.csv'), 'x\n1\n');
    fs.writeFileSync(
      join(folder, 'words.mlpipe'),
      'pipeline w\n\ndata t {\n  from "t.csv"\n}\n\nstep s {\n  run "cat ${t} > ${o}"\n  writes o "o.txt"\n}\n',
    );
    assert.equal(mlpipe('pin').status, 0);
    assert.match(fs.readFileSync(join(folder, 'words.mlpipe'), 'utf8'), /pin\s+sha256:[0-9a-f]{64}/);
    assert.equal(mlpipe('run').status, 0);
    fs.writeFileSync(join(folder, 't.csv'), 'x\n1\n2\n');
    const status = mlpipe('status');
    assert.equal(status.status, 1);
    assert.match(status.stdout, /blocked\s+t\.csv is not what is pinned/);
    assert.match(mlpipe('run').stderr, /mlpipe pin --update t/);
    assert.equal(mlpipe('pin', '--update').status, 0);
    assert.equal(mlpipe('run').status, 0);
  });

  it('says so on a Node that is too old, before anything native loads', () => {
    const hook = join(folder, 'old.cjs');
    fs.writeFileSync(hook, "Object.defineProperty(process, 'version', { value: 'v20.20.2' });");
    for (const entry of [START, join(ROOT, 'dist', 'worker.cjs'), join(ROOT, 'dist', 'server.cjs')]) {
      const { status, stderr } = spawnSync(process.execPath, ['-r', hook, entry, '--stdio'], { encoding: 'utf8' });
      assert.equal(status, 2, `${entry}: ${stderr}`);
      assert.match(stderr, /mlpipe needs Node 22\.14 or newer; this is Node 20\.20\.2/);
    }
  });
});
