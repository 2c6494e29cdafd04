/** What blocks declare: names at the top of a file, columns and parts of data, outputs of steps, choices of types. */
import type { AstNode } from 'langium';
import * as ast from '../generated/ast.ts';

/** What others may name: every block with a name but the pipeline's header. */
export function isDeclaration(node: AstNode): node is AstNode & { name: string } {
  return ast.isFile(node.$container) && 'name' in node && typeof node.name === 'string' && !ast.isPipelineHeader(node);
}

export function columnsOf(data: ast.Data | undefined): ast.Column[] {
  return data?.facts.filter(ast.isSchemaFact).flatMap((schema) => schema.columns) ?? [];
}

export function partsOf(data: ast.Data | undefined): ast.Part[] {
  return data?.facts.filter(ast.isSplitFact).flatMap((split) => split.facts.filter(ast.isPart)) ?? [];
}

export function outputsOf(step: ast.Step): ast.OutFact[] {
  return step.facts.filter(ast.isOutFact);
}

/** The choices that a type allows: those of a choice, and of each choice in a union. */
export function choicesOfType(type: ast.Type | undefined): ast.Choice[] {
  if (ast.isUnionType(type)) return type.options.flatMap(choicesOfType);
  const declaration = ast.isNamedType(type) ? type.type?.ref : undefined;
  return ast.isChoiceDeclaration(declaration) ? declaration.choices : [];
}
