/** What is written about something where it is declared, as Markdown. */
import { type AstNode, AstUtils, type CommentProvider, type DocumentationProvider } from 'langium';
import * as ast from '../../grammar/generated/ast.ts';

export class MlpipeDocumentationProvider implements DocumentationProvider {
  private readonly comments: CommentProvider;

  constructor(services: { documentation: { CommentProvider: CommentProvider } }) {
    this.comments = services.documentation.CommentProvider;
  }

  /** An argument has a comment of its own, or a `@param` line where its layer, loss or metric is documented. */
  getDocumentation(node: AstNode): string | undefined {
    const own = this.comments.getComment(node);
    if (own !== undefined) return markdownOf(own);
    if (!ast.isParameter(node)) return undefined;
    const owner = AstUtils.getContainerOfType(node.$container, (other) => ast.isCallable(other) || ast.isMetric(other));
    const comment = owner && this.comments.getComment(owner);
    const line = comment && new RegExp(`@param\\s+${node.name}\\b\\s*(.*)`).exec(comment);
    return line?.[1]?.replace(/\*\/\s*$/, '').trim() || undefined;
  }
}

/** A comment without its stars; each `@param` line is an item of a list. */
export function markdownOf(comment: string): string {
  return comment
    .replace(/^\/\*\*?|\*\/$/g, '')
    .split(/\r?\n/)
    .map((line) => line.replace(/^\s*\*? ?/, '').trimEnd())
    .join('\n')
    .trim()
    .replace(/^@param\s+(\w+)\s*/gm, '- `$1`: ')
    .replace(/([^\n])\n(- `)/, '$1\n\n$2');
}
