/** What follows a keystroke or a change on the disk: one build for many changes, and never one that nobody waits for. */
import { type Disposable, type LangiumDocuments, type TextDocument, URI } from 'langium';
import { DefaultDocumentUpdateHandler, type TextDocuments } from 'langium/lsp';
import {
  type CancellationToken,
  type DidChangeWatchedFilesParams,
  FileChangeType,
  type FileEvent,
  type TextDocumentChangeEvent,
} from 'vscode-languageserver';
import type { MlpipeSharedServices } from '../module.ts';
import type { MlpipeDocumentBuilder } from './document-builder.ts';

/** A build that takes less than this is not worth waiting for the next key. */
const QUICK_BUILD = 20;
const LONGEST_DELAY = 200;

export class CoalescingUpdateHandler extends DefaultDocumentUpdateHandler {
  private readonly builder: MlpipeDocumentBuilder;
  private readonly documents: LangiumDocuments;
  private readonly textDocuments: TextDocuments<TextDocument>;
  private readonly fileExists: (uri: URI) => Promise<boolean>;
  private changed = new Map<string, URI>();
  private deleted = new Map<string, URI>();
  private toCheckAgain = new Map<string, URI>();
  /** Milliseconds that the last build took. */
  private lastBuild = 0;
  private lastChange = 0;
  /** Milliseconds between the last change and the one before. */
  private pace = Number.POSITIVE_INFINITY;
  private updates = 0;
  private waitingForQuiet: (() => void)[] = [];

  constructor(services: MlpipeSharedServices) {
    super(services);
    this.builder = services.workspace.DocumentBuilder;
    this.documents = services.workspace.LangiumDocuments;
    this.textDocuments = services.workspace.TextDocuments;
    this.fileExists = async (uri) => uri.scheme === 'file' && services.workspace.FileSystemProvider.exists(uri);
  }

  /** Resolves when no change waits to be built, at once if that is so already. */
  whenQuiet(): Promise<void> {
    if (this.updates === 0) return Promise.resolve();
    return new Promise((resolve) => this.waitingForQuiet.push(resolve));
  }

  /** A closed document is again what stands on the disk; one that stands nowhere is gone. */
  didCloseDocument(event: TextDocumentChangeEvent<TextDocument>): void {
    const uri = URI.parse(event.document.uri);
    void this.fileExists(uri).then((exists) => {
      // It may have been opened again while the disk was asked.
      if (this.textDocuments.get(uri) === undefined) this.fireDocumentUpdate(exists ? [uri] : [], exists ? [] : [uri]);
    });
  }

  override didChangeWatchedFiles(params: DidChangeWatchedFilesParams): void {
    this.onWatchedFilesChangeEmitter.fire(params);
    void this.sortEvents(params.changes.filter(concernsDocuments)).then(({ changed, deleted }) => {
      if (changed.length + deleted.length > 0) this.fireDocumentUpdate(changed, deleted);
    });
  }

  protected override fireDocumentUpdate(changed: URI[], deleted: URI[]): void {
    for (const uri of changed) {
      this.changed.set(uri.toString(), uri);
      this.deleted.delete(uri.toString());
    }
    for (const uri of deleted) {
      this.deleted.set(uri.toString(), uri);
      this.changed.delete(uri.toString());
    }
    const now = performance.now();
    this.pace = now - this.lastChange;
    this.lastChange = now;
    this.builder.announceChange(changed.filter((uri) => this.textDocuments.get(uri) !== undefined));
    this.counted(this.update()).catch((error) => console.error('A change could not be built:', error));
  }

  /**
   * Has every check run on a document once more: its text is the same, but more is known of the world. It goes the way
   * of a change, because whoever enters the lock ends the build that is in it: what that one leaves must be built here.
   */
  checkAgain(uri: URI): Promise<void> {
    this.toCheckAgain.set(uri.toString(), uri);
    return this.counted(this.update());
  }

  private counted(update: Promise<void>): Promise<void> {
    this.updates++;
    return update.finally(() => {
      this.updates--;
      if (this.updates === 0) for (const resolve of this.waitingForQuiet.splice(0)) resolve();
    });
  }

  /**
   * The delay passes inside the lock, so that a new change ends the build of an old one at once. What this call does
   * not build, because it was overtaken, the one that overtook it builds.
   */
  private async update(): Promise<void> {
    await this.workspaceManager.ready;
    await this.workspaceLock.write(async (token) => {
      await pause(this.delay, token);
      if (token.isCancellationRequested) return;
      const changed = [...this.changed.values()];
      const deleted = [...this.deleted.values()];
      this.changed = new Map();
      this.deleted = new Map();
      this.builder.forgetChecks([...this.toCheckAgain.values()]);
      this.toCheckAgain = new Map();
      const started = performance.now();
      await this.builder.update(changed, deleted, token);
      this.lastBuild = performance.now() - started;
    });
  }

  /** Only who types faster than can be built waits for the next key: the build would be ended by it anyway. */
  private get delay(): number {
    if (this.lastBuild < QUICK_BUILD || this.pace > this.lastBuild) return 0;
    return Math.min(LONGEST_DELAY, this.lastBuild / 2);
  }

  /** What is open is what its editor says, whatever became of the file; what is said to have changed may be gone. */
  private async sortEvents(events: readonly FileEvent[]): Promise<{ changed: URI[]; deleted: URI[] }> {
    const changed: URI[] = [];
    const deleted: URI[] = [];
    for (const event of events) {
      const uri = URI.parse(event.uri);
      if (this.textDocuments.get(uri) !== undefined) {
        if (event.type !== FileChangeType.Changed) changed.push(uri);
      } else if (event.type === FileChangeType.Deleted || !(await this.fileExists(uri))) {
        deleted.push(uri);
        // A folder that goes takes its documents with it, but not those that are open.
        for (const document of this.documents.getDocuments(uri)) {
          if (this.textDocuments.get(document.uri) !== undefined) changed.push(document.uri);
        }
      } else {
        changed.push(uri);
      }
    }
    return { changed, deleted };
  }
}

/** Pipelines, and whatever may be a folder with pipelines in it. What tools write for themselves concerns nobody. */
function concernsDocuments(event: FileEvent): boolean {
  if (/\/(node_modules|\.git|\.mlpipe)(\/|$)/.test(event.uri)) return false;
  const name = event.uri.slice(event.uri.lastIndexOf('/') + 1);
  if (name.endsWith('.mlpipe')) return true;
  return event.type !== FileChangeType.Changed && !name.includes('.');
}

function pause(milliseconds: number, token: CancellationToken): Promise<void> {
  if (milliseconds === 0) return Promise.resolve();
  return new Promise((resolve) => {
    let overtaken: Disposable | undefined;
    const done = () => {
      clearTimeout(timer);
      overtaken?.dispose();
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    overtaken = token.onCancellationRequested(done);
  });
}
