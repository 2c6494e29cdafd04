/** Codes, rules, pages, fixtures and fixes belong to one another, one to one. `UPDATE_PAGES=1` writes the index anew. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CATALOGUE, type CatalogueEntry, type Code, isCode } from '../../grammar/rules/catalogue.ts';
import * as circles from '../../grammar/rules/circles.ts';
import * as data from '../../grammar/rules/data.ts';
import * as decay from '../../grammar/rules/decay.ts';
import * as delivery from '../../grammar/rules/delivery.ts';
import * as environment from '../../grammar/rules/environment.ts';
import { NO_FACTS } from '../../grammar/rules/facts.ts';
import * as ignore from '../../grammar/rules/ignore.ts';
import * as losses from '../../grammar/rules/losses.ts';
import * as metrics from '../../grammar/rules/metrics.ts';
import * as models from '../../grammar/rules/models.ts';
import * as names from '../../grammar/rules/names.ts';
import { fixesOf } from '../../grammar/rules/report.ts';
import * as steps from '../../grammar/rules/steps.ts';
import * as targets from '../../grammar/rules/targets.ts';
import * as training from '../../grammar/rules/training.ts';
import * as validator from '../../grammar/rules/validator.ts';
import * as values from '../../grammar/rules/values.ts';
import { diagnose, findFixtures } from './fixtures.ts';

const PAGES = fileURLToPath(new URL('../../docs/diagnostics/', import.meta.url));
const RULES: Record<string, unknown> = {
  ...circles,
  ...data,
  ...decay,
  ...delivery,
  ...environment,
  ...ignore,
  ...losses,
  ...metrics,
  ...models,
  ...names,
  ...steps,
  ...targets,
  ...training,
  ...validator,
  ...values,
};
// Its keys are codes.
const entries = Object.entries(CATALOGUE) as [Code, CatalogueEntry][];

const AREAS: Readonly<Record<string, string>> = {
  1: 'Names and types',
  2: 'Data',
  3: 'Environments',
  4: 'Models and training',
  5: 'Delivery',
  6: 'Steps',
};

describe('the catalogue of codes', () => {
  const fixtures = findFixtures();

  it('names a rule for each code, by a law that fits its severity', () => {
    for (const [code, { rule, severity }] of entries) {
      assert.equal(typeof RULES[rule], 'function', `${code}: there is no rule ${rule}.`);
      assert.match(rule, severity === 'error' ? /Must/ : /Should|May/, `${code}: ${rule} is ${severity}.`);
    }
  });

  it('gives each slug and each rule of its own', () => {
    const slugs = entries.map(([, { slug }]) => slug);
    assert.equal(new Set(slugs).size, slugs.length);
    const rules = entries.map(([, { rule }]) => rule);
    assert.equal(new Set(rules).size, rules.length);
  });

  it('has a page for each code, and no page for anything else', () => {
    const pages = readdirSync(PAGES)
      .filter((name) => name !== 'README.md')
      .sort();
    assert.deepEqual(pages, entries.map(([code]) => `${code}.md`).sort());
    for (const [code, { slug, severity, rule, fix }] of entries) {
      const page = readFileSync(`${PAGES}${code}.md`, 'utf8');
      assert.match(page, new RegExp(`^# ${code}: \\S`), code);
      assert.ok(
        page.includes(`\`${slug}\` · ${severity} · `) && page.includes(`\`${rule}\``),
        `${code}: the second line.`,
      );
      const line = 'title' in fix ? `**Fix:** ${fix.title}.` : `**No fix:** ${fix.none}.`;
      assert.ok(page.includes(line), `${code}: its page should say: ${line}`);
    }
  });

  it('is what the index lists', () => {
    const index = `${PAGES}README.md`;
    if (process.env.UPDATE_PAGES === '1') writeFileSync(index, writtenIndex());
    assert.equal(existsSync(index) ? readFileSync(index, 'utf8') : '', writtenIndex());
  });

  it('has a fixture for each code', () => {
    const marked = new Set(fixtures.flatMap(({ marks }) => marks.map(({ code }) => code)));
    assert.deepEqual(
      entries.filter(([code]) => !marked.has(code)).map(([code]) => code),
      [],
    );
  });

  it('has a fixture with its fix for each code that has one', () => {
    const fixed = new Set(fixtures.flatMap(({ fix }) => fix?.code ?? []));
    const promised = entries.filter(([, { fix }]) => 'title' in fix).map(([code]) => code);
    assert.deepEqual(
      promised.filter((code) => !fixed.has(code)),
      [],
    );
    assert.deepEqual(
      [...fixed].filter((code) => !promised.some((other) => other === code)),
      [],
    );
  });

  it('promises no less than the rules do, and every diagnostic has its code and source', async () => {
    for (const fixture of fixtures) {
      const { diagnostics } = await diagnose(fixture.path, fixture.text, fixture.facts);
      for (const diagnostic of diagnostics) {
        const { code, source } = diagnostic;
        assert.ok(isCode(code), `${fixture.name}: ${String(code)} is no code.`);
        assert.equal(source, 'mlpipe');
        if (fixesOf(diagnostic).length > 0)
          assert.ok('title' in CATALOGUE[code].fix, `${fixture.name}: ${code} has a fix.`);
      }
    }
  });

  it('keeps silent about the world where nothing is known of it', async () => {
    const world = new Set(entries.filter(([, { category }]) => category === 'world').map(([code]) => code as string));
    for (const fixture of fixtures) {
      const { diagnostics } = await diagnose(fixture.path, fixture.text, NO_FACTS);
      for (const { code } of diagnostics) assert.ok(!world.has(String(code)), `${fixture.name}: ${String(code)}`);
    }
  });
});

function writtenIndex(): string {
  const lines = [
    '# Diagnostics',
    '',
    'Every code that `mlpipe check` and the editor may show. `mlpipe explain CODE` prints its page.',
  ];
  for (const [digit, area] of Object.entries(AREAS)) {
    lines.push('', `## ${digit}xxx: ${area}`, '', '| code | | severity | from | fix |', '|---|---|---|---|---|');
    for (const [code, { severity, category, fix }] of entries.filter(([each]) => each[3] === digit)) {
      const title = /^# MLP\d{4}: (.+)$/m.exec(readFileSync(`${PAGES}${code}.md`, 'utf8'))?.[1] ?? '';
      lines.push(
        `| [${code}](${code}.md) | ${title} | ${severity} | ${category} | ${'title' in fix ? fix.title : '–'} |`,
      );
    }
  }
  return `${lines.join('\n')}\n`;
}
