import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { canonicalJson, digestOf } from '../../grammar/plan/canonical.ts';
import type { Digest } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../../runtime/errors.ts';
import { differencesAsMarkdown, differencesOf } from '../../runtime/ledger/difference.ts';
import { memoryIndex } from '../../runtime/ledger/index-database.ts';
import { type Ledger, openLedger } from '../../runtime/ledger/ledger.ts';
import { lineage } from '../../runtime/ledger/lineage.ts';
import { lockPath, readLock, writeLock } from '../../runtime/ledger/lock.ts';
import { runName } from '../../runtime/ledger/names.ts';
import { endedAt, recordOf } from './records.ts';

let folder = '';
let opened: Ledger[] = [];
let warnings: string[] = [];
beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'mlpipe-ledger-'));
  warnings = [];
});
afterEach(() => {
  for (const ledger of opened) ledger.close();
  opened = [];
  fs.rmSync(folder, { recursive: true, force: true });
});

function open(): Ledger {
  const ledger = openLedger(folder, { warn: (message) => warnings.push(message) });
  opened.push(ledger);
  return ledger;
}
const index = () => join(folder, 'index.sqlite');
const recordPath = (digest: Digest) => join(folder, 'records', digest.slice(7, 9), `${digest.slice(9)}.json`);
const failure = (code: string) => (error: unknown) => error instanceof MlpipeError && error.code === code;

function rewrite(path: string, content: string | Buffer): void {
  fs.chmodSync(path, 0o644);
  fs.writeFileSync(path, content);
}

describe('the ledger', () => {
  it('keeps a record as a file of canonical JSON that is named by its digest', async () => {
    const record = recordOf();
    const digest = await open().append(record);
    assert.equal(digest, digestOf(canonicalJson(record)));
    assert.equal(fs.readFileSync(recordPath(digest), 'utf8'), canonicalJson(record));
    assert.deepEqual(open().get(digest), { digest, record });
  });

  it('answers the newest first, and by key, step and run', async () => {
    const ledger = open();
    const old = await ledger.append(recordOf(endedAt(1)));
    const young = await ledger.append(recordOf({ ...endedAt(2), key: digestOf('other') }));
    const other = await ledger.append(recordOf({ ...endedAt(3), step: 'test', run: 'calm-otter-7' }));
    const digests = (records: { digest: Digest }[]) => records.map(({ digest }) => digest);
    assert.deepEqual(digests(ledger.list()), [other, young, old]);
    assert.deepEqual(digests(ledger.list({}, 1)), [other]);
    assert.deepEqual(digests(ledger.withKey(digestOf('key'))), [other, old]);
    assert.equal(ledger.last('digits.mlpipe', 'recognise')?.digest, young);
    assert.deepEqual(digests(ledger.list({ run: 'calm-otter-7' })), [other]);
  });

  it('understands steps, runs, and the beginnings of digests', async () => {
    const ledger = open();
    const model = digestOf('model');
    const low = await ledger.append(
      recordOf({ ...endedAt(1), step: 'recognise@rate=0.01', outputs: { model: { digest: model, bytes: 1 } } }),
    );
    const high = await ledger.append(recordOf({ ...endedAt(2), step: 'recognise@rate=0.1' }));
    const test = await ledger.append(recordOf({ ...endedAt(3), step: 'test', kind: 'evaluate', run: 'calm-otter-7' }));
    const found = (reference: string) => ledger.resolve(reference).digest;
    assert.equal(found('recognise@rate=0.01'), low);
    assert.equal(found('recognise'), high);
    assert.equal(found('calm-otter-7'), test);
    assert.equal(found('quiet-heron-41:recognise@rate=0.01'), low);
    assert.equal(found(low), low);
    assert.equal(found(low.slice(7, 19)), low);
    assert.equal(found(model.slice(7, 19)), low);
    assert.equal(found('newest'), test);
    assert.throws(() => found('nobody'), failure('reference-unknown'));
    assert.throws(() => found('ffffffffffff'), failure('reference-unknown'));
  });

  it('refuses a beginning that two records share, and says which they are', async () => {
    const ledger = open();
    const byStart = new Map<string, Digest>();
    for (let attempt = 0; ; attempt += 1) {
      const record = recordOf({ reason: `attempt ${attempt}` });
      const digest = digestOf(canonicalJson(record));
      const earlier = byStart.get(digest.slice(7, 11));
      byStart.set(digest.slice(7, 11), digest);
      if (!earlier) continue;
      const number = [...Array(attempt).keys()].find(
        (each) => digestOf(canonicalJson(recordOf({ reason: `attempt ${each}` }))) === earlier,
      );
      await ledger.append(recordOf({ reason: `attempt ${number}` }));
      await ledger.append(record);
      assert.throws(() => ledger.resolve(digest.slice(7, 11)), failure('reference-ambiguous'));
      assert.equal(ledger.resolve(digest.slice(7)).digest, digest);
      return;
    }
  });

  it('rebuilds an index that was deleted, and adds to one that is older than the records', async () => {
    const first = await open().append(recordOf());
    fs.rmSync(index());
    const old = open();
    assert.equal(old.list().length, 1);
    const record = canonicalJson(recordOf({ step: 'brought by git' }));
    const second = digestOf(record);
    fs.writeFileSync(recordPath(second), record);
    assert.deepEqual(
      open()
        .list()
        .map(({ digest }) => digest)
        .sort(),
      [first, second].sort(),
    );
    fs.rmSync(recordPath(first), { force: true });
    assert.deepEqual(
      open()
        .list()
        .map(({ digest }) => digest),
      [second],
    );
  });

  for (const [what, content] of Object.entries({
    garbage: Buffer.alloc(20_000, 'garbage'),
    nothing: Buffer.alloc(0),
    'a text': Buffer.from('SQLite format 3'),
  })) {
    it(`rebuilds an index of ${what}`, async () => {
      const digest = await open().append(recordOf());
      for (const ledger of opened) ledger.close();
      opened = [];
      fs.writeFileSync(index(), content);
      assert.equal(open().resolve('recognise').digest, digest);
    });
  }

  it('rebuilds an index whose pages are overwritten, and says so', async () => {
    const ledger = open();
    for (let number = 0; number < 200; number += 1) await ledger.append(recordOf({ reason: `run ${number}` }));
    ledger.close();
    opened = [];
    const pages = fs.readFileSync(index());
    pages.fill(0x5a, 4096);
    fs.writeFileSync(index(), pages);
    assert.equal(open().list({ step: 'recognise' }).length, 200);
    assert.ok(
      warnings.some((message) => message.includes('made again')),
      warnings.join('\n'),
    );
  });

  for (const [how, damage] of Object.entries<(text: string) => string>({
    torn: (text) => text.slice(0, 100),
    emptied: () => '',
    edited: (text) => text.replace('ada', 'eve'),
  })) {
    it(`reports a record that was ${how}, and goes on with the others`, async () => {
      const ledger = open();
      const good = await ledger.append(recordOf());
      const bad = await ledger.append(recordOf({ step: 'bad' }));
      rewrite(recordPath(bad), damage(fs.readFileSync(recordPath(bad), 'utf8')));
      const indexed = open();
      assert.deepEqual(
        indexed.list().map(({ digest }) => digest),
        [good],
      );
      assert.deepEqual(
        indexed.problems.map(({ digest }) => digest),
        [bad],
      );
      assert.throws(() => indexed.resolve('bad'), failure('record-damaged'));
      for (const each of opened) each.close();
      opened = [];
      fs.rmSync(index());
      const rebuilt = open();
      assert.equal(rebuilt.list().length, 1);
      assert.deepEqual(
        rebuilt.problems.map(({ digest }) => digest),
        [bad],
      );
      assert.ok(warnings.some((message) => message.includes(bad)));
    });
  }

  it('takes records of several processes at once', async () => {
    const program = `
      const { openLedger } = await import(${JSON.stringify(new URL('../../runtime/ledger/ledger.ts', import.meta.url).href)});
      const { recordOf } = await import(${JSON.stringify(new URL('./records.ts', import.meta.url).href)});
      const ledger = openLedger(process.argv[1]);
      for (let number = 0; number < 20; number += 1) {
        console.log(await ledger.append(recordOf({ reason: process.argv[2] + ' ' + number })));
        ledger.newRunName();
      }
      ledger.close();`;
    const run = promisify(execFile);
    const outputs = await Promise.all(
      ['a', 'b', 'c'].map((name) =>
        run(process.execPath, ['--input-type=module', '--eval', program, folder, name], { encoding: 'utf8' }),
      ),
    );
    const acknowledged = outputs.flatMap(({ stdout }) => stdout.trim().split('\n')).sort();
    assert.equal(acknowledged.length, 60);
    const ledger = open();
    assert.deepEqual(
      ledger
        .list()
        .map(({ digest }) => digest)
        .sort(),
      acknowledged,
    );
    assert.deepEqual(ledger.problems, []);
    assert.equal(fs.readdirSync(join(folder, 'runs')).length, 60);
  });

  it('lets no password of a URL into a record', async () => {
    const ledger = open();
    const digest = await ledger.append(
      recordOf({
        parameters: { source: 'https://ada:hunter2@example.org/x?token=hunter2&page=1' },
        code: { commit: 'c', dirty: false, remote: 'ssh://git:hunter2@example.org/x' },
      }),
    );
    const text = fs.readFileSync(recordPath(digest), 'utf8');
    assert.ok(!text.includes('hunter2'), text);
    assert.equal(ledger.get(digest)?.record.parameters.source, 'https://example.org/x?token=…&page=1');
    assert.equal(ledger.get(digest)?.record.code?.remote, 'ssh://git@example.org/x');
  });

  it('gives the same answers without SQLite', async () => {
    const ledger = open();
    const output = { model: { digest: digestOf('model'), bytes: 1 } };
    for (let number = 0; number < 5; number += 1) {
      await ledger.append(recordOf({ ...endedAt(number), step: `step ${number % 2}`, outputs: output }));
    }
    const memory = memoryIndex();
    memory.update({ added: ledger.list().map((stored) => ({ ...stored, signatures: [] })), gone: [] });
    const rows = memory.rows({ step: 'step 0' }).map(({ digest }) => digest);
    assert.deepEqual(
      rows,
      ledger.list({ step: 'step 0' }).map(({ digest }) => digest),
    );
    assert.deepEqual(
      memory.writers(digestOf('model')).sort(),
      ledger
        .writers(digestOf('model'))
        .map(({ digest }) => digest)
        .sort(),
    );
    assert.deepEqual(memory.written(digestOf('model').slice(0, 20)), [digestOf('model')]);
  });
});

describe('a run name', () => {
  it('is drawn by a seed and never given twice', () => {
    const draw = (seed: number) => (below: number) => {
      seed = (seed * 48271) % 2147483647;
      return seed % below;
    };
    const first = runName(() => false, draw(7));
    assert.match(first, /^[a-z]+-[a-z]+-\d+$/);
    assert.equal(
      runName(() => false, draw(7)),
      first,
    );
    assert.notEqual(
      runName((name) => name === first, draw(7)),
      first,
    );
  });
});

describe('lineage', () => {
  it('leads from a report to the data and back, as deep as asked', async () => {
    const ledger = open();
    const [data, clean, model, report] = ['data', 'clean', 'model', 'report'].map((each) => digestOf(each)) as [
      Digest,
      Digest,
      Digest,
      Digest,
    ];
    const prepare = await ledger.append(
      recordOf({
        ...endedAt(1),
        step: 'prepare',
        inputs: [{ name: 'data:raw', digest: data, bytes: 1, path: 'raw.csv' }],
        outputs: { clean: { digest: clean, bytes: 1 } },
      }),
    );
    const train = await ledger.append(
      recordOf({
        ...endedAt(2),
        code: { commit: 'a'.repeat(40), dirty: true },
        inputs: [{ name: 'output:prepare.clean', digest: clean, bytes: 1 }],
        outputs: { model: { digest: model, bytes: 1 } },
      }),
    );
    const evaluate = await ledger.append(
      recordOf({
        ...endedAt(3),
        step: 'evaluate',
        inputs: [{ name: 'output:recognise.model', digest: model, bytes: 1, record: train }],
        outputs: { report: { digest: report, bytes: 1 } },
      }),
    );
    const ids = (answer: ReturnType<typeof lineage>) => new Set(answer.nodes.map(({ id }) => id));
    const up = lineage(ledger, ledger.resolve('evaluate'), { direction: 'up' });
    for (const id of [evaluate, train, prepare, data, clean, model, report]) assert.ok(ids(up).has(id), id);
    assert.equal(up.nodes.find(({ id }) => id === model)?.kind, 'model');
    assert.ok(up.edges.some(({ from, to }) => from === data && to === prepare));
    const near = ids(lineage(ledger, ledger.resolve('evaluate'), { direction: 'up', depth: 1 }));
    assert.ok(near.has(train) && !near.has(prepare));
    const down = ids(lineage(ledger, ledger.resolve('prepare'), { direction: 'down' }));
    assert.ok(down.has(evaluate) && down.has(report));
    assert.ok(!ids(lineage(ledger, ledger.resolve('evaluate'), { direction: 'down' })).has(train));

    const both = lineage(ledger, ledger.resolve('recognise'), { direction: 'both' });
    for (const id of [data, prepare, train, model, evaluate, report]) assert.ok(ids(both).has(id), id);
    assert.equal(both.start, train);

    assert.equal(ledger.object(data.slice(0, 20)), data);
    const raw = lineage(ledger, data, { direction: 'down' });
    assert.equal(raw.start, data);
    assert.equal(raw.nodes[0]?.label, 'raw.csv');
    for (const id of [prepare, train, evaluate]) assert.ok(ids(raw).has(id), id);
    assert.deepEqual([...ids(lineage(ledger, data, { direction: 'up' }))], [data]);
    assert.deepEqual([...ids(lineage(ledger, model, { direction: 'up', depth: 0 }))].includes(prepare), false);
  });
});

describe('two records side by side', () => {
  it('differ in code, data, environment, parameters, metrics and outputs, and nothing else is said', () => {
    const before = recordOf({
      code: { commit: 'a', dirty: false },
      inputs: [{ name: 'data:digits', digest: digestOf('1'), bytes: 1, rows: 1797 }],
      environment: {
        name: 'cpu',
        fingerprint: digestOf('e'),
        identity: { node: '24.21.0', platform: 'linux' },
        evidence: {},
      },
      parameters: { rate: 0.1, epochs: 3 },
      metrics: { accuracy: 0.9 },
      outputs: { model: { digest: digestOf('m'), bytes: 1 } },
    });
    const after = recordOf({
      ...before,
      code: { commit: 'b', dirty: true, diff: digestOf('d') },
      inputs: [{ name: 'data:digits', digest: digestOf('2'), bytes: 1, rows: 1798 }],
      environment: { ...before.environment, identity: { node: '24.22.0', platform: 'linux' } },
      parameters: { rate: 0.2, epochs: 3 },
      metrics: {},
      outputs: { model: { digest: digestOf('n'), bytes: 1 } },
      run: 'another',
    });
    const differences = differencesOf(before, after);
    assert.deepEqual(
      differences.map(({ section, name, before, after }) => [section, name, before, after]),
      [
        ['code', 'commit', 'a', 'b'],
        ['code', 'uncommitted', 'none', digestOf('d')],
        ['data', 'data:digits', `${digestOf('1')} (1797 rows)`, `${digestOf('2')} (1798 rows)`],
        ['environment', 'node', '24.21.0', '24.22.0'],
        ['parameters', 'rate', '0.1', '0.2'],
        ['metrics', 'accuracy', '0.9', null],
        ['outputs', 'model', digestOf('m'), digestOf('n')],
      ],
    );
    const sides = [before, after].map((record) => ({ digest: digestOf(canonicalJson(record)), record }));
    const [one, other] = sides;
    assert.ok(one && other);
    const table = differencesAsMarkdown(one, other, differences);
    assert.ok(table.includes('| environment | node | `24.21.0` | `24.22.0` |'), table);
    assert.deepEqual(differencesOf(before, before), []);
  });
});

describe('a lock file', () => {
  const pipeline = () => join(folder, 'digits.mlpipe');
  const stored = (changes = {}) => {
    const record = recordOf({ metrics: { accuracy: 0.97 }, ...changes });
    return { digest: digestOf(canonicalJson(record)), record };
  };
  const path = () => lockPath(pipeline(), 'recognise');
  const edit = (change: (text: string) => string) => fs.writeFileSync(path(), change(fs.readFileSync(path(), 'utf8')));

  it('has its own digest first, sorted keys, one value a line, and reads back', () => {
    writeLock(pipeline(), stored());
    const lines = fs.readFileSync(path(), 'utf8').split('\n');
    assert.match(lines[1] ?? '', /^ {2}"digest": "sha256:[0-9a-f]{64}",$/);
    const keys = lines.slice(2).flatMap((line) => /^ {2}"(\w+)"/.exec(line)?.[1] ?? []);
    assert.deepEqual(keys, [...keys].sort());
    assert.ok(lines.includes('    "accuracy": 0.97'));
    assert.equal(readLock(pipeline(), 'recognise')?.record, stored().digest);
    assert.equal(readLock(pipeline(), 'nothing'), undefined);
    assert.deepEqual(fs.readdirSync(join(folder, 'digits.mlpipe.lock')), ['recognise.json']);
  });

  it('is the same text for the same record', () => {
    writeLock(pipeline(), stored());
    const text = fs.readFileSync(path(), 'utf8');
    writeLock(pipeline(), stored());
    assert.equal(fs.readFileSync(path(), 'utf8'), text);
  });

  for (const [how, change] of Object.entries<(text: string) => string>({
    'an edit by hand': (text) => text.replace('0.97', '0.99'),
    'the marks of a conflict': (text) => text.replace('  "format"', '<<<<<<< ours\n  "format"'),
    'a cut': (text) => text.slice(0, -20),
    'a double key': (text) =>
      text.replace('  "run":', '  "run": "other",\n  "run":').replace('"quiet-heron-41"', '"x"'),
  })) {
    it(`damaged by ${how} is refused`, () => {
      writeLock(pipeline(), stored());
      edit(change);
      assert.throws(() => readLock(pipeline(), 'recognise'), failure('lock-damaged'));
    });
  }

  it('that git took for another step is refused', () => {
    writeLock(pipeline(), stored());
    fs.renameSync(path(), lockPath(pipeline(), 'other'));
    assert.throws(() => readLock(pipeline(), 'other'), failure('lock-damaged'));
  });

  it('has a name that every disk takes', () => {
    assert.equal(lockPath('a.mlpipe', 'fit@path=a/b:c'), join('a.mlpipe.lock', 'fit@path=a%2fb%3ac.json'));
  });

  it('conflicts, and never mixes, when two branches have run the same step', async () => {
    const run = promisify(execFile);
    const git = (...args: string[]) =>
      run('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...args], { cwd: folder, encoding: 'utf8' });
    await git('init', '--quiet', '--initial-branch=main');
    const commit = async (message: string) => {
      await git('add', 'digits.mlpipe.lock');
      await git('commit', '--quiet', '--message', message);
    };
    const inputs = (name: string) => ({ inputs: [{ name: 'data:a', digest: digestOf(name), bytes: 1 }] });
    writeLock(pipeline(), stored(inputs('base')));
    await commit('base');
    await git('checkout', '--quiet', '-b', 'side');
    writeLock(pipeline(), stored(inputs('changed')));
    await commit('side');
    await git('checkout', '--quiet', 'main');
    writeLock(pipeline(), stored({ ...inputs('base'), metrics: { accuracy: 0.5 } }));
    await commit('main');
    await assert.rejects(git('merge', 'side'));
    assert.throws(() => readLock(pipeline(), 'recognise'), /marks of a merge conflict/);
  });
});
