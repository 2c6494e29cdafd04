/** From the graph to what is drawn: what of it is shown, where that stands, how it looks. Knows nothing of the page. */
import type { Graph, GraphNode } from '../graph.ts';
import { type LaidOut, layOut, type Point } from './layout.ts';
import { type Neighbours, neighboursOf } from './neighbours.ts';
import { type Measure, type Scene, sceneOf } from './scene.ts';
import { type Asked, type Visible, visibleOf } from './visible.ts';

export interface View {
  graph: Graph;
  byId: ReadonlyMap<string, GraphNode>;
  /** Of the whole graph. */
  neighbours: Neighbours;
  visible: Visible;
  layout: LaidOut;
  scene: Scene;
}

/** Lays out anew; what the earlier view showed keeps its order and, on the whole, its place. */
export function viewOf(graph: Graph, asked: Asked, measure: Measure, earlier?: View): View {
  const neighbours = neighboursOf(graph);
  const visible = visibleOf(graph, neighbours, asked);
  const shown = {
    nodes: graph.nodes.filter(({ id }) => visible.nodes.has(id)),
    edges: graph.edges.filter(({ from, to }) => visible.nodes.has(from) && visible.nodes.has(to)),
  };
  const layout = layOut(shown, earlier?.layout.places);
  const scene = sceneOf(graph, visible, shown.edges, layout, neighbours, measure);
  return { graph, byId: new Map(graph.nodes.map((node) => [node.id, node])), neighbours, visible, layout, scene };
}

/** How far the drawing has moved under something that both views show, so that a camera can follow it. */
export function movementBetween(before: View, after: View, ids: readonly (string | undefined)[]): Point {
  for (const id of ids) {
    const [from, to] = [before.layout.places.get(id ?? ''), after.layout.places.get(id ?? '')];
    if (from !== undefined && to !== undefined) return { x: to.x - from.x, y: to.y - from.y };
  }
  return { x: 0, y: 0 };
}
