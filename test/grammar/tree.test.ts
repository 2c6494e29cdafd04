/** The walks that replace Langium's: they pass the same nodes and references, in the same order. */
import assert from 'node:assert/strict';
import { AstUtils, type ReferenceInfo } from 'langium';
import { forEachNode, forEachReference, nodesOf } from '../../grammar/syntax/tree.ts';
import { manyLines, SAMPLE } from '../language-server/sample.ts';
import { parse } from './parsing.ts';

describe('the walk through a tree', () => {
  const broken = SAMPLE.replace('flatten', 'flatten(').replace('epochs     12', 'epochs');
  for (const [what, text] of Object.entries({
    'a pipeline': SAMPLE,
    'a broken one': broken,
    'a long one': manyLines(500),
  })) {
    it(`passes every node of ${what} in order`, () => {
      const root = parse(text).file;
      assert.deepEqual(nodesOf(root), AstUtils.streamAst(root).toArray());
      for (const block of AstUtils.streamContents(root)) {
        const visited: unknown[] = [];
        forEachNode(block, (node) => visited.push(node));
        assert.deepEqual(visited, AstUtils.streamAst(block).toArray());
      }
    });

    it(`passes every reference of ${what} in order`, () => {
      for (const node of nodesOf(parse(text).file)) {
        const visited: ReferenceInfo[] = [];
        forEachReference(node, (info) => visited.push(info));
        assert.deepEqual(
          visited.map(({ property, reference }) => [property, reference.$refText]),
          AstUtils.streamReferences(node)
            .map(({ property, reference }) => [property, reference.$refText])
            .toArray(),
        );
      }
    });
  }
});
