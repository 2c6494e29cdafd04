/** Starts with what is open; the rest of the workspace is read when nobody waits. */
import type { LangiumDocument, URI, WorkspaceFolder } from 'langium';
import type { InitializedParams } from 'vscode-languageserver';
import { MlpipeWorkspaceManager } from '../../grammar/workspace-manager.ts';
import type { MlpipeSharedServices } from '../module.ts';

/** Files that are read and built at a time: short enough that a key is not felt to wait. */
const BATCH = 16;

export class OpenFirstWorkspaceManager extends MlpipeWorkspaceManager {
  private readonly whenQuiet: () => Promise<void>;
  private readonly whole = Promise.withResolvers<void>();

  constructor(services: MlpipeSharedServices) {
    super(services);
    this.whenQuiet = () => services.lsp.DocumentUpdateHandler.whenQuiet();
    this.initialBuildOptions = { validation: { categories: ['built-in', 'fast'] } };
  }

  /** Resolves when every pipeline of the workspace has been read and checked. */
  get complete(): Promise<void> {
    return this.whole.promise;
  }

  override async initialized(params: InitializedParams): Promise<void> {
    await super.initialized(params);
    try {
      await this.readWorkspace(this.folders ?? []);
    } finally {
      this.whole.resolve();
    }
  }

  /** Only the library is loaded before documents may be built. */
  protected override async performStartup(folders: WorkspaceFolder[]): Promise<LangiumDocument[]> {
    const documents: LangiumDocument[] = [];
    await this.loadAdditionalDocuments(folders, (document) => {
      documents.push(document);
      if (!this.langiumDocuments.hasDocument(document.uri)) this.langiumDocuments.addDocument(document);
    });
    this._ready.resolve();
    return documents;
  }

  private async readWorkspace(folders: WorkspaceFolder[]): Promise<void> {
    const uris: URI[] = [];
    for (const folder of folders) await this.traverseFolder(this.getRootFolder(folder), uris);
    while (uris.length > 0) {
      await this.whenQuiet();
      const batch = uris.splice(0, BATCH).filter((uri) => !this.langiumDocuments.hasDocument(uri));
      if (batch.length > 0) await this.build(batch);
    }
  }

  /** A key that is pressed meanwhile ends this early; its own build then takes what was read along. */
  private build(uris: readonly URI[]): Promise<void> {
    return this.mutex.write(async (token) => {
      const documents: LangiumDocument[] = [];
      for (const uri of uris) {
        try {
          documents.push(await this.langiumDocuments.getOrCreateDocument(uri));
        } catch (error) {
          console.warn(`${uri.toString()} could not be read:`, error);
        }
      }
      await this.documentBuilder.build(documents, this.initialBuildOptions, token);
    });
  }
}
