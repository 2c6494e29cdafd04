/** `textDocument/inlayHint`: shapes and parameter counts of layers and models, and how many rows a part has. */
import { type AstNode, AstUtils, type LangiumDocument } from 'langium';
import { AbstractInlayHintProvider, type InlayHintAcceptor } from 'langium/lsp';
import { type InlayHint, InlayHintKind, type InlayHintParams, type Position } from 'vscode-languageserver';
import * as ast from '../../grammar/generated/ast.ts';
import { evaluate } from '../../grammar/typing/evaluate.ts';
import { shapeText } from '../../grammar/typing/layers.ts';
import { inferModel } from '../../grammar/typing/model.ts';
import { planValueOf } from '../../grammar/typing/values.ts';
import { count as countText } from '../../runtime/words.ts';
import type { FactsKeeper } from '../workspace/facts-keeper.ts';
import { sourceOf } from './sources.ts';

export class MlpipeInlayHintProvider extends AbstractInlayHintProvider {
  private readonly facts: FactsKeeper;

  constructor(facts: FactsKeeper) {
    super();
    this.facts = facts;
  }

  override async getInlayHints(document: LangiumDocument, params: InlayHintParams): Promise<InlayHint[]> {
    const { start, end } = params.range;
    const hints = (await super.getInlayHints(document, params)) ?? [];
    return hints.filter(({ position }) => position.line >= start.line && position.line <= end.line);
  }

  computeInlayHint(node: AstNode, accept: InlayHintAcceptor): void {
    if (ast.isModel(node)) this.hintModel(node, accept);
    else if (ast.isPart(node)) this.hintPart(node, accept);
  }

  private hintModel(model: ast.Model, accept: InlayHintAcceptor): void {
    const info = inferModel(model);
    const input = model.facts.find(ast.isInputFact);
    if (info.inputShape) hint(input, `→ ${shapeText(info.inputShape)}`, accept);
    for (const { call, output, parameterCount } of info.layers) {
      const parameters = parameterCount === 0 ? '' : ` · ${countText(parameterCount)} parameters`;
      hint(call, `→ ${shapeText(output)}${parameters}`, accept);
    }
  }

  private hintPart(part: ast.Part, accept: InlayHintAcceptor): void {
    const data = AstUtils.getContainerOfType(part, ast.isData);
    const source = data && sourceOf(data, this.facts.factsFor(part));
    const rows = source?.state === 'present' ? source.table?.rows : undefined;
    const value = evaluate(part.share);
    const share = value && planValueOf(value);
    if (rows === undefined || typeof share !== 'number') return;
    hint(part, `≈ ${countText(Math.round(rows * share))} rows`, accept);
  }
}

function hint(node: AstNode | undefined, label: string, accept: InlayHintAcceptor): void {
  const position: Position | undefined = node?.$cstNode?.range.end;
  if (position) accept({ position, label, kind: InlayHintKind.Type, paddingLeft: true });
}
