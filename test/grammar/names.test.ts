/** Any word can be a name where nothing but a name can stand. */
import assert from 'node:assert/strict';
import { AstUtils, GrammarAST } from 'langium';
import { keywords } from '../../grammar/syntax/vocabulary.ts';
import { forget, load, services } from './parsing.ts';

const words = keywords();

const PLACES: Record<string, (word: string) => string> = {
  param: (k) => `param ${k} = 1 in 0 .. 2\nparam other = ${k} + 1\n`,
  environment: (k) => `environment ${k} {\n  python "3.11.9"\n}\nstep s {\n  in ${k}\n  run "x"\n}\n`,
  data: (k) => `data ${k} {\n  from "x"\n  schema {\n    c int\n  }\n}\nmodel m {\n  input ${k}.c\n}\n`,
  column: (k) =>
    `data d {\n  schema {\n    a float in 0 .. 1\n    ${k} int in 0 .. 9\n    z float\n  }\n  split {\n    stratify ${k}\n    group ${k}\n  }\n}\nmodel m {\n  input d.${k}\n}\n`,
  class: (k) => `data d {\n  schema {\n    ${k} class(${k}, b)\n  }\n}\n`,
  part: (k) => `data d {\n  split {\n    x 10%\n    ${k} 80%\n    y 10%\n  }\n}\ntrain t {\n  on d.${k}\n}\n`,
  model: (k) => `model ${k} {\n}\ntrain t {\n  model ${k}\n}\n`,
  train: (k) =>
    `train ${k} {\n  epochs 1\n}\nevaluate ${k} on ${k}.loss as ${k} {\n  loss <= 1\n}\ndeploy d of ${k} {\n  canary 10%\n}\n`,
  metric: (k) =>
    `metric ${k} higher\ntrain t {\n  stop when ${k} stalls 3 epochs\n}\nevaluate t on t.${k} {\n  accuracy >= 1\n  ${k} <= 0.2 within 10%\n  loss <= 1\n}\n`,
  output: (k) => `step s {\n  writes ${k} "x"\n  run "cp \${${k}} \${s.${k}}"\n}\nstep t {\n  run "\${s.${k}}"\n}\n`,
  variable: (k) => `step s {\n  variable ${k} = "x"\n}\n`,
  deploy: (k) =>
    `deploy ${k} of t {\n  canary 10%\n}\ntrain t {\n}\nmonitor ${k} {\n  budget 1 false page per 30 days\n}\n`,
  layer: (k) => `layer ${k}(${k}: int, b: float = 1)\nmodel m {\n  ${k}(${k}: 3, b: 2)\n}\n`,
  loss: (k) => `loss ${k}(${k}: int)\ntrain t {\n  loss ${k}(${k}: 2)\n}\n`,
  type: (k) => `type ${k}\ndata d {\n  schema {\n    a ${k}\n  }\n}\n`,
  choice: (k) => `choice C {\n  ${k}\n  b\n}\nlayer l(c: C = ${k})\nmodel m {\n  l(c: ${k})\n}\n`,
  secret: (k) => `step t {\n  run "x \${secret.${k}}"\n}\n`,
  sweep: (k) =>
    `param ${k} = 1\ntrain t for ${k} in [1, 2] {\n  epochs 1\n}\nstep s {\n  run "\${t(${k}: 2).model}"\n}\n`,
};

/** Words that begin something else at that place. `true` and `false` may be declared, but in a value they are themselves. */
const TAKEN: Record<string, string[]> = {
  param: ['secret'],
  data: ['true', 'false', 'secret'],
  train: ['true', 'false', 'secret'],
  output: ['secret'],
  choice: ['secret'],
  part: ['stratify', 'group', 'seed'],
  layer: ['input'],
  type: ['class'],
};

describe('names', () => {
  it('may be any keyword, for `Name` lists them all', () => {
    const rules = services.Grammar.rules.filter(GrammarAST.isParserRule);
    const listed = new Set<string>();
    for (const name of ['Name', 'Word']) {
      const rule = rules.find((candidate) => candidate.name === name);
      assert.ok(rule);
      for (const keyword of AstUtils.streamAllContents(rule).filter(GrammarAST.isKeyword)) listed.add(keyword.value);
    }
    assert.deepEqual(
      words.filter((word) => !listed.has(word)),
      [],
    );
  });

  for (const [place, text] of Object.entries(PLACES)) {
    it(`may be any keyword as a ${place}`, async () => {
      const refused: string[] = [];
      for (const word of words) {
        const { diagnostics, document } = await load(text(word));
        if (diagnostics.length > 0) refused.push(word);
        forget(document);
      }
      assert.deepEqual(refused.sort(), (TAKEN[place] ?? []).toSorted());
    });
  }
});
