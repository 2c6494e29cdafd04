/** What stands in a text is what the tree says. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { formatText } from '../../grammar/formatting/formatter.ts';
import { differences, generate } from '../../grammar/generate.ts';
import * as ast from '../../grammar/generated/ast.ts';
import { escapeText, unescapeText } from '../../grammar/syntax/values.ts';
import { blockWords, firstWords, keywords } from '../../grammar/syntax/vocabulary.ts';
import { parse } from './parsing.ts';

function value(text: string): unknown {
  const { file, errors } = parse(`param p = ${text}\n`);
  assert.deepEqual(errors, [], text);
  const [param] = file.elements;
  return ast.isParam(param) && param.value ? plain(param.value) : undefined;
}

function plain(node: ast.Expression): unknown {
  if (ast.isQuantity(node)) return node.unit ? [node.value, node.unit.$refText] : node.value;
  if (ast.isBinaryExpression(node)) return [plain(node.left), node.operator, node.right && plain(node.right)];
  if (ast.isUnaryExpression(node)) return ['-', node.operand && plain(node.operand)];
  if (ast.isList(node)) return node.items.map(plain);
  if (ast.isPlainText(node)) return node.value;
  if (ast.isTextTemplate(node))
    return [node.start, ...node.values.flatMap((held, i) => [plain(held), node.middles[i] ?? node.end])];
  if (ast.isBooleanLiteral(node)) return node.value;
  if (ast.isNameExpression(node)) return node.target?.$refText;
  if (ast.isMemberExpression(node)) return `${plain(node.receiver)}.${node.member?.$refText}`;
  if (ast.isSecret(node)) return `secret ${node.variable}`;
  return node.$type;
}

describe('the syntax', () => {
  const values: [string, unknown][] = [
    ['1e-3', 1e-3],
    ['1_000', 1000],
    ['0.20', 0.2],
    ['2.5E+3', 2500],
    ['80%', [80, '%']],
    ['2 pt', [2, 'pt']],
    ['4GiB', [4, 'GiB']],
    ['1 + 2 * 3', [1, '+', [2, '*', 3]]],
    ['1 - 2 - 3', [[1, '-', 2], '-', 3]],
    ['(1 - 2) / 3', [[1, '-', 2], '/', 3]],
    ['-a + 1', [['-', 'a'], '+', 1]],
    ['[1, [2], "x"]', [1, [2], 'x']],
    ['[]', []],
    ['true', true],
    ['false', false],
    ['a.b.c', 'a.b.c'],
    ['secret.KEY', 'secret KEY'],
    ['"a \\"b\\" \\${HOME} $x \\\\ \\n"', 'a "b" ${HOME} $x \\ \n'],
    ['"${a}"', ['', 'a', '']],
    ['"x ${a} y ${b.c} z"', ['x ', 'a', ' y ', 'b.c', ' z']],
    ['"a ${"b ${c}"} d" // "e"', ['a ', ['b ', 'c', ''], ' d']],
    ['[\n  1,\n  2\n]', [1, 2]],
  ];
  for (const [text, expected] of values)
    it(`reads ${JSON.stringify(text)}`, () => assert.deepEqual(value(text), expected));

  it('reads ranges with and without space, and without an upper bound', () => {
    for (const text of ['0..16', '0 .. 16', '0 ..', '-1 .. 1', '1e-5..1e-1']) {
      const { file, errors } = parse(`param p = 1 in ${text}\n`);
      assert.deepEqual(errors, [], text);
      const [param] = file.elements;
      assert.ok(ast.isParam(param) && ast.isRange(param.domain), text);
    }
  });

  it('ends a fact with its line, wherever the next begins', () => {
    const { file } = parse('train t {\n  model\n  on t.loss\n  epochs 1\n}\n');
    const [train] = file.elements;
    assert.ok(ast.isTrain(train));
    assert.deepEqual(
      train.facts.map(({ $type }) => $type),
      ['ModelFact', 'OnFact', 'EpochsFact'],
    );
  });

  it('is the same with Windows line ends, tabs, braces on lines of their own and comments everywhere', () => {
    const text = 'data d {\n  from "x"\n  split {\n    a 50%\n  }\n}\n';
    for (const other of [
      text.replaceAll('\n', '\r\n'),
      text.replaceAll('  ', '\t'),
      text.replaceAll('\n', ' // c\n'),
      text.replaceAll(' {', '\n{'),
      text.replaceAll(/^ +/gm, ''),
    ]) {
      const { file, errors } = parse(other);
      assert.deepEqual(errors, [], other);
      const [data] = file.elements;
      assert.ok(ast.isData(data) && data.facts.length === 2, other);
    }
  });

  it('keeps a text through escaping and back', () => {
    for (const text of ['a "b" \\ ${c} $d\n\t', '\\${x}', '$', '']) assert.equal(unescapeText(escapeText(text)), text);
  });

  it('knows the words that a block or a fact may begin with', () => {
    assert.ok(['pipeline', 'data', 'monitor', 'layer'].every((word) => blockWords().includes(word)));
    assert.deepEqual([...firstWords({ $type: 'Data' })].sort(), ['from', 'pin', 'schema', 'split']);
    assert.deepEqual([...firstWords({ $type: 'SplitFact' })].sort(), ['group', 'seed', 'stratify']);
    assert.deepEqual(firstWords({ $type: 'Model' }), ['input']);
  });

  it('has been generated from the grammar as it is', () => {
    assert.deepEqual(differences(generate()), [], 'run `npm run generate`');
  }).timeout(60_000);
});

describe('the page of the language', () => {
  const page = readFileSync(new URL('../../docs/language.md', import.meta.url), 'utf8');
  const examples = [...page.matchAll(/```mlpipe\n([\s\S]*?)```/g)].map(([, text]) => text ?? '');

  it('shows only what can be read, formatted as the formatter has it', () => {
    assert.ok(examples.length > 8);
    for (const text of examples) {
      assert.deepEqual(parse(text).errors, [], text);
      assert.equal(formatText(text), text);
    }
  });

  it('names every word of the language', () => {
    const missing = keywords().filter((word) => !new RegExp(`\\b${word}\\b`).test(page));
    const ofTheLibrary = ['choice', 'higher', 'layer', 'lower', 'members', 'metric', 'pager', 'type', 'unit', 'pages'];
    assert.deepEqual(
      missing.filter((word) => !ofTheLibrary.includes(word)),
      [],
    );
  });
});
