import assert from 'node:assert/strict';
import { type Graph, graphOf } from '../../extension/features/lineage/graph.ts';
import { pageHtml } from '../../extension/features/lineage/html.ts';
import { messageFromPage, messageToPage } from '../../extension/features/lineage/messages.ts';
import { isEmpty, patchBetween, patched } from '../../extension/features/lineage/patch.ts';
import type { DiffAnswer } from '../../runtime/rpc/protocol.ts';
import { COMMIT, digest, otherLineage, recordNode, smallLineage } from './lineages.ts';

const drawn = ({ nodes }: Graph): string[] =>
  nodes.map(({ kind, label, detail, opens }) => `${kind} | ${label} | ${detail}${opens ? ` → ${opens}` : ''}`);

const DIFF: DiffAnswer = {
  before: digest('a'),
  after: digest('1'),
  differences: [
    { section: 'data', name: 'data:digits', before: `${digest('d')} (1797 rows)`, after: `${digest('2')} (1798 rows)` },
    { section: 'parameters', name: 'rate', before: '0.003', after: '0.004' },
    { section: 'metrics', name: 'accuracy', before: '0.972', after: null },
    { section: 'outputs', name: 'model', before: digest('b'), after: digest('3') },
  ],
};

describe('the graph of a lineage', () => {
  it('says of each node what it is, the number that tells it from others, and what it opens', () => {
    assert.deepEqual(drawn(graphOf(smallLineage())), [
      'training | recognise | accuracy 97.2 % → record',
      'data | data/digits.csv | 1,797 rows → file',
      'commit | c0ffee00 | main → commit',
      'environment | cpu | sha256:eeeeeeee…',
      'model | recognise.model | 39.1 KiB',
      'evaluation | evaluate recognise | accuracy 97.2 % → record',
      'output | evaluate recognise.report | 2.0 KiB',
    ]);
  });

  it('tells what went wrong: a failed run, uncommitted changes, no commit at all', () => {
    const answer = smallLineage();
    answer.nodes = [
      recordNode(digest('a'), { kind: 'train', status: 'failed', metrics: {} }),
      { id: 'commit:1', kind: 'commit', label: '', commit: { id: '1'.repeat(40), dirty: true } },
      { id: 'commit:0', kind: 'commit', label: '', commit: { id: '0'.repeat(40), dirty: false } },
    ];
    const { nodes } = graphOf(answer);
    assert.deepEqual(
      nodes.map(({ label, problem, opens }) => [label, problem, opens]),
      [
        ['recognise', 'failed', 'record'],
        ['11111111', 'uncommitted changes', 'commit'],
        ['no commit yet', undefined, undefined],
      ],
    );
  });

  it('lays two models over each other and says in words what differs', () => {
    const graph = graphOf(smallLineage(), { other: otherLineage(), diff: DIFF });
    const of = (id: string) => graph.nodes.find((node) => node.id === id);
    assert.deepEqual([of(digest('d'))?.side, of(digest('d'))?.differs], ['first', ['data data:digits']]);
    assert.deepEqual([of(digest('2'))?.side, of(digest('2'))?.differs], ['second', ['data data:digits']]);
    assert.deepEqual([of(`commit:${COMMIT}`)?.side, of(`commit:${COMMIT}`)?.differs], ['both', undefined]);
    assert.deepEqual(of(digest('a'))?.differs, ['data data:digits', 'parameters rate', 'metrics accuracy']);
    assert.deepEqual(graph.comparison?.differences[0], {
      section: 'data',
      name: 'data:digits',
      before: 'sha256:dddddddd… (1797 rows)',
      after: 'sha256:22222222… (1798 rows)',
    });
    assert.deepEqual(graph.comparison?.differences[2], {
      section: 'metrics',
      name: 'accuracy',
      before: '97.2 %',
      after: '–',
    });
    assert.equal(graph.edges.filter(({ label }) => label === 'code of').length, 3);
  });
});

describe('a reproduction with the same bits', () => {
  it('has read the model, and is not said to have made it', () => {
    const answer = smallLineage();
    answer.nodes.push(recordNode(digest('8'), { kind: 'reproduce', step: 'reproduce:recognise' }));
    answer.edges.push({ from: digest('b'), to: digest('8'), label: 'read by' });
    answer.edges.push({ from: digest('8'), to: digest('b'), label: 'wrote' });
    const { edges } = graphOf(answer);
    assert.deepEqual(
      edges.filter(({ from, to }) => from === digest('8') || to === digest('8')),
      [{ from: digest('b'), to: digest('8'), label: 'read by' }],
    );
  });
});

describe('an import', () => {
  it('is told from a run, and what another tool claims from what has a digest', () => {
    const answer = smallLineage();
    answer.nodes.push(
      recordNode(digest('8'), { kind: 'import', step: 'import:quiet-run', origin: 'imported from MLflow (mlruns)' }),
      { id: 'claimed:mlflow:digits:abc', kind: 'data', label: 'digits', detail: 'as mlflow says, digest abc' },
    );
    const { nodes } = graphOf(answer);
    const record = nodes.find(({ id }) => id === digest('8'));
    assert.equal(record?.kind, 'import');
    assert.deepEqual(record?.facts[2], ['imported', 'imported from MLflow (mlruns)']);
    assert.deepEqual(
      nodes.find(({ id }) => id.startsWith('claimed:')),
      {
        id: 'claimed:mlflow:digits:abc',
        kind: 'data',
        label: 'digits',
        detail: 'claimed',
        facts: [['claimed', 'as mlflow says, digest abc']],
      },
    );
  });
});

describe('a patch', () => {
  const before = graphOf(smallLineage());
  const after = graphOf(smallLineage(), { other: otherLineage(), diff: DIFF });

  it('leads from one graph to the next and back', () => {
    const there = patched(before, patchBetween(before, after));
    assert.deepEqual(there, after);
    assert.deepEqual(patched(there, patchBetween(there, before)), before);
  });

  it('names only what is new, gone or another', () => {
    const answer = smallLineage();
    answer.nodes.push(recordNode(digest('8'), { kind: 'reproduce', step: 'reproduce' }));
    answer.nodes = answer.nodes.filter(({ id }) => id !== digest('9'));
    answer.edges.push({ from: digest('b'), to: digest('8'), label: 'read by' });
    const patch = patchBetween(before, graphOf(answer));
    assert.deepEqual(
      patch.nodes.map(({ id }) => id),
      [digest('8')],
    );
    assert.deepEqual(patch.removed, [digest('9')]);
    assert.deepEqual(patch.addedEdges.length, 1);
    assert.equal(isEmpty(patch, before), false);
  });

  it('is empty where nothing changed', () => {
    assert.equal(isEmpty(patchBetween(before, graphOf(smallLineage())), before), true);
  });
});

describe('the messages between page and editor', () => {
  it('are taken as they are meant', () => {
    const graph = graphOf(smallLineage(), { other: otherLineage(), diff: DIFF });
    const subject = { folder: '/projects', reference: digest('a'), other: digest('1') };
    const whole = { type: 'graph' as const, revision: 0, subject, graph };
    assert.deepEqual(messageToPage(JSON.parse(JSON.stringify(whole))), whole);
    const patch = { type: 'patch' as const, revision: 1, patch: patchBetween(graphOf(smallLineage()), graph) };
    assert.deepEqual(messageToPage(JSON.parse(JSON.stringify(patch))), patch);
    for (const message of [
      { type: 'ready' },
      { type: 'open', id: 'x' },
      { type: 'compare' },
      { type: 'export', format: 'svg', text: '<svg/>' },
    ])
      assert.deepEqual(messageFromPage(message), message);
  });

  it('are dropped where they are anything else', () => {
    for (const message of [
      undefined,
      null,
      'ready',
      [],
      { type: 'run' },
      { type: 'open' },
      { type: 'open', id: 7 },
      { type: 'open', id: 'x'.repeat(2000) },
      { type: 'compare', id: {} },
      { type: 'export', format: 'html', text: '' },
    ])
      assert.equal(messageFromPage(message), undefined, JSON.stringify(message));
    const graph = graphOf(smallLineage());
    const subject = { folder: '/projects', reference: 'x' };
    const [node] = graph.nodes;
    for (const broken of [
      { graph: { ...graph, nodes: [{ ...node, kind: 'script' }] } },
      { graph: { ...graph, nodes: [{ ...node, facts: [['digest']] }] } },
      { graph: { ...graph, edges: [{ from: 'a' }] } },
      { subject: { folder: '/projects' } },
      { revision: '0' },
    ])
      assert.equal(messageToPage({ type: 'graph', revision: 0, subject, graph, ...broken }), undefined);
  });
});

describe('the page of a lineage', () => {
  const html = pageHtml({ source: 'https://editor.test', script: 'a.js', style: 'a.css', nonce: 'N0nce' });

  it('lets nothing in but its own script and style', () => {
    const [, policy] = /Content-Security-Policy" content="([^"]+)"/.exec(html) ?? [];
    assert.equal(policy, "default-src 'none'; script-src 'nonce-N0nce'; style-src https://editor.test");
    assert.deepEqual(html.match(/<script[^>]*>/g), ['<script nonce="N0nce" src="a.js">']);
    assert.doesNotMatch(html, / on\w+=| style="|<style|javascript:/);
  });

  it('gives everything that can be used a name', () => {
    for (const [, attributes = '', words = ''] of html.matchAll(/<button([^>]*)>([^<]*)/g)) {
      if (attributes.includes('hidden')) continue;
      assert.ok(attributes.includes('aria-label') || /\w{2,}/.test(words), attributes);
    }
    assert.match(html, /<input type="search"[^>]* aria-label="/);
    assert.match(html, /role="tree" tabindex="0" aria-label="/);
    assert.match(html, /aria-live="polite"/);
  });
});
