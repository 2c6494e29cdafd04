/** The formatter changes space alone, settles at once, and leaves alone what it can't read. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { TextDocument } from 'vscode-languageserver-textdocument';
import { formatText, lineEdits } from '../../grammar/formatting/formatter.ts';
import { parse, pipelines, shape } from './parsing.ts';

const builtins = readFileSync(new URL('../../grammar/builtins.mlpipe', import.meta.url), 'utf8');
const texts = [...pipelines(), { name: 'the built-ins', text: builtins }];

const bare = (text: string): string => text.replace(/\s+/g, '');

/** The same tokens on the same lines, with other space between them and other blank lines. */
function scramble(text: string, seed: number): string {
  let state = seed;
  const random = (below: number): number => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return state % below;
  };
  return text
    .split('\n')
    .map((line) => {
      if (/["/*]|^\s*$/.test(line)) return line;
      const indent = line.length - line.trimStart().length;
      // Inside brackets depth means something: what stands deeper stays deeper.
      return (
        ' '.repeat(indent * (1 + (seed % 2))) +
        line.trim().replace(/ +/g, () => ' '.repeat(1 + random(4))) +
        ' '.repeat(random(3))
      );
    })
    .flatMap((line) => (random(5) === 0 && line === '' ? [line, '', ''] : [line]))
    .join('\n');
}

describe('the formatter', () => {
  for (const { name, text } of texts) {
    it(`settles at once on ${name}, and keeps its meaning`, () => {
      for (let seed = 0; seed < 6; seed++) {
        const scrambled = seed === 0 ? text : scramble(text, seed);
        const formatted = formatText(scrambled);
        assert.equal(formatText(formatted), formatted);
        assert.equal(bare(formatted), bare(text));
        assert.equal(shape(parse(formatted).file), shape(parse(text).file));
        assert.deepEqual(parse(formatted).errors, []);
      }
    });
  }

  it('leaves the sample as it is', () => {
    const sample = pipelines()[0]?.text ?? '';
    assert.equal(formatText(sample), sample);
    assert.equal(formatText(scramble(sample, 4)), sample);
  });

  const cases: [string, string, string][] = [
    [
      'aligns values and gates',
      'evaluate t on d.x {\naccuracy>=95% within 2pt\nloss <= 0.2 within 10 %\n}',
      'evaluate t on d.x {\n  accuracy  >= 95%  within 2 pt\n  loss      <= 0.2  within 10%\n}\n',
    ],
    [
      'begins new columns after a blank line',
      'train t {\n  epochs 1\n\n\n  in cpu\n  on d\n}\n',
      'train t {\n  epochs  1\n\n  in  cpu\n  on  d\n}\n',
    ],
    [
      'aligns comments behind a run of lines',
      'train t {\n  epochs 1 // a\n  optimizer adam // b\n}\n',
      'train t {\n  epochs     1     // a\n  optimizer  adam  // b\n}\n',
    ],
    ['puts a brace to its header', 'model m\n{\n\n  flatten\n\n}\n', 'model m {\n  flatten\n}\n'],
    [
      'indents what is broken inside brackets',
      'model m {\n  conv2d(\n      filters: 16,\n        kernel: 3\n    )\n}\n',
      'model m {\n  conv2d(\n    filters: 16,\n    kernel: 3\n  )\n}\n',
    ],
    [
      'tells signs from subtraction',
      'param a=-1 in - 2..3\nparam b = a-1\n',
      'param a = -1 in -2 .. 3\nparam b = a - 1\n',
    ],
    ['keeps a block on one line', 'data d {\n  split { train 100% }\n}\n', 'data d {\n  split { train 100% }\n}\n'],
    [
      'indents comments and keeps their form',
      'data d {\n/* one\n * two\n */\nfrom "x"\n}\n',
      'data d {\n  /* one\n   * two\n   */\n  from  "x"\n}\n',
    ],
    ['keeps Windows line ends', 'param a=1\r\nparam b=2\r\n', 'param a = 1\r\nparam b = 2\r\n'],
    [
      'formats what is sound beside a line that is not',
      'train t {\nepochs\nbatch 32\noptimizer §adam\n}\n',
      'train t {\n  epochs\n  batch  32\noptimizer §adam\n}\n',
    ],
    [
      'leaves a block alone whose braces do not fit',
      'data d {\n    from   "x"\n\ntrain t {\nepochs   3\n}\n',
      'data d {\n    from   "x"\n\ntrain t {\n  epochs  3\n}\n',
    ],
    ['keeps an empty file empty', '', ''],
  ];
  for (const [behaviour, text, expected] of cases) {
    it(behaviour, () => {
      assert.equal(formatText(text), expected);
      assert.equal(formatText(expected), expected);
    });
  }

  it('never loses a character of a file with errors, and settles at once', () => {
    const pieces = fc.constantFrom(
      'train t {',
      'epochs 3',
      '}',
      '{',
      '(',
      ')',
      '[',
      '"a ${',
      '}"',
      '// c',
      '/*',
      '*/',
      'sha256 : 9',
      'a . . b',
      '1 . 5',
      '§',
      '- 1',
      'in',
      'data',
      ',',
      ':',
      '..',
      '=',
      '\n',
      '\n',
      '  ',
      '\t',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 40 }), (parts) => {
        const text = parts.join(' ');
        const formatted = formatText(text);
        assert.equal(bare(formatted), bare(text));
        assert.equal(formatText(formatted), formatted);
      }),
      { numRuns: 400 },
    );
  });

  it('gives edits that lead to the formatted text', () => {
    for (const { text } of texts) {
      for (const from of [scramble(text, 3), scramble(text, 8)]) {
        const to = formatText(from);
        const document = TextDocument.create('file:///x.mlpipe', 'mlpipe', 1, from);
        assert.equal(TextDocument.applyEdits(document, lineEdits(from, to)), to);
      }
    }
  });
});
