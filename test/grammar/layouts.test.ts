/**
 * The formatter on what people do not write: valid files laid out at random, comments in every gap, Windows line ends.
 * It settles at once, loses no character, and the tree stays what it was; so do edits of a part of the file.
 */
import assert from 'node:assert/strict';
import { TextDocument } from 'vscode-languageserver-textdocument';
import { formatText, lineEdits, MlpipeFormatter } from '../../grammar/formatting/formatter.ts';
import { LayoutLexer } from '../../grammar/syntax/layout.ts';
import { forget, load, parse, pipelines, services, shape } from './parsing.ts';

const lexer = new LayoutLexer(services);
const formatter = new MlpipeFormatter(services);
const bare = (text: string): string => text.replace(/\s+/g, '');

/** Numbers that are the same in each run. */
function randomFrom(seed: number): { below: (count: number) => number; of: (choices: readonly string[]) => string } {
  let state = seed;
  const below = (count: number): number => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return Math.floor(state / 65536) % count;
  };
  return { below, of: (choices) => choices[below(choices.length)] ?? '' };
}

type Random = ReturnType<typeof randomFrom>;

/** The same tokens with other space between them, other line breaks where they mean nothing, and comments. */
function laidOut(text: string, random: Random): string {
  let out = '';
  let brackets = 0;
  let before = '';
  for (const { image, tokenType } of lexer.tokenize(text).tokens) {
    const kind = tokenType.name;
    if (image === '') {
      out += (out === '' ? '' : lineEnd(random)) + (kind === 'SECTION' ? '' : random.of(['', '  ', '\t', '    ']));
      before = '';
      continue;
    }
    if (before !== '') out += gap(before, kind, brackets, random);
    out += image;
    before = kind;
    if (kind === '(' || kind === '[') brackets++;
    if (kind === ')' || kind === ']') brackets--;
  }
  return out + random.of(['', '\n', '\n\n', ' ', '\n// last', '\n/* last */']);
}

function lineEnd(random: Random): string {
  const comment =
    random.below(8) === 0 ? random.of([' // x', '\t// "q"', ' // }', ' // { (', ' // ü €', ' //\t tab ']) : '';
  const alone = random.of(['', '', '', '', '', '', '  // alone\n', '/* two\n * lines\n */\n']);
  return comment + random.of(['\n', '\n', '\n\n', '\n\n\n', ' \n', '\n\t\n']) + alone;
}

function gap(before: string, kind: string, brackets: number, random: Random): string {
  if (kind === '}') return random.of(['\n', '\n\n', '\n // end\n']);
  if (kind === '{') return random.of([' ', '\n', '  ', ' \n\n']);
  if (/^TEXT_(MIDDLE|END)$/.test(kind) || /^TEXT_(START|MIDDLE)$/.test(before)) return random.of(['', ' ']);
  const breaks = brackets > 0 && random.below(4) === 0;
  if (breaks && /^[([,]$/.test(before)) return `${random.of(['', '', ' // in'])}\n          ${random.of(['', '  '])}`;
  if (breaks && /^[)\]]$/.test(kind)) return `\n${random.of(['', '    '])}`;
  if (/^[([.:]$/.test(kind) || before === '.') return '';
  if (/^[)\],%]$/.test(kind) || /^[([]$/.test(before)) return random.of(['', ' ']);
  return random.of([' ', '  ', '\t', ' \t ']) + random.of(['', '', '', '', '', '', '', '', '/* c */ ', '/** d */ ']);
}

/** What must hold of the formatter for a text that can be read, and one that cannot. */
function assertHarmless(text: string, what: string): void {
  const formatted = formatText(text);
  assert.equal(bare(formatted), bare(text), `${what}: characters`);
  assert.equal(formatText(formatted), formatted, `${what}: settles`);
  assert.equal(shape(parse(formatted).file), shape(parse(text).file), `${what}: tree`);
  if (text.includes('\r\n')) assert.doesNotMatch(formatted, /[^\r]\n/, `${what}: line ends`);
}

describe('the formatter, whatever the layout', () => {
  for (const { name, text } of pipelines()) {
    it(`settles, and keeps every character and the tree of ${name}`, () => {
      const random = randomFrom(7);
      for (let i = 0; i < 60; i++) {
        const written = laidOut(text, random);
        const laid = i % 5 === 0 ? written.replaceAll('\n', '\r\n') : written;
        assert.deepEqual(parse(laid).errors, [], laid);
        assert.equal(shape(parse(laid).file), shape(parse(text).file));
        assertHarmless(laid, `layout ${i}`);
        assert.notEqual(formatText(laid), laid);
        assert.doesNotMatch(formatText(laid), /[ \t]\r?\n/, 'space at the end of a line');
      }
    });

    it(`keeps a comment in every gap of ${name}`, () => {
      for (const { startOffset, endOffset, image } of lexer.tokenizeAsWritten(text).tokens) {
        for (const comment of ['/* c */', '/* c\n d */'])
          assertHarmless(text.slice(0, startOffset) + comment + text.slice(startOffset), `${comment} before ${image}`);
        const broken = `${text.slice(0, endOffset + 1)} // c\n${text.slice(endOffset + 1)}`;
        assertHarmless(broken, `// c after ${image}`);
        assertHarmless(broken.replaceAll('\n', '\r\n'), `// c after ${image}, with Windows line ends`);
      }
    });

    it(`keeps the tree of ${name} when a part is formatted, or a line as it is typed`, async () => {
      const random = randomFrom(11);
      for (let i = 0; i < 25; i++) {
        const laid = laidOut(text, random);
        const { document } = await load(laid);
        const { textDocument, uri } = document;
        const whole = TextDocument.create(`${uri}`, 'mlpipe', 1, laid);
        const line = random.below(textDocument.lineCount);
        const range = { start: { line, character: 0 }, end: { line: line + random.below(6), character: 0 } };
        const options = { tabSize: 2, insertSpaces: true };
        const identifier = { textDocument: { uri: `${uri}` }, options };
        for (const edits of [
          formatter.formatDocumentRange(document, { ...identifier, range }),
          formatter.formatDocumentOnType(document, { ...identifier, position: range.start, ch: '\n' }),
        ]) {
          const edited = TextDocument.applyEdits(whole, edits);
          assert.equal(bare(edited), bare(laid));
          assert.equal(shape(parse(edited).file), shape(parse(laid).file), JSON.stringify({ line, laid, edits }));
        }
        const all = TextDocument.applyEdits(whole, lineEdits(laid, formatText(laid)));
        assert.equal(all, formatText(laid));
        forget(document);
      }
    });
  }
});
