import assert from 'node:assert/strict';
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { CompletionItem, CompletionList } from 'vscode-languageserver-protocol';
import { Client } from './client.ts';
import { positionOf, SAMPLE } from './sample.ts';

const uri = 'file:///nowhere/digits.mlpipe';

/** Where the cursor stands, what must be offered there and what must not. `‸` is the cursor. */
const table: { it: string; text: string; offers?: string[]; never?: string[] }[] = [
  {
    it: 'blocks in an empty file',
    text: '‸',
    offers: ['pipeline', 'data', 'train', 'import'],
    never: ['layer', 'epochs', 'unit'],
  },
  {
    it: 'blocks after a block',
    text: 'data d {\n  from "x.csv"\n}\n\n‸',
    offers: ['model', 'train'],
    never: ['schema', 'pin'],
  },
  { it: 'a block whose word has begun', text: 'pipeline p\n\nenv‸', offers: ['environment'] },
  {
    it: 'facts of data that do not stand yet',
    text: 'data d {\n  from "x.csv"\n  ‸\n}',
    offers: ['pin', 'schema', 'split'],
    never: ['from', 'epochs'],
  },
  {
    it: 'facts of an environment that do not stand yet',
    text: 'environment e {\n  retain\n  ‸\n}',
    offers: ['image', 'engine', 'python', 'results'],
    never: ['retain', 'network'],
  },
  {
    it: 'what may stand behind an image',
    text: 'environment e {\n  image "a@sha256:0" ‸\n}',
    offers: ['network'],
    never: ['retain', 'image'],
  },
  {
    it: 'facts of a training that do not stand yet',
    text: 'train t {\n  epochs 3\n  ‸\n}',
    offers: ['batch', 'seed', 'loss'],
    never: ['epochs', 'schema'],
  },
  {
    it: 'facts beside a misspelt one',
    text: 'train t {\n  epohcs 3\n  ‸\n}',
    offers: ['batch', 'seed', 'loss'],
    never: ['epochs', 'schema'],
  },
  {
    it: 'facts of a misspelt block',
    text: 'trian t {\n  epochs 3\n  ‸\n}',
    offers: ['batch', 'seed', 'loss'],
    never: ['epochs', 'schema'],
  },
  {
    it: 'facts that may stand again',
    text: 'step s {\n  writes a "b"\n  reads "c"\n  ‸\n}',
    offers: ['writes', 'reads'],
  },
  {
    it: 'a split’s own facts',
    text: 'data d {\n  split {\n    ‸\n  }\n}',
    offers: ['stratify', 'seed', 'group'],
    never: ['from', 'pin'],
  },
  {
    it: 'columns after `stratify`',
    text: 'data d {\n  schema {\n    pixels float\n    label class(2)\n  }\n  split {\n    stratify ‸\n  }\n}',
    offers: ['pixels', 'label'],
    never: ['from', 'float'],
  },
  {
    it: 'types of a column',
    text: 'data d {\n  schema {\n    pixels ‸\n  }\n}',
    offers: ['float', 'int', 'class', 'image'],
    never: ['relu', 'in'],
  },
  {
    it: 'columns and parts after a data set and a dot',
    text: 'data d {\n  schema {\n    label class(2)\n  }\n  split {\n    first 80%\n  }\n}\n\ntrain t {\n  on d.‸\n}',
    offers: ['first', 'label'],
    never: ['d', 'train'],
  },
  {
    it: 'layers in a model',
    text: 'model m {\n  ‸\n}',
    offers: ['conv2d', 'dense', 'flatten', 'input'],
    never: ['adam', 'crossEntropy'],
  },
  {
    it: 'arguments that are not given yet',
    text: 'model m {\n  dense(units: 3, ‸)\n}',
    offers: ['activation'],
    never: ['units', 'filters'],
  },
  {
    it: 'choices of an argument',
    text: 'model m {\n  dense(units: 3, activation: ‸)\n}',
    offers: ['relu', 'softmax'],
    never: ['valid'],
  },
  { it: 'losses', text: 'train t {\n  loss ‸\n}', offers: ['crossEntropy'], never: ['adam', 'dense'] },
  { it: 'optimizers', text: 'train t {\n  optimizer ‸\n}', offers: ['adam', 'sgd'], never: ['crossEntropy'] },
  { it: 'models', text: 'model cnn {\n}\n\ntrain t {\n  model ‸\n}', offers: ['cnn'], never: ['t', 'dense'] },
  { it: 'environments', text: 'environment cpu {\n}\n\ntrain t {\n  in ‸\n}', offers: ['cpu'], never: ['t'] },
  {
    it: 'metrics of a gate',
    text: 'train t {\n}\n\nevaluate t on t {\n  ‸\n}',
    offers: ['accuracy', 'loss'],
    never: ['epochs'],
  },
  { it: 'metrics after `when`', text: 'train t {\n  stop when ‸\n}', offers: ['loss', 'accuracy'] },
  { it: 'engines', text: 'environment e {\n  engine ‸\n}', offers: ['wasm', 'tensorflow', 'webgpu'], never: ['x64'] },
  {
    it: 'levels of repeatability',
    text: 'environment e {\n  results ‸\n}',
    offers: ['repeatable', 'close'],
    never: ['wasm'],
  },
  { it: 'hardware', text: 'environment e {\n  hardware ‸\n}', offers: ['x64', 'arm64'] },
  { it: 'units after a number', text: 'step s {\n  resources 4 ‸\n}', offers: ['GiB', 'min', 'cpus'] },
  { it: 'trainings to deploy', text: 'train t {\n}\n\ndeploy d of ‸', offers: ['t'] },
  {
    it: 'conditions of a deployment',
    text: 'train t {\n}\n\ndeploy d of t {\n  when ‸\n}',
    offers: ['evaluated', 'approved'],
  },
  {
    it: 'parameters in an expression',
    text: 'param rate = 1\n\ntrain t {\n  optimizer adam(rate: ‸)\n}',
    offers: ['rate'],
  },
  {
    it: 'names inside `${…}`',
    text: 'train t {\n}\n\nstep s {\n  writes page "p.html"\n  run "node x.mjs ${‸}"\n}',
    offers: ['page', 't'],
  },
  {
    it: 'outputs of a training',
    text: 'train t {\n}\n\nstep s {\n  run "node x.mjs ${t.‸}"\n}',
    offers: ['model', 'history'],
  },
  { it: 'the word that follows in an import', text: 'import cpu ‸', offers: ['from'] },
  { it: 'nothing where a new name is due', text: 'data ‸', never: ['data', 'model', 'epochs'] },
  { it: 'no digests', text: 'data d {\n  pin ‸\n}', never: ['sha256:', 'd'] },
  { it: 'nothing in a comment', text: '// pipe‸', never: ['pipeline'] },
  { it: 'nothing in a text that is no path', text: 'step s {\n  run "nod‸"\n}', never: ['node', 'run'] },
];

describe('completion', () => {
  let client: Client;

  before(async () => {
    client = await Client.start();
    await client.open(uri, '');
  });

  after(() => client.kill());

  async function complete(text: string): Promise<CompletionItem[]> {
    const offset = text.indexOf('‸');
    await client.change(uri, { text: text.replace('‸', '') });
    const before = text.slice(0, offset).split('\n');
    const position = { line: before.length - 1, character: before.at(-1)?.length ?? 0 };
    const list = await client.request<CompletionList>('textDocument/completion', { textDocument: { uri }, position });
    return list.items;
  }

  for (const { it: what, text, offers = [], never = [] } of table) {
    it(`offers ${what}`, async () => {
      const labels = (await complete(text)).map(({ label }) => label);
      assert.deepEqual(
        offers.filter((label) => !labels.includes(label)),
        [],
        `offered: ${labels.join(' ')}`,
      );
      assert.deepEqual(
        never.filter((label) => labels.includes(label)),
        [],
      );
    });
  }

  it('brings documentation along', async () => {
    const items = await complete('model m {\n  ‸\n}');
    const conv = items.find(({ label }) => label === 'conv2d');
    assert.match(JSON.stringify(conv?.documentation), /picture/);
    const argument = (await complete('model m {\n  dense(‸)\n}')).find(({ label }) => label === 'units');
    assert.notEqual(argument?.documentation, undefined);
  });

  it('writes a block as a snippet', async () => {
    const block = (await complete('pipeline p\n\n‸')).find(({ label }) => label === 'train …');
    assert.equal(block?.insertTextFormat, 2);
    assert.match(JSON.stringify(block?.textEdit), /epochs/);
  });

  it('writes what a layer needs', async () => {
    const layer = (await complete('model m {\n  ‸\n}')).find(({ label }) => label === 'conv2d');
    assert.match(JSON.stringify(layer?.textEdit), /filters: \$1, kernel: \$2/);
  });

  it('answers at every place of the sample, in whole and cut off there', async () => {
    for (let offset = 0; offset <= SAMPLE.length; offset += 3) {
      const before = SAMPLE.slice(0, offset).split('\n');
      const position = { line: before.length - 1, character: before.at(-1)?.length ?? 0 };
      if (offset % 7 === 0) await client.change(uri, { text: SAMPLE.slice(0, offset) });
      else if (offset % 7 === 1) await client.change(uri, { text: SAMPLE });
      await client.request('textDocument/completion', { textDocument: { uri }, position });
    }
    assert.deepEqual(client.log, []);
  });
});

describe('completion of files', () => {
  let folder: string;
  let client: Client;

  before(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'mlpipe-completion-')));
    await mkdir(join(folder, 'data'));
    await writeFile(join(folder, 'data', 'digits.csv'), 'a\n1\n');
    await writeFile(join(folder, 'package-lock.json'), '{}');
    await writeFile(join(folder, 'shared.mlpipe'), 'environment cpu {\n}\n');
    client = await Client.start();
  });

  after(async () => {
    client.kill();
    await rm(folder, { recursive: true, force: true });
  });

  for (const [words, expected] of [
    ['data d {\n  from "‸"\n}', ['data/', 'package-lock.json']],
    ['data d {\n  from "data/d‸"\n}', ['digits.csv']],
    ['step s {\n  reads "./‸"\n}', ['data/', 'package-lock.json']],
    ['environment e {\n  node "24.21.0" lock "‸"\n}', ['data/', 'package-lock.json']],
    ['import cpu from "./‸"', ['data/', 'shared.mlpipe']],
    ['data d {\n  from "nowhere/‸"\n}', []],
  ] as const) {
    it(`in ${words.replace(/\s+/g, ' ')}`, async () => {
      const uri = pathToFileURL(join(folder, 'a.mlpipe')).toString();
      const text = words.replace('‸', '');
      await client.open(uri, text);
      const list = await client.request<CompletionList>('textDocument/completion', {
        textDocument: { uri },
        position: positionOf(text, text.slice(0, words.indexOf('‸')), words.indexOf('‸')),
      });
      assert.deepEqual(
        list.items.map(({ label }) => label),
        expected,
      );
      await client.close(uri);
    });
  }
});
