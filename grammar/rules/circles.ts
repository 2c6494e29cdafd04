/** Rule MLP1006: a block may not depend on itself, neither directly nor round about. */
import type { AstNode } from 'langium';
import * as ast from '../generated/ast.ts';
import { forEachNode } from '../syntax/tree.ts';
import type { Rule } from './rule.ts';

export const referencesMustNotGoInCircles: Rule<ast.File> = (file, report) => {
  const blamed = new Set<AstNode>();
  const neighbours = new Map<AstNode, AstNode[]>();
  const of = (node: AstNode): AstNode[] => {
    const known = neighbours.get(node) ?? neighboursOf(node);
    neighbours.set(node, known);
    return known;
  };
  const circling = withoutEnds(file.elements, of);
  for (const element of file.elements) {
    if (!('name' in element) || blamed.has(element) || !circling.has(element)) continue;
    const path = cycleFrom(element, (node) => of(node).filter((next) => circling.has(next)));
    if (path === undefined) continue;
    for (const node of path) blamed.add(node);
    const names = [...path, element].map((node) => ('name' in node ? String(node.name) : ''));
    report({
      code: 'MLP1006',
      message: `${names.map((name) => `\`${name}\``).join(' → ')}: this goes in circles. Break it at one of these.`,
      node: element,
      property: 'name',
    });
  }
};

/**
 * What is left of the blocks when those that name nothing are taken away, then those that name only such, and so on: in
 * a file without circles, nothing.
 */
function withoutEnds(elements: readonly AstNode[], of: (node: AstNode) => AstNode[]): Set<AstNode> {
  const all = new Set<AstNode>(elements);
  // A set takes in what is added while it is gone through.
  for (const node of all) for (const next of of(node)) all.add(next);
  const namedBy = new Map<AstNode, AstNode[]>();
  const left = new Map<AstNode, number>();
  for (const node of all) {
    const next = new Set(of(node));
    left.set(node, next.size);
    for (const each of next) {
      const before = namedBy.get(each);
      if (before === undefined) namedBy.set(each, [node]);
      else before.push(node);
    }
  }
  const ends = [...all].filter((node) => left.get(node) === 0);
  for (const end of ends) {
    all.delete(end);
    for (const node of namedBy.get(end) ?? []) {
      const count = (left.get(node) ?? 0) - 1;
      left.set(node, count);
      if (count === 0) ends.push(node);
    }
  }
  return all;
}

/** The shortest way from a block back to itself. */
function cycleFrom(start: AstNode, of: (node: AstNode) => AstNode[]): AstNode[] | undefined {
  const from = new Map<AstNode, AstNode | undefined>([[start, undefined]]);
  for (const node of from.keys()) {
    for (const next of of(node)) {
      if (next === start) {
        const path: AstNode[] = [];
        for (let at: AstNode | undefined = node; at !== undefined; at = from.get(at)) path.unshift(at);
        return path;
      }
      if (!from.has(next)) from.set(next, node);
    }
  }
  return undefined;
}

/** The blocks that a block names. */
function neighboursOf(block: AstNode): AstNode[] {
  const named: AstNode[] = [];
  forEachNode(block, (inner) => {
    if (inner === block) return;
    const target = ast.isNameExpression(inner)
      ? inner.target?.ref
      : ast.isModelFact(inner)
        ? inner.model?.ref
        : undefined;
    const other = target === undefined ? undefined : blockOf(target);
    // A step may name its own outputs, and a training's data its own columns.
    if (other !== undefined && (other !== block || ast.isParam(block))) named.push(other);
  });
  return named;
}

/** The block of a file that a node stands in; the node itself where it is one. */
export function blockOf(node: AstNode): AstNode | undefined {
  for (let at: AstNode | undefined = node; at !== undefined; at = at.$container)
    if (ast.isFile(at.$container)) return at;
  return undefined;
}
