/** Characters that the language does not have: one error a run, in the words of the language, with what to do. */
import assert from 'node:assert/strict';
import type { Diagnostic } from 'vscode-languageserver-protocol';
import { formatText } from '../../grammar/formatting/formatter.ts';
import { NO_FACTS } from '../../grammar/rules/facts.ts';
import { diagnose } from './fixtures.ts';
import { parse, shape } from './parsing.ts';

const around = (line: string): string => `environment cpu {\n  ${line}\n  results  repeatable\n}\n`;

const said = async (text: string): Promise<string[]> =>
  (await diagnose('/characters/x.mlpipe', text, NO_FACTS)).diagnostics.map(
    ({ range, message }: Diagnostic) =>
      `${range.start.line}:${range.start.character}-${range.end.character} ${String(message)}`,
  );

const ENGINE = 'engine  wasm "4.22.0"';

describe('a strange character', () => {
  /** A line, what is said of it, and the line that it is read as. */
  const cases: [string, string, string][] = [
    [`# why`, '1:2-7 A comment begins with `//` here. Write it for `#`.', ''],
    [`${ENGINE} # why`, '1:24-29 A comment begins with `//` here. Write it for `#`.', ENGINE],
    [`${ENGINE} /* why`, '1:24-30 This comment is not closed. Add `*/` at its end.', ENGINE],
    [`engine  wasm '4.22.0'`, '1:15-23 A text stands in straight double quotes. Write `"` for `\'`.', ENGINE],
    [`engine  wasm “4.22.0”`, '1:15-23 A text stands in straight double quotes. Write `"` for `“` and `”`.', ENGINE],
    [`${ENGINE};`, '1:23-24 `;` means nothing here. A fact ends with its line. Remove it.', ENGINE],
    [`engine §§§ wasm "4.22.0"`, '1:9-12 `§§§` means nothing here. Remove it.', ENGINE],
    [`${ENGINE} 😀😀`, '1:24-28 `😀😀` means nothing here. Remove it.', ENGINE],
    [`engine \0wasm "4.22.0"`, '1:9-10 There is an invisible character here, U+0000. Remove it.', ENGINE],
    [`engine \u200bwasm "4.22.0"`, '1:9-10 There is an invisible character here, U+200B. Remove it.', ENGINE],
    [`engine \ud800wasm "4.22.0"`, '1:9-10 There is an invisible character here, U+D800. Remove it.', ENGINE],
    [`engine\u00a0wasm\u2003"4.22.0"`, '', ENGINE],
    [
      `engine  größe "4.22.0"`,
      '1:10-15 `größe` has letters that names here do not have. Write it with `a` to `z`, digits and `_`.',
      'engine  größe "4.22.0"',
    ],
    [
      `日本 "x"`,
      '1:2-4 `日本` has letters that names here do not have. Write it with `a` to `z`, digits and `_`.',
      '日本 "x"',
    ],
  ];
  for (const [line, message, meant] of cases) {
    it(`is one error in ${JSON.stringify(line)}`, async () => {
      assert.deepEqual(await said(around(line)), message === '' ? [] : [message]);
      assert.equal(shape(parse(around(line)).file), shape(parse(around(meant)).file));
    });
  }

  it('keeps a column of another alphabet one thing, with its label', () => {
    const { file, errors } = parse(
      'data d {\n  schema {\n    größe  float in 0 .. 1\n  }\n}\nmodel m {\n  l(größe: 3)\n}\n',
    );
    assert.equal(errors.length, 2);
    assert.ok(shape(file).includes('"name":"größe"'));
    assert.ok(shape(file).includes('"parameter":"-> größe"'));
  });

  it('is not named ten thousand times, and takes no longer than the text is long', () => {
    for (const text of ['« ', '\' " ', '# ', '/* ', 'ö ', '§ x ']) {
      const before = Date.now();
      const { errors } = parse(text.repeat(50_000));
      assert.ok(errors.filter((message) => message.includes('means nothing')).length <= 101);
      assert.ok(Date.now() - before < 10_000, `${JSON.stringify(text)} took ${Date.now() - before} ms`);
    }
  }).timeout(60_000);

  describe('of a text over several lines', () => {
    const LONG = 'A text ends on its line here. Join commands by `&&`, or put them into a file that the step reads.';
    const body = '    python "a.py" {\n\n    // 3 && # x\n';
    const cases: [string, string][] = [
      ['is closed on a line of its own', `step s {\n  run """\n${body}  """\n  in cpu\n}\n`],
      ['is closed behind its last word', `step s {\n  run """\n${body}    x"""\n  in cpu\n}\n`],
      ['is closed at once', 'step s {\n  run """x"""\n  in cpu\n}\n'],
      ['is never closed', `step s {\n  run """\n${body}  in cpu\n}\n`],
    ];
    for (const [what, text] of cases) {
      it(`that ${what} is one error, and costs nothing else`, () => {
        const whole = `${text}\nparam after = 1\n`;
        const { file, errors } = parse(whole);
        assert.deepEqual(errors, [LONG]);
        assert.equal(shape(file), shape(parse('step s {\n  run ""\n  in cpu\n}\nparam after = 1\n').file));
        assert.ok(formatText(whole).includes(text.slice(0, text.indexOf('  in cpu'))));
        assert.equal(formatText(formatText(whole)), formatText(whole));
      });
    }
  });
});
