/**
 * Every fixture below `test/fixtures`, by its name. `UPDATE_FIXTURES=1` writes the marks and the fixed texts anew; what
 * then differs must be explained by whoever commits it.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { applyFix, fixesOf } from '../../grammar/rules/report.ts';
import { diagnose, type Fixture, findFixtures, type Mark, markOf, readFixture, writeMark } from './fixtures.ts';

const isUpdate = process.env.UPDATE_FIXTURES === '1';
const LEAST = 220;

describe('fixtures', () => {
  const fixtures = findFixtures();

  it(`are at least ${LEAST}`, () => {
    assert.ok(fixtures.length >= LEAST, `There are ${fixtures.length}.`);
  });

  it('that are malformed are refused', () => {
    const folder = mkdtempSync(join(tmpdir(), 'mlpipe-fixtures-'));
    const malformed = (text: string, fixed?: string): string[] => {
      const path = join(folder, 'x.mlpipe');
      writeFileSync(path, text);
      rmSync(join(folder, 'x.fixed'), { force: true });
      if (fixed !== undefined) writeFileSync(join(folder, 'x.fixed'), fixed);
      return readFixture(path).malformed;
    };
    try {
      assert.equal(malformed('param x = 1\n').length, 1);
      assert.equal(malformed('// no findings\nparam x = 1\n').length, 0);
      assert.equal(malformed('  // ^^ error MLP1001: above it is nothing\n').length, 1);
      assert.equal(malformed('param x = 1\n//    ^ error MLP9999: no such code\n').length, 1);
      assert.equal(malformed('param x = 1\n//    ^ eror MLP1001: a misspelt mark\n').length, 2);
      assert.equal(malformed('// no findings\n// fix MLP1001\nparam x = 1\n').length, 1);
      assert.equal(malformed('// no findings\nparam x = 1\n', 'param x = 1\n').length, 1);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  for (const fixture of fixtures) {
    it(fixture.name, async () => {
      if (isUpdate) await update(fixture);
      await check(isUpdate ? readFixture(fixture.path) : fixture);
    });
  }
});

async function check(fixture: Fixture): Promise<void> {
  assert.deepEqual(fixture.malformed, []);
  const { diagnostics } = await diagnose(fixture.path, fixture.text, fixture.facts);
  const lines = fixture.text.split('\n');
  const found = sorted(diagnostics.map((diagnostic) => markOf(diagnostic, lines)));
  const expected = sorted(fixture.marks);
  assert.deepEqual(
    found.map((mark, index) => shortened(mark, expected[index])),
    expected.map((mark) => show(mark)),
  );
  if (fixture.fix === undefined) return;
  const { code, fixed } = fixture.fix;
  assert.equal(await fixedText(fixture, code), fixed);
  const after = await diagnose(fixture.path, fixed, fixture.facts);
  const count = (all: typeof diagnostics): number => all.filter((each) => each.code === code).length;
  assert.ok(count(after.diagnostics) < count(diagnostics), `${code} is still there after its fix.`);
}

async function fixedText(fixture: Fixture, code: string): Promise<string> {
  const { diagnostics } = await diagnose(fixture.path, fixture.text, fixture.facts);
  const [fix] = diagnostics.filter((each) => each.code === code).flatMap(fixesOf);
  assert.ok(fix, `${code} has no fix here.`);
  return applyFix(fixture.text, fix);
}

function sorted(marks: readonly Mark[]): Mark[] {
  return [...marks].sort(
    (a, b) =>
      a.line - b.line ||
      a.column - b.column ||
      (a.code < b.code ? -1 : a.code > b.code ? 1 : a.message < b.message ? -1 : 1),
  );
}

function show({ line, column, length, severity, code, message }: Mark): string {
  return `${line + 1}:${column + 1}+${length} ${severity} ${code}: ${message}`;
}

/** As it would be written where the expectation ends with `…`. */
function shortened(mark: Mark, expected: Mark | undefined): string {
  const start = expected?.message.endsWith('…') ? expected.message.slice(0, -1) : undefined;
  return start !== undefined && mark.message.startsWith(start) ? show({ ...mark, message: `${start}…` }) : show(mark);
}

/** Writes what is said now into the fixture. */
async function update(fixture: Fixture): Promise<void> {
  const bare = fixture.text
    .split('\n')
    .filter((line) => !/^\s*\/\/( *\^+| <-) \w+ MLP\d{4}: /.test(line) && line !== '// no findings');
  const text = bare.join('\n');
  const { diagnostics } = await diagnose(fixture.path, text, fixture.facts);
  const marks = sorted(diagnostics.map((diagnostic) => markOf(diagnostic, bare)));
  const marked = bare.flatMap((line, index) => [line, ...marks.filter((mark) => mark.line === index).map(writeMark)]);
  if (marks.length === 0) marked.unshift('// no findings');
  writeFileSync(fixture.path, marked.join('\n'));
  const code = /^\/\/ fix (MLP\d{4})$/m.exec(text)?.[1];
  if (code === undefined) return;
  const beside = fixture.path.replace(/\.mlpipe$/, '.fixed');
  const again = { ...fixture, text: marked.join('\n') };
  writeFileSync(beside, await fixedText(again, code));
  assert.ok(existsSync(beside));
}
