/** What holds of all rules: they survive anything, need no services, and say the same twice. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { DocumentState } from 'langium';
import { lowerWhatIsWhole } from '../../grammar/plan/lower.ts';
import { type Facts, NO_FACTS } from '../../grammar/rules/facts.ts';
import { diagnosticsOf } from '../../grammar/rules/validator.ts';
import { diagnose, findFixtures } from './fixtures.ts';
import { pipelines } from './parsing.ts';

/** Facts that make as many rules of the world speak as there are. */
const FACTS: Facts = {
  ...NO_FACTS,
  engines: {
    wasm: { name: 'wasm', state: 'impossible', versions: [], cannotTrain: { conv2d: 'no' }, deterministic: false },
    tensorflow: {
      name: 'tensorflow',
      state: 'installed',
      versions: ['1.0.0'],
      cannotTrain: { adam: 'no' },
      deterministic: false,
    },
  },
  machine: {
    platform: 'linux',
    architecture: 'arm64',
    cpus: 1,
    memory: 1,
    gpus: [],
    node: '24.21.0',
    interpreters: [],
  },
  runs: { report: { ended: '2026-03-01T10:30:00Z', status: 'ok', metrics: {}, undeclaredReads: ['a.txt'] } },
  programs: { python: null },
  secrets: [],
};

const texts = [...pipelines().map(({ text }) => text), ...findFixtures().map(({ text }) => text)];

async function survives(text: string): Promise<void> {
  const { document } = await diagnose('/rules/broken.mlpipe', text, FACTS);
  lowerWhatIsWhole(document);
}

describe('rules', () => {
  it('survive a file that ends anywhere', async () => {
    const text = pipelines()[0]?.text ?? '';
    for (let end = 0; end <= text.length; end += 3) await survives(text.slice(0, end));
  });

  it('survive pieces of files in any order', async () => {
    const lines = texts.flatMap((text) => text.split('\n')).filter((line) => !/^\s*\/\//.test(line));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...lines), { maxLength: 40 }), async (pieces) =>
        survives(pieces.join('\n')),
      ),
      { numRuns: 200, seed: 7 },
    );
  });

  it('survive a word that is taken out or put in', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...texts),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.constantFrom('', '{', '}', '(', ')', '"', '..', 'digits', '12', 'in', ':', '.', '${'),
        async (text, place, word) => {
          const tokens = text.split(/(\b)/);
          const index = Math.floor(place * tokens.length);
          await survives([...tokens.slice(0, index), word, ...tokens.slice(index + 1)].join(''));
        },
      ),
      { numRuns: 300, seed: 7 },
    );
  });

  it('say the same without services, but for what was meant', async () => {
    for (const fixture of findFixtures()) {
      const { document, diagnostics } = await diagnose(fixture.path, fixture.text, fixture.facts);
      assert.ok(document.state >= DocumentState.Linked);
      const codes = (all: typeof diagnostics): string[] =>
        all.map(({ code, range }) => `${range.start.line} ${String(code)}`).sort();
      // Whether a file or a name in it is missing is known only by asking what the file has.
      const alike = (all: string[]): string[] => all.map((each) => each.replace('MLP1015', 'MLP1001'));
      const alone = new Set(alike(codes(diagnosticsOf(document, fixture.facts))));
      assert.deepEqual([...new Set(alike(codes(diagnostics)))].sort(), [...alone].sort(), fixture.name);
    }
  });

  it('say nothing about a plain file that a team shares', async () => {
    const { diagnostics } = await diagnose(
      '/rules/shared.mlpipe',
      'environment cpu {\n  engine  wasm "4.22.0"\n}\n',
      NO_FACTS,
    );
    assert.deepEqual(diagnostics, []);
  });
});
