/** What a name or a chain of names ends in. */
import type { AstNode } from 'langium';
import * as ast from '../generated/ast.ts';

/** The declaration that an expression names: `digits` a data set, `digits.train` a part; `undefined` for anything else. */
export function targetOf(expression: ast.Expression | undefined): AstNode | undefined {
  if (ast.isNameExpression(expression)) return expression.target?.ref;
  if (ast.isMemberExpression(expression)) return expression.member?.ref;
  return undefined;
}

/** The data set that an expression names or names a part or column of: `digits` in `digits.train`. */
export function dataOf(expression: ast.Expression | undefined): ast.Data | undefined {
  if (ast.isMemberExpression(expression)) return dataOf(expression.receiver);
  const target = targetOf(expression);
  return ast.isData(target) ? target : undefined;
}
