/** What kinds of declarations a pipeline has, and how an editor shows each: one table for outline, search and lists. */
import type { AstNode } from 'langium';
import { CompletionItemKind, SymbolKind } from 'vscode-languageserver';
import * as ast from '../../grammar/generated/ast.ts';

interface Presentation {
  /** As a person calls it. */
  noun: string;
  symbol: SymbolKind;
  completion: CompletionItemKind;
}

const presentations: Record<string, Presentation> = {
  [ast.PipelineHeader.$type]: row('pipeline', SymbolKind.Package, CompletionItemKind.Module),
  [ast.Param.$type]: row('parameter', SymbolKind.Constant, CompletionItemKind.Constant),
  [ast.Environment.$type]: row('environment', SymbolKind.Namespace, CompletionItemKind.Module),
  [ast.Data.$type]: row('data', SymbolKind.Struct, CompletionItemKind.Struct),
  [ast.Column.$type]: row('column', SymbolKind.Field, CompletionItemKind.Field),
  [ast.Part.$type]: row('part', SymbolKind.EnumMember, CompletionItemKind.EnumMember),
  [ast.Model.$type]: row('model', SymbolKind.Class, CompletionItemKind.Class),
  [ast.LayerCall.$type]: row('layer', SymbolKind.Function, CompletionItemKind.Function),
  [ast.Train.$type]: row('training', SymbolKind.Method, CompletionItemKind.Method),
  [ast.Evaluate.$type]: row('evaluation', SymbolKind.Event, CompletionItemKind.Event),
  [ast.Gate.$type]: row('gate', SymbolKind.Boolean, CompletionItemKind.Value),
  [ast.Step.$type]: row('step', SymbolKind.Function, CompletionItemKind.Function),
  [ast.OutFact.$type]: row('output', SymbolKind.File, CompletionItemKind.File),
  [ast.VariableFact.$type]: row('variable', SymbolKind.Variable, CompletionItemKind.Variable),
  [ast.Deploy.$type]: row('deployment', SymbolKind.Interface, CompletionItemKind.Interface),
  [ast.Monitor.$type]: row('monitor', SymbolKind.Operator, CompletionItemKind.Operator),
  [ast.Callable.$type]: row('built-in', SymbolKind.Function, CompletionItemKind.Function),
  [ast.Parameter.$type]: row('argument', SymbolKind.Variable, CompletionItemKind.Property),
  [ast.Choice.$type]: row('choice', SymbolKind.EnumMember, CompletionItemKind.EnumMember),
  [ast.ChoiceDeclaration.$type]: row('choices', SymbolKind.Enum, CompletionItemKind.Enum),
  [ast.TypeDeclaration.$type]: row('type', SymbolKind.TypeParameter, CompletionItemKind.TypeParameter),
  [ast.Metric.$type]: row('metric', SymbolKind.Property, CompletionItemKind.Property),
  [ast.Member.$type]: row('output', SymbolKind.Property, CompletionItemKind.Property),
  [ast.Unit.$type]: row('unit', SymbolKind.Constant, CompletionItemKind.Unit),
};

const other = row('declaration', SymbolKind.Variable, CompletionItemKind.Reference);

/** @param type an AST node's `$type` */
export function presentationOf(type: string): Presentation {
  return presentations[type] ?? other;
}

/** The name of a block as people and the command line call it; `undefined` while it has none. */
export function nameOf(node: AstNode): string | undefined {
  if (ast.isEvaluate(node)) return node.name ?? evaluationName(node);
  if (ast.isMonitor(node)) return node.deployment?.$refText;
  return 'name' in node && typeof node.name === 'string' ? node.name : undefined;
}

/** An evaluation without a name of its own is called by its training, a dot and the data set's part. */
function evaluationName({ training, data }: ast.Evaluate): string | undefined {
  const part = ast.isMemberExpression(data)
    ? data.member?.$refText
    : ast.isNameExpression(data)
      ? data.target?.$refText
      : undefined;
  return training && part ? `${training.$refText}.${part}` : training?.$refText;
}

function row(noun: string, symbol: SymbolKind, completion: CompletionItemKind): Presentation {
  return { noun, symbol, completion };
}
