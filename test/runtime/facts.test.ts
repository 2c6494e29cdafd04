import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LangiumDocument } from 'langium';
import { URI } from 'langium';
import type * as ast from '../../grammar/generated/ast.ts';
import { loadPipeline } from '../../grammar/load.ts';
import { createMlpipeServices } from '../../grammar/module.ts';
import { lowerWhatIsWhole } from '../../grammar/plan/lower.ts';
import type { Plan } from '../../grammar/plan/plan.ts';
import { type Facts, factKey, type SourceFact } from '../../grammar/rules/facts.ts';
import { checkDataset } from '../../runtime/data/read.ts';
import { digestSource } from '../../runtime/execute/inputs.ts';
import { type FactsOptions, gatherFacts } from '../../runtime/facts/gather.ts';
import { applyEdits, pinsOf } from '../../runtime/facts/pins.ts';
import { openStore } from '../../runtime/store/open.ts';
import type { Store } from '../../runtime/store/store.ts';

const USES_IMPORT = `import t from "./team/shared.mlpipe"
step show {
  run     "cat \${t} > \${copy}"
  writes  copy "copy.csv"
}
`;

const EXAMPLES = fileURLToPath(new URL('../../examples/', import.meta.url));

describe('facts', () => {
  let folder: string;
  let store: Store;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mlpipe-facts-'));
    store = openStore(join(folder, '.mlpipe'));
  });
  afterEach(async () => {
    store.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function write(name: string, content: string): Promise<string> {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
    return path;
  }

  async function load(path: string): Promise<{ document: LangiumDocument<ast.File>; plan: Plan }> {
    const document = await loadPipeline(createMlpipeServices().mlpipe, URI.file(path), (uri) =>
      readFile(uri.fsPath, 'utf8').catch(() => undefined),
    );
    assert.ok(document);
    return { document, plan: lowerWhatIsWhole(document).plan };
  }

  const digest: FactsOptions['digest'] = (path) => digestSource(store, path);

  async function facts(text: string, options: Partial<FactsOptions> = {}): Promise<Facts> {
    const { plan } = await load(await write('a.mlpipe', text));
    return gatherFacts(plan, folder, { digest, inStore: (one) => store.has(one), ...options });
  }

  const at = (found: Facts, name: string): SourceFact | undefined => found.sources[factKey(join(folder, name))];

  const TABLE = `data t {
  from "t.csv"
  schema {
    x  float in 0 .. 10
    c  class(2)
  }
}
`;

  it('tell digest, size, rows, problems and statistics of a table', async () => {
    await write('t.csv', 'x,c\n1,0\n3,1\n30,0\n');
    const found = at(await facts(TABLE), 't.csv');
    assert.equal(found?.state, 'present');
    if (found?.state !== 'present') return;
    assert.equal(found.digest, (await digest(join(folder, 't.csv'))).digest);
    assert.deepEqual([found.kind, found.bytes, found.table?.rows], ['file', 17, 3]);
    assert.deepEqual(found.table?.columns, ['x', 'c']);
    assert.deepEqual(found.table?.problems, [
      { kind: 'outside-range', column: 'x', line: 4, found: '30', expected: 'a number from 0 to 10' },
    ]);
    assert.equal(found.table?.statistics.x?.mean, 2);
  });

  it('tell that a source is missing, and whether its content is still in the store', async () => {
    const path = await write('t.csv', 'x,c\n1,0\n');
    const { digest: pin } = await store.put(path);
    await rm(path);
    const pinned = (value: string): string => TABLE.replace('"t.csv"', `"t.csv"\n  pin ${value}`);
    assert.deepEqual(at(await facts(TABLE), 't.csv'), { state: 'missing' });
    assert.deepEqual(at(await facts(pinned(pin)), 't.csv'), { state: 'missing', inStore: true });
    const other = `sha256:${'0'.repeat(64)}`;
    assert.deepEqual(at(await facts(pinned(other)), 't.csv'), { state: 'missing', inStore: false });
  });

  it('tell why a source cannot be read', async () => {
    await write('t.csv', 'x,c\n1,"0\n');
    const found = at(await facts(TABLE), 't.csv');
    assert.equal(found?.state, 'unreadable');
    assert.match(found?.state === 'unreadable' ? found.reason : '', /line 2: a quote is opened and never closed/);
  });

  it('tell of what steps read, of lock files, and of the programs that steps begin with', async () => {
    await write('package-lock.json', '{}');
    await write('parts/1.txt', 'one');
    await write('parts/2.txt', 'two');
    const program = await write('bin/mend', '#!/bin/sh\n');
    await chmod(program, 0o755);
    const found = await facts(
      `environment e {
  node "24.21.0" lock "package-lock.json"
}
step one {
  run    "mend \${out}"
  reads  "parts/*.txt", "gone.txt"
  in     e
  writes out "out.txt"
}
step two {
  run    "nowhere-to-be-found"
  writes other "other.txt"
}
`,
      { environment: { PATH: join(folder, 'bin'), TOKEN: 'very secret' } },
    );
    assert.equal(at(found, 'package-lock.json')?.state, 'present');
    const parts = at(found, 'parts/*.txt');
    assert.deepEqual(parts?.state === 'present' ? [parts.kind, parts.files, parts.bytes] : parts, ['folder', 2, 6]);
    assert.equal(at(found, 'gone.txt')?.state, 'missing');
    assert.deepEqual(found.programs, { mend: program, 'nowhere-to-be-found': null });
    assert.deepEqual(found.secrets, ['PATH', 'TOKEN']);
    assert.ok(!JSON.stringify(found).includes('very secret'));
  });

  it('tell what git knows of a source, and ask nothing of it in a folder that is not trusted', async () => {
    const git = (...args: string[]): void => {
      execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@t', ...args], { cwd: folder, stdio: 'ignore' });
    };
    git('init');
    await write('.gitignore', 'ignored.csv\nhidden/\n');
    for (const name of ['tracked', 'loose', 'ignored', 'hidden/in']) await write(`${name}.csv`, 'x\n1\n');
    git('add', 'tracked.csv');
    const text = ['tracked', 'loose', 'ignored', 'hidden/in']
      .map((name, index) => `data d${index} {\n  from "${name}.csv"\n}\n`)
      .join('');
    const state = (found: Facts, name: string): unknown => {
      const fact = at(found, `${name}.csv`);
      return fact?.state === 'present' ? fact.git : fact;
    };
    const found = await facts(text);
    assert.deepEqual(
      ['tracked', 'loose', 'ignored', 'hidden/in'].map((name) => state(found, name)),
      ['tracked', 'untracked', 'ignored', 'ignored'],
    );
    assert.equal(state(await facts(text, { trusted: false }), 'tracked'), undefined);
  });

  it('are read from a table once, and again when it has changed', async () => {
    const cache = join(folder, '.mlpipe/cache');
    const rows = (found: Facts): unknown => {
      const fact = at(found, 't.csv');
      return fact?.state === 'present' ? fact.table?.rows : fact;
    };
    await write('t.csv', 'x,c\n1,0\n');
    const first = await facts(TABLE, { cache });
    assert.equal(rows(first), 1);
    // What the cache says is believed: the content has the same digest, so nothing is read.
    const lying: FactsOptions['digest'] = async () => {
      const fact = at(first, 't.csv');
      assert.ok(fact?.state === 'present');
      return { digest: fact.digest, bytes: fact.bytes };
    };
    await write('t.csv', 'x,c\n1,0\n2,1\n');
    assert.equal(rows(await facts(TABLE, { cache, digest: lying })), 1);
    const changed = await facts(TABLE.replace('"t.csv"', `"t.csv"\n  pin ${(await lying('')).digest}`), { cache });
    assert.equal(rows(changed), 2);
    const fact = at(changed, 't.csv');
    assert.deepEqual(fact?.state === 'present' ? fact.pinned : fact, {
      digest: (await lying('')).digest,
      bytes: 8,
      rows: 1,
      columns: ['x', 'c'],
    });
  });

  it('of a large table come from a thread, and say the same', async () => {
    const path = await write('t.csv', `x,c\n${'1.2345678901,0\n'.repeat(300_000)}`);
    const { plan } = await load(await write('a.mlpipe', TABLE));
    const found = await gatherFacts(plan, folder, { digest });
    const fact = at(found, 't.csv');
    const data = plan.data.t;
    assert.ok(data && fact?.state === 'present' && fact.bytes > 4 * 1024 * 1024);
    assert.deepEqual(fact.table, await checkDataset(data, path));
  });

  it('stop when they are told to', async () => {
    await write('t.csv', `x,c\n${'1.2345678901,0\n'.repeat(300_000)}`);
    await assert.rejects(facts(TABLE, { signal: AbortSignal.abort() }), { name: 'AbortError' });
    const controller = new AbortController();
    const late: FactsOptions['digest'] = async (path) => {
      const stored = await digest(path);
      setImmediate(() => controller.abort());
      return stored;
    };
    await assert.rejects(facts(TABLE, { signal: controller.signal, digest: late }), { name: 'AbortError' });
  });

  it('bring engines, machine and runs as others know them', async () => {
    const found = await facts('', {
      engines: async () => [
        { name: 'wasm', state: 'installed', versions: ['1.0.0'], cannotTrain: {}, deterministic: true },
      ],
      runs: async () => ({ s: { ended: '2026-01-01T00:00:00Z', status: 'ok', metrics: {}, undeclaredReads: [] } }),
    });
    assert.equal(found.engines.wasm?.state, 'installed');
    assert.equal(found.runs.s?.status, 'ok');
    assert.equal(found.machine, undefined);
  });

  describe('pins', () => {
    async function pinned(text: string, options: { names?: string[]; update?: boolean } = {}): Promise<string> {
      const { document, plan } = await load(await write('p.mlpipe', text));
      return applyEdits(text, await pinsOf(document, plan, { digest, ...options }));
    }

    it('stand below the source, aligned as it is, and change nothing else', async () => {
      const path = await write('t.csv', 'x\n1\n');
      const { digest: now } = await digest(path);
      assert.equal(
        await pinned('data t {\n  // kept\n  from      "t.csv"   // here\n\n  schema {\n    x float\n  }\n}\n'),
        `data t {\n  // kept\n  from      "t.csv"   // here\n  pin       ${now}\n\n  schema {\n    x float\n  }\n}\n`,
      );
      assert.equal(await pinned('data t {\r\n\tfrom "t.csv"\r\n}'), `data t {\r\n\tfrom "t.csv"\r\n\tpin  ${now}\r\n}`);
    });

    it('are replaced only where that is asked for', async () => {
      const { digest: now } = await digest(await write('t.csv', 'x\n1\n'));
      const old = `data t {\n  from  "t.csv"\n  pin   sha256:${'0'.repeat(64)}  // old\n}\n`;
      assert.equal(await pinned(old), old);
      assert.equal(await pinned(old, { update: true }), old.replace(/sha256:0+/, now));
      assert.equal(await pinned(old, { update: true, names: ['other'] }), old);
    });

    it('of lock files stand behind them', async () => {
      const { digest: now } = await digest(await write('package-lock.json', '{}'));
      assert.equal(
        await pinned('environment e {\n  node "24.21.0" lock "package-lock.json" // exact\n}\n'),
        `environment e {\n  node "24.21.0" lock "package-lock.json" pin ${now} // exact\n}\n`,
      );
    });

    it('go into the file that declares the data', async () => {
      const { digest: now } = await digest(await write('team/t.csv', 'x\n1\n'));
      const shared = await write('team/shared.mlpipe', 'data t {\n  from "t.csv"\n}\n');
      const { document, plan } = await load(await write('p.mlpipe', USES_IMPORT));
      const edits = await pinsOf(document, plan, { digest });
      assert.deepEqual(
        edits.map(({ name, file, before, after, uri }) => ({ name, file, before, after, uri })),
        [{ name: 't', file: 'team/shared.mlpipe', before: null, after: now, uri: URI.file(shared).toString() }],
      );
    });
  });

  describe('of the examples', () => {
    for (const name of ['digits', 'penguins', 'images'])
      it(`show ${name} whole: pinned as it is, and fitting its schema`, async () => {
        await cp(join(EXAMPLES, name), folder, { recursive: true });
        const { document, plan } = await load(join(folder, `${name}.mlpipe`));
        assert.deepEqual(lowerWhatIsWhole(document).problems, []);
        assert.deepEqual(await pinsOf(document, plan, { digest, update: true }), []);
        const found = await gatherFacts(plan, folder, { digest });
        for (const fact of Object.values(found.sources)) {
          assert.equal(fact.state, 'present');
          if (fact.state === 'present') assert.deepEqual(fact.table?.problems ?? [], []);
        }
        const { birds } = plan.data;
        if (birds === undefined) return;
        const [from, to] = [join(folder, 'data/penguins.csv'), join(folder, 'clean.csv')];
        execFileSync(process.execPath, [join(folder, 'clean.mjs'), from, to]);
        const table = await checkDataset(birds, to);
        assert.deepEqual([table.rows, table.problems], [342, []]);
      });
  });
});
