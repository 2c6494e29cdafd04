import assert from 'node:assert/strict';
import { type Graph, graphOf } from '../../extension/features/lineage/graph.ts';
import { asMermaid } from '../../extension/features/lineage/page/export-mermaid.ts';
import { asSvg, type Palette, plainColour } from '../../extension/features/lineage/page/export-svg.ts';
import { keptFrom } from '../../extension/features/lineage/page/kept.ts';
import { foldAt, nodeAt, shortened } from '../../extension/features/lineage/page/scene.ts';
import { found, spokenHits } from '../../extension/features/lineage/page/search.ts';
import { viewOf } from '../../extension/features/lineage/page/view.ts';
import { digest, largeGraph, smallLineage } from './lineages.ts';

const measure = (text: string): number => text.length * 6;
const view = (graph: Graph, all = false) => viewOf(graph, { shown: new Set(), all }, measure);
const palette: Palette = {
  background: 'rgb(1, 1, 1)',
  box: 'rgb(2, 2, 2)',
  text: 'rgb(3, 3, 3)',
  quiet: 'rgb(4, 4, 4)',
  border: 'rgb(5, 5, 5)',
  edge: 'rgb(6, 6, 6)',
  subject: 'rgb(7, 7, 7)',
  problem: 'rgb(8, 8, 8)',
  first: 'rgb(9, 9, 9)',
  second: 'rgb(10, 10, 10)',
  font: '"A Font", sans-serif',
};

function hostile(): Graph {
  const graph = graphOf(smallLineage());
  const [node] = graph.nodes;
  assert.ok(node);
  node.label = '</text><script>alert("1")</script>\u0000&amp; "]:::x\n  click n0 call alert()';
  node.detail = "' onload='alert(1)";
  return graph;
}

describe('the search in a lineage', () => {
  const { nodes } = graphOf(smallLineage());

  it('finds names, digests, runs, people and values, and all words must be there', () => {
    assert.deepEqual(found(nodes, 'digits.csv'), [digest('d')]);
    assert.deepEqual(found(nodes, 'sha256:eeee'), [digest('e')]);
    assert.deepEqual(found(nodes, 'ADA heron evaluate'), [digest('f')]);
    assert.deepEqual(found(nodes, 'ada nobody'), []);
    assert.deepEqual(found(nodes, '  '), []);
  });

  it('puts first what is called so', () => {
    assert.equal(found(nodes, 'evaluate')[0], digest('f'));
    assert.ok(found(nodes, 'recognise').length >= 3);
  });

  it('says how many there are, and at which one is', () => {
    assert.equal(spokenHits(['a', 'b'], 'b', 'x'), '2 of 2');
    assert.equal(spokenHits(['a', 'b'], undefined, 'x'), '2 found');
    assert.equal(spokenHits([], undefined, 'x'), 'nothing found');
    assert.equal(spokenHits([], undefined, ''), '');
  });
});

describe('the drawing of a lineage', () => {
  it('shortens what does not fit, and says all of it to a screen reader', () => {
    assert.equal(shortened('abcdefghij', 36, measure), 'abcde…');
    assert.equal(shortened('abc', 36, measure), 'abc');
    const graph = graphOf(smallLineage());
    const [node] = graph.nodes;
    assert.ok(node);
    node.label = 'a'.repeat(200);
    const [drawn] = view(graph).scene.nodes;
    assert.ok(drawn);
    assert.ok(drawn.lines[0].endsWith('…') && drawn.name.includes('a'.repeat(200)));
    assert.match(drawn.name, /^training a+, accuracy 97\.2 %, this is what was asked for$/);
  });

  it('knows what was clicked', () => {
    const { scene } = view(largeGraph(1000));
    const [node] = scene.nodes;
    const [fold] = scene.folds;
    assert.ok(node && fold);
    assert.equal(nodeAt(scene, { x: node.place.x + 5, y: node.place.y + 5 })?.id, node.id);
    assert.equal(nodeAt(scene, { x: -50, y: -50 }), undefined);
    assert.equal(foldAt(scene, { x: fold.place.x + 5, y: fold.place.y + 5 })?.fold.id, fold.fold.id);
  });
});

describe('the export of a lineage', () => {
  it('is an SVG that fetches nothing and whose colours are resolved', () => {
    const { scene } = view(graphOf(smallLineage()));
    const svg = asSvg(scene, palette);
    assert.match(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" width="\d+" height="\d+"/);
    assert.match(svg, />data\/digits\.csv<\/text>/);
    assert.doesNotMatch(svg, /var\(|class=|href|<style|<image|undefined|NaN/);
  });

  it('writes a mixture of colours as every viewer reads it', () => {
    assert.equal(plainColour('color(srgb 0.5 0 1)'), 'rgb(128, 0, 255)');
    assert.equal(plainColour('color(srgb 0.501961 1e-7 1 / 0.5)'), 'rgb(128, 0, 255)');
    assert.equal(plainColour('rgb(1, 2, 3)'), 'rgb(1, 2, 3)');
  });

  it('takes a name for text, whatever it looks like', () => {
    const svg = asSvg(view(hostile()).scene, palette);
    assert.doesNotMatch(svg, /<script| onload='/);
    assert.equal(svg.includes('\u0000'), false);
    const { graph, visible } = view(hostile());
    const mermaid = asMermaid(graph, visible);
    assert.doesNotMatch(mermaid, /<script|^\s*click|:::x"/m);
  });

  it('is Mermaid with a node a line, an edge a line, and what is left out', () => {
    const small = view(graphOf(smallLineage()));
    const lines = asMermaid(small.graph, small.visible).split('\n');
    assert.equal(lines[0], 'flowchart LR');
    assert.equal(lines[1], '  n0[["recognise<br>training · accuracy 97.2 %"]]');
    assert.ok(lines.includes('  n1 -->|"read by"| n0'));
    const large = view(largeGraph(1000));
    assert.match(asMermaid(large.graph, large.visible), /\(\["\d+ more"\]\)/);
  });
});

describe('what a page keeps', () => {
  it('is read back, and nothing else is taken for it', () => {
    const kept = {
      subject: { folder: '/projects', reference: digest('a') },
      camera: { x: 1, y: 2, scale: 0.5 },
      selected: digest('d'),
      query: 'x',
      shown: ['a'],
      all: true,
    };
    assert.deepEqual(keptFrom(JSON.parse(JSON.stringify(kept))), kept);
    assert.equal(keptFrom(undefined), undefined);
    assert.equal(keptFrom({ subject: { folder: 1 } }), undefined);
    const damaged = keptFrom({ subject: kept.subject, camera: { x: null, y: 2, scale: 0 }, shown: [1, 'a'] });
    assert.deepEqual(damaged, {
      subject: kept.subject,
      camera: undefined,
      selected: undefined,
      query: '',
      shown: ['a'],
      all: false,
    });
  });
});
