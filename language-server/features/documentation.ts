/** What is written about something where it is declared. */
import { AstUtils, type DocumentationProvider } from 'langium';
import * as ast from '../../grammar/generated/ast.ts';

/** An argument's own comment, or the `@param` line of what it belongs to. */
export function parameterDocumentation(provider: DocumentationProvider, parameter: ast.Parameter): string | undefined {
  const own = provider.getDocumentation(parameter);
  if (own) return own;
  const owner = AstUtils.getContainerOfType(parameter.$container, (node) => ast.isCallable(node) || ast.isMetric(node));
  const all = owner && provider.getDocumentation(owner);
  if (!all) return undefined;
  const line = new RegExp(`@param\\*?\\s+\`?${parameter.name}\`?\\s*[-–—]?\\s*(.*)`).exec(all);
  return line?.[1]?.trim() || undefined;
}
