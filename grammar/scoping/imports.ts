/** Which file an import names. */
import { AstUtils, type URI, UriUtils } from 'langium';
import type * as ast from '../generated/ast.ts';

/** What a file of this language is called. */
const EXTENSION = '.mlpipe';

/**
 * The address of the imported file, relative to the importing one; `undefined` while no path has been written, and for
 * a file of another kind.
 */
export function importedUri(statement: ast.Import): URI | undefined {
  return statement.path?.endsWith(EXTENSION)
    ? resolveImport(AstUtils.getDocument(statement).uri, statement.path)
    : undefined;
}

/** The address that `from "path"` means in the file at `uri`. Separators of either kind are understood. */
export function resolveImport(uri: URI, path: string): URI {
  return UriUtils.resolvePath(UriUtils.dirname(uri), path.replaceAll('\\', '/'));
}
