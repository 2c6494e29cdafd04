/**
 * One slip, one error: every word of the sample, of the examples and of a text that has the rest is misspelt, a letter
 * dropped, doubled or swapped with its neighbour; what is said then is one thing, at the word, and names what was meant.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { AstUtils, GrammarUtils } from 'langium';
import type { Diagnostic } from 'vscode-languageserver-protocol';
import * as ast from '../../grammar/generated/ast.ts';
import { NO_FACTS } from '../../grammar/rules/facts.ts';
import { applyFix, fixesOf } from '../../grammar/rules/report.ts';
import { LayoutLexer } from '../../grammar/syntax/layout.ts';
import type { PlacedToken } from '../../grammar/syntax/placed-token.ts';
import { diagnose, FIXTURES } from './fixtures.ts';
import { pipelines, services } from './parsing.ts';

const REST = `pipeline rest
import shared, measures as numbers from "./imported/spelling.mlpipe"

param rate: float = 1e-3 in 1e-5 .. 1e-1
param warm: epochs = 2 epochs

data patients {
  from  "data/patients.csv"
  pin   sha256:${'5f0c3e12'.repeat(8)}
  schema {
    patient  int
    age      float in 0 .. 120
    ill      bool
  }
  split {
    train       80%
    validation  20%
    group       patient
    stratify    ill
    seed        7
  }
}

model logistic {
  input patients.age
  dense(units: 1, activation: sigmoid, useBias: true)
}

train predict for rate in [1e-2, 1e-3] {
  model       logistic
  on          patients.train
  validate    patients.validation
  target      patients.ill
  in          shared
  loss        binaryCrossEntropy
  optimizer   adam(rate: rate)
  schedule    cosineDecay(last: 0.1, warmup: warm)
  weights     [1, 2]
  epochs      12
  batch       32
  seed        7
  checkpoint  every 1 epoch
  resources   2 cpus, 4 GiB
}

evaluate predict on numbers.held as quick {
  accuracy  >= 80%  within 2 pt
}

step report {
  run       "python report.py \${predict(rate: 1e-2).model} \${page}"
  reads     "report.py"
  variable  LEVEL = "3"
  writes    page "report.html"
}

deploy clinic of predict(rate: 1e-2) {
  when      approved
  rollback  when unlike previous
}
`;

/** Full digests, so that nothing is said but of the slip. */
const texts = [
  ...pipelines().map(({ name, text }) => ({
    name,
    path: `/spelling/${name}`,
    text: text
      .replace(/sha256:[0-9a-f]+…/g, `sha256:${'5f0c3e12'.repeat(8)}`)
      .replace('"requirements.txt"', `"requirements.txt" pin sha256:${'5f0c3e12'.repeat(8)}`),
  })),
  { name: 'what the others lack', path: join(FIXTURES, '1-names', 'spelling.mlpipe'), text: REST },
];

const lexer = new LayoutLexer(services);

/** Slips in the middle of a word; of a short one, wherever they are. */
function slips(word: string): string[] {
  const places = word.length < 4 ? [...word].map((_, i) => i) : [Math.floor(word.length / 2)];
  const all = places.flatMap((i) => [
    word.slice(0, i) + word.slice(i + 1),
    word.slice(0, i) + word.charAt(i) + word.slice(i),
    word.slice(0, i) + word.charAt(i + 1) + word.charAt(i) + word.slice(i + 2),
  ]);
  return [...new Set(all)].filter((slip) => slip !== word && slip.length > 0);
}

/** Slips that are no slips: another word that may stand there too, or one that is as near as what was meant. */
const AMBIGUOUS: Readonly<Record<string, string>> = {
  GB: 'a unit as good as GiB',
  in: 'a word of the language, for `min`',
  convd: 'conv1d or conv2d',
  maxPoold: 'maxPool1d or maxPool2d',
  '64': 'a number, for `x64`',
  '6x4': 'a number and a word, for `x64`',
};

/** Offsets of words that give something its name, and of those that mean something outside the file. */
function namesIn(file: ast.File): { declared: Set<number>; free: Set<number> } {
  const declared = new Set<number>();
  const free = new Set<number>();
  const add = (to: Set<number>, nodes: readonly { offset: number }[]): void => {
    for (const { offset } of nodes) to.add(offset);
  };
  for (const node of AstUtils.streamAst(file)) {
    if (node.$cstNode === undefined) continue;
    add(declared, GrammarUtils.findNodesForProperty(node.$cstNode, 'name'));
    if (ast.isClassType(node)) add(declared, GrammarUtils.findNodesForProperty(node.$cstNode, 'labels'));
    if (ast.isSecret(node)) add(free, GrammarUtils.findNodesForProperty(node.$cstNode, 'variable'));
  }
  return { declared, free };
}

const show = ({ range, code, message }: Diagnostic): string =>
  `${range.start.line + 1}:${range.start.character + 1} ${String(code)} ${String(message)}`;

describe('a misspelt word', () => {
  for (const { name, path, text } of texts) {
    it(`is one error that names what was meant, wherever it stands in ${name}`, async () => {
      const { document, diagnostics } = await diagnose(path, text, NO_FACTS);
      assert.deepEqual(diagnostics.map(show), [], 'nothing is to be said before');
      const { declared, free } = namesIn(document.parseResult.value);
      const words = lexer.tokenizeAsWritten(text).tokens.filter(({ image }) => /^[_a-zA-Z]\w*$/.test(image));
      const wrong: string[] = [];
      let tried = 0;
      for (const word of words) {
        if (free.has(word.startOffset)) continue;
        for (const slip of slips(word.image)) {
          if (slip in AMBIGUOUS) continue;
          tried++;
          const changed = text.slice(0, word.startOffset) + slip + text.slice(word.endOffset + 1);
          const said = (await diagnose(path, changed, NO_FACTS)).diagnostics;
          const isRight = declared.has(word.startOffset)
            ? said.every((each) => isUseOf(each, word.image, slip))
            : said.length === 1 && said.every((each) => isOf(each, word, slip) && isMended(each, changed, text));
          if (!isRight) wrong.push(`${word.image} → ${slip}: ${said.map(show).join(' | ') || 'nothing is said'}`);
        }
      }
      assert.ok(tried > 100);
      assert.deepEqual(wrong, []);
    }).timeout(120_000);
  }
});

/** At the word itself, and naming what was meant. */
function isOf({ range, message }: Diagnostic, word: PlacedToken, slip: string): boolean {
  return (
    range.start.line === word.startLine - 1 &&
    range.start.character === word.startColumn - 1 &&
    `${message}`.includes(`\`${slip}\``) &&
    `${message}`.endsWith(`Did you mean \`${word.image}\`?`)
  );
}

function isMended(diagnostic: Diagnostic, changed: string, text: string): boolean {
  const [fix] = fixesOf(diagnostic);
  return fix !== undefined && applyFix(changed, fix) === text;
}

/** Where a name is given wrongly, each that uses it is told how it is spelt there. */
function isUseOf({ message }: Diagnostic, name: string, slip: string): boolean {
  return `${message}`.includes(`\`${name}\``) && `${message}`.endsWith(`Did you mean \`${slip}\`?`);
}
