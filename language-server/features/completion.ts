/**
 * `textDocument/completion`: the words, names, units and files that may stand at the cursor. The grammar says which
 * features follow, the scopes say which names; what follows depends on one block alone, so only that block is parsed.
 */
import {
  type AstNode,
  type AstNodeDescription,
  AstUtils,
  GrammarAST,
  type LangiumDocument,
  type MaybePromise,
  type ReferenceInfo,
  type Stream,
  type TextDocument,
} from 'langium';
import {
  type CompletionAcceptor,
  type CompletionContext,
  type CompletionProviderOptions,
  type CompletionValueItem,
  DefaultCompletionProvider,
  type NextFeature,
} from 'langium/lsp';
import {
  CompletionItemKind,
  type CompletionList,
  type CompletionParams,
  InsertTextFormat,
  type Position,
} from 'vscode-languageserver';
import * as ast from '../../grammar/generated/ast.ts';
import { isBuiltin } from '../../grammar/scoping/builtins.ts';
import { LayoutLexer } from '../../grammar/syntax/layout.ts';
import { type Slip, slipsOf } from '../../grammar/syntax/spelling.ts';
import type { MlpipeServices } from '../module.ts';
import { completeFiles, pathAt } from './completion-files.ts';
import { snippets } from './completion-snippets.ts';
import { presentationOf } from './declarations.ts';
import { markdownOf } from './documentation.ts';

/** Facts that may stand more than once in a block. */
const repeatable: ReadonlySet<string> = new Set([
  ast.OutFact.$type,
  ast.ReadFact.$type,
  ast.VariableFact.$type,
  ast.InterpreterFact.$type,
]);

/** What only the library declares. */
const libraryRules: ReadonlySet<string> = new Set([
  ast.Callable.$type,
  ast.TypeDeclaration.$type,
  ast.ChoiceDeclaration.$type,
  ast.Metric.$type,
  ast.Unit.$type,
  ast.MemberDeclaration.$type,
]);

export class MlpipeCompletionProvider extends DefaultCompletionProvider {
  override readonly completionOptions: CompletionProviderOptions = { triggerCharacters: ['.', '"', '/', ':', '('] };
  private readonly services: MlpipeServices;
  /** Where the block at the cursor begins; set by `buildContexts`, whose signature does not let it be passed on. */
  private section = 0;
  /** Words of that block that count as others, with offsets in it. */
  private slips: readonly Slip[] = [];

  constructor(services: MlpipeServices) {
    super(services);
    this.services = services;
  }

  override async getCompletion(
    document: LangiumDocument,
    params: CompletionParams,
  ): Promise<CompletionList | undefined> {
    const path = pathAt(document, params.position);
    if (path === 'text' || isInComment(document, params.position)) return { isIncomplete: false, items: [] };
    if (path !== undefined) {
      const { FileSystemProvider } = this.services.shared.workspace;
      return { isIncomplete: true, items: await completeFiles(document, params.position, path, FileSystemProvider) };
    }
    return super.getCompletion(document, params);
  }

  /**
   * The words that a name may be are accepted, not proposed; a fact that stands already is not proposed again; what
   * only the library declares is proposed there alone.
   */
  protected override filterKeyword(context: CompletionContext, keyword: GrammarAST.Keyword): boolean {
    const rule = AstUtils.getContainerOfType(keyword, GrammarAST.isParserRule);
    if (rule === undefined || rule.dataType !== undefined) return false;
    if (libraryRules.has(rule.name) && isFirst(keyword, rule) && context.document.uri.scheme !== 'builtin')
      return false;
    if (!repeatable.has(rule.name) && isFirst(keyword, rule) && standsAlready(context, rule.name)) return false;
    return super.filterKeyword(context, keyword);
  }

  protected override completionForKeyword(
    context: CompletionContext,
    keyword: GrammarAST.Keyword,
    acceptor: CompletionAcceptor,
  ): MaybePromise<void> {
    if (!this.filterKeyword(context, keyword)) return;
    const rule = AstUtils.getContainerOfType(keyword, GrammarAST.isParserRule);
    const documentation = this.services.documentation.CommentProvider.getComment(keyword);
    acceptor(context, {
      label: keyword.value,
      kind: CompletionItemKind.Keyword,
      detail: 'keyword',
      sortText: `1${keyword.value}`,
      ...(documentation ? { documentation: { kind: 'markdown', value: markdownOf(documentation) } } : {}),
    });
    const snippet = rule && isFirst(keyword, rule) ? snippets[rule.name]?.[keyword.value] : undefined;
    if (snippet !== undefined && this.clientCapabilities?.completionItem?.snippetSupport) {
      acceptor(context, {
        label: `${keyword.value} …`,
        filterText: keyword.value,
        kind: CompletionItemKind.Snippet,
        detail: snippet.detail,
        insertText: snippet.text,
        insertTextFormat: InsertTextFormat.Snippet,
        sortText: `0${keyword.value}`,
      });
    }
  }

  /**
   * In a broken line the node at the cursor may not be the one that the grammar expects there; the scope is then asked
   * for a node of the right type that is not there yet.
   */
  protected override completionForCrossReference(
    context: CompletionContext,
    next: NextFeature<GrammarAST.CrossReference>,
    acceptor: CompletionAcceptor,
  ): MaybePromise<void> {
    const rule = AstUtils.getContainerOfType(next.feature, GrammarAST.isParserRule);
    const type = rule?.fragment ? undefined : rule?.returnType?.ref?.name;
    const fits =
      context.node !== undefined && (type === undefined || this.astReflection.isSubtype(context.node.$type, type));
    const asked = next.type !== undefined || fits || type === undefined ? next : { ...next, type };
    return super.completionForCrossReference(context, asked, acceptor);
  }

  /** An argument that is given already is not proposed again. */
  protected override getReferenceCandidates(
    info: ReferenceInfo,
    context: CompletionContext,
  ): Stream<AstNodeDescription> {
    const candidates = super.getReferenceCandidates(info, context);
    if (info.container.$type !== ast.Argument.$type) return candidates;
    const owner = info.container.$container;
    const given = new Set(
      owner && 'arguments' in owner && Array.isArray(owner.arguments)
        ? owner.arguments
            .filter(ast.isArgument)
            .filter(({ $cstNode: node }) => !node || node.offset > context.offset || node.end < context.offset)
            .map(({ parameter }) => parameter?.$refText)
        : [],
    );
    return candidates.filter(({ name }) => !given.has(name));
  }

  protected override createReferenceCompletionItem(
    description: AstNodeDescription,
    _: ReferenceInfo,
    context: CompletionContext,
  ): CompletionValueItem {
    const { noun, completion } = presentationOf(description.type);
    const node = description.node;
    const item: CompletionValueItem = {
      nodeDescription: description,
      kind: completion,
      detail: node ? detailOf(node, noun) : noun,
      documentation: this.getReferenceDocumentation(description),
      sortText: `0${node && isBuiltin(node) ? 'z' : 'a'}${description.name}`,
    };
    if (ast.isParameter(node)) {
      item.insertText = `${description.name}: `;
    }
    if (ast.isCallable(node) && this.clientCapabilities?.completionItem?.snippetSupport) {
      const needed = node.parameters.filter(({ value }) => value === undefined);
      const after = context.textDocument.getText().slice(context.tokenEndOffset).trimStart();
      if (needed.length > 0 && !after.startsWith('(')) {
        item.insertText = `${node.name}(${needed.map(({ name }, index) => `${name}: $${index + 1}`).join(', ')})$0`;
        item.insertTextFormat = InsertTextFormat.Snippet;
      }
    }
    return item;
  }

  protected override *buildContexts(
    document: LangiumDocument,
    position: Position,
  ): IterableIterator<CompletionContext> {
    const { textDocument } = document;
    const offset = textDocument.offsetAt(position);
    this.section = sectionAt(document, offset);
    this.slips = slipsOf(document.parseResult)
      .map((slip) => ({ ...slip, offset: slip.offset - this.section }))
      .filter((slip) => slip.offset >= 0 && slip.offset + slip.word.length < offset - this.section);
    if (textDocument.getText().trim() === '') {
      // The entry rule begins with SECTION, which Langium would not step over in an empty file.
      const node = document.parseResult.value;
      const features = this.findFeaturesAt(textDocument, offset);
      yield { document, textDocument, offset, position, node, tokenOffset: offset, tokenEndOffset: offset, features };
    }
    yield* super.buildContexts(document, position);
  }

  /** What may follow depends on this block alone, so only this block is parsed: 1 ms instead of 45 in 10,000 lines. */
  protected override findFeaturesAt(document: TextDocument, offset: number): NextFeature[] {
    const section = document.getText().slice(Math.min(this.section, offset), offset);
    // Only these two methods are called there; the range that the first is asked for is the whole section.
    const part = { getText: () => section, positionAt: () => ({ line: 0, character: 0 }) } as unknown as TextDocument;
    const find = () => super.findFeaturesAt(part, section.length);
    const { Lexer: lexer } = this.services.parser;
    return lexer instanceof LayoutLexer ? lexer.reading(this.slips, find) : find();
  }

  /** The tokens before this block don't matter either. */
  protected override backtrackToAnyToken(text: string, offset: number) {
    const start = Math.min(this.section, offset);
    const found = super.backtrackToAnyToken(text.slice(start), offset - start);
    return {
      nextTokenStart: found.nextTokenStart + start,
      nextTokenEnd: found.nextTokenEnd + start,
      previousTokenStart: found.previousTokenStart === undefined ? undefined : found.previousTokenStart + start,
      previousTokenEnd: found.previousTokenEnd === undefined ? undefined : found.previousTokenEnd + start,
    };
  }
}

function standsAlready({ node, offset }: CompletionContext, type: string): boolean {
  for (let block: AstNode | undefined = node; block !== undefined; block = block.$container) {
    if ('facts' in block && Array.isArray(block.facts)) {
      return block.facts.some((fact: AstNode) => {
        const cst = fact.$cstNode;
        return fact.$type === type && !(cst && cst.offset <= offset && offset <= cst.end);
      });
    }
  }
  return false;
}

function isFirst(keyword: GrammarAST.Keyword, rule: GrammarAST.ParserRule): boolean {
  const first = GrammarAST.isGroup(rule.definition)
    ? rule.definition.elements.find((element) => !GrammarAST.isAction(element))
    : rule.definition;
  return (
    first === keyword || (first !== undefined && AstUtils.streamAllContents(first).some((node) => node === keyword))
  );
}

function sectionAt(document: LangiumDocument, offset: number): number {
  const file = document.parseResult.value;
  if (!ast.isFile(file)) return 0;
  const block = file.elements.findLast(({ $cstNode: cst }) => cst !== undefined && cst.offset <= offset);
  return block?.$cstNode?.offset ?? 0;
}

function isInComment(document: LangiumDocument, position: Position): boolean {
  const before = document.textDocument.getText({ start: { line: position.line, character: 0 }, end: position });
  return /^([^"]|"([^"\\]|\\.)*")*?\/\//.test(before);
}

function detailOf(node: AstNode, noun: string): string {
  if (ast.isParameter(node)) return node.$cstNode?.text.replace(/\s+/g, ' ') ?? noun;
  if (ast.isColumn(node)) return `column ${node.type?.$cstNode?.text ?? ''}`.trim();
  if (ast.isPart(node)) return `part ${node.share?.$cstNode?.text ?? ''}`.trim();
  if (ast.isCallable(node)) return node.kind;
  return noun;
}
