/** `textDocument/signatureHelp`: the arguments of a layer, a loss, an optimizer, a metric, while they are written. */
import { type AstNode, AstUtils, CstUtils, type DocumentationProvider, type LangiumDocument } from 'langium';
import type { SignatureHelpProvider } from 'langium/lsp';
import type {
  ParameterInformation,
  SignatureHelp,
  SignatureHelpOptions,
  SignatureHelpParams,
} from 'vscode-languageserver';
import * as ast from '../../grammar/generated/ast.ts';
import type { MlpipeServices } from '../module.ts';

type Owner = ast.Callable | ast.Metric;

export class MlpipeSignatureHelpProvider implements SignatureHelpProvider {
  readonly signatureHelpOptions: SignatureHelpOptions = { triggerCharacters: ['(', ','], retriggerCharacters: [')'] };
  private readonly documentation: DocumentationProvider;

  constructor(services: MlpipeServices) {
    this.documentation = services.documentation.DocumentationProvider;
  }

  provideSignatureHelp(document: LangiumDocument, { position }: SignatureHelpParams): SignatureHelp | undefined {
    const root = document.parseResult.value.$cstNode;
    if (root === undefined) return undefined;
    const text = document.textDocument.getText();
    const offset = document.textDocument.offsetAt(position);
    const call = openCall(text, offset);
    if (call === undefined) return undefined;
    const leaf = CstUtils.findLeafNodeAtOffset(root, call.nameEnd - 1);
    const owner = leaf && ownerOf(leaf.astNode);
    if (owner === undefined || owner.name !== leaf?.text) return undefined;
    const parameters = owner.parameters.map((parameter) => this.parameter(parameter));
    const label = `${owner.name}(${parameters.map(({ label }) => label).join(', ')})`;
    const named = owner.parameters.findIndex(({ name }) => name === call.label);
    const documentation = this.documentation.getDocumentation(owner);
    return {
      signatures: [
        {
          label,
          parameters,
          ...(documentation ? { documentation: { kind: 'markdown', value: documentation } } : {}),
        },
      ],
      activeSignature: 0,
      activeParameter: named === -1 ? Math.min(call.commas, Math.max(0, parameters.length - 1)) : named,
    };
  }

  private parameter(parameter: ast.Parameter): ParameterInformation & { label: string } {
    const written = parameter.$cstNode?.text
      .replace(/\/\*[\s\S]*?\*\//g, '')
      .replace(/\s+/g, ' ')
      .trim();
    const documentation = this.documentation.getDocumentation(parameter);
    return {
      label: written ?? parameter.name,
      ...(documentation ? { documentation: { kind: 'markdown', value: documentation } } : {}),
    };
  }
}

function ownerOf(node: AstNode | undefined): Owner | undefined {
  const call = AstUtils.getContainerOfType(
    node,
    (other) => ast.isCall(other) || ast.isLayerCall(other) || ast.isGate(other),
  );
  if (call === undefined) return undefined;
  if (ast.isGate(call)) return call.metric?.ref;
  return ast.isCall(call) ? call.callee?.ref : undefined;
}

/** The innermost bracket that is open at the cursor, read from the text: the tree of a half-written call is not to be trusted. */
function openCall(
  text: string,
  offset: number,
): { nameEnd: number; commas: number; label: string | undefined } | undefined {
  let depth = 0;
  let commas = 0;
  let label: string | undefined;
  for (let index = offset - 1; index >= 0; index--) {
    const character = text[index];
    if (character === ')' || character === ']') depth++;
    else if (character === '[' && depth > 0) depth--;
    else if (character === '(' && depth > 0) depth--;
    else if (character === '(') return /\w/.test(text[index - 1] ?? '') ? { nameEnd: index, commas, label } : undefined;
    else if (character === '{' || character === '}') return undefined;
    else if (character === ',' && depth === 0) commas++;
    else if (character === ':' && depth === 0 && commas === 0)
      label ??= /(\w+)\s*$/.exec(text.slice(Math.max(0, index - 80), index))?.[1];
  }
  return undefined;
}
