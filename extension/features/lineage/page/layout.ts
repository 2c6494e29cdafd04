/**
 * Where each node stands and how each edge runs: columns from left to right, in each column an order with few
 * crossings, and heights that keep edges straight.
 *
 * What was laid out before keeps its order, so that a patch moves little. An edge over several columns gets a place in
 * each column that it crosses; edges that leave one node share these places, and run as one until they part.
 */
import { layersOf } from './layers.ts';
import { neighboursOf } from './neighbours.ts';

export const NODE = { width: 232, height: 48 } as const;
const COLUMN = NODE.width + 60;
const GAP = 18;
/** An edge that only passes by needs less room. */
const PASSING = 14;
/** Longer ones run straight: places for them would outnumber the nodes. */
const LONGEST_ROUTED = 24;
const SWEEPS = 8;

export interface Point {
  x: number;
  y: number;
}

export interface LaidOut {
  /** The upper left corner of each node. */
  places: Map<string, Point>;
  /** For each edge, by its place in the list: the points between its ends, left to right. */
  routes: Point[][];
  width: number;
  height: number;
}

export interface LayoutInput {
  nodes: readonly { id: string; when?: string }[];
  edges: readonly { from: string; to: string; label: string }[];
}

interface Slot {
  id: string;
  layer: number;
  height: number;
  y: number;
  before: Slot[];
  after: Slot[];
}

export function layOut(input: LayoutInput, previous?: ReadonlyMap<string, Point>): LaidOut {
  const ids = input.nodes.map(({ id }) => id);
  const layers = layersOf(ids, neighboursOf({ nodes: input.nodes.map(asNode), edges: [...input.edges] }));
  const slots = new Map(ids.map((id) => [id, slotOf(id, layers.get(id) ?? 0, NODE.height)]));
  const passing = joined(input, slots);
  const columns = columnsOf([...slots.values()]);
  firstOrder(columns, input, previous);
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const rightwards = sweep % 2 === 0;
    for (const column of rightwards ? columns : columns.toReversed()) {
      const wanted = new Map(column.map((slot) => [slot, wantedHeight(slot, rightwards ? slot.before : slot.after)]));
      // Only where nothing has a place yet: a later look at the same graph must not shuffle it.
      if (previous === undefined) column.sort((one, other) => (wanted.get(one) ?? 0) - (wanted.get(other) ?? 0));
      settle(column, wanted);
    }
  }
  for (const column of columns) {
    settle(column, new Map(column.map((slot) => [slot, wantedHeight(slot, [...slot.before, ...slot.after])])));
  }
  return placed(input, slots, passing);
}

function asNode({ id }: { id: string }) {
  return { id, kind: 'data' as const, label: '', detail: '', facts: [] };
}

function slotOf(id: string, layer: number, height: number): Slot {
  return { id, layer, height, y: 0, before: [], after: [] };
}

/** Joins the slots along the edges, with slots for what passes; answers these by source and column. */
function joined({ edges }: LayoutInput, slots: Map<string, Slot>): Map<string, Slot> {
  const passing = new Map<string, Slot>();
  const linked = new Set<string>();
  for (const { from, to } of edges) {
    const [source, target] = [slots.get(from), slots.get(to)];
    if (source === undefined || target === undefined || source.layer >= target.layer) continue;
    let last = source;
    const routed = target.layer - source.layer <= LONGEST_ROUTED;
    for (let layer = source.layer + 1; routed && layer < target.layer; layer += 1) {
      const key = passingKey(from, layer);
      const slot = passing.get(key) ?? slotOf(key, layer, PASSING);
      if (!passing.has(key)) {
        passing.set(key, slot);
        slots.set(key, slot);
        link(last, slot, linked);
      }
      last = slot;
    }
    link(last, target, linked);
  }
  return passing;
}

function link(one: Slot, other: Slot, linked: Set<string>): void {
  const key = `${one.id} ${other.id}`;
  if (linked.has(key)) return;
  linked.add(key);
  one.after.push(other);
  other.before.push(one);
}

function passingKey(from: string, layer: number): string {
  return `passing ${layer} ${from}`;
}

function columnsOf(slots: readonly Slot[]): Slot[][] {
  const columns: Slot[][] = [];
  for (const slot of slots) {
    while (columns.length <= slot.layer) columns.push([]);
    columns[slot.layer]?.push(slot);
  }
  return columns;
}

/** As it was before, with what is new beside what it is joined to; where nothing was, by time. */
function firstOrder(columns: Slot[][], { nodes }: LayoutInput, previous: ReadonlyMap<string, Point> | undefined): void {
  if (previous === undefined) {
    const when = new Map(nodes.map(({ id, when: moment }) => [id, moment ?? '']));
    const moment = ({ id }: Slot): string => when.get(id) ?? '';
    for (const column of columns) {
      column.sort((one, other) => (moment(one) < moment(other) ? -1 : moment(one) > moment(other) ? 1 : 0));
      settle(column, new Map());
    }
    return;
  }
  const known = ({ id }: Slot): boolean => previous.has(id);
  for (const slot of columns.flat()) slot.y = (previous.get(slot.id)?.y ?? 0) + slot.height / 2;
  for (const column of columns) {
    for (const slot of column) {
      // To the left everything has its height by now; to the right only what was there before.
      if (!known(slot)) slot.y = wantedHeight(slot, slot.before.length > 0 ? slot.before : slot.after.filter(known));
    }
    column.sort((one, other) => one.y - other.y);
    settle(column, new Map());
  }
}

/** The mean height of those it is joined to; where there are none, its own. Heights are those of the middle. */
function wantedHeight(slot: Slot, others: readonly Slot[]): number {
  if (others.length === 0) return slot.y;
  let sum = 0;
  for (const { y } of others) sum += y;
  return sum / others.length;
}

/**
 * Gives each slot of a column the height that it wants, as nearly as the order and the room between them allow: the
 * least squares of the distances, by pooling neighbours that want to overlap (isotonic regression).
 */
function settle(column: readonly Slot[], wanted: ReadonlyMap<Slot, number>): void {
  const pools: { sum: number; count: number }[] = [];
  const offsets: number[] = [];
  let offset = 0;
  let above: Slot | undefined;
  for (const slot of column) {
    if (above !== undefined) offset += (above.height + slot.height) / 2 + GAP;
    above = slot;
    offsets.push(offset);
    let pool = { sum: (wanted.get(slot) ?? slot.y) - offset, count: 1 };
    for (let last = pools.at(-1); last !== undefined && last.sum / last.count >= pool.sum / pool.count; ) {
      pool = { sum: last.sum + pool.sum, count: last.count + pool.count };
      pools.pop();
      last = pools.at(-1);
    }
    pools.push(pool);
  }
  let index = 0;
  for (const { sum, count } of pools) {
    for (let each = 0; each < count; each += 1) {
      const slot = column[index];
      if (slot !== undefined) slot.y = sum / count + (offsets[index] ?? 0);
      index += 1;
    }
  }
}

function placed({ nodes, edges }: LayoutInput, slots: Map<string, Slot>, passing: Map<string, Slot>): LaidOut {
  let [top, bottom, right] = [0, 0, 0];
  const tops = [...slots.values()].map(({ y, height }) => y - height / 2);
  if (tops.length > 0) top = tops.reduce((least, each) => Math.min(least, each));
  const places = new Map<string, Point>();
  for (const { id } of nodes) {
    const slot = slots.get(id);
    if (slot === undefined) continue;
    const place = { x: slot.layer * COLUMN, y: Math.round(slot.y - slot.height / 2 - top) };
    places.set(id, place);
    right = Math.max(right, place.x + NODE.width);
    bottom = Math.max(bottom, place.y + NODE.height);
  }
  const routes = edges.map(({ from, to }) => {
    const [first, last] = [slots.get(from)?.layer ?? 0, slots.get(to)?.layer ?? 0];
    const points: Point[] = [];
    for (let layer = first + 1; layer < last; layer += 1) {
      const slot = passing.get(passingKey(from, layer));
      if (slot !== undefined && last - first <= LONGEST_ROUTED) {
        points.push({ x: layer * COLUMN, y: Math.round(slot.y - top) });
      }
    }
    return points;
  });
  return { places, routes, width: right, height: bottom };
}
