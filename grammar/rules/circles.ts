/** Rule MLP1006: a block may not depend on itself, neither directly nor round about. */
import type { AstNode } from 'langium';
import * as ast from '../generated/ast.ts';
import { forEachNode } from '../syntax/tree.ts';
import type { Rule } from './rule.ts';

/** The blocks that a block names. */
type Neighbours = (block: AstNode) => readonly AstNode[];

export const referencesMustNotGoInCircles: Rule<ast.File> = (file, report) => {
  const neighbours = rememberedNeighbours();
  const suspects = onTheWayToCircles(file.elements, neighbours);
  const blamed = new Set<AstNode>();
  for (const element of file.elements) {
    if (!('name' in element) || blamed.has(element) || !suspects.has(element)) continue;
    const path = circleFrom(element, neighbours);
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

/** Each block is read once, however many ways lead to it. */
function rememberedNeighbours(): Neighbours {
  const known = new Map<AstNode, AstNode[]>();
  return (block) => {
    const found = known.get(block) ?? neighboursOf(block);
    known.set(block, found);
    return found;
  };
}

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

/**
 * What is left when every block has been taken away that names none but such as have been taken away before: only from
 * there can a way lead back. In a file without circles that is nothing, and no way is looked for at all.
 */
function onTheWayToCircles(blocks: readonly AstNode[], neighbours: Neighbours): Set<AstNode> {
  const left = new Set<AstNode>(blocks);
  const namedBy = new Map<AstNode, AstNode[]>();
  const open = new Map<AstNode, number>();
  // The set grows while it is gone through: what imported blocks name is looked at as well.
  for (const block of left) {
    const others = neighbours(block);
    open.set(block, others.length);
    for (const other of others) {
      left.add(other);
      const known = namedBy.get(other);
      if (known === undefined) namedBy.set(other, [block]);
      else known.push(block);
    }
  }
  const ends = [...left].filter((block) => open.get(block) === 0);
  for (let block = ends.pop(); block !== undefined; block = ends.pop()) {
    left.delete(block);
    for (const other of namedBy.get(block) ?? []) {
      const rest = (open.get(other) ?? 0) - 1;
      open.set(other, rest);
      if (rest === 0) ends.push(other);
    }
  }
  return left;
}

/** The shortest way from a block back to itself. */
function circleFrom(start: AstNode, neighbours: Neighbours): AstNode[] | undefined {
  const queue: AstNode[][] = [[start]];
  const seen = new Set<AstNode>();
  for (const path of queue) {
    const last = path.at(-1);
    for (const next of last === undefined ? [] : neighbours(last)) {
      if (next === start) return path;
      if (seen.has(next)) continue;
      seen.add(next);
      queue.push([...path, next]);
    }
  }
  return undefined;
}
