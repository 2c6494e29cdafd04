/** From text to a linked pipeline, with all that it imports. No I/O of its own: the caller reads. */
import { DocumentState, type LangiumDocument, type LangiumSharedCoreServices, type URI } from 'langium';
import * as ast from './generated/ast.ts';
import { BUILTINS } from './generated/builtins.ts';
import type { MlpipeServices } from './module.ts';
import { BUILTINS_URI } from './scoping/builtins.ts';
import { importedUri } from './scoping/imports.ts';

/** The built-in library as a document, parsed once for each workspace. */
export function builtinsDocument(shared: LangiumSharedCoreServices): LangiumDocument<ast.File> {
  const { LangiumDocuments, LangiumDocumentFactory } = shared.workspace;
  const known = LangiumDocuments.getDocument(BUILTINS_URI);
  // Only this function makes a document at this address, with a text of this language.
  if (known) return known as LangiumDocument<ast.File>;
  const document = LangiumDocumentFactory.fromString<ast.File>(BUILTINS, BUILTINS_URI);
  LangiumDocuments.addDocument(document);
  return document;
}

/** Makes the built-in library known and linked. Cheap when it is so already. */
export async function loadBuiltins(shared: LangiumSharedCoreServices): Promise<LangiumDocument<ast.File>> {
  const document = builtinsDocument(shared);
  await shared.workspace.DocumentBuilder.build([document]);
  return document;
}

/**
 * A pipeline with everything that it imports, transitively, all linked. Files that import one another end the search,
 * not the program. An imported file that is not there is left out; its import then does not resolve.
 *
 * @param read gives the text at an address, or `undefined` where there is none
 * @returns the pipeline's own document, or `undefined` where `read` knows nothing at its address
 */
export async function loadPipeline(
  services: MlpipeServices,
  uri: URI,
  read: (uri: URI) => string | undefined | Promise<string | undefined>,
): Promise<LangiumDocument<ast.File> | undefined> {
  const { shared } = services;
  const found = new Map<string, LangiumDocument<ast.File>>();
  const waiting: URI[] = [uri];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (found.has(next.toString())) continue;
    const document = await documentAt(shared, next, read);
    if (document === undefined) continue;
    found.set(next.toString(), document);
    for (const element of document.parseResult.value.elements) {
      const imported = ast.isImport(element) ? importedUri(element) : undefined;
      if (imported) waiting.push(imported);
    }
  }
  await shared.workspace.DocumentBuilder.build([builtinsDocument(shared), ...found.values()]);
  return found.get(uri.toString());
}

/** A document that is known already is taken as it is: an editor's text counts more than the disk's. */
async function documentAt(
  shared: LangiumSharedCoreServices,
  uri: URI,
  read: (uri: URI) => string | undefined | Promise<string | undefined>,
): Promise<LangiumDocument<ast.File> | undefined> {
  const { LangiumDocuments, LangiumDocumentFactory } = shared.workspace;
  const known = LangiumDocuments.getDocument(uri);
  if (known !== undefined && known.state > DocumentState.Changed) {
    return ast.isFile(known.parseResult.value) ? (known as LangiumDocument<ast.File>) : undefined;
  }
  const text = await read(uri);
  if (text === undefined) return undefined;
  const document = LangiumDocumentFactory.fromString<ast.File>(text, uri);
  LangiumDocuments.addDocument(document);
  return document;
}
