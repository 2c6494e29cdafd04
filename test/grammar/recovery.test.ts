/** An error costs its line, never another block: tried at every token of the sample and of the examples. */
import assert from 'node:assert/strict';
import type { AstNode } from 'langium';
import type * as ast from '../../grammar/generated/ast.ts';
import { LayoutLexer } from '../../grammar/syntax/layout.ts';
import { slipsOf } from '../../grammar/syntax/spelling.ts';
import { lineOf, load, parse, pipelines, services, shape } from './parsing.ts';

interface Edit {
  text: string;
  line: number;
}

type Place = { text: string; from: number; to: number; line: number };

const insert =
  (what: string) =>
  ({ text, from, line }: Place): Edit => ({ text: `${text.slice(0, from)}${what} ${text.slice(from)}`, line });

const EDITS: Record<string, (place: Place) => Edit> = {
  'delete the token': ({ text, from, to, line }) => ({ text: text.slice(0, from) + text.slice(to), line }),
  'cut the rest of the line': ({ text, from, line }) => {
    const end = text.indexOf('\n', from);
    return { text: text.slice(0, from) + text.slice(end < 0 ? text.length : end), line };
  },
  'insert a word': insert('foo'),
  'insert a keyword': insert('train'),
  'insert a quote': insert('"'),
  'insert (': insert('('),
  'insert )': insert(')'),
  'insert [': insert('['),
  'insert {': insert('{'),
  'insert }': insert('}'),
  'insert ${': insert('"${'),
  'insert something strange': insert('§'),
};

/**
 * What is lost today, as measured: edits after which another block is not as it was, of all edits. These must not get
 * worse; everything that is not listed loses nothing.
 */
const LOST_BLOCKS: Record<string, number> = {};

/** The share of other lines of the same block that must survive, over all edits of a kind. */
const LINES_KEPT = 0.97;

const lexer = new LayoutLexer(services);

function blocks(elements: readonly AstNode[]): Map<number, string> {
  return new Map(elements.map((element) => [lineOf(element), shape(element)]));
}

/** Facts of blocks by line: type and content, nested facts by themselves. */
function facts(elements: readonly AstNode[]): Map<number, string> {
  const found = new Map<number, string>();
  const visit = (node: AstNode): void => {
    for (const key of ['facts', 'columns'] as const) {
      const nested = (node as AstNode & Record<string, unknown>)[key];
      for (const fact of Array.isArray(nested) ? (nested as AstNode[]) : []) {
        if ('columns' in fact || 'facts' in fact) visit(fact);
        else found.set(lineOf(fact), shape(fact));
      }
    }
  };
  for (const element of elements) visit(element);
  return found;
}

describe('recovery', () => {
  for (const { name, text } of pipelines()) {
    const { tokens } = lexer.tokenizeAsWritten(text);
    const whole = parse(text);
    const before = blocks(whole.file.elements);
    const factsBefore = facts(whole.file.elements);
    const starts = [...before.keys()];

    it(`reads ${name} without an error`, () => assert.deepEqual(whole.errors, []));

    for (const [kind, edit] of Object.entries(EDITS)) {
      it(`keeps every other block of ${name} when one would ${kind}`, () => {
        const lost: string[] = [];
        let kept = 0;
        let all = 0;
        for (const token of tokens) {
          const edited = edit({ text, from: token.startOffset, to: token.endOffset + 1, line: token.startLine });
          const { file } = parse(edited.text);
          const now = blocks(file.elements);
          const own = starts.findLast((start) => start <= edited.line);
          const gone = [...before].filter(([line, was]) => line !== own && now.get(line) !== was).map(([line]) => line);
          const extra = [...now.keys()].filter((line) => !before.has(line) && line !== edited.line);
          if (gone.length + extra.length > 0)
            lost.push(`line ${edited.line} at ${token.image}: ${[...gone, ...extra].join(', ')}`);
          const factsNow = facts(file.elements);
          for (const [line, was] of factsBefore) {
            if (line === edited.line) continue;
            all++;
            if (factsNow.get(line) === was) kept++;
          }
        }
        const bearable = LOST_BLOCKS[`${name}: ${kind}`] ?? 0;
        assert.ok(
          lost.length <= bearable,
          `${lost.length} of ${tokens.length} edits lose a block:\n${lost.slice(0, 10).join('\n')}`,
        );
        assert.ok(kept / all >= LINES_KEPT, `only ${((100 * kept) / all).toFixed(1)}% of the other lines survive`);
      });
    }

    it(`keeps what stands before the end of ${name}, wherever that is`, () => {
      for (const token of tokens) {
        const now = blocks(parse(text.slice(0, token.startOffset)).file.elements);
        const own = starts.findLast((start) => start <= token.startLine) ?? 0;
        for (const [line, was] of before) if (line < own) assert.equal(now.get(line), was, `cut before ${token.image}`);
      }
    });
  }

  it('names the word that is missing, on the line to blame', async () => {
    const cases: [string, number, string][] = [
      ['model\ntrain t {\n}\n', 0, 'A name is missing after `model`.'],
      ['train t {\n  epochs\n  batch 3\n}\n', 1, 'A value is missing after `epochs`.'],
      ['data d {\n  from\n  pin sha256:00\n}\n', 1, 'A text or a name is missing after `from`.'],
      ['train t {\n  optimizer adam(rate: )\n}\n', 1, 'A value should stand here, not `)`.'],
      ['train t {\n  optimizer adam(rate: 1\n  epochs 3\n}\n', 1, '`)` is missing after `1`.'],
      ['data d {\n  from "x\n}\n', 1, 'This text is not closed. Add `"` at its end.'],
      ['data d {\n  from "x"\n\nmodel m {\n  flatten\n}\n', 1, 'A `}` is missing after this.'],
      ['data d {\n  pin abc\n}\n', 1, 'A digest should stand here, not `abc`.'],
      ['train t {\n  epochs 3 4\n}\n', 1, '`4` does not belong here.'],
      ['param\n', 0, 'A name is missing after `param`.'],
    ];
    for (const [text, line, message] of cases) {
      const { diagnostics } = await load(text);
      const syntax = diagnostics.filter(({ data }) => data?.code !== 'linking-error');
      assert.deepEqual(
        syntax.map((found) => [found.range.start.line, found.message]),
        [[line, message]],
        text,
      );
    }
  });

  it('takes an unknown word with its block or its line as one thing', async () => {
    for (const text of [
      'gadget cpu {\n  node "1"\n}\n',
      'data d {\n  things {\n    a int\n  }\n}\n',
      'train t {\n  duration 12\n}\n',
      'train t {\n  epohcs\n}\n',
    ]) {
      const { diagnostics, file } = await load(`${text}param p = 1\n`);
      assert.deepEqual(diagnostics, [], text);
      assert.equal(file.elements.length, 2);
      assert.ok(shape(file).includes('"$type":"Unknown"'));
    }
  });

  it('reads a misspelt word as what was meant, and leaves the text as it is', () => {
    for (const [text, meant] of [
      ['enviroment cpu {\n  node "1"\n}\n', 'environment'],
      ['data d {\n  shcema {\n    a int\n  }\n}\n', 'schema'],
      ['train t {\n  epoks 12\n}\n', 'epochs'],
      ['deploy d off t {\n  when approved\n}\n', 'of'],
      ['step s {\n  rn "x"\n}\n', 'run'],
      ['data d {\n  split {\n    a 100%\n    sed 7\n  }\n}\n', 'seed'],
    ] as const) {
      const result = services.parser.LangiumParser.parse<ast.File>(text);
      const [slip] = slipsOf(result);
      assert.ok(slip, text);
      assert.equal(slip.meant, meant);
      assert.equal(text.slice(slip.offset, slip.offset + slip.word.length), slip.word);
      assert.deepEqual(result.parserErrors, []);
      const mended = text.slice(0, slip.offset) + meant + text.slice(slip.offset + slip.word.length);
      assert.equal(shape(result.value), shape(parse(mended).file));
      assert.equal(result.value.$cstNode?.text, text.trimEnd());
    }
  });

  it('takes a part of a split for a part, however near its name is to a word', () => {
    const text = 'param share = 80%\ndata d {\n  split {\n    seeds  20%\n    groups  share\n  }\n}\n';
    assert.deepEqual(slipsOf(services.parser.LangiumParser.parse(text)), []);
  });
});
