import assert from 'node:assert/strict';
import { graphOf } from '../../extension/features/lineage/graph.ts';
import { fitted, inView, showing, zoomed } from '../../extension/features/lineage/page/camera.ts';
import { type LaidOut, layOut, NODE } from '../../extension/features/lineage/page/layout.ts';
import { movedFrom } from '../../extension/features/lineage/page/movement.ts';
import { neighboursOf } from '../../extension/features/lineage/page/neighbours.ts';
import { movementBetween, viewOf } from '../../extension/features/lineage/page/view.ts';
import {
  SHOWN_AT_FIRST,
  SHOWN_AT_ONCE,
  unfolded,
  visibleOf,
  wayTo,
} from '../../extension/features/lineage/page/visible.ts';
import { digest, largeGraph, smallLineage } from './lineages.ts';

const measure = (text: string): number => text.length * 6;
const near = { shown: new Set<string>(), all: false };

const at = (layout: LaidOut, id: string) => {
  const place = layout.places.get(id);
  assert.ok(place, id);
  return place;
};

function overlapping({ places }: LaidOut): string[] {
  const columns = Map.groupBy(places, ([, { x }]) => x);
  return [...columns.values()].flatMap((column) => {
    const sorted = column.toSorted(([, one], [, other]) => one.y - other.y);
    return sorted.flatMap(([id, { y }], index) => {
      const above = sorted[index - 1]?.[1].y;
      return above !== undefined && y - above < NODE.height ? [id] : [];
    });
  });
}

describe('the layout of a lineage', () => {
  const graph = graphOf(smallLineage());

  it('puts everything to the right of what it was made from, and data beside its first reader', () => {
    const layout = layOut(graph);
    for (const { from, to } of graph.edges) assert.ok(at(layout, from).x < at(layout, to).x, `${from} → ${to}`);
    const columns = [digest('d'), digest('a'), digest('b'), digest('f'), digest('9')].map((id) => at(layout, id).x);
    assert.deepEqual(
      columns,
      columns.toSorted((one, other) => one - other),
    );
    assert.equal(new Set(columns).size, 5);
    assert.equal(at(layout, digest('e')).x, at(layout, digest('d')).x);
  });

  it('leads an edge over several columns past what stands in them', () => {
    const layout = layOut(graph);
    const index = graph.edges.findIndex(({ from, to }) => from === digest('d') && to === digest('f'));
    const route = layout.routes[index] ?? [];
    assert.equal(route.length, 2);
    for (const { x, y } of route) {
      for (const place of layout.places.values()) {
        assert.ok(place.x !== x || y < place.y || y > place.y + NODE.height, 'it runs through no box');
      }
    }
  });

  it('lets no two boxes overlap, however many there are', () => {
    for (const size of [60, 1000]) assert.deepEqual(overlapping(layOut(largeGraph(size))), []);
  });

  it('is the same for the same graph, and takes a cycle, loose ends and nothing at all', () => {
    assert.deepEqual(layOut(graph), layOut(graph));
    const cycle = {
      nodes: [{ id: 'a' }, { id: 'b' }, { id: 'c' }],
      edges: [
        { from: 'a', to: 'b', label: '' },
        { from: 'b', to: 'a', label: '' },
        { from: 'b', to: 'nowhere', label: '' },
        { from: 'c', to: 'c', label: '' },
      ],
    };
    assert.equal(layOut(cycle).places.size, 3);
    assert.deepEqual(layOut({ nodes: [], edges: [] }), { places: new Map(), routes: [], width: 0, height: 0 });
  });

  it('takes a chain of ten thousand without recursion', () => {
    const nodes = Array.from({ length: 10_000 }, (_, index) => ({ id: String(index) }));
    const edges = nodes.slice(1).map(({ id }, index) => ({ from: String(index), to: id, label: '' }));
    assert.equal(layOut({ nodes, edges }).places.get('9999')?.y, 0);
  });

  it('keeps order and columns of what was there when something comes', () => {
    const before = viewOf(graph, near, measure);
    const answer = smallLineage();
    answer.nodes.push({ id: digest('7'), kind: 'output', label: 'second report' });
    answer.edges.push({ from: digest('f'), to: digest('7'), label: 'wrote' });
    const after = viewOf(graphOf(answer), near, measure, before);
    assert.deepEqual(overlapping(after.layout), []);
    const shift = movementBetween(before, after, [graph.start]);
    for (const { id } of graph.nodes) {
      const [old, now] = [at(before.layout, id), at(after.layout, id)];
      assert.equal(now.x - old.x, shift.x);
      assert.ok(Math.abs(now.y - old.y - shift.y) <= NODE.height, `${id} moved by ${now.y - old.y - shift.y}`);
    }
    const again = viewOf(graphOf(answer), near, measure, after);
    const order = ({ places }: LaidOut) => [...places].sort(([, a], [, b]) => a.x - b.x || a.y - b.y).map(([id]) => id);
    assert.deepEqual(order(again.layout), order(after.layout));
  });
});

describe('what is shown of a large lineage', () => {
  const graph = largeGraph(1000);
  const neighbours = neighboursOf(graph);

  it('is what is near, with the rest counted where it would be', () => {
    const visible = visibleOf(graph, neighbours, near);
    assert.equal(visible.nodes.size, SHOWN_AT_FIRST);
    assert.ok(visible.nodes.has(graph.start));
    assert.ok(visible.folds.length > 0 && visible.folds.every(({ hidden }) => hidden > 0));
    assert.equal(visibleOf(graph, neighbours, { ...near, all: true }).nodes.size, 1000);
    assert.equal(visibleOf(graphOf(smallLineage()), neighboursOf(graphOf(smallLineage())), near).folds.length, 0);
  });

  it('grows by what is asked for, a bounded number at once', () => {
    const spokes = Array.from({ length: 500 }, (_, index) => `reader ${index}`);
    const star = {
      ...graph,
      start: 'hub',
      nodes: ['hub', ...spokes].map((id) => ({ id, kind: 'data' as const, label: id, detail: '', facts: [] })),
      edges: spokes.map((to) => ({ from: 'hub', to, label: 'read by' })),
    };
    const around = neighboursOf(star);
    const visible = visibleOf(star, around, near);
    const [fold] = visible.folds;
    assert.ok(fold);
    assert.equal(fold.hidden, 501 - SHOWN_AT_FIRST);
    const more = unfolded(fold, around, visible);
    assert.equal(more.length, SHOWN_AT_ONCE);
    const grown = visibleOf(star, around, { shown: new Set(more), all: false });
    assert.equal(grown.folds[0]?.hidden, fold.hidden - SHOWN_AT_ONCE);
  });

  it('leads from what is found to what is shown', () => {
    const visible = visibleOf(graph, neighbours, near);
    const hidden = graph.nodes.findLast(({ id }) => !visible.nodes.has(id))?.id ?? '';
    const way = wayTo(hidden, neighbours, visible);
    assert.ok(way.includes(hidden));
    const grown = visibleOf(graph, neighbours, { shown: new Set(way), all: false });
    assert.ok(grown.nodes.has(hidden));
    assert.deepEqual(wayTo(graph.start, neighbours, visible), []);
  });
});

describe('the keys of the arrows', () => {
  const graph = graphOf(smallLineage());
  const layout = layOut(graph);
  const neighbours = neighboursOf(graph);
  const move = (from: string, direction: 'left' | 'right' | 'up' | 'down', cameFrom?: string) =>
    movedFrom(from, direction, layout, neighbours, cameFrom);

  it('follow the edges, and go back to where one came from', () => {
    assert.equal(move(digest('a'), 'right'), digest('b'));
    assert.equal(move(digest('b'), 'left'), digest('a'));
    assert.equal(move(digest('a'), 'left', digest('e')), digest('e'));
    assert.equal(move(digest('9'), 'right'), undefined);
  });

  it('stay in the column up and down, and stop at its ends', () => {
    const column = [digest('d'), digest('e'), `commit:${smallLineage().nodes[2]?.commit?.id}`].sort(
      (one, other) => at(layout, one).y - at(layout, other).y,
    );
    assert.equal(move(column[0] ?? '', 'up'), undefined);
    assert.equal(move(column[0] ?? '', 'down'), column[1]);
    assert.equal(move(column[2] ?? '', 'up'), column[1]);
  });
});

describe('the camera', () => {
  const view = { width: 800, height: 600 };

  it('fits all of it, never larger than life', () => {
    assert.deepEqual(fitted({ width: 100, height: 100 }, view), { x: 350, y: 250, scale: 1 });
    const far = fitted({ width: 7360, height: 100 }, view);
    assert.equal(far.scale, 0.1);
  });

  it('keeps what is under the pointer where it is', () => {
    const camera = zoomed({ x: 10, y: 20, scale: 1 }, 2, { x: 110, y: 220 });
    assert.deepEqual(camera, { x: -90, y: -180, scale: 2 });
    assert.ok(zoomed(camera, 1000, { x: 0, y: 0 }).scale <= 2.5);
  });

  it('brings a node into view, and moves no further than that', () => {
    const camera = { x: 0, y: 0, scale: 1 };
    assert.deepEqual(showing(camera, { x: 100, y: 100 }, view, false), camera);
    const moved = showing(camera, { x: 5000, y: 100 }, view, false);
    const seen = inView(moved, view);
    assert.ok(seen.left < 5000 && seen.right > 5000 + NODE.width);
    assert.equal(moved.y, 0);
    assert.ok(showing({ x: 0, y: 0, scale: 0.1 }, { x: 100, y: 100 }, view, true).scale >= 0.7);
  });
});
