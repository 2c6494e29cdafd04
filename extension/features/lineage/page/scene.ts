/** What is drawn, as plain data: boxes with their lines, edges as paths, folds. The page and the export draw the same. */
import type { Graph, GraphNode, NodeKind } from '../graph.ts';
import { type LaidOut, NODE, type Point } from './layout.ts';
import type { Fold, Visible } from './visible.ts';

export interface SceneNode {
  id: string;
  kind: NodeKind;
  place: Point;
  /** The two lines, shortened to the box. */
  lines: [string, string];
  /** What the box says about a comparison, or about what went wrong. */
  badge: string | undefined;
  tone: 'plain' | 'subject' | 'problem' | 'first' | 'second';
  /** Everything, as a screen reader says it. */
  name: string;
}

export interface SceneEdge {
  key: string;
  from: string;
  to: string;
  path: string;
  /** The same without bends, for a view from afar. */
  straight: string;
  /** What it spans, to leave it out where it is not in view. */
  box: { left: number; top: number; right: number; bottom: number };
}

export interface SceneFold {
  fold: Fold;
  place: Point;
  text: string;
  name: string;
}

export interface Scene {
  title: string;
  nodes: SceneNode[];
  edges: SceneEdge[];
  folds: SceneFold[];
  width: number;
  height: number;
}

export const FOLD = { width: 52, height: 20 } as const;
const TEXT_LEFT = 34;
export const TEXT = { left: TEXT_LEFT, width: NODE.width - TEXT_LEFT - 10, first: 20, second: 37 } as const;

export type Measure = (text: string, strong: boolean) => number;

/** The part of a graph that was laid out, ready to be drawn. The layout must be of the same nodes and edges. */
export function sceneOf(
  graph: Graph,
  visible: Visible,
  edges: readonly { from: string; to: string; label: string }[],
  layout: LaidOut,
  measure: Measure,
): Scene {
  const nodes = graph.nodes.flatMap((node): SceneNode[] => {
    const place = layout.places.get(node.id);
    if (place === undefined) return [];
    const second = [wordOf(node.kind), node.detail, node.side && node.problem].filter(Boolean).join(' · ');
    return [
      {
        id: node.id,
        kind: node.kind,
        place,
        lines: [
          shortened(node.label, TEXT.width, (text) => measure(text, true)),
          shortened(second, TEXT.width, (text) => measure(text, false)),
        ],
        badge: badgeOf(node, graph),
        tone: toneOf(node, graph),
        name: nameOf(node, graph),
      },
    ];
  });
  return {
    title: graph.title,
    nodes,
    edges: edges.flatMap((edge, index) => edgeOf(edge, layout, index)),
    folds: visible.folds.flatMap((fold) => foldOf(fold, layout)),
    width: layout.width,
    height: layout.height,
  };
}

/** A node by where it was clicked, in the drawing's own measure. */
export function nodeAt({ nodes }: Scene, { x, y }: Point): SceneNode | undefined {
  return nodes.findLast(
    ({ place }) => x >= place.x && x <= place.x + NODE.width && y >= place.y && y <= place.y + NODE.height,
  );
}

export function foldAt({ folds }: Scene, { x, y }: Point): SceneFold | undefined {
  return folds.find(
    ({ place }) => x >= place.x && x <= place.x + FOLD.width && y >= place.y && y <= place.y + FOLD.height,
  );
}

/** As much of a text as fits, with a sign that there is more. */
export function shortened(text: string, width: number, measure: (text: string) => number): string {
  if (measure(text) <= width) return text;
  const letters = [...text];
  let [fits, tooMany] = [0, letters.length];
  while (tooMany - fits > 1) {
    const middle = (fits + tooMany) >> 1;
    if (measure(`${letters.slice(0, middle).join('')}…`) <= width) fits = middle;
    else tooMany = middle;
  }
  return `${letters.slice(0, fits).join('').trimEnd()}…`;
}

export function wordOf(kind: NodeKind): string {
  return kind;
}

function isSubject(node: GraphNode, graph: Graph): boolean {
  return node.id === graph.start || node.id === graph.comparison?.start;
}

function badgeOf(node: GraphNode, graph: Graph): string | undefined {
  if (node.side !== undefined && isSubject(node, graph)) return node.id === graph.start ? 'first' : 'second';
  if (node.side === 'first' || node.side === 'second') {
    return node.differs === undefined ? `only ${node.side}` : `differs · ${node.side}`;
  }
  return node.problem;
}

function toneOf(node: GraphNode, graph: Graph): SceneNode['tone'] {
  if (node.side === 'first' || node.side === 'second') return node.side;
  if (isSubject(node, graph)) return 'subject';
  return node.problem === undefined ? 'plain' : 'problem';
}

function nameOf(node: GraphNode, graph: Graph): string {
  return [
    `${wordOf(node.kind)} ${node.label}`,
    node.detail,
    node.problem,
    isSubject(node, graph) ? 'this is what was asked for' : undefined,
    node.side === undefined || node.side === 'both' ? undefined : `only behind the ${node.side} model`,
    node.differs === undefined ? undefined : `differs in ${node.differs.join(', ')}`,
  ]
    .filter((part) => part !== undefined && part !== '')
    .join(', ');
}

function edgeOf(edge: { from: string; to: string; label: string }, layout: LaidOut, index: number): SceneEdge[] {
  const [from, to] = [layout.places.get(edge.from), layout.places.get(edge.to)];
  if (from === undefined || to === undefined) return [];
  const begin = { x: from.x + NODE.width, y: from.y + NODE.height / 2 };
  const end = { x: to.x, y: to.y + NODE.height / 2 };
  let path = `M${begin.x} ${begin.y}`;
  let straight = path;
  let at = begin;
  const points = layout.routes[index] ?? [];
  for (const point of points) {
    path += `${curve(at, point)}H${point.x + NODE.width}`;
    straight += `L${point.x} ${point.y}H${point.x + NODE.width}`;
    at = { x: point.x + NODE.width, y: point.y };
  }
  path += curve(at, end);
  straight += `L${end.x} ${end.y}`;
  const all = [begin, end, ...points];
  const [xs, ys] = [all.map(({ x }) => x), all.map(({ y }) => y)];
  return [
    {
      key: `${edge.from} ${edge.to} ${edge.label}`,
      from: edge.from,
      to: edge.to,
      path,
      straight,
      box: { left: Math.min(...xs), right: Math.max(...xs), top: Math.min(...ys), bottom: Math.max(...ys) },
    },
  ];
}

function curve(from: Point, to: Point): string {
  const bend = Math.max(28, Math.abs(to.x - from.x) / 2);
  return `C${from.x + bend} ${from.y} ${to.x - bend} ${to.y} ${to.x} ${to.y}`;
}

function foldOf(fold: Fold, { places }: LaidOut): SceneFold[] {
  const place = places.get(fold.node);
  if (place === undefined) return [];
  const x = fold.side === 'after' ? place.x + NODE.width + 6 : place.x - FOLD.width - 6;
  return [
    {
      fold,
      place: { x, y: place.y + (NODE.height - FOLD.height) / 2 },
      text: `+${fold.hidden}`,
      name: `${fold.hidden} more ${fold.side === 'after' ? 'made from this' : 'that this was made from'}`,
    },
  ];
}
