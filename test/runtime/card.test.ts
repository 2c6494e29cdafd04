/** Model cards: numbers with how sure they are, and text that may be hostile. */
import assert from 'node:assert/strict';
import type { Card } from '../../runtime/export/card.ts';
import { cardAsHtml, cardAsMarkdown } from '../../runtime/export/card-text.ts';
import { studentInterval, wilson } from '../../runtime/export/interval.ts';
import { measuredMetrics } from '../../runtime/export/measured.ts';
import { recordOf } from './records.ts';

describe('an interval', () => {
  // R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
  for (const [right, rows, lower, upper] of [
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ] as const)
    it(`of ${right} of ${rows} is as published`, () => {
      const interval = wilson(right / rows, rows);
      assert.ok(Math.abs(interval.lower - lower) < 5e-5, String(interval.lower));
      assert.ok(Math.abs(interval.upper - upper) < 5e-5, String(interval.upper));
    });

  it('of the mean of 1, 2 and 3 is 2 ± 4.303 / √3', () => {
    const interval = studentInterval([1, 2, 3]);
    assert.ok(Math.abs((interval?.upper ?? 0) - (2 + 4.303 / Math.sqrt(3))) < 1e-9);
    assert.equal(studentInterval([1]), undefined);
  });

  it('is given to shares of rows, and to others by their replicates alone', () => {
    const evaluated = (loss: number) => ({
      digest: 'sha256:0' as const,
      record: recordOf({ metrics: { accuracy: 0.9, f1: 0.8, loss } }),
    });
    const evaluation = { stored: evaluated(0.1), on: 'digits.test', rows: 100, classes: [], replicates: [] };
    const alone = measuredMetrics({ evaluations: [evaluation] });
    assert.deepEqual(
      alone.map(({ name, interval }) => [name, interval !== undefined]),
      [
        ['accuracy', true],
        ['f1', false],
        ['loss', false],
      ],
    );
    const repeated = measuredMetrics({
      evaluations: [{ ...evaluation, replicates: [evaluated(0.2), evaluated(0.3)] }],
    });
    assert.match(repeated[2]?.seeds?.method ?? '', /3 seeds/);
  });
});

describe('a model card', () => {
  const HOSTILE =
    '<script>alert(1)</script>"\'&|`*_[x](javascript:alert(1))\n# heading\u202e\u0000 https://evil.example ![i](data:x)';
  const card: Card = {
    title: HOSTILE,
    summary: HOSTILE,
    sections: [
      { title: 'Data', tables: [{ head: ['', HOSTILE], rows: [[HOSTILE, HOSTILE]] }], points: [HOSTILE] },
      { title: 'Empty', tables: [{ head: ['a'], rows: [] }], points: [] },
    ],
  };

  it('as HTML has no script, no address, no event and nothing from outside, whatever its text', () => {
    const html = cardAsHtml(card);
    assert.doesNotMatch(html, /<script|<img|<a\b|<link|\son\w+=|href|src=|url\(|@import/i);
    assert.doesNotMatch(html, /\p{Cf}/u);
    assert.match(html, /&lt;script&gt;alert\(1\)&lt;\/script&gt;&quot;&#39;&amp;/);
    assert.match(html, /prefers-color-scheme: dark/);
    assert.match(html, /default-src 'none'/);
    assert.doesNotMatch(html, /Empty/);
  });

  it('as Markdown has no markup but its own, and a table of as many cells as it has columns', () => {
    const markdown = cardAsMarkdown(card);
    assert.doesNotMatch(markdown, /(?<!\\)[<[*`]/);
    assert.doesNotMatch(markdown, /https?:|javascript:|data:/);
    assert.equal(markdown.match(/^#/gm)?.length, 2);
    const row = markdown.split('\n').find((line) => line.startsWith('| \\<script')) ?? '';
    assert.equal(row.match(/(?<!\\)\|/g)?.length, 3);
  });
});
