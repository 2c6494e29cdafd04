/**
 * The second phase of diagnostics: looks at the world when nobody waits, keeps what it found, and has a document checked
 * again when something of it has changed. What was found out for an older text counts only where the same is asked now.
 */
import { type AstNode, AstUtils, DocumentState, type LangiumDocument, URI, UriUtils } from 'langium';
import type { CancellationToken, Connection } from 'vscode-languageserver';
import { CodeLensRefreshRequest, InlayHintRefreshRequest } from 'vscode-languageserver-protocol';
import * as ast from '../../grammar/generated/ast.ts';
import { type Facts, factKey, NO_FACTS } from '../../grammar/rules/facts.ts';
import type { FactsService } from '../../grammar/rules/facts-service.ts';
import type { PinHistory } from '../../runtime/api-editor.ts';
import { plainText } from '../features/sources.ts';
import { optionsOf } from '../language-server.ts';
import type { MlpipeSharedServices } from '../module.ts';
import type { PinRequest, Watch, World } from './world.ts';

/** What of a question about a pin its place in the text says. */
type PinAt = Omit<PinRequest, 'file' | 'text' | 'signal'>;

/** Milliseconds after the last change of the text before the world is looked at again. */
const SETTLE = 150;
/** The same where nothing can be new but whether a step would run again. */
const TEXT_SETTLE = 1000;
/** Milliseconds in which several changes on the disk count as one. */
const GATHER_CHANGES = 50;

/** The question on which only the reasons of the last runs depend. */
const TEXT = 'text';

interface Kept {
  /** What was asked, by the key of the source: a source's fact holds as long as its question is the same. */
  questions: ReadonlyMap<string, string>;
  facts: Facts;
  watch?: Watch;
  timer?: ReturnType<typeof setTimeout>;
  running?: AbortController;
}

export class FactsKeeper {
  private readonly shared: MlpipeSharedServices;
  private readonly service: FactsService;
  private readonly world: World;
  private readonly connection: Connection;
  private readonly kept = new Map<string, Kept>();
  private trusted = true;
  private refreshable = { lenses: false, hints: false };

  constructor(shared: MlpipeSharedServices, service: FactsService, world: World, connection: Connection) {
    this.shared = shared;
    this.service = service;
    this.world = world;
    this.connection = connection;
    const { DocumentBuilder, TextDocuments } = shared.workspace;
    shared.lsp.LanguageServer.onInitialize((params) => {
      this.trusted = optionsOf(params).trusted;
      const { workspace } = params.capabilities;
      this.refreshable = {
        lenses: workspace?.codeLens?.refreshSupport === true,
        hints: workspace?.inlayHint?.refreshSupport === true,
      };
    });
    // Before it is checked, so that no rule sees a fact that was found out for another question.
    DocumentBuilder.onDocumentPhase(DocumentState.Linked, (document) => this.dropStale(document));
    DocumentBuilder.onDocumentPhase(DocumentState.Validated, (document) => this.look(document));
    TextDocuments.onDidClose(({ document }) => this.forget(document.uri));
  }

  factsFor(node: AstNode): Facts {
    return this.factsOf(AstUtils.getDocument(node));
  }

  factsOf(document: LangiumDocument): Facts {
    return this.service.get(document.uri);
  }

  /** Where a pin of a document comes from; nothing where nobody may be asked, or the question was taken back. */
  async pinHistory(document: LangiumDocument, pin: PinAt, token: CancellationToken): Promise<PinHistory | undefined> {
    if (!this.trusted || document.uri.scheme !== 'file') return undefined;
    const controller = new AbortController();
    const cancelled = token.onCancellationRequested(() => controller.abort());
    const question = { ...pin, file: document.uri.fsPath, text: document.textDocument.getText() };
    try {
      return await this.world.pinHistory({ ...question, signal: controller.signal });
    } catch (error) {
      if (controller.signal.aborted) return undefined;
      throw error;
    } finally {
      cancelled.dispose();
    }
  }

  private dropStale(document: LangiumDocument): void {
    const kept = this.kept.get(document.uri.toString());
    if (kept === undefined) return;
    const asked = questionsOf(document);
    const sources = Object.entries(kept.facts.sources).filter(([key]) => asked.get(key) === kept.questions.get(key));
    const isSameText = asked.get(TEXT) === kept.questions.get(TEXT);
    const runs = isSameText ? kept.facts.runs : withoutReasons(kept.facts.runs);
    this.service.set(document.uri, { ...kept.facts, sources: Object.fromEntries(sources), runs });
  }

  /** Only what is open and lies on a disk has a world around it. */
  private look(document: LangiumDocument): void {
    const uri = document.uri.toString();
    if (document.uri.scheme !== 'file' || this.shared.workspace.TextDocuments.get(document.uri) === undefined) return;
    const kept = this.kept.get(uri);
    const asked = questionsOf(document);
    if (kept !== undefined && sameQuestions(kept.questions, asked)) {
      const isSameText = asked.get(TEXT) === kept.questions.get(TEXT);
      if (!isSameText && Object.keys(kept.facts.runs).length > 0) this.schedule(uri, TEXT_SETTLE);
      return;
    }
    if (kept === undefined) this.kept.set(uri, { questions: new Map(), facts: NO_FACTS });
    this.schedule(uri, kept === undefined ? 0 : SETTLE);
  }

  private schedule(uri: string, delay: number): void {
    const kept = this.kept.get(uri);
    if (kept === undefined) return;
    clearTimeout(kept.timer);
    kept.timer = setTimeout(() => {
      this.gather(uri).catch((error) => console.error(`The world around ${uri} could not be looked at:`, error));
    }, delay);
  }

  private async gather(uri: string): Promise<void> {
    await this.shared.lsp.DocumentUpdateHandler.whenQuiet();
    const kept = this.kept.get(uri);
    const document = this.documentAt(uri);
    if (kept === undefined || document === undefined) return;
    kept.running?.abort();
    const controller = new AbortController();
    kept.running = controller;
    const questions = questionsOf(document);
    const file = document.uri.fsPath;
    const { signal } = controller;
    let facts: Facts;
    try {
      facts = await this.world.gather({ document, file, trusted: this.trusted, signal });
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    if (signal.aborted || this.kept.get(uri) !== kept) return;
    const before = JSON.stringify(kept.facts);
    const runsBefore = JSON.stringify(kept.facts.runs);
    kept.questions = questions;
    kept.facts = facts;
    kept.watch?.dispose();
    kept.watch = this.world.watch({ file, sources: Object.keys(facts.sources) }, () =>
      this.schedule(uri, GATHER_CHANGES),
    );
    if (JSON.stringify(facts) === before) return;
    this.service.set(document.uri, facts);
    await this.checkAgain(uri);
    if (JSON.stringify(facts.runs) !== runsBefore && this.refreshable.lenses) {
      await this.connection.sendRequest(CodeLensRefreshRequest.type);
    }
    if (this.refreshable.hints) await this.connection.sendRequest(InlayHintRefreshRequest.type);
  }

  /** A key that is pressed meanwhile ends this; its own check then has the new facts. */
  private async checkAgain(uri: string): Promise<void> {
    const document = this.documentAt(uri);
    if (document === undefined) return;
    this.dropStale(document);
    await this.shared.lsp.DocumentUpdateHandler.checkAgain(document.uri);
  }

  private documentAt(uri: string): LangiumDocument | undefined {
    const { LangiumDocuments, TextDocuments } = this.shared.workspace;
    return TextDocuments.get(uri) && LangiumDocuments.all.find((document) => document.uri.toString() === uri);
  }

  private forget(uri: string): void {
    const kept = this.kept.get(uri);
    this.kept.delete(uri);
    this.service.delete(URI.parse(uri));
    clearTimeout(kept?.timer);
    kept?.running?.abort();
    kept?.watch?.dispose();
  }
}

/** What the text asks of the world: each source's key, with the words on which the answer depends. */
function questionsOf(document: LangiumDocument): Map<string, string> {
  const questions = new Map<string, string>([[TEXT, document.parseResult.value.$cstNode?.root.fullText ?? '']]);
  const folder = UriUtils.dirname(document.uri);
  const ask = (node: AstNode, path: string | undefined) => {
    if (!path || /^[a-z][a-z0-9+.-]+:/i.test(path)) return;
    const key = factKey(UriUtils.resolvePath(folder, path.replaceAll('\\', '/')).fsPath);
    questions.set(key, `${questions.get(key) ?? ''}${node.$cstNode?.text ?? ''}\n`);
  };
  const root = document.parseResult.value;
  for (const element of ast.isFile(root) ? root.elements : []) {
    if (ast.isData(element)) ask(element, plainText(element.facts.find(ast.isFromFact)?.source));
    else if (ast.isEnvironment(element)) {
      for (const fact of element.facts.filter(ast.isInterpreterFact)) ask(fact, fact.lock);
    } else if (ast.isStep(element)) {
      for (const fact of element.facts) {
        if (ast.isReadFact(fact)) for (const file of fact.files) ask(file, plainText(file));
        else if (ast.isRunFact(fact)) questions.set(`program ${element.name}`, fact.$cstNode?.text ?? '');
      }
    }
    if (ast.isImport(element)) {
      for (const item of element.items) {
        const target = item.target?.ref;
        if (ast.isData(target)) ask(target, plainText(target.facts.find(ast.isFromFact)?.source));
      }
    }
    const name = 'name' in element && typeof element.name === 'string' ? element.name : undefined;
    if (ast.isTrain(element) || ast.isStep(element)) questions.set(`run ${name}`, '');
  }
  return questions;
}

function sameQuestions(one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): boolean {
  return one.size === other.size && [...one].every(([key, value]) => key === TEXT || other.get(key) === value);
}

/** What a step gave last stays true; whether it would run again does not. */
function withoutReasons(runs: Facts['runs']): Facts['runs'] {
  const plain = Object.entries(runs).map(([step, { state: _, reason: __, ...run }]) => [step, run] as const);
  return Object.fromEntries(plain);
}
