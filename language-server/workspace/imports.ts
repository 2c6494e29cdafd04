/** The files that a document names in its imports. */
import type { LangiumDocument, URI } from 'langium';
import { isFile, isImport } from '../../grammar/generated/ast.ts';
import { importedUri } from '../../grammar/scoping/imports.ts';

export function importedUris(document: LangiumDocument): URI[] {
  const root = document.parseResult.value;
  if (!isFile(root)) return [];
  return root.elements
    .filter(isImport)
    .map(importedUri)
    .filter((uri) => uri !== undefined);
}
