/** Which file on the disk a line of the text means. */
import { type AstNode, AstUtils, type URI, UriUtils } from 'langium';
import * as ast from '../../grammar/generated/ast.ts';
import { type Facts, factKey, type SourceFact } from '../../grammar/rules/facts.ts';

/** The file that a path in the text means; nothing for an address with a scheme, a template, a glob. */
export function fileOf(node: AstNode, path: string | undefined): URI | undefined {
  if (!path || /^[a-z][a-z0-9+.-]+:/i.test(path) || /[*?[\]{}]/.test(path)) return undefined;
  const base = UriUtils.dirname(AstUtils.getDocument(node).uri);
  return UriUtils.resolvePath(base, path.replaceAll('\\', '/'));
}

/** The text of a path, where it is written out. */
export function plainText(expression: ast.Expression | undefined): string | undefined {
  return ast.isPlainText(expression) ? expression.value : undefined;
}

/** What is known of a data set's source. */
export function sourceOf(data: ast.Data, facts: Facts): SourceFact | undefined {
  const path = plainText(data.facts.find(ast.isFromFact)?.source);
  const uri = fileOf(data, path);
  return uri && facts.sources[factKey(uri.fsPath)];
}
