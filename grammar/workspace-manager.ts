/** Puts the built-in library into each workspace. */
import {
  DefaultWorkspaceManager,
  type LangiumDocument,
  type LangiumSharedCoreServices,
  type WorkspaceFolder,
} from 'langium';
import { builtinsDocument } from './load.ts';

export class MlpipeWorkspaceManager extends DefaultWorkspaceManager {
  private readonly services: LangiumSharedCoreServices;

  constructor(services: LangiumSharedCoreServices) {
    super(services);
    this.services = services;
  }

  protected override async loadAdditionalDocuments(
    _: WorkspaceFolder[],
    collect: (document: LangiumDocument) => void,
  ): Promise<void> {
    collect(builtinsDocument(this.services));
  }
}
