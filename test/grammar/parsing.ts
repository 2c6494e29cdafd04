/** What the tests of this floor share: reading a text, and a picture of it that two readings can be compared by. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type AstNode, isAstNode, isReference, type LangiumDocument, URI } from 'langium';
import type { Diagnostic } from 'vscode-languageserver-protocol';
import type * as ast from '../../grammar/generated/ast.ts';
import { loadPipeline } from '../../grammar/load.ts';
import { createMlpipeServices, type MlpipeServices } from '../../grammar/module.ts';

export const services: MlpipeServices = createMlpipeServices().mlpipe;

const root = fileURLToPath(new URL('../../', import.meta.url));

/** The sample of the language and every example, by name. */
export function pipelines(): { name: string; text: string }[] {
  const files = [`${root}test/fixtures/sample.mlpipe`];
  for (const entry of readdirSync(`${root}examples`, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    for (const file of readdirSync(`${root}examples/${entry.name}`)) {
      if (file.endsWith('.mlpipe')) files.push(`${root}examples/${entry.name}/${file}`);
    }
  }
  return files.map((file) => ({ name: file.slice(root.length), text: readFileSync(file, 'utf8') }));
}

export function parse(text: string): { file: ast.File; errors: string[] } {
  const { value, lexerErrors, parserErrors } = services.parser.LangiumParser.parse<ast.File>(text);
  return { file: value, errors: [...lexerErrors, ...parserErrors].map(({ message }) => message) };
}

let count = 0;

/** Files that import one another by name; gives the first, linked, with what its syntax and links are blamed for. */
export async function load(
  files: Record<string, string> | string,
): Promise<{ document: LangiumDocument<ast.File>; file: ast.File; diagnostics: Diagnostic[] }> {
  const named = typeof files === 'string' ? { 'main.mlpipe': files } : files;
  const folder = `/test${count++}/`;
  const [first] = Object.keys(named);
  const document = await loadPipeline(
    services,
    URI.file(folder + first),
    (uri) => named[uri.path.slice(folder.length)],
  );
  if (document === undefined) throw new Error('There is no file to load.');
  const diagnostics = await services.validation.DocumentValidator.validateDocument(document, {
    categories: ['built-in'],
  });
  return { document, file: document.parseResult.value, diagnostics };
}

/** Takes the files away again, so that thousands of them do not pile up. */
export function forget(document: LangiumDocument): void {
  services.shared.workspace.LangiumDocuments.deleteDocument(document.uri);
}

/** The tree as text: types, values and the texts of references, without positions. */
export function shape(node: AstNode): string {
  return JSON.stringify(plain(node));
}

function plain(value: unknown): unknown {
  if (isReference(value)) return `-> ${value.$refText}`;
  if (Array.isArray(value)) return value.map(plain);
  if (!isAstNode(value)) return value;
  const entries = Object.entries(value).filter(
    ([key, held]) => (key === '$type' || !key.startsWith('$')) && held !== undefined,
  );
  return Object.fromEntries(entries.map(([key, held]) => [key, plain(held)]));
}

/** Line on which a node begins, from 1. */
export function lineOf(node: AstNode): number {
  return (node.$cstNode?.range.start.line ?? -1) + 1;
}
