/** What holds of all fixes: the text stays a pipeline, and what was found is found no more. */
import assert from 'node:assert/strict';
import { applyFix, fixesOf } from '../../grammar/rules/report.ts';
import { diagnose, findFixtures } from './fixtures.ts';

describe('fixes', () => {
  for (const fixture of findFixtures()) {
    it(`in ${fixture.name} mend what they promise and break nothing`, async () => {
      const { diagnostics } = await diagnose(fixture.path, fixture.text, fixture.facts);
      const syntax = diagnostics.filter(({ code }) => code === 'MLP1000').length;
      for (const diagnostic of diagnostics) {
        for (const fix of fixesOf(diagnostic)) {
          const text = applyFix(fixture.text, fix);
          assert.notEqual(text, fixture.text, fix.title);
          const after = await diagnose(fixture.path, text, fixture.facts);
          const same = (all: typeof diagnostics): number => all.filter(({ code }) => code === diagnostic.code).length;
          assert.ok(
            same(after.diagnostics) < same(diagnostics),
            `“${fix.title}” leaves ${String(diagnostic.code)}:\n${text}`,
          );
          const broken = after.diagnostics.filter(({ code }) => code === 'MLP1000').length;
          assert.ok(broken <= syntax, `“${fix.title}” breaks the text:\n${text}`);
        }
      }
    });
  }

  it('have titles that begin with a capital', async () => {
    const titles = new Set<string>();
    for (const fixture of findFixtures()) {
      const { diagnostics } = await diagnose(fixture.path, fixture.text, fixture.facts);
      for (const fix of diagnostics.flatMap(fixesOf)) titles.add(fix.title);
    }
    assert.ok(titles.size > 50);
    for (const title of titles) assert.match(title, /^[A-Z]/);
  });
});
