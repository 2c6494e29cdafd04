/** What a name means where it stands. */
import assert from 'node:assert/strict';
import { AstUtils, DocumentState, type LangiumDocument, URI } from 'langium';
import type * as ast from '../../grammar/generated/ast.ts';
import { lineOf, load, pipelines, services } from './parsing.ts';

/** What each reference of a text leads to: `text → type line`, or `?`. */
function links(document: LangiumDocument<ast.File>): Record<string, string> {
  const found: Record<string, string> = {};
  for (const node of AstUtils.streamAst(document.parseResult.value)) {
    for (const { reference } of AstUtils.streamReferences(node)) {
      const target = 'ref' in reference ? reference.ref : undefined;
      const range = 'ref' in reference ? reference.$refNode?.range.start : undefined;
      const home =
        target && AstUtils.getDocument(target) !== document
          ? ` in ${AstUtils.getDocument(target).uri.path.split('/').at(-1)}`
          : '';
      found[`${(range?.line ?? 0) + 1}:${reference.$refText}`] = target
        ? `${target.$type} ${lineOf(target)}${home}`.replace(/ \d+ in builtins.*/, ' built in')
        : '?';
    }
  }
  return found;
}

async function expectLinks(files: Record<string, string> | string, expected: Record<string, string>): Promise<void> {
  const { document } = await load(files);
  const all = links(document);
  assert.deepEqual(Object.fromEntries(Object.keys(expected).map((key) => [key, all[key]])), expected);
}

describe('names', () => {
  for (const { name, text } of pipelines()) {
    it(`all lead somewhere in ${name}`, async () => {
      const { diagnostics } = await load(text);
      assert.deepEqual(diagnostics, []);
    });
  }

  it('lead to columns, parts and built-in members', async () => {
    await expectLinks(
      'data d {\n  schema {\n    a float\n    y class(2)\n  }\n  split {\n    train 100%\n    stratify y\n    group a\n  }\n}\nmodel m {\n  input d.a\n}\ntrain t {\n  model m\n  on d.train\n  target y\n}\nstep s {\n  run "${t.model} ${t.loss}"\n}\n',
      {
        '8:y': 'Column 4',
        '9:a': 'Column 3',
        '13:d': 'Data 1',
        '13:a': 'Column 3',
        '17:train': 'Part 7',
        '18:y': 'Column 4',
        '21:t': 'Train 15',
        '21:model': 'Member built in',
        '21:loss': 'Metric built in',
      },
    );
  });

  it('are callables of the kind that the fact takes', async () => {
    await expectLinks(
      'train t {\n  loss adam\n  optimizer adam(rate: 1)\n  schedule crossEntropy\n}\nmodel m {\n  adam\n  dense(units: 3, activation: relu, nothing: 1)\n}\n',
      {
        '2:adam': '?',
        '3:adam': 'Callable built in',
        '3:rate': 'Parameter built in',
        '4:crossEntropy': '?',
        '7:adam': '?',
        '8:relu': 'Choice built in',
        '8:nothing': '?',
      },
    );
  });

  it('choose one training of an expansion', async () => {
    await expectLinks(
      'param rate = 1\nparam other = 1\ntrain t for rate in [1, 2] {\n}\nstep s {\n  run "${t(rate: 1).model}"\n}\ndeploy d of t(rate: 2) {\n}\ndeploy e of t(other: 2) {\n}\n',
      {
        '3:rate': 'Param 1',
        '6:rate': 'Param 1',
        '6:model': 'Member built in',
        '8:rate': 'Param 1',
        '10:other': '?',
      },
    );
  });

  it('are metrics with their parameters in gates, and outputs of steps after `from`', async () => {
    await expectLinks(
      'step clean {\n  writes table "a.csv"\n}\ndata d {\n  from clean.table\n}\ntrain t {\n}\nevaluate t on d as quick {\n  precision(class: 3) >= 90%\n}\nstep s {\n  run "${quick.accuracy}"\n}\n',
      {
        '5:clean': 'Step 1',
        '5:table': 'OutFact 2',
        '10:precision': 'Metric built in',
        '10:class': 'Parameter built in',
        '13:quick': 'Evaluate 9',
        '13:accuracy': 'Metric built in',
      },
    );
  });

  it('come from other files only where they are imported, under another name where one is given', async () => {
    const files = {
      'main.mlpipe':
        'import cpu, digits as numbers from "./shared.mlpipe"\ntrain t {\n  in cpu\n  on numbers.train\n  validate digits\n  model hidden\n}\n',
      'shared.mlpipe': 'environment cpu {\n}\ndata digits {\n  split {\n    train 100%\n  }\n}\nmodel hidden {\n}\n',
    };
    await expectLinks(files, {
      '1:cpu': 'Environment 1 in shared.mlpipe',
      '3:cpu': 'Environment 1 in shared.mlpipe',
      '4:numbers': 'Data 3 in shared.mlpipe',
      '4:train': 'Part 5 in shared.mlpipe',
      '5:digits': '?',
      '6:hidden': '?',
    });
  });

  it('do not go round in circles', async () => {
    const { diagnostics } = await load({
      'a.mlpipe': 'import q from "b.mlpipe"\nparam p = q\n',
      'b.mlpipe': 'import p from "a.mlpipe"\nparam q = p\n',
    });
    assert.deepEqual(diagnostics, []);
  });

  it('are blamed once: what follows from an unknown name is not reported', async () => {
    const cases: [string, number][] = [
      ['step s {\n  run "${nothing.of.this}"\n}\n', 1],
      ['model m {\n  denze(units: 3, activation: relu)\n}\n', 1],
      ['evaluate t on d {\n  acuracy(class: 3) >= 1\n}\ntrain t {\n}\ndata d {\n}\n', 1],
      ['import cpu from "./gone.mlpipe"\ntrain t {\n  in cpu\n}\n', 0],
    ];
    for (const [text, count] of cases) assert.equal((await load(text)).diagnostics.length, count, text);
  });

  it('forget what an imported file no longer holds', async () => {
    const { document } = await load({
      'main.mlpipe': 'import d from "./shared.mlpipe"\ntrain t {\n  on d.train\n}\n',
      'shared.mlpipe': 'data d {\n  split {\n    train 100%\n  }\n}\n',
    });
    assert.equal(links(document)['3:train'], 'Part 3 in shared.mlpipe');
    const { LangiumDocuments, LangiumDocumentFactory, DocumentBuilder } = services.shared.workspace;
    const uri = URI.parse(document.uri.toString().replace('main', 'shared'));
    await DocumentBuilder.update([], [uri]);
    assert.equal(links(document)['1:d'], '?');
    const changed = LangiumDocumentFactory.fromString('data d {\n}\n', uri);
    LangiumDocuments.addDocument(changed);
    DocumentBuilder.resetToState(document, DocumentState.ComputedScopes);
    await DocumentBuilder.build([changed, document]);
    assert.equal(links(document)['1:d'], 'Data 1 in shared.mlpipe');
    assert.equal(links(document)['3:train'], '?');
  });
});
