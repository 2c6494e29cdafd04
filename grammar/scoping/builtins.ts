/** The built-in library: what a pipeline may name without declaring or importing it. */
import { type AstNode, AstUtils, type LangiumDocuments, URI } from 'langium';
import * as ast from '../generated/ast.ts';

export const BUILTINS_URI = URI.parse('builtin:///mlpipe/builtins.mlpipe');

/** Whether a node or a file is part of the language itself, so that it can neither be renamed nor edited. */
export function isBuiltin(node: AstNode): boolean {
  return AstUtils.getDocument(node).uri.toString() === BUILTINS_URI.toString();
}

/** The declarations of the library; none where it is not loaded. */
export function builtinElements(documents: LangiumDocuments): ast.Element[] {
  const root = documents.getDocument(BUILTINS_URI)?.parseResult.value;
  return ast.isFile(root) ? root.elements : [];
}

/** Where a choice may stand without a parameter to say so: the declaration that lists what is allowed. */
export const CHOICE_OF_FACT: Readonly<Record<string, string>> = {
  [ast.EngineFact.$type]: 'Engine',
  [ast.HardwareClass.$type]: 'HardwareClass',
  [ast.ResultsFact.$type]: 'Repeatability',
  [ast.WhenFact.$type]: 'Gate',
  [ast.RollbackFact.$type]: 'Baseline',
  [ast.ExpectFact.$type]: 'Subject',
  [ast.WeightsFact.$type]: 'ClassWeights',
  [ast.Callable.$type]: 'Prediction',
  [ast.Metric.$type]: 'Prediction',
};

/** The kind of callable that a fact takes. */
export const CALLABLE_OF_FACT: Readonly<Record<string, string>> = {
  [ast.LossFact.$type]: 'loss',
  [ast.OptimizerFact.$type]: 'optimizer',
  [ast.ScheduleFact.$type]: 'schedule',
  [ast.PageFact.$type]: 'pager',
};
