import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { globExpression } from '../../runtime/data/glob.ts';
import { expandSource } from '../../runtime/data/sources.ts';

describe('a glob', () => {
  const cases: [string, string[], string[]][] = [
    ['*.csv', ['a.csv', '.csv'], ['a.tsv', 'x/a.csv', 'acsv']],
    ['?.csv', ['a.csv'], ['ab.csv', '/.csv']],
    ['**/*.csv', ['a.csv', 'x/a.csv', 'x/y/a.csv'], ['a.csv.gz']],
    ['x/**', ['x/a', 'x/y/a'], ['y/x']],
    ['part-[0-9].csv', ['part-3.csv'], ['part-a.csv']],
    ['part-[!0-9].csv', ['part-a.csv'], ['part-3.csv', 'part-/.csv']],
    ['*.{csv,tsv}', ['a.csv', 'a.tsv'], ['a.txt', 'a.csv,tsv']],
    ['a+(b).c$v', ['a+(b).c$v'], ['aab.c$v']],
    ['a[b', ['a[b'], ['ab']],
    ['a{b', ['a{b'], ['ab']],
  ];
  for (const [pattern, yes, no] of cases)
    it(`${pattern} means what shells mean`, () => {
      for (const path of yes) assert.match(path, globExpression(pattern));
      for (const path of no) assert.doesNotMatch(path, globExpression(pattern));
    });

  it('of any signs can be read, and means at least itself where it has no signs', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', '*', '?', '[', ']', '{', '}', ',', '/', '\\', '-', '!', '.') }),
        (text) => {
          assert.equal(typeof globExpression(text).test('a'), 'boolean');
          const plain = text.replace(/[*?[{]/g, '');
          assert.match(plain, globExpression(plain));
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('the files of a source', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mlpipe-sources-'));
    for (const name of ['b/2.csv', 'b/10.csv', 'a.csv', 'B.csv', '.hidden/x.csv', 'b/.x.csv', 'odd[1].csv']) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), name);
    }
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const parts = async (path: string): Promise<(string | undefined)[]> =>
    (await expandSource(join(folder, path))).map((file) => file.part);

  it('stand in the order of their paths, hidden ones left out', async () => {
    assert.deepEqual(await parts(''), ['B.csv', 'a.csv', 'b/10.csv', 'b/2.csv', 'odd[1].csv']);
    assert.deepEqual(await parts('*.csv'), ['B.csv', 'a.csv', 'odd[1].csv']);
    assert.deepEqual(await parts('**/*.csv'), ['B.csv', 'a.csv', 'b/10.csv', 'b/2.csv', 'odd[1].csv']);
    assert.deepEqual(await parts('b/*.csv'), ['10.csv', '2.csv']);
  });

  it('may be one whose name looks like a pattern', async () => {
    assert.deepEqual(await parts('odd[1].csv'), [undefined]);
  });

  it('are missed where there are none', async () => {
    await assert.rejects(parts('*.parquet'), { code: 'data-missing' });
    await assert.rejects(parts('nowhere/*.csv'), { code: 'data-missing' });
    await mkdir(join(folder, 'empty'), { recursive: true });
    await assert.rejects(parts('empty'), { code: 'data-missing' });
    await rm(join(folder, 'empty'), { recursive: true });
  });
});
