/** `textDocument/hover`: what something is, from where it is declared, and what is known of it. */
import { type AstNode, Cancellation, type CommentProvider, CstUtils, GrammarAST, type LangiumDocument } from 'langium';
import { AstNodeHoverProvider } from 'langium/lsp';
import type { CancellationToken, Hover, HoverParams } from 'vscode-languageserver';
import * as ast from '../../grammar/generated/ast.ts';
import type { Facts } from '../../grammar/rules/facts.ts';
import { shapeText } from '../../grammar/typing/layers.ts';
import { inferModel } from '../../grammar/typing/model.ts';
import { count as countText, metric as metricText, size as sizeText } from '../../runtime/words.ts';
import type { MlpipeServices } from '../module.ts';
import type { FactsKeeper } from '../workspace/facts-keeper.ts';
import { nameOf, presentationOf } from './declarations.ts';
import { pinAt, pinText } from './pin-hover.ts';
import { sourceOf } from './sources.ts';
import { agoText } from './wording.ts';

export class MlpipeHoverProvider extends AstNodeHoverProvider {
  private readonly services: MlpipeServices;
  private readonly comments: CommentProvider;
  private readonly facts: FactsKeeper;

  constructor(services: MlpipeServices, facts: FactsKeeper) {
    super(services);
    this.services = services;
    this.comments = services.documentation.CommentProvider;
    this.facts = facts;
  }

  override async getHoverContent(
    document: LangiumDocument,
    params: HoverParams,
    token: CancellationToken = Cancellation.CancellationToken.None,
  ): Promise<Hover | undefined> {
    const root = document.parseResult.value.$cstNode;
    if (root === undefined) return undefined;
    const offset = document.textDocument.offsetAt(params.position);
    const leaf = CstUtils.findDeclarationNodeAtOffset(root, offset, /[\w%]/);
    if (leaf === undefined || leaf.offset > offset || leaf.end < offset) return undefined;
    const pin = pinAt(leaf);
    const history = pin && (await this.facts.pinHistory(document, pin, token));
    if (history !== undefined) return { contents: { kind: 'markdown', value: pinText(history) }, range: leaf.range };
    const targets = this.references.findDeclarations(leaf);
    const texts = targets.map((target) => this.describe(target, leaf.astNode, this.facts.factsOf(document)));
    if (texts.length > 0) return { contents: { kind: 'markdown', value: texts.join('\n\n') }, range: leaf.range };
    if (!GrammarAST.isKeyword(leaf.grammarSource)) return undefined;
    return this.getKeywordHoverContent(leaf.grammarSource) as Hover | undefined; // Langium types it as a promise or not
  }

  protected override getAstNodeHoverContent(node: AstNode): string {
    return this.describe(node, node, this.facts.factsFor(node));
  }

  private describe(node: AstNode, at: AstNode, facts: Facts): string {
    const lines = [`\`\`\`mlpipe\n${headline(node)}\n\`\`\``];
    const documentation = this.services.documentation.DocumentationProvider.getDocumentation(node);
    if (documentation) lines.push(documentation);
    else if (this.comments.getComment(node) === undefined) lines.push(...precedingComment(node));
    lines.push(...known(node, at, facts));
    return lines.join('\n\n');
  }
}

function headline(node: AstNode): string {
  const text = node.$cstNode?.text ?? '';
  const firstLine = text.split(/\r?\n/, 1)[0]?.replace(/\s*\{\s*$/, '') ?? '';
  if (ast.isCallable(node) || ast.isMetric(node)) return text.replace(/\s+/g, ' ');
  if (ast.isChoice(node)) return `${node.$container.name}.${node.name}`;
  if (ast.isColumn(node) || ast.isPart(node) || ast.isMember(node)) {
    return `${presentationOf(node.$type).noun} ${text.replace(/\s+/g, ' ')}`;
  }
  return firstLine;
}

/** A comment of whole lines directly above a block is about it. */
function precedingComment(node: AstNode): string[] {
  const cst = node.$cstNode;
  if (cst === undefined || !ast.isFile(node.$container)) return [];
  const above = cst.root.fullText.slice(0, cst.offset).split(/\r?\n/).slice(0, -1);
  const comment: string[] = [];
  for (const line of above.reverse()) {
    const found = /^\s*\/\/\s?(.*)$/.exec(line);
    if (found === null || found[1]?.startsWith('mlpipe:')) break;
    comment.unshift(found[1] ?? '');
  }
  return comment.length === 0 ? [] : [comment.join('\n')];
}

function known(node: AstNode, at: AstNode, facts: Facts): string[] {
  if (ast.isModel(node)) return modelLines(node);
  if (ast.isCallable(node) && ast.isLayerCall(at)) return layerLines(at);
  if (ast.isData(node)) return dataLines(node, facts);
  if (ast.isColumn(node)) return columnLines(node, facts);
  if (ast.isTrain(node) || ast.isEvaluate(node) || ast.isStep(node)) return runLines(nameOf(node), facts);
  return [];
}

function modelLines(model: ast.Model): string[] {
  const { inputShape, outputShape, parameterCount } = inferModel(model);
  if (inputShape === undefined || outputShape === undefined) return [];
  return [`${shapeText(inputShape)} → ${shapeText(outputShape)}, ${countText(parameterCount)} parameters`];
}

function layerLines(call: ast.LayerCall): string[] {
  const found = inferModel(call.$container).layers.find((layer) => layer.call === call);
  if (found === undefined) return [];
  const parameters = found.parameterCount === 0 ? 'no parameters' : `${countText(found.parameterCount)} parameters`;
  return [`${shapeText(found.input)} → ${shapeText(found.output)}, ${parameters}`];
}

function dataLines(data: ast.Data, facts: Facts): string[] {
  const source = sourceOf(data, facts);
  const pin = data.facts.find(ast.isPinFact)?.digest;
  const pinned = pin ? `Pinned at \`${shortDigest(pin)}\`.` : 'Not pinned.';
  if (source === undefined) return [pinned];
  if (source.state === 'missing') {
    return [`The source is not there${source.inStore ? '; the pinned content is in the store' : ''}.`, pinned];
  }
  if (source.state === 'unreadable') return [`The source cannot be read: ${source.reason}`, pinned];
  const size = [sizeText(source.bytes)];
  if (source.files !== undefined) size.unshift(`${countText(source.files)} files`);
  if (source.table) size.unshift(`${countText(source.table.rows)} rows`, `${source.table.columns.length} columns`);
  const state = pin === undefined || pin === source.digest ? pinned : 'The content differs from its pin.';
  return [`${size.join(' · ')} · changed ${agoText(source.modified, Date.now())}`, state];
}

function columnLines(column: ast.Column, facts: Facts): string[] {
  const data = column.$container.$container;
  const source = sourceOf(data, facts);
  const statistics = source?.state === 'present' ? source.table?.statistics[column.name] : undefined;
  if (statistics === undefined) return [];
  const { count, missing, minimum, maximum, mean, standardDeviation, classes } = statistics;
  const lines = [`${countText(count)} values, ${countText(missing)} missing`];
  if (minimum !== undefined && maximum !== undefined) lines.push(`from ${round(minimum)} to ${round(maximum)}`);
  if (mean !== undefined) {
    const spread = standardDeviation === undefined ? '' : ` ± ${round(standardDeviation)} (standard deviation)`;
    lines.push(`mean ${round(mean)}${spread}`);
  }
  const table = (classes ?? []).slice(0, 10).map(({ label, count: rows }) => `| ${label} | ${countText(rows)} |`);
  return [lines.join(' · '), ...(table.length > 0 ? [['| class | rows |', '|---|--:|', ...table].join('\n')] : [])];
}

function runLines(step: string | undefined, facts: Facts): string[] {
  const run = step === undefined ? undefined : facts.runs[step];
  if (run === undefined) return [];
  const metrics = Object.entries(run.metrics).map(([metric, value]) => `- ${metricText(metric, value)}`);
  const outcome = run.status === 'ok' ? 'Last run' : `Last run ${run.status}`;
  return [
    `${outcome} ${agoText(run.ended, Date.now())}${run.reason ? `. ${run.reason}` : ''}`,
    ...(metrics.length > 0 ? [metrics.join('\n')] : []),
  ];
}

function round(value: number): string {
  return String(Number(value.toPrecision(4)));
}

function shortDigest(digest: string): string {
  return digest.slice(0, 'sha256:'.length + 12);
}
