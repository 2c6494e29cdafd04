/** `textDocument/semanticTokens`: what a name means where it stands; words of the grammar are coloured without this. */
import type { AstNode } from 'langium';
import { AbstractSemanticTokenProvider, type SemanticTokenAcceptor } from 'langium/lsp';
import { SemanticTokenModifiers, SemanticTokenTypes } from 'vscode-languageserver';
import * as ast from '../../grammar/generated/ast.ts';
import { isBuiltin } from '../../grammar/scoping/builtins.ts';

/** How a name is shown, by what it names. */
const types: Readonly<Record<string, SemanticTokenTypes>> = {
  [ast.PipelineHeader.$type]: SemanticTokenTypes.namespace,
  [ast.Param.$type]: SemanticTokenTypes.variable,
  [ast.Environment.$type]: SemanticTokenTypes.namespace,
  [ast.Data.$type]: SemanticTokenTypes.struct,
  [ast.Column.$type]: SemanticTokenTypes.property,
  [ast.Part.$type]: SemanticTokenTypes.property,
  [ast.Model.$type]: SemanticTokenTypes.class,
  [ast.Train.$type]: SemanticTokenTypes.method,
  [ast.Evaluate.$type]: SemanticTokenTypes.method,
  [ast.Step.$type]: SemanticTokenTypes.method,
  [ast.Deploy.$type]: SemanticTokenTypes.interface,
  [ast.OutFact.$type]: SemanticTokenTypes.property,
  [ast.VariableFact.$type]: SemanticTokenTypes.variable,
  [ast.Callable.$type]: SemanticTokenTypes.function,
  [ast.Parameter.$type]: SemanticTokenTypes.parameter,
  [ast.Metric.$type]: SemanticTokenTypes.function,
  [ast.Member.$type]: SemanticTokenTypes.property,
  [ast.Choice.$type]: SemanticTokenTypes.enumMember,
  [ast.ChoiceDeclaration.$type]: SemanticTokenTypes.enum,
  [ast.TypeDeclaration.$type]: SemanticTokenTypes.type,
  [ast.Unit.$type]: SemanticTokenTypes.keyword,
};

/** Properties by which a node names another. */
const references = [
  'target',
  'param',
  'engine',
  'choice',
  'level',
  'column',
  'callee',
  'model',
  'environment',
  'metric',
  'training',
  'condition',
  'baseline',
  'deployment',
  'subject',
  'type',
  'unit',
  'member',
  'parameter',
];

export class MlpipeSemanticTokenProvider extends AbstractSemanticTokenProvider {
  protected override highlightElement(node: AstNode, accept: SemanticTokenAcceptor): void {
    const own = types[node.$type];
    if (own !== undefined && 'name' in node && typeof node.name === 'string') {
      accept({ node, property: 'name', type: own, modifier: SemanticTokenModifiers.declaration });
    }
    for (const property of references) {
      const reference: unknown = property in node ? Object.getOwnPropertyDescriptor(node, property)?.value : undefined;
      const target = referenced(reference);
      const type = target && types[target.$type];
      if (target === undefined || type === undefined) continue;
      accept({
        node,
        property,
        type,
        ...(isBuiltin(target) ? { modifier: SemanticTokenModifiers.defaultLibrary } : {}),
      });
    }
    if (ast.isSecret(node))
      accept({
        node,
        property: 'variable',
        type: SemanticTokenTypes.variable,
        modifier: SemanticTokenModifiers.readonly,
      });
  }
}

function referenced(value: unknown): AstNode | undefined {
  if (typeof value !== 'object' || value === null || !('$refText' in value) || !('ref' in value)) return undefined;
  // A value with `$refText` and `ref` is a reference of Langium's, whose `ref` is a node or nothing.
  return value.ref as AstNode | undefined;
}
