/** What the page and the editor say to each other. Neither believes the other: both read messages through here. */
import { type Graph, type GraphEdge, type GraphNode, NODE_KINDS } from './graph.ts';
import type { GraphPatch } from './patch.ts';

export type ExportFormat = 'svg' | 'mermaid';

export type FromPage =
  /** It listens, and shows nothing yet: the whole graph is wanted. */
  | { type: 'ready' }
  | { type: 'refresh' }
  | { type: 'open'; id: string }
  | { type: 'copy'; id: string }
  | { type: 'look'; id: string }
  /** With the record that is meant, or to be asked for. */
  | { type: 'compare'; id?: string }
  | { type: 'endComparison' }
  | { type: 'export'; format: ExportFormat; text: string };

export type ToPage =
  | { type: 'graph'; revision: number; subject: Subject; graph: Graph }
  | { type: 'patch'; revision: number; patch: GraphPatch }
  /** What is shown stays; this says what is wrong with it. Nothing: all is well again. */
  | { type: 'trouble'; problem: string | null };

/** What a panel is about: enough to show it again after a reload. */
export interface Subject {
  folder: string;
  reference: string;
  /** The record it is compared with. */
  other?: string;
}

/** A drawing of 5,000 nodes has about 3 MB. */
const LONGEST_EXPORT = 64 * 1024 * 1024;
const LONGEST_ID = 1024;

export function messageFromPage(message: unknown): FromPage | undefined {
  if (!isObject(message)) return undefined;
  const { type, id, format, text } = message;
  switch (type) {
    case 'ready':
    case 'refresh':
    case 'endComparison':
      return { type };
    case 'open':
    case 'copy':
    case 'look':
      return isId(id) ? { type, id } : undefined;
    case 'compare':
      if (id === undefined) return { type };
      return isId(id) ? { type, id } : undefined;
    case 'export':
      if (format !== 'svg' && format !== 'mermaid') return undefined;
      return typeof text === 'string' && text.length <= LONGEST_EXPORT ? { type, format, text } : undefined;
    default:
      return undefined;
  }
}

export function messageToPage(message: unknown): ToPage | undefined {
  if (!isObject(message)) return undefined;
  const { type, revision, subject, graph, patch, problem } = message;
  if (type === 'trouble') {
    return problem === null || typeof problem === 'string' ? { type, problem } : undefined;
  }
  if (typeof revision !== 'number') return undefined;
  if (type === 'graph') {
    const known = subjectOf(subject);
    return known !== undefined && isGraph(graph) ? { type, revision, subject: known, graph } : undefined;
  }
  if (type === 'patch') return isPatch(patch) ? { type, revision, patch } : undefined;
  return undefined;
}

export function subjectOf(value: unknown): Subject | undefined {
  if (!isObject(value)) return undefined;
  const { folder, reference, other } = value;
  if (typeof folder !== 'string' || typeof reference !== 'string' || reference === '') return undefined;
  return { folder, reference, ...(typeof other === 'string' ? { other } : {}) };
}

function isGraph(value: unknown): value is Graph {
  return isHead(value) && isList(Reflect.get(value, 'nodes'), isNode) && isList(Reflect.get(value, 'edges'), isEdge);
}

function isPatch(value: unknown): value is GraphPatch {
  return (
    isObject(value) &&
    isHead(value.head) &&
    isList(value.nodes, isNode) &&
    isList(value.removed, isText) &&
    isList(value.addedEdges, isEdge) &&
    isList(value.removedEdges, isEdge)
  );
}

function isHead(value: unknown): value is GraphPatch['head'] {
  if (!isObject(value) || !isText(value.title) || !isText(value.start)) return false;
  const { comparison } = value;
  if (comparison === undefined) return true;
  return (
    isObject(comparison) &&
    isText(comparison.title) &&
    isText(comparison.start) &&
    isList(
      comparison.differences,
      (each) => isObject(each) && [each.section, each.name, each.before, each.after].every(isText),
    )
  );
}

function isNode(value: unknown): value is GraphNode {
  return (
    isObject(value) &&
    [value.id, value.label, value.detail].every(isText) &&
    NODE_KINDS.some((kind) => kind === value.kind) &&
    isList(value.facts, (each) => isList(each, isText) && Array.isArray(each) && each.length === 2) &&
    [value.problem, value.when].every((each) => each === undefined || isText(each)) &&
    [undefined, 'file', 'commit', 'record'].some((each) => each === value.opens) &&
    [undefined, 'first', 'second', 'both'].some((each) => each === value.side) &&
    (value.differs === undefined || isList(value.differs, isText))
  );
}

function isEdge(value: unknown): value is GraphEdge {
  return isObject(value) && [value.from, value.to, value.label].every(isText);
}

function isList(value: unknown, is: (each: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(is);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && value.length <= LONGEST_ID;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
