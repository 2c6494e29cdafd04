/** Units and arithmetic: what expressions come to. */
import assert from 'node:assert/strict';
import * as ast from '../../grammar/generated/ast.ts';
import { evaluate, NO_BINDINGS } from '../../grammar/typing/evaluate.ts';
import { inBaseUnits, inUnits, meaningOfUnit, unitsOfLibrary } from '../../grammar/typing/units.ts';
import type { Value } from '../../grammar/typing/values.ts';
import { load, services } from './parsing.ts';

async function evaluated(text: string, before = ''): Promise<{ value: Value | undefined; problems: string[] }> {
  const { document } = await load(`${before}\nparam subject = ${text}\n`);
  const param = document.parseResult.value.elements.filter(ast.isParam).at(-1);
  const problems: string[] = [];
  const value = evaluate(param?.value, NO_BINDINGS, ({ kind }) => problems.push(kind));
  return { value, problems };
}

const number = (value: number, dimension = ''): Value => ({ kind: 'number', value, dimension });

describe('values', () => {
  const cases: [string, Value][] = [
    ['35%', number(0.35, '%')],
    ['2 pt', number(0.02, 'pt')],
    ['57 pt', number(0.57, 'pt')],
    ['4 GiB', number(4 * 1024 ** 3, 'B')],
    ['4 GB', number(4e9, 'B')],
    ['1 TiB', number(1024 ** 4, 'B')],
    ['250 ms', number(0.25, 's')],
    ['1 day', number(86_400, 's')],
    ['3 days', number(259_200, 's')],
    ['1 epoch', number(1, 'epochs')],
    ['1_000 rows', number(1000, 'rows')],
    ['1 / 255', number(1 / 255)],
    ['2 + 3 * 4', number(14)],
    ['(2 + 3) * 4', number(20)],
    ['10 - 3 - 2', number(5)],
    ['-2 * 3', number(-6)],
    ['1 - 20%', number(0.8, '%')],
    ['95% - 2 pt', number(0.95 - 0.02, '%')],
    ['2 * 5 min', number(600, 's')],
    ['50% * 4 GiB', number(2 * 1024 ** 3, 'B')],
    ['10 min / 30 s', number(20)],
    ['1 h / 2', number(1800, 's')],
    ['[1, 2 min]', { kind: 'list', items: [number(1), number(120, 's')] }],
    ['"a"', { kind: 'text', value: 'a' }],
    ['true', { kind: 'boolean', value: true }],
    ['false', { kind: 'boolean', value: false }],
    ['secret.KEY', { kind: 'secret', name: 'KEY' }],
  ];
  for (const [text, expected] of cases) {
    it(`${text} is ${JSON.stringify(expected)}`, async () => {
      assert.deepEqual(await evaluated(text), { value: expected, problems: [] });
    });
  }

  it('come from other parameters, and through texts', async () => {
    assert.deepEqual((await evaluated('a * 2', 'param a = 3 GiB')).value, number(6 * 1024 ** 3, 'B'));
    assert.deepEqual((await evaluated(`"v\${a}-\${b}"`, 'param a = 3\nparam b = "x"')).value, {
      kind: 'text',
      value: 'v3-x',
    });
  });

  const wrong: [string, string][] = [
    ['4 GiB + 2 min', 'units-differ'],
    ['2 min * 3 min', 'units-differ'],
    ['1 / 2 min', 'units-differ'],
    ['"a" * 2', 'not-a-number'],
    ['1 / 0', 'not-finite'],
    ['-true', 'not-a-number'],
  ];
  for (const [text, problem] of wrong) {
    it(`${text} is refused: ${problem}`, async () => {
      const { value, problems } = await evaluated(text.replace('-true', '-(true)'));
      assert.equal(value, undefined);
      assert.deepEqual(problems, [problem]);
    });
  }

  it('of a circle are none, and it ends', async () => {
    assert.equal((await evaluated('a', 'param a = b\nparam b = a')).value, undefined);
    assert.equal((await evaluated('subject + 1')).value, undefined);
  });
});

describe('units', () => {
  it('of the library all have a meaning, and there and back is the same', async () => {
    await load('param a = 1\n');
    const units = unitsOfLibrary(services.shared.workspace.LangiumDocuments);
    assert.ok(units.size >= 25);
    for (const [name, meaning] of units) {
      for (const value of [0, 1, 7, 35, 0.5, 99.9]) {
        assert.equal(inUnits(inBaseUnits(value, meaning), meaning), value, `${value} ${name}`);
      }
    }
  });

  it('that lead back to themselves have none', async () => {
    const { document } = await load('unit a = 2 b\nunit b = 3 a\n');
    assert.equal(meaningOfUnit(document.parseResult.value.elements.find(ast.isUnit)), undefined);
  });
});
