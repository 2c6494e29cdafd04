import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import type { ColumnPlan, DataPlan } from '../../grammar/plan/plan.ts';
import type { SchemaProblem } from '../../grammar/rules/facts.ts';
import type { Dataset } from '../../runtime/data/dataset.ts';
import { checkDataset, type DatasetOptions, readDataset } from '../../runtime/data/read.ts';
import { MlpipeError } from '../../runtime/errors.ts';

const number = (name: string, ...shape: number[]): ColumnPlan => ({ name, type: { kind: 'float', shape } });
const int = (name: string): ColumnPlan => ({ name, type: { kind: 'int', shape: [] } });
const text = (name: string): ColumnPlan => ({ name, type: { kind: 'text' } });
const bool = (name: string): ColumnPlan => ({ name, type: { kind: 'bool', shape: [] } });
const classes = (name: string, of: number | string[]): ColumnPlan => ({
  name,
  type: typeof of === 'number' ? { kind: 'class', count: of } : { kind: 'class', labels: of },
});

describe('reading delimited text', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mlpipe-csv-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const planOf = (path: string, schema: ColumnPlan[]): DataPlan => ({
    name: 'table',
    source: { kind: 'path', path },
    schema,
  });

  async function write(content: string | Buffer, name = 'table.csv'): Promise<string> {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
    return path;
  }

  async function read(
    content: string | Buffer,
    schema: ColumnPlan[],
    options?: DatasetOptions,
    name?: string,
  ): Promise<Dataset> {
    return readDataset(planOf(name ?? 'table.csv', schema), await write(content, name), options);
  }

  async function problems(content: string | Buffer, schema: ColumnPlan[]): Promise<SchemaProblem[]> {
    return (await checkDataset(planOf('table.csv', schema), await write(content))).problems;
  }

  const values = (dataset: Dataset, name: string): number[] => [...(dataset.columns[name]?.values ?? [])];

  const table = [
    [1.5, -2],
    [0, 4e3],
  ];
  const dialects: [string, string | Buffer, string?][] = [
    ['commas', 'a,b\n1.5,-2\n0,4e3\n'],
    ['semicolons', 'a;b\n1.5;-2\n0;4e3\n'],
    ['tabs', 'a\tb\n1.5\t-2\n0\t4e3\n'],
    ['pipes', 'a|b\n1.5|-2\n0|4e3\n'],
    ['Windows line ends', 'a,b\r\n1.5,-2\r\n0,4e3\r\n'],
    ['no last line end', 'a,b\n1.5,-2\n0,4e3'],
    ['no last line end after a carriage return', 'a,b\r\n1.5,-2\r\n0,4e3\r'],
    ['a byte order mark', '\ufeffa,b\n1.5,-2\n0,4e3\n'],
    ['quotes round everything', '"a","b"\n"1.5","-2"\n"0","4e3"\n'],
    ['spaces round fields', 'a, b\n1.5, -2\n 0 ,4e3\n'],
    ['blank lines', '\na,b\n\n1.5,-2\n\r\n0,4e3\n\n\n'],
    ['no header', '1.5,-2\n0,4e3\n'],
    ['columns in another order', 'b,a\n-2,1.5\n4e3,0\n'],
    ['further columns', 'id,b,note,a\n7,-2,"x, y",1.5\n8,4e3,,0\n'],
    ['a plus sign', 'a,b\n+1.5,-2\n0,+4e+3\n'],
    ['gzip', gzipSync('a,b\n1.5,-2\n0,4e3\n'), 'table.csv.gz'],
    ['an ending that says tabs', 'a\tb\n1.5\t-2\n0\t4e3\n', 'table.tsv'],
  ];
  for (const [name, content, file] of dialects) {
    it(`reads ${name}`, async () => {
      const dataset = await read(content, [number('a'), number('b')], {}, file);
      assert.equal(dataset.rows, 2);
      assert.deepEqual(values(dataset, 'a'), [table[0]?.[0], table[1]?.[0]]);
      assert.deepEqual(values(dataset, 'b'), [table[0]?.[1], table[1]?.[1]]);
    });
  }

  it('keeps line breaks, delimiters and doubled quotes inside quotes', async () => {
    const dataset = await read('name,x\n"one, ""two""\nthree",1\nplain,2\n', [text('name'), number('x')]);
    assert.deepEqual(dataset.columns.name?.texts, ['one, "two"\nthree', 'plain']);
    assert.deepEqual(values(dataset, 'x'), [1, 2]);
  });

  it('gives every number the nearest 32-bit float, however it is written', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            fc.double({ noNaN: true, min: -1e30, max: 1e30 }).map(String),
            fc.double({ noNaN: true, min: -1e5, max: 1e5 }).map((value) => value.toExponential(18)),
            fc.tuple(fc.stringMatching(/^\d{1,25}$/), fc.stringMatching(/^\d{0,30}$/)).map((parts) => parts.join('.')),
            fc
              .float({ noNaN: true, noDefaultInfinity: true, min: -(2 ** 100), max: 2 ** 100 })
              .map((value) => value.toFixed(25)),
          ),
          { minLength: 1, maxLength: 30 },
        ),
        async (fields) => {
          const dataset = await read(`x,y\n${fields.map((field) => `${field},1\n`).join('')}`, [number('x')]);
          assert.deepEqual(
            values(dataset, 'x'),
            fields.map((field) => Math.fround(Number(field))),
          );
        },
      ),
      { numRuns: 150 },
    );
  });

  it('rounds as the double would that lies next to the middle of two 32-bit floats', async () => {
    const float = fc.float({ noNaN: true, min: 1, max: 1024, noDefaultInfinity: true });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(float, fc.constantFrom(-1, 0, 1)), { minLength: 50 }), async (pairs) => {
        const fields = pairs.map(([value, side]) => {
          const spacing = 2 ** (Math.floor(Math.log2(value)) - 23);
          return ((value + spacing / 2) * (1 + side * Number.EPSILON)).toFixed(40);
        });
        const dataset = await read(`x,y\n${fields.map((field) => `${field},1\n`).join('')}`, [number('x')]);
        assert.deepEqual(
          values(dataset, 'x'),
          fields.map((field) => Math.fround(Number(field))),
        );
      }),
    );
  });

  it('reads back any table of texts and numbers that was quoted by the rules', async () => {
    const field = fc.string({ unit: fc.constantFrom('a', 'é', '"', ',', ';', '\n', ' ', '😀', '1'), maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(field, fc.integer({ min: -1000, max: 1000 })), { minLength: 1, maxLength: 20 }),
        async (rows) => {
          const lines = rows.map(([word, value]) => `"${word.replaceAll('"', '""')}",${value}`);
          const dataset = await read(`word,value\n${lines.join('\n')}\n`, [text('word'), int('value')]);
          assert.deepEqual(
            dataset.columns.word?.texts,
            rows.map(([word]) => word),
          );
          assert.deepEqual(
            values(dataset, 'value'),
            rows.map(([, value]) => value),
          );
        },
      ),
      { numRuns: 150 },
    );
  });

  it('reads rows that lie across its buffers, in a table of several megabytes', async () => {
    const rows = 120_000;
    const lines = Array.from({ length: rows }, (_, row) => `${row},"name ${row % 7}",${row * 0.5}`);
    const schema = [number('id'), classes('name', 7), number('half')];
    const dataset = await read(`id,name,half\n${lines.join('\n')}\n`, schema);
    assert.equal(dataset.rows, rows);
    assert.deepEqual(
      dataset.columns.name?.labels,
      [0, 1, 2, 3, 4, 5, 6].map((index) => `name ${index}`),
    );
    for (let row = 0; row < rows; row++) {
      assert.equal(dataset.columns.id?.values[row], row);
      assert.equal(dataset.columns.name?.values[row], row % 7);
      assert.equal(dataset.columns.half?.values[row], row * 0.5);
    }
  });

  it('takes no more memory for columns than their numbers need', async () => {
    const rows = 50_000;
    const dataset = await read(`a,b\n${'1.25,2\n'.repeat(rows)}`, [number('a'), number('b')]);
    assert.equal(dataset.columns.a?.values.length, rows);
    assert.ok((dataset.columns.a?.values.buffer.byteLength ?? 0) < rows * 4 * 1.1);
  });

  describe('columns', () => {
    it('lays a shape over consecutive fields where there is no header', async () => {
      const dataset = await read('1,2,3,4,0\n5,6,7,8,1\n', [number('pixels', 2, 2), classes('label', 2)]);
      assert.deepEqual(values(dataset, 'pixels'), [1, 2, 3, 4, 5, 6, 7, 8]);
      assert.deepEqual(values(dataset, 'label'), [0, 1]);
    });

    for (const names of [
      'p_0,p_1,p_2,p_3',
      'p.1,p.2,p.3,p.4',
      'p0,p1,p2,p3',
      'p[0],p[1],p[2],p[3]',
      'p_0_0,p_0_1,p_1_0,p_1_1',
    ])
      it(`finds the fields ${names}`, async () => {
        const dataset = await read(`label,${names}\n0,1,2,3,4\n`, [number('p', 2, 2), classes('label', 2)]);
        assert.deepEqual(values(dataset, 'p'), [1, 2, 3, 4]);
      });

    it('puts numbered fields in their order, whatever the order of the file', async () => {
      const dataset = await read('p_2,p_0,p_1\n3,1,2\n', [number('p', 3)]);
      assert.deepEqual(values(dataset, 'p'), [1, 2, 3]);
    });

    it('finds a name that is spelt with spaces and capitals', async () => {
      const dataset = await read('Flipper Length (mm),Other\n181,0\n', [number('flipperLengthMm')]);
      assert.deepEqual(values(dataset, 'flipperLengthMm'), [181]);
    });

    it('says which column is missing and which may be meant', async () => {
      assert.deepEqual(await problems('lable,x\n1,2\n', [number('x'), classes('label', 2)]), [
        { kind: 'missing-column', column: 'label', expected: 'a field of that name (is "lable" meant?)' },
      ]);
    });

    it('reads only the columns that are asked for', async () => {
      const dataset = await read('a,b\n1,oops\n', [number('a'), number('b')], { columns: ['a'] });
      assert.deepEqual(Object.keys(dataset.columns), ['a']);
    });

    it('reads no more rows than are asked for', async () => {
      const dataset = await read(`a\n${'1\n'.repeat(9000)}`, [number('a')], { limit: 5000 });
      assert.equal(dataset.rows, 5000);
      assert.equal(dataset.columns.a?.values.length, 5000);
    });
  });

  describe('types', () => {
    it('reads classes by their declared labels', async () => {
      const dataset = await read('x,c\n1,dog\n2,cat\n3,"dog"\n', [number('x'), classes('c', ['cat', 'dog'])]);
      assert.deepEqual(values(dataset, 'c'), [1, 0, 1]);
      assert.deepEqual(dataset.columns.c?.labels, ['cat', 'dog']);
    });

    it('reads indices of declared labels', async () => {
      assert.deepEqual(values(await read('c,x\n1,0\n0,0\n', [classes('c', ['cat', 'dog'])]), 'c'), [1, 0]);
    });

    it('takes a declared label that elsewhere would mean no value', async () => {
      assert.deepEqual(values(await read('c,x\nnone,0\nsome,0\n', [classes('c', ['none', 'some'])]), 'c'), [0, 1]);
    });

    it('gives labels that are learned the same indices whatever the order of the rows', async () => {
      const schema = [classes('c', 3), number('x')];
      const one = await read('c,x\nb,0\nc,0\na,0\nb,0\n', schema);
      const other = await read('c,x\na,0\nb,0\nb,0\nc,0\n', schema);
      assert.deepEqual(values(one, 'c'), [1, 2, 0, 1]);
      assert.deepEqual(values(other, 'c'), [0, 1, 1, 2]);
      assert.deepEqual(one.columns.c?.labels, ['a', 'b', 'c']);
      assert.deepEqual(other.columns.c?.labels, ['a', 'b', 'c']);
    });

    it('reads yes and no in many spellings', async () => {
      const dataset = await read('b,x\ntrue,0\nNo,0\nT,0\n0,0\n', [bool('b')]);
      assert.deepEqual(values(dataset, 'b'), [1, 0, 1, 0]);
    });
  });

  describe('what does not fit', () => {
    const x = [number('x'), number('y')];
    const cases: [string, string, ColumnPlan[], SchemaProblem][] = [
      [
        'a word',
        'x,y\n1,2\noops,2\n',
        x,
        { kind: 'wrong-type', column: 'x', line: 3, found: 'oops', expected: 'a number' },
      ],
      [
        'an empty field',
        'x,y\n1,\n',
        x,
        { kind: 'missing-value', column: 'y', line: 2, found: '', expected: 'a number' },
      ],
      ['NA', 'x,y\n1,NA\n', x, { kind: 'missing-value', column: 'y', line: 2, found: 'NA', expected: 'a number' }],
      ['NaN', 'x,y\n1,NaN\n', x, { kind: 'missing-value', column: 'y', line: 2, found: 'NaN', expected: 'a number' }],
      [
        'a decimal comma',
        'x;y\n1,5;2\n',
        x,
        {
          kind: 'wrong-type',
          column: 'x',
          line: 2,
          found: '1,5',
          expected: 'a number with a decimal point, not a decimal comma',
        },
      ],
      ['infinity', 'x,y\n1,inf\n', x, { kind: 'wrong-type', column: 'y', line: 2, found: 'inf', expected: 'a number' }],
      [
        'hexadecimal',
        'x,y\n1,0x1F\n',
        x,
        { kind: 'wrong-type', column: 'y', line: 2, found: '0x1F', expected: 'a number' },
      ],
      [
        'a number beyond 32 bits',
        'x,y\n1,1e39\n',
        x,
        { kind: 'wrong-type', column: 'y', line: 2, found: '1e39', expected: 'a number that 32 bits can hold' },
      ],
      [
        'a fraction where whole numbers are asked for',
        'x,y\n1.5,2\n',
        [int('x')],
        { kind: 'wrong-type', column: 'x', line: 2, found: '1.5', expected: 'a whole number' },
      ],
      [
        'a number outside its range',
        'x,y\n17,1\n',
        [{ ...number('x'), range: { lower: 0, upper: 16 } }],
        { kind: 'outside-range', column: 'x', line: 2, found: '17', expected: 'a number from 0 to 16' },
      ],
      [
        'a class outside the list',
        'c,x\ncat,1\nbird,1\n',
        [classes('c', ['cat', 'dog'])],
        { kind: 'unknown-class', column: 'c', line: 3, found: 'bird', expected: 'one of cat, dog' },
      ],
      [
        'a class index that is too large',
        'c,x\n0,1\n10,1\n',
        [classes('c', 10)],
        { kind: 'unknown-class', column: 'c', line: 3, found: '10', expected: 'a class index from 0 to 9' },
      ],
      [
        'a row that is too short',
        'x,y\n1,2\n3\n',
        x,
        { kind: 'wrong-width', line: 3, found: '1', expected: '2 as in the first line' },
      ],
      [
        'a row that is too long, after a quoted line break',
        'x,y,n\n1,2,"a\nb"\n3,4,c,5\n',
        x,
        { kind: 'wrong-width', line: 4, found: '4', expected: '3 as in the first line' },
      ],
    ];
    for (const [name, content, schema, expected] of cases)
      it(`tells of ${name}, with its line`, async () => {
        assert.deepEqual(await problems(content, schema), [expected]);
      });

    it('refuses to train on it and says where and what to do', async () => {
      await assert.rejects(read('x,y\n1,2\noops,2\n', x), (error) => {
        assert.ok(error instanceof MlpipeError);
        assert.equal(error.code, 'data-schema');
        assert.match(error.message, /table\.csv, line 3: column x holds "oops"; expected a number/);
        assert.ok(error.todo);
        return true;
      });
    });

    it('keeps the first few problems of each kind', async () => {
      const found = await problems(`x,y\n${'oops,\n'.repeat(50)}`, x);
      assert.deepEqual(
        found.map(({ kind, line }) => [kind, line]),
        [
          ['wrong-type', 2],
          ['missing-value', 2],
          ['wrong-type', 3],
          ['missing-value', 3],
          ['wrong-type', 4],
          ['missing-value', 4],
        ],
      );
    });

    const refusals: [string, string, string | Buffer][] = [
      ['data-quote', 'a quote that is never closed', 'x,y\n1,"2\n3,4\n'],
      ['data-encoding', 'UTF-16', Buffer.from('\ufeffx,y\n1,2\n', 'utf16le')],
      ['data-empty', 'a header without rows', 'x,y\n'],
      ['data-schema', 'an empty file', ''],
    ];
    for (const [code, name, content] of refusals)
      it(`refuses ${name}`, async () => {
        await assert.rejects(read(content, x), { code });
      });

    it('says that a file is missing', async () => {
      await assert.rejects(readDataset(planOf('no.csv', x), join(folder, 'no.csv')), { code: 'data-missing' });
    });

    it('stops when it is told to', async () => {
      const path = await write('x,y\n1,2\n');
      await assert.rejects(readDataset(planOf(path, x), path, { signal: AbortSignal.abort() }), { name: 'AbortError' });
    });
  });

  describe('several files', () => {
    it('joins what a glob matches in the order of the names, each in its own dialect', async () => {
      await write('a,b\n3,4\n', 'many/2.csv');
      await write('b;a\n2;1\n', 'many/1.csv');
      await write('not a table', 'many/README.md');
      for (const path of [join(folder, 'many/*.csv'), join(folder, 'many')]) {
        const dataset = await readDataset(planOf('many', [number('a'), number('b')]), path);
        assert.deepEqual(values(dataset, 'a'), [1, 3]);
        assert.deepEqual(values(dataset, 'b'), [2, 4]);
      }
    });

    it('names the file in which something is wrong', async () => {
      await write('a,b\n1,2\n', 'bad/1.csv');
      await write('a,b\n1,oops\n', 'bad/2.csv');
      const { problems: found } = await checkDataset(planOf('bad', [number('a'), number('b')]), join(folder, 'bad'));
      assert.deepEqual(
        found.map(({ file, line }) => [file, line]),
        [['2.csv', 2]],
      );
    });
  });

  it('tells rows, columns and statistics without keeping the data', async () => {
    const path = await write(`x,c,t\n${'1,b,\n3,a,word\n'.repeat(5000)}`);
    const fact = await checkDataset(planOf('table.csv', [number('x'), classes('c', 2), text('t')]), path);
    assert.equal(fact.rows, 10_000);
    assert.deepEqual(fact.columns, ['x', 'c', 't']);
    assert.deepEqual(fact.problems, []);
    assert.equal(fact.statistics.x?.mean, 2);
    assert.ok(Math.abs((fact.statistics.x?.standardDeviation ?? 0) - Math.sqrt(10_000 / 9_999)) < 1e-9);
    assert.deepEqual(fact.statistics.c?.classes, [
      { label: 'a', count: 5000 },
      { label: 'b', count: 5000 },
    ]);
    assert.equal(fact.statistics.t?.missing, 5000);
  });
});
