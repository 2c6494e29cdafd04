/** Colours before the server is up: names keep theirs, whichever word they are. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import oniguruma from 'vscode-oniguruma';
import textmate from 'vscode-textmate';
import { keywords } from '../../grammar/syntax/vocabulary.ts';

const require = createRequire(import.meta.url);

/** Each word or sign of a text with its innermost scope, without the language's name. */
type Tokenise = (text: string) => { line: number; text: string; scopes: string[] }[];

async function load(): Promise<Tokenise> {
  const wasm = readFileSync(require.resolve('vscode-oniguruma/release/onig.wasm'));
  await oniguruma.loadWASM(new Uint8Array(wasm).buffer);
  const source = readFileSync(new URL('../../grammar/syntaxes/mlpipe.tmLanguage.json', import.meta.url), 'utf8');
  const registry = new textmate.Registry({
    onigLib: Promise.resolve({
      createOnigScanner: (patterns: string[]) => new oniguruma.OnigScanner(patterns),
      createOnigString: (text: string) => new oniguruma.OnigString(text),
    }),
    loadGrammar: async () => textmate.parseRawGrammar(source, 'mlpipe.tmLanguage.json'),
  });
  const grammar = await registry.loadGrammar('source.mlpipe');
  assert.ok(grammar);
  return (text) => {
    let stack = textmate.INITIAL;
    return text.split('\n').flatMap((content, line) => {
      const { tokens, ruleStack } = grammar.tokenizeLine(content, stack);
      stack = ruleStack;
      return tokens.map(({ startIndex, endIndex, scopes }) => ({
        line,
        text: content.slice(startIndex, endIndex),
        scopes,
      }));
    });
  };
}

describe('the TextMate grammar', () => {
  let tokenise: Tokenise;
  before(async () => {
    tokenise = await load();
  });

  /** The scope of the nth occurrence of a word on a line (both from 0). */
  function scope(text: string, line: number, word: string, occurrence = 0): string {
    const found = tokenise(text).filter((token) => token.line === line && token.text.trim() === word)[occurrence];
    assert.ok(
      found,
      `\`${word}\` is no token of line ${line}: ${tokenise(text)
        .filter((t) => t.line === line)
        .map((t) => t.text)
        .join('|')}`,
    );
    return found.scopes.at(-1) ?? '';
  }

  const sample = readFileSync(new URL('../fixtures/sample.mlpipe', import.meta.url), 'utf8');
  const lineOf = (text: string): number => sample.split('\n').findIndex((line) => line.includes(text));

  const expected: [string, string, string, number?][] = [
    ['// Recognise', '// Recognise handwritten digits; retrain, prove, deploy and watch it.', 'comment.line'],
    ['pipeline digits', 'pipeline', 'keyword.control'],
    ['pipeline digits', 'digits', 'entity.name.type'],
    ['param rate', '1e-3', 'constant.numeric'],
    ['param rate', 'in', 'keyword.other'],
    ['engine ', 'engine', 'keyword.other.fact'],
    ['engine ', 'tensorflow', 'variable.other.enummember'],
    ['sha256:9c1f', 'lock', 'keyword.other'],
    ['sha256:9c1f', 'pin', 'keyword.other'],
    ['sha256:9c1f', 'sha256:9c1f…', 'constant.other.digest'],
    ['hardware ', '4', 'constant.numeric'],
    ['hardware ', 'GiB', 'keyword.other.unit'],
    ['hardware ', 'x64', 'variable.other'],
    ['schema {', 'schema', 'keyword.other.fact'],
    ['pixels  float', 'pixels', 'variable.other.property'],
    ['pixels  float', 'float', 'support.type'],
    ['pixels  float', 'in', 'keyword.other'],
    ['class(10)', 'class', 'support.type'],
    ['train       80', 'train', 'variable.other.property'],
    ['train       80', '%', 'keyword.other.unit'],
    ['stratify ', 'stratify', 'keyword.other.fact'],
    ['conv2d(', 'conv2d', 'entity.name.function'],
    ['conv2d(', 'filters', 'variable.parameter'],
    ['flatten', 'flatten', 'entity.name.function'],
    ['train recognise {', 'train', 'keyword.control'],
    ['train recognise {', 'recognise', 'entity.name.type'],
    ['model      cnn', 'model', 'keyword.other.fact'],
    ['model      cnn', 'cnn', 'variable.other'],
    ['on         digits.train', 'on', 'keyword.other.fact'],
    ['on         digits.train', 'train', 'variable.other'],
    ['stop       when', 'when', 'keyword.other'],
    ['stop       when', 'loss', 'variable.other'],
    ['stop       when', 'stalls', 'keyword.other'],
    ['stop       when', 'epochs', 'keyword.other.unit'],
    ['evaluate recognise', 'on', 'keyword.other'],
    ['accuracy  >=', 'accuracy', 'variable.other.property'],
    ['accuracy  >=', '>=', 'keyword.operator'],
    ['accuracy  >=', 'within', 'keyword.other'],
    ['loss      <= 0.20', 'loss', 'variable.other.property'],
    ['run        ', '${', 'punctuation.definition.template-expression'],
    ['run        ', 'recognise', 'variable.other'],
    ['run        ', 'model', 'variable.other'],
    ['run        ', 'page', 'variable.other'],
    ['writes     page', 'writes', 'keyword.other.fact'],
    ['writes     page', 'page', 'entity.name.variable'],
    ['deploy staging of', 'of', 'keyword.other'],
    ['rollback  when', 'unlike', 'keyword.other'],
    ['expect    classes', 'like', 'keyword.other'],
    ['tolerate  2 pt', 'pt', 'keyword.other.unit'],
    ['tolerate  2 pt', 'of share', 'keyword.other'],
    ['page      pager', 'pagerduty', 'entity.name.function'],
    ['page      pager', 'secret', 'keyword.other.secret'],
    ['budget ', 'false page per', 'keyword.other'],
    ['budget ', 'days', 'keyword.other.unit'],
  ];
  for (const [line, word, begin, occurrence] of expected) {
    it(`gives \`${word}\` in \`${line.trim()}\` the scope ${begin}`, () => {
      const found = scope(sample, lineOf(line), word, occurrence);
      assert.ok(found.startsWith(begin), found);
      // `keyword.other` is not satisfied by a more special one of another kind.
      if (begin === 'variable.other') assert.ok(!found.includes('enummember'));
    });
  }

  it('colours facts of one word, and the word that may end a fact', () => {
    const text = 'environment e {\n  engine wasm "4.22.0"\n  retain\n  image "a@sha256:0" network\n}\n';
    assert.ok(scope(text, 2, 'retain').startsWith('keyword.other.fact'));
    assert.ok(scope(text, 3, 'image').startsWith('keyword.other.fact'));
    assert.equal(scope(text, 3, 'network'), 'keyword.other.mlpipe');
  });

  it('does not colour names as keywords, whichever word they are', () => {
    const text =
      'data d {\n  schema {\n    epochs  int\n    model   class(train, loss)\n  }\n}\nmodel epochs {\n  input d.model\n}\ntrain train {\n  model epochs\n  on d.split\n}\n';
    for (const [line, word, occurrence] of [
      [2, 'epochs', 0],
      [3, 'model', 0],
      [3, 'train', 0],
      [3, 'loss', 0],
      [6, 'epochs', 0],
      [7, 'model', 0],
      [9, 'train', 1],
      [10, 'epochs', 0],
      [11, 'split', 0],
    ] as const) {
      assert.doesNotMatch(scope(text, line, word, occurrence), /^keyword/, `${word} on line ${line}`);
    }
  });

  describe('leaves any word its colour as a name', () => {
    /** Texts with a name in them, where it stands, and words that begin something else there. */
    const places: [place: string, text: (name: string) => string, line: number, nth: number, taken?: string[]][] = [
      ['pipeline', (k) => `pipeline ${k}\n`, 0, 0],
      ['param', (k) => `param ${k} = 1 in 0 .. 2\n`, 0, 0],
      ['import', (k) => `import ${k}, b as ${k} from "./x.mlpipe"\n`, 0, 0],
      ['environment', (k) => `environment ${k} {\n  python "3.11.9"\n}\n`, 0, 0],
      ['data', (k) => `data ${k} {\n  from "x"\n}\n`, 0, 0],
      ['column', (k) => `data d {\n  schema {\n    ${k} float in 0 .. 1\n  }\n}\n`, 2, 0],
      ['class', (k) => `data d {\n  schema {\n    a class(${k}, b)\n  }\n}\n`, 2, 0],
      ['part', (k) => `data d {\n  split {\n    ${k} 80%\n  }\n}\n`, 2, 0, ['stratify', 'group', 'seed']],
      ['stratified column', (k) => `data d {\n  split {\n    stratify ${k}\n  }\n}\n`, 2, 0],
      ['model', (k) => `model ${k} {\n  flatten\n}\n`, 0, 0],
      ['input', (k) => `model m {\n  input d.${k}, ${k}.x\n}\n`, 1, 0],
      ['layer', (k) => `model m {\n  ${k}(a: 1)\n}\n`, 1, 0, ['input']],
      ['training', (k) => `train ${k} {\n  epochs 1\n}\n`, 0, 0],
      ['model of a training', (k) => `train t {\n  model ${k}\n}\n`, 1, 0],
      ['data of a training', (k) => `train t {\n  on d.${k}\n}\n`, 1, 0],
      ['environment of a training', (k) => `train t {\n  in ${k}\n}\n`, 1, 0],
      ['loss', (k) => `train t {\n  loss ${k}\n}\n`, 1, 0],
      ['metric', (k) => `evaluate t on d.x {\n  ${k} >= 1 within 2\n}\n`, 1, 0],
      ['evaluated training', (k) => `evaluate ${k} on d.x {\n  loss >= 1\n}\n`, 0, 0],
      ['output', (k) => `step s {\n  writes ${k} "x"\n}\n`, 1, 0],
      ['variable', (k) => `step s {\n  variable ${k} = "x"\n}\n`, 1, 0],
      ['value in a text', (k) => `step s {\n  run "a \${${k}} b"\n}\n`, 1, 0, ['true', 'false', 'secret']],
      ['deployment', (k) => `deploy ${k} of t {\n  canary 10%\n}\n`, 0, 0],
      ['monitored deployment', (k) => `monitor ${k} {\n  tolerate 2 pt\n}\n`, 0, 0],
    ];
    for (const [place, text, line, nth, taken = []] of places) {
      it(`of a ${place}`, () => {
        const coloured = keywords().filter((word) => {
          if (taken.includes(word)) return false;
          const written = text(word);
          // The word may stand in the line as itself before it stands there as a name.
          const before = text('zebra').split('\n')[line]?.split('zebra')[0] ?? '';
          const already = before.split(/\W+/).filter((other) => other === word).length;
          return scope(written, line, word, nth + already).startsWith('keyword');
        });
        assert.deepEqual(coloured, []);
      });
    }
  });

  it('ends what is not closed with its line or its block', () => {
    assert.match(scope('step s {\n  run "a ${b\n  in cpu\n}\n', 2, 'in'), /^keyword\.other\.fact/);
    assert.match(scope('train t {\n  epochs 3\ndata d {\n  from "x"\n}\n', 2, 'data'), /^keyword\.control/);
  });
});
