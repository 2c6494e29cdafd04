/** Every decision of the parser needs one token. */
import assert from 'node:assert/strict';
import { LLStarLookaheadStrategy } from 'chevrotain-allstar';
import { createLangiumParser } from 'langium';
import { createMlpipeServices } from '../../grammar/module.ts';

type Builder = (options: { rule: { name: string }; prodOccurrence: number; prodType?: string }) => () => unknown;

/** Builds a parser and names each decision whose function would look further than one token. */
function decisions(): { all: number; further: string[] } {
  const further: string[] = [];
  let all = 0;
  // The two methods differ in the rest of their options only, which are passed on as they come.
  const prototype = LLStarLookaheadStrategy.prototype as unknown as Record<string, Builder>;
  const original = new Map<string, Builder>();
  for (const method of ['buildLookaheadForAlternation', 'buildLookaheadForOptional']) {
    const build = prototype[method];
    assert.ok(build);
    original.set(method, build);
    prototype[method] = function (this: unknown, options) {
      const decide = build.call(this, options);
      all++;
      if (decide.toString().includes('adaptivePredict'))
        further.push(`${options.rule.name} ${options.prodType ?? 'OR'}${options.prodOccurrence}`);
      return decide;
    };
  }
  try {
    createLangiumParser(createMlpipeServices().mlpipe);
  } finally {
    for (const [method, build] of original) prototype[method] = build;
  }
  return { all, further };
}

describe('the grammar', () => {
  it('is LL(1)', () => {
    const { all, further } = decisions();
    assert.ok(all > 100, 'the decisions were not seen');
    assert.deepEqual(further, []);
  });
});
