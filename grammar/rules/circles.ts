/** Rule MLP1006: a block may not depend on itself, neither directly nor round about. */
import type { AstNode } from 'langium';
import * as ast from '../generated/ast.ts';
import { forEachNode } from '../syntax/tree.ts';
import type { Rule } from './rule.ts';

/** The blocks that a block names. */
type Neighbours = (block: AstNode) => readonly AstNode[];

export const referencesMustNotGoInCircles: Rule<ast.File> = (file, report) => {
  const neighbours = rememberedNeighbours();
  if (!hasCircle(file.elements, neighbours)) return;
  const blamed = new Set<AstNode>();
  for (const element of file.elements) {
    if (!('name' in element) || blamed.has(element)) continue;
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

/** Whether any way leads back to where it came from; if none does, no single one need be looked for. */
function hasCircle(blocks: readonly AstNode[], neighbours: Neighbours): boolean {
  const done = new Set<AstNode>();
  /** The way that is being gone, with what is still to be tried from each block on it. */
  const way: { block: AstNode; left: AstNode[] }[] = [];
  const onTheWay = new Set<AstNode>();
  const enter = (block: AstNode): void => {
    way.push({ block, left: [...neighbours(block)] });
    onTheWay.add(block);
  };
  for (const start of blocks) {
    if (!done.has(start)) enter(start);
    for (let last = way.at(-1); last !== undefined; last = way.at(-1)) {
      const next = last.left.pop();
      if (next === undefined) {
        way.pop();
        onTheWay.delete(last.block);
        done.add(last.block);
      } else if (onTheWay.has(next)) {
        return true;
      } else if (!done.has(next)) {
        enter(next);
      }
    }
  }
  return false;
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
