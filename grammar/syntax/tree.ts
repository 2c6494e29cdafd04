/**
 * Walks through a syntax tree, for whatever walks at every key. Langium's streams make several objects for each node that
 * they pass; in a long file that alone takes longer than all that is to be found out on the way.
 */
import { type AstNode, type GenericAstNode, isReference, type ReferenceInfo } from 'langium';

/** Visits a node, then all that it contains, in the order of `AstUtils.streamAst`. */
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

/** Visits every reference in a node and in all that it contains. The grammar has none that stand in a list. */
export function forEachReference(node: AstNode, visit: (info: ReferenceInfo) => void): void {
  forEachNode(node, (container) => {
    const properties = container as GenericAstNode; // as above
    for (const property of Object.keys(container)) {
      if (property.startsWith('$')) continue;
      const reference = properties[property];
      if (isReference(reference)) visit({ reference, container, property });
    }
  });
}

function isNode(value: unknown): value is AstNode {
  return typeof value === 'object' && value !== null && '$type' in value;
}
