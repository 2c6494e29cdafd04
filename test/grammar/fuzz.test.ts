/** Whatever is written: reading it never throws, never hangs, and never loses what is beyond the error. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { formatText } from '../../grammar/formatting/formatter.ts';
import { lowerWhatIsWhole } from '../../grammar/plan/lower.ts';
import { NO_FACTS } from '../../grammar/rules/facts.ts';
import { NESTING_LIMIT } from '../../grammar/syntax/limits.ts';
import { diagnose } from './fixtures.ts';
import { forget, load, parse, pipelines } from './parsing.ts';

const sample = pipelines()[0]?.text ?? '';

const edit = fc.record({
  at: fc.nat(sample.length),
  remove: fc.nat(12),
  insert: fc.string({ maxLength: 8, unit: 'binary' }),
});

describe('reading anything', () => {
  it('survives any characters', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ maxLength: 400, unit: 'binary' }), async (text) => {
        forget((await load(text)).document);
      }),
      { numRuns: 200 },
    );
  });

  it('survives any edits of the sample, and keeps a block that they do not touch', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 6 }), async (edits) => {
        let text = sample;
        for (const { at, remove, insert } of edits)
          text = text.slice(0, at) + insert.replaceAll('/*', '') + text.slice(at + remove);
        const { file, document } = await load(`${text}\n*/\n\ndata kept {\n  from "x"\n}\n`);
        forget(document);
        assert.ok(file.elements.some((element) => 'name' in element && element.name === 'kept'));
      }),
      { numRuns: 200 },
    );
  });

  it('survives every truncation of the sample', () => {
    for (let end = 0; end <= sample.length; end += 3) parse(sample.slice(0, end));
  });

  const deep = 20_000;
  const hostile: Record<string, string> = {
    parentheses: `param a = ${'('.repeat(deep)}1${')'.repeat(deep)}\n`,
    'open parentheses': `param a = ${'('.repeat(deep)}\n`,
    lists: `param a = ${'['.repeat(deep)}${']'.repeat(deep)}\n`,
    braces: `foo ${'{\n'.repeat(deep)}${'}\n'.repeat(deep)}`,
    calls: `model m {\n  l(${'a: b('.repeat(deep)}\n}\n`,
    templates: `step s {\n  run ${'"${'.repeat(2000)}1${'}"'.repeat(2000)}\n}\n`,
    'a long sum': `param a = 1${' + 1'.repeat(deep)}\n`,
    'a long chain of dots': `param a = x${'.y'.repeat(deep)}\n`,
    'a long list': `param a = [1${', 1'.repeat(deep)}]\n`,
    'a long union': `layer l(a: int${' | int'.repeat(deep)})\n`,
    signs: `param a = ${'-'.repeat(deep)}1\n`,
  };
  for (const [what, text] of Object.entries(hostile)) {
    it(`survives ${what}, and what follows`, async () => {
      const { file, document } = await load(`${text}param after = 1\n`);
      forget(document);
      assert.ok(file.elements.some((element) => 'name' in element && element.name === 'after'));
    });
  }

  it('says once that brackets stand too deep', async () => {
    const { diagnostics, document } = await load(
      `param a = ${'('.repeat(NESTING_LIMIT + 5)}1${')'.repeat(NESTING_LIMIT + 5)}\n`,
    );
    forget(document);
    assert.equal(
      diagnostics.filter(({ message }) => `${message}`.includes(`more than ${NESTING_LIMIT} deep`)).length,
      1,
    );
  });
});

describe('judging anything', () => {
  const chain = (count: number, value: (next: string) => string): string =>
    `${Array.from({ length: count }, (_, i) => `param a${i} = ${value(`a${i + 1}`)}`).join('\n')}\nparam a${count} = 1\n`;
  const lines = 5_000;
  const hostile: Record<string, string> = {
    'a long chain of parameters': chain(lines, (next) => next),
    'numbers that double': chain(100, (next) => `${next} + ${next}`),
    'texts that double': chain(100, (next) => `"\${${next}}\${${next}}"`),
    'lists that double': chain(100, (next) => `[${next}, ${next}]`),
    'a long circle': `${chain(lines, (next) => next)}param b = a0\n`.replace(/= 1$/m, '= b'),
    'many misspelt facts': `train t {\n${'  epohcs 12\n'.repeat(lines)}}\n`,
    'many misspelt blocks': 'trian t {\n  epohcs 12\n}\n'.repeat(1000),
    'many blocks that are not closed': 'data d {\n'.repeat(lines),
    'many arguments of one name': `model m {\n  dense(${'units: 1, '.repeat(lines)})\n}\n`,
    'many words on one line': 'x '.repeat(100_000),
    'many values on one line': `param a = [1${', 1'.repeat(50_000)}]\n`,
    'many comments that are not closed': '/* '.repeat(100_000),
    'many layers': `model m {\n  input d.x\n${'  dense(units: 3)\n'.repeat(lines)}}\ndata d {\n  schema {\n    x float\n  }\n}\n`,
    'no shape': '\0'.repeat(100_000),
    'halves of characters': '\ud800 '.repeat(30_000),
    'marks of byte order': '\ufeff'.repeat(30_000),
    'old line ends': 'param a = 1\r'.repeat(2000),
    'line ends of other alphabets': 'param a = 1\u2028'.repeat(2000),
  };
  for (const [what, text] of Object.entries(hostile)) {
    it(`survives ${what}, in time`, async () => {
      const before = Date.now();
      const { document } = await diagnose('/fuzz/x.mlpipe', text, NO_FACTS);
      lowerWhatIsWhole(document);
      formatText(text);
      // Seconds where it grows with the text, on a slow machine; hours where it grows with its square.
      assert.ok(Date.now() - before < 15_000, `${Date.now() - before} ms`);
    }).timeout(60_000);
  }
});
