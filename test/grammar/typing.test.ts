/** Types: what fits where, and how a plan spells it. */
import assert from 'node:assert/strict';
import * as ast from '../../grammar/generated/ast.ts';
import { builtinElements } from '../../grammar/scoping/builtins.ts';
import { parameterOf, plainArgumentValues } from '../../grammar/typing/arguments.ts';
import { evaluate } from '../../grammar/typing/evaluate.ts';
import { targetColumnOf } from '../../grammar/typing/target.ts';
import { conform, isInDomain, meaningOfType, type TypeMeaning } from '../../grammar/typing/types.ts';
import { load, services } from './parsing.ts';

async function typed(type: string, value: string): Promise<unknown> {
  const { document } = await load(`layer subject(p: ${type})\nparam v = ${value}\n`);
  const { elements } = document.parseResult.value;
  const meaning = meaningOfType(elements.find(ast.isCallable)?.parameters[0]?.type);
  const found = evaluate(elements.find(ast.isParam)?.value);
  assert.ok(meaning && found, `${type} or ${value} means nothing.`);
  const fitted = conform(found, meaning);
  return 'value' in fitted ? fitted.value : fitted.misfit.kind;
}

describe('types', () => {
  const cases: [string, string, unknown][] = [
    ['int', '3', 3],
    ['int', '-3', -3],
    ['int', '2.5', 'wrong-type'],
    ['count', '0', 'wrong-type'],
    ['float', '2.5', 2.5],
    ['float', '5%', 0.05],
    ['float', '5 min', 'wrong-unit'],
    ['share', '80%', 0.8],
    ['share', '0.8', 'missing-unit'],
    ['share', '8 pt', 'wrong-unit'],
    ['duration', '2 min', 120],
    ['duration', '2', 'missing-unit'],
    ['memory', '2 min', 'wrong-unit'],
    ['epochs', '3 epochs', 3],
    ['bool', 'true', true],
    ['bool', '1', 'wrong-type'],
    ['text', '"a"', 'a'],
    ['text', '1', 'wrong-type'],
    ['secret', 'secret.A', { secret: 'A' }],
    ['text | secret', '"a"', 'a'],
    ['count | count[2]', '3', [3, 3]],
    ['count | count[2]', '[3, 5]', [3, 5]],
    ['count | count[2]', '[3, 5, 7]', 'wrong-type'],
    ['count[2]', '3', 'wrong-type'],
    ['shape', '[4, 4, 4]', [4, 4, 4]],
    ['shape', '[4, 0]', 'wrong-type'],
    ['class(a, b)', '"a"', 'a'],
    ['class(3)', '2', '2'],
    ['class(3)', '3', 'wrong-type'],
    ['epochs | duration', '2', 'missing-unit'],
  ];
  for (const [type, value, expected] of cases) {
    it(`${value} as ${type} is ${JSON.stringify(expected)}`, async () => {
      assert.deepEqual(await typed(type, value), expected);
    });
  }

  it('of every parameter of the library are known, and its default fits', async () => {
    await load('param a = 1\n');
    const all = builtinElements(services.shared.workspace.LangiumDocuments);
    const owners = all.filter((element) => ast.isCallable(element) || ast.isMetric(element));
    assert.ok(owners.length > 60);
    for (const owner of owners) {
      for (const parameter of owner.parameters) {
        const name = `${owner.name}.${parameter.name}`;
        const meaning: TypeMeaning | undefined = meaningOfType(parameter.type);
        assert.ok(meaning, name);
        if (parameter.value === undefined) continue;
        const value = evaluate(parameter.value);
        assert.ok(value, name);
        const fitted = conform(value, meaning);
        assert.ok('value' in fitted, name);
        const domain = evaluate(parameter.domain);
        if (domain !== undefined) assert.ok(typeof fitted.value === 'number' && isInDomain(fitted.value, domain), name);
      }
      assert.ok(owner.$cstNode, owner.name);
    }
  });

  it('of the library are documented, each declaration and each parameter', async () => {
    const documentation = services.documentation.DocumentationProvider;
    for (const element of builtinElements(services.shared.workspace.LangiumDocuments)) {
      if (ast.isMemberDeclaration(element)) {
        for (const member of element.members) assert.ok(documentation.getDocumentation(member), member.name);
        continue;
      }
      const text = documentation.getDocumentation(element);
      const name = 'name' in element ? String(element.name) : element.$type;
      assert.ok(text, name);
      if (ast.isChoiceDeclaration(element)) {
        for (const choice of element.choices)
          assert.ok(documentation.getDocumentation(choice), `${name}.${choice.name}`);
      }
      if (!ast.isCallable(element) && !ast.isMetric(element)) continue;
      for (const parameter of element.parameters) {
        const comment = element.$cstNode?.root.fullText.slice(0, element.$cstNode.offset).split('*/').at(-2) ?? '';
        assert.match(comment, new RegExp(`@param ${parameter.name} \\S`), `${name}.${parameter.name}`);
      }
    }
  });
});

describe('arguments', () => {
  it('have their defaults, and follow the window', async () => {
    const { document } = await load('model m {\n  maxPool2d(size: [2, 3])\n  maxPool2d(size: 2, strides: 1)\n}\n');
    const model = document.parseResult.value.elements.find(ast.isModel);
    const [one, other] = model?.facts.filter(ast.isLayerCall) ?? [];
    assert.ok(one?.callee?.ref && other?.callee?.ref);
    assert.deepEqual(plainArgumentValues(one.arguments, one.callee.ref), {
      size: [2, 3],
      strides: [2, 3],
      padding: 'valid',
    });
    assert.deepEqual(plainArgumentValues(other.arguments, other.callee.ref), {
      size: [2, 2],
      strides: [1, 1],
      padding: 'valid',
    });
  });

  it('without a name are taken by their place', async () => {
    const { document } = await load('model m {\n  dense(10, activation: relu)\n}\n');
    const call = document.parseResult.value.elements.find(ast.isModel)?.facts.find(ast.isLayerCall);
    assert.ok(call?.callee?.ref && call.arguments[0]);
    assert.equal(parameterOf(call.arguments[0], call.callee.ref)?.name, 'units');
  });

  it('that are wrong give no values', async () => {
    const { document } = await load('model m {\n  dropout(rate: 1.5)\n}\n');
    const call = document.parseResult.value.elements.find(ast.isModel)?.facts.find(ast.isLayerCall);
    assert.ok(call?.callee?.ref);
    assert.equal(plainArgumentValues(call.arguments, call.callee.ref), undefined);
  });
});

describe('the target', () => {
  const text = (columns: string, more = ''): string =>
    `data d {\n  schema {\n    x float\n${columns}\n  }\n  split {\n    a 100%\n${more}\n  }\n}\nmodel m {\n  input d.x\n}\ntrain t {\n  model m\n  on d.a\n}\n`;
  const targetOf = async (source: string): Promise<string | undefined> => {
    const { document } = await load(source);
    const train = document.parseResult.value.elements.find(ast.isTrain);
    return train && targetColumnOf(train).column?.name;
  };

  it('is the only column that is left', async () => {
    assert.equal(await targetOf(text('    y float')), 'y');
    assert.equal(await targetOf(text('    y float\n    z float')), undefined);
    assert.equal(await targetOf(text('    y float\n    who text', '    group who')), 'y');
  });

  it('is the one that is named', async () => {
    assert.equal(await targetOf(text('    y float\n    z float').replace('  on d.a\n', '  on d.a\n  target z\n')), 'z');
    assert.equal(
      await targetOf(text('    y float\n    z float').replace('  on d.a\n', '  on d.a\n  target d.y\n')),
      'y',
    );
  });
});
