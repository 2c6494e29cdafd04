/**
 * Goes through a syntax tree, for whatever does so at every key. Langium's streams make several objects for each node that
 * they pass; in a long file that alone takes longer than all that is to be found out on the way.
 */
import { type AstNode, type GenericAstNode, isReference, type ReferenceInfo } from 'langium';

/** A tree never changes: a new text is a new one. */
const listed = new WeakMap<AstNode, readonly AstNode[]>();

/** Every node of a whole tree, in the order of `AstUtils.streamAst`: the root, then all that it contains. */
export function nodesOf(root: AstNode): readonly AstNode[] {
  const known = listed.get(root);
  if (known !== undefined) return known;
  const nodes: AstNode[] = [];
  forEachNode(root, (node) => nodes.push(node));
  listed.set(root, nodes);
  return nodes;
}

/** Visits a node, then all that it contains, in the same order. */
export function forEachNode(node: AstNode, visit: (node: AstNode) => void): void {
  visit(node);
  const properties = node as GenericAstNode; // any property of a node may be asked for; what it is, is asked below
  for (const name of Object.keys(node)) {
    if (name.startsWith('$')) continue;
    const value = properties[name];
    if (Array.isArray(value)) {
      for (const item of value) if (isNode(item)) forEachNode(item, visit);
    } else if (isNode(value)) {
      forEachNode(value, visit);
    }
  }
}

/** Visits the references that a node itself holds. The grammar has none that stand in a list. */
export function forEachReference(container: AstNode, visit: (info: ReferenceInfo) => void): void {
  const properties = container as GenericAstNode; // as above
  for (const property of Object.keys(container)) {
    if (property.startsWith('$')) continue;
    const reference = properties[property];
    if (isReference(reference)) visit({ reference, container, property });
  }
}

function isNode(value: unknown): value is AstNode {
  return typeof value === 'object' && value !== null && '$type' in value;
}
