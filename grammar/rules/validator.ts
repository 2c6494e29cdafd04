/** Every diagnostic of a document: of its syntax, of its names, and of the rules, less what a comment silences. */

import type { ILexingError } from 'chevrotain';
import {
  type AstNode,
  DocumentState,
  isOperationCancelled,
  type LangiumCoreServices,
  type LangiumDocument,
  type ReferenceInfo,
  type ValidationOptions,
} from 'langium';
import type { CancellationToken, Diagnostic, Range } from 'vscode-languageserver-protocol';
import * as ast from '../generated/ast.ts';
import { BUILTINS_URI } from '../scoping/builtins.ts';
import { isFollowUp } from '../scoping/follow-up.ts';
import { hint, nearest } from '../syntax/distance.ts';
import { MlpipeDocumentValidator, rangeOfSyntaxError } from '../syntax/document-validator.ts';
import type { Facts } from './facts.ts';
import type { FactsService } from './facts-service.ts';
import { replace } from './fixes.ts';
import { silenced } from './ignore.ts';
import { type Candidates, runRules, speak } from './run.ts';

export type RuleServices = LangiumCoreServices & { rules: { Facts: FactsService } };

export class MlpipeRuleValidator extends MlpipeDocumentValidator {
  private readonly candidates: Candidates;
  private readonly facts: FactsService;

  constructor(services: RuleServices) {
    super(services);
    this.facts = services.rules.Facts;
    this.candidates = (info) => {
      const scope = services.references.ScopeProvider.getScope(info);
      return scope
        .getAllElements()
        .map(({ name }) => name)
        .toArray();
    };
  }

  override async validateDocument(
    document: LangiumDocument,
    options: ValidationOptions = {},
    token?: CancellationToken,
  ): Promise<Diagnostic[]> {
    const { value } = document.parseResult;
    if (!ast.isFile(value) || document.uri.toString() === BUILTINS_URI.toString()) {
      return super.validateDocument(document, options, token);
    }
    // `built-in` alone means syntax and names; nobody who asks for these asks for rules.
    const base = await super.validateDocument(document, { ...options, categories: ['built-in'] }, token);
    const named = base.map((diagnostic) => withCode(diagnostic));
    if (options.categories !== undefined && !options.categories.some((category) => category !== 'built-in'))
      return named;
    const file = document as LangiumDocument<ast.File>; // its root is a File: asked above
    return judged(file, this.facts.get(document.uri), named, this.candidates);
  }

  /** Langium’s registry of checks stays empty: the rule book is gone through in `runRules`, in one walk. */
  protected override async validateAst(): Promise<Diagnostic[]> {
    return [];
  }

  protected override processLinkingErrors(
    document: LangiumDocument,
    diagnostics: Diagnostic[],
    _: ValidationOptions,
  ): void {
    diagnostics.push(...linkingDiagnostics(document, this.candidates));
  }
}

/** What the rules say, after the syntax and the names; sorted as in the text. */
function judged(
  document: LangiumDocument<ast.File>,
  facts: Facts,
  named: Diagnostic[],
  candidates: Candidates,
): Diagnostic[] {
  const found = [...named, ...runRules({ document, facts, candidates })];
  return silenced(document, found, speak).sort(
    (one, other) =>
      one.range.start.line - other.range.start.line || one.range.start.character - other.range.start.character,
  );
}

/** All that can be said without any services: for what must know whether a linked file is without errors. */
export function diagnosticsOf(document: LangiumDocument<ast.File>, facts: Facts): Diagnostic[] {
  const { lexerErrors, parserErrors } = document.parseResult;
  const syntax = [
    ...lexerErrors.map((error) => textMustBeRead(error.message, { range: rangeOfLexerError(error) })),
    ...parserErrors.map((error) => textMustBeRead(error.message, { range: rangeOfSyntaxError(error) })),
  ];
  const nothing: Candidates = () => [];
  return judged(document, facts, [...syntax, ...linkingDiagnostics(document, nothing)], nothing);
}

function rangeOfLexerError({ line, column, length }: ILexingError): Range {
  const start = { line: Math.max(0, (line ?? 1) - 1), character: Math.max(0, (column ?? 1) - 1) };
  return { start, end: { line: start.line, character: start.character + length } };
}

function withCode(diagnostic: Diagnostic): Diagnostic {
  if (diagnostic.code !== undefined) return diagnostic;
  const message = typeof diagnostic.message === 'string' ? diagnostic.message : diagnostic.message.value;
  return textMustBeRead(message, diagnostic);
}

export function textMustBeRead(message: string, { range }: Pick<Diagnostic, 'range'>): Diagnostic {
  return speak('MLP1000', message, range, []);
}

function linkingDiagnostics(document: LangiumDocument, candidates: Candidates): Diagnostic[] {
  if (document.state < DocumentState.Linked) return [];
  return document.references.flatMap((reference) => {
    const { error } = reference;
    if (error === undefined || isFollowUp(error.info)) return [];
    return [nameMustBeKnown(error.info, candidates)];
  });
}

export function nameMustBeKnown(info: ReferenceInfo, candidates: Candidates): Diagnostic {
  const { $refText: name, $refNode: cst } = info.reference;
  const range = cst?.range ?? { start: { line: 0, character: 0 }, end: { line: 0, character: 0 } };
  let known: string[] = [];
  try {
    known = candidates(info);
  } catch (error) {
    // In a broken line a reference may stand where none can; it then has no candidates.
    if (isOperationCancelled(error)) throw error;
  }
  const meant = nearest(name, [...known, ...wordsFor(info.container)]);
  const few =
    known.length > 0 && known.length <= 8
      ? ` It can be ${[...new Set(known)]
          .sort()
          .map((word) => `\`${word}\``)
          .join(', ')}.`
      : '';
  const what = ast.isArgument(info.container) ? argumentPhrase(info.container, name) : `\`${name}\` is not known here.`;
  return speak(
    'MLP1001',
    `${what}${hint(meant) || few || ' Declare it, import it, or correct the name.'}`,
    range,
    meant === undefined ? [] : replace(`Change to \`${meant}\``, range, meant),
  );
}

/** Words that begin a value of their own, and are no names. */
function wordsFor(container: AstNode): string[] {
  if (!ast.isNameExpression(container)) return [];
  return ast.isMemberExpression(container.$container) ? ['secret'] : ['true', 'false'];
}

function argumentPhrase(argument: ast.Argument, name: string): string {
  const owner = argument.$container;
  const callee = ast.isGate(owner)
    ? owner.metric
    : ast.isDeploy(owner)
      ? owner.training
      : ast.isNameExpression(owner)
        ? owner.target
        : owner.callee;
  return `\`${callee?.$refText}\` has no argument \`${name}\`.`;
}
