/** `textDocument/selectionRange`: from the word under the cursor outwards to the file, a node at a time. */
import { type CstNode, CstUtils, DocumentState, type LangiumDocument } from 'langium';
import { createRequestHandler } from 'langium/lsp';
import type { Connection, Position, Range, SelectionRange, SelectionRangeParams } from 'vscode-languageserver';
import type { MlpipeSharedServices } from '../module.ts';

export function addSelectionRangeHandler(connection: Connection, shared: MlpipeSharedServices): void {
  connection.onSelectionRanges(
    createRequestHandler<SelectionRangeParams, SelectionRange[], void>(
      (_, document, { positions }) => positions.map((position) => selectionRange(document, position)),
      shared,
      DocumentState.Parsed,
    ),
  );
}

function selectionRange(document: LangiumDocument, position: Position): SelectionRange {
  const root = document.parseResult.value.$cstNode;
  const offset = document.textDocument.offsetAt(position);
  const leaf = root && (CstUtils.findLeafNodeAtOffset(root, offset) ?? CstUtils.findLeafNodeBeforeOffset(root, offset));
  const ranges: Range[] = [];
  for (let node: CstNode | undefined = leaf; node !== undefined; node = node.container) {
    const { range } = node;
    const inner = ranges.at(-1);
    if (contains(range, position) && (inner === undefined || !equal(inner, range))) ranges.push(range);
  }
  return (
    ranges.reduceRight<SelectionRange | undefined>((parent, range) => ({ range, parent }), undefined) ?? {
      range: { start: position, end: position },
    }
  );
}

function contains(range: Range, { line, character }: Position): boolean {
  const { start, end } = range;
  const begins = start.line < line || (start.line === line && start.character <= character);
  return begins && (line < end.line || (line === end.line && character <= end.character));
}

function equal(a: Range, b: Range): boolean {
  return (
    a.start.line === b.start.line &&
    a.start.character === b.start.character &&
    a.end.line === b.end.line &&
    a.end.character === b.end.character
  );
}
