/** What is drawn, as plain data: boxes with their texts, lines as paths, folds. The page and the export draw the same. */
import type { Graph, GraphNode, NodeKind } from '../graph.ts';
import { type LaidOut, NODE, type Point } from './layout.ts';
import type { Neighbours } from './neighbours.ts';
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
  /** Where the arrow keys lead from it, said after the name. */
  around: string;
}

/** A piece of an edge, from one column to the next; edges that run together share it. */
export interface SceneLine {
  from: string;
  /** Where the edges go that it is part of. */
  to: string[];
  path: string;
  /** The same without bends, for a view from afar. */
  straight: string;
  /** It ends at a node. */
  arrow: boolean;
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
  lines: SceneLine[];
  folds: SceneFold[];
  width: number;
  height: number;
}

export const FOLD = { width: 52, height: 20 } as const;
const TEXT_LEFT = 34;
export const TEXT = { left: TEXT_LEFT, width: NODE.width - TEXT_LEFT - 10, first: 20, second: 37 } as const;

/** Heights of letters, in pixels of the drawing; page.css has the same. */
export const LETTERS = { label: 13, detail: 12, badge: 11 } as const;

export type Measure = (text: string, strong: boolean) => number;

/** The part of a graph that was laid out, ready to be drawn. The layout must be of the same nodes and edges. */
export function sceneOf(
  graph: Graph,
  visible: Visible,
  edges: readonly { from: string; to: string; label: string }[],
  layout: LaidOut,
  neighbours: Neighbours,
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
        around: `made from ${neighbours.before(node.id).length}, went into ${neighbours.after(node.id).length}`,
      },
    ];
  });
  return {
    title: graph.title,
    nodes,
    lines: linesOf(edges, layout),
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

function linesOf(edges: readonly { from: string; to: string }[], layout: LaidOut): SceneLine[] {
  const lines = new Map<string, SceneLine>();
  for (const [index, edge] of edges.entries()) {
    const [from, to] = [layout.places.get(edge.from), layout.places.get(edge.to)];
    if (from === undefined || to === undefined) continue;
    let begin = { x: from.x + NODE.width, y: from.y + NODE.height / 2 };
    const target = { x: to.x, y: to.y + NODE.height / 2 };
    for (const end of [...(layout.routes[index] ?? []), target]) {
      // Through its place in a column an edge runs level.
      const level = end === target ? '' : `H${end.x + NODE.width}`;
      const path = `M${begin.x} ${begin.y}${curve(begin, end)}${level}`;
      const line = lines.get(path);
      if (line === undefined) {
        lines.set(path, {
          from: edge.from,
          to: [edge.to],
          path,
          straight: `M${begin.x} ${begin.y}L${end.x} ${end.y}${level}`,
          arrow: end === target,
          box: {
            left: Math.min(begin.x, end.x),
            right: Math.max(begin.x, end.x + (level === '' ? 0 : NODE.width)),
            top: Math.min(begin.y, end.y),
            bottom: Math.max(begin.y, end.y),
          },
        });
      } else line.to.push(edge.to);
      begin = { x: end.x + NODE.width, y: end.y };
    }
  }
  return [...lines.values()];
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
