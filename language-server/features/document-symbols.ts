/** `textDocument/documentSymbol`: the outline. Blocks, and in them what other lines can refer to. */
import { type AstNode, GrammarUtils, type LangiumDocument } from 'langium';
import type { DocumentSymbolProvider } from 'langium/lsp';
import type { DocumentSymbol } from 'vscode-languageserver';
import * as ast from '../../grammar/generated/ast.ts';
import { nameOf, presentationOf } from './declarations.ts';

export class MlpipeDocumentSymbolProvider implements DocumentSymbolProvider {
  getSymbols(document: LangiumDocument): DocumentSymbol[] {
    const root = document.parseResult.value;
    return ast.isFile(root) ? root.elements.flatMap(symbolsOf) : [];
  }
}

function symbolsOf(node: AstNode): DocumentSymbol[] {
  const cst = node.$cstNode;
  const name = nameOf(node) ?? layerName(node);
  if (cst === undefined || name === undefined || name === '') return [];
  const range = cst.range;
  const named = GrammarUtils.findNodeForProperty(cst, nameProperty(node));
  const { noun, symbol } = presentationOf(node.$type);
  return [
    {
      name,
      detail: noun,
      kind: symbol,
      range,
      selectionRange: named?.range ?? { start: range.start, end: range.start },
      children: childrenOf(node).flatMap(symbolsOf),
    },
  ];
}

function childrenOf(node: AstNode): AstNode[] {
  switch (node.$type) {
    case ast.Data.$type: {
      const { facts } = node as ast.Data; // by its $type
      const columns = facts.filter(ast.isSchemaFact).flatMap((fact) => fact.columns);
      const parts = facts.filter(ast.isSplitFact).flatMap((fact) => fact.facts.filter(ast.isPart));
      return [...columns, ...parts];
    }
    case ast.Model.$type:
      return (node as ast.Model).facts.filter(ast.isLayerCall); // by its $type
    case ast.Evaluate.$type:
      return (node as ast.Evaluate).facts; // by its $type
    case ast.Step.$type:
      return (node as ast.Step).facts.filter((fact) => ast.isOutFact(fact) || ast.isVariableFact(fact)); // by its $type
    case ast.ChoiceDeclaration.$type:
      return (node as ast.ChoiceDeclaration).choices; // by its $type
    default:
      return [];
  }
}

function layerName(node: AstNode): string | undefined {
  if (ast.isLayerCall(node)) return node.callee?.$refText;
  return ast.isGate(node) ? node.metric?.$refText : undefined;
}

function nameProperty(node: AstNode): string {
  if (ast.isLayerCall(node)) return 'callee';
  if (ast.isGate(node)) return 'metric';
  if (ast.isMonitor(node)) return 'deployment';
  return ast.isEvaluate(node) && node.name === undefined ? 'training' : 'name';
}
