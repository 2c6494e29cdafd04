/** Builds documents so that what is open comes first, what it imports is there, and one bad file stops no other. */
import {
  type BuildOptions,
  DefaultDocumentBuilder,
  DocumentState,
  isOperationCancelled,
  type LangiumDocument,
  type LangiumDocuments,
  type LangiumSharedCoreServices,
  OperationCancelled,
  type URI,
} from 'langium';
import { CancellationToken } from 'vscode-languageserver-protocol';
import { importedUris } from './imports.ts';

interface Waiting {
  isReached: () => boolean;
  /** Where one document is waited for. */
  uri?: string;
  resolve: () => void;
  reject: (reason: unknown) => void;
}

export class MlpipeDocumentBuilder extends DefaultDocumentBuilder {
  private readonly documents: LangiumDocuments;
  private waiting: Waiting[] = [];
  /** Changed, and not built since: whoever asks of these waits, whatever else has been built meanwhile. */
  private readonly announced = new Set<string>();

  constructor(services: LangiumSharedCoreServices) {
    super(services);
    this.documents = services.workspace.LangiumDocuments;
    this.onUpdate((_, deleted) => {
      const gone = new Set(deleted.map(String));
      for (const uri of gone) this.announced.delete(uri);
      for (const waiting of this.waiting) {
        if (waiting.uri !== undefined && gone.has(waiting.uri)) waiting.reject(OperationCancelled);
      }
    });
  }

  /**
   * Says at once that these documents have changed, although they are built a little later: a request that comes in
   * between then waits for the new text instead of being answered from the old one.
   */
  announceChange(uris: readonly URI[]): void {
    for (const uri of uris) {
      let document = this.documents.getDocument(uri);
      if (document === undefined) {
        // A request may follow the opening of a document directly; it must find something to wait for.
        document = this.langiumDocumentFactory.fromModel({ $type: 'INVALID' }, uri);
        this.documents.addDocument(document);
      }
      document.state = DocumentState.Changed;
      this.announced.add(uri.toString());
    }
    if (uris.length > 0) this.currentState = DocumentState.Changed;
  }

  /** The next update checks these documents again, though nothing of their text has changed. */
  forgetChecks(uris: readonly URI[]): void {
    for (const uri of uris) {
      const document = this.documents.getDocument(uri);
      if (document?.state === DocumentState.Validated) this.resetToState(document, DocumentState.IndexedReferences);
    }
  }

  /** Langium would look at every reference of every document first, at every key; the index knows that already. */
  protected override shouldRelink(document: LangiumDocument, changedUris: Set<string>): boolean {
    return this.indexManager.isAffected(document, changedUris);
  }

  /** Imported files are read as soon as a document that names them is, whether the workspace has been read or not. */
  protected override async buildDocuments(
    documents: LangiumDocument[],
    options: BuildOptions,
    token: CancellationToken,
  ): Promise<void> {
    await this.runCancelable(documents, DocumentState.Parsed, token, (document) =>
      this.langiumDocumentFactory.update(document, token),
    );
    const imported = await this.loadImported(documents);
    await super.buildDocuments([...documents, ...imported], options, token);
  }

  /** One document that cannot be built is said in the log; the others are built all the same. */
  protected override async runCancelable(
    documents: LangiumDocument[],
    targetState: DocumentState,
    token: CancellationToken,
    callback: (document: LangiumDocument) => unknown,
  ): Promise<void> {
    await super.runCancelable(documents, targetState, token, async (document) => {
      try {
        await callback(document);
      } catch (error) {
        if (isOperationCancelled(error)) throw error;
        console.error(`${document.uri.toString()} could not be brought to ${DocumentState[targetState]}:`, error);
        if (targetState === DocumentState.Validated) document.diagnostics ??= [];
      }
    });
    this.tellWaiting();
  }

  /**
   * Langium waits for the news of a phase, and there is none of a build without documents, nor of a document that has
   * been deleted: such a request would never be answered.
   */
  protected override awaitBuilderState(state: DocumentState, token: CancellationToken): Promise<void> {
    if (this.currentState >= state) return Promise.resolve();
    return this.wait({ isReached: () => this.currentState >= state }, token);
  }

  protected override async awaitDocumentState(state: DocumentState, uri: URI, token: CancellationToken): Promise<URI> {
    const document = this.documents.getDocument(uri);
    const isOnItsWay = this.currentState < state || this.announced.has(uri.toString());
    if (document === undefined || document.state >= state || !isOnItsWay) {
      return super.awaitDocumentState(state, uri, token);
    }
    const isReached = () => (this.documents.getDocument(uri)?.state ?? DocumentState.Changed) >= state;
    await this.wait({ isReached, uri: uri.toString() }, token);
    return uri;
  }

  /**
   * What a document has reached is told even where the build has just been overtaken. Langium would pass over it then,
   * and never come back: the document counts as done, and its findings would not be published before its next change.
   */
  protected override async notifyDocumentPhase(document: LangiumDocument, state: DocumentState): Promise<void> {
    if (state >= DocumentState.Linked) this.announced.delete(document.uri.toString());
    this.tellWaiting();
    await super.notifyDocumentPhase(document, state, CancellationToken.None);
  }

  private wait(what: Pick<Waiting, 'isReached' | 'uri'>, token: CancellationToken): Promise<void> {
    if (token.isCancellationRequested) return Promise.reject(OperationCancelled);
    return new Promise((resolve, reject) => {
      const done = () => {
        this.waiting = this.waiting.filter((other) => other !== waiting);
        cancelled.dispose();
      };
      const waiting: Waiting = {
        ...what,
        resolve: () => {
          done();
          resolve();
        },
        reject: (reason) => {
          done();
          reject(reason);
        },
      };
      const cancelled = token.onCancellationRequested(() => waiting.reject(OperationCancelled));
      this.waiting.push(waiting);
    });
  }

  private tellWaiting(): void {
    for (const waiting of this.waiting) if (waiting.isReached()) waiting.resolve();
  }

  private async loadImported(documents: readonly LangiumDocument[]): Promise<LangiumDocument[]> {
    const loaded: LangiumDocument[] = [];
    const queue = [...documents];
    for (let document = queue.pop(); document !== undefined; document = queue.pop()) {
      for (const uri of importedUris(document)) {
        if (this.documents.hasDocument(uri)) continue;
        try {
          const imported = await this.documents.getOrCreateDocument(uri, CancellationToken.None);
          loaded.push(imported);
          queue.push(imported);
        } catch {
          // There is no such file: the rule about imports says so where it is named.
        }
      }
    }
    return loaded;
  }
}
