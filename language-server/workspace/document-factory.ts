/** Documents that know which version of the text they were made from, and that survive the loss of their file. */
import { DefaultLangiumDocumentFactory, type LangiumDocument, type TextDocument, type URI } from 'langium';

const parsedVersions = new WeakMap<LangiumDocument, number>();

/** The version of the open text that this document was parsed from; nothing for a file that is not open. */
export function parsedVersion(document: LangiumDocument): number | undefined {
  return parsedVersions.get(document);
}

export class MlpipeDocumentFactory extends DefaultLangiumDocumentFactory {
  protected override async getUpdatedText(document: LangiumDocument, open: TextDocument | undefined): Promise<string> {
    if (open !== undefined) {
      parsedVersions.set(document, open.version);
      return open.getText();
    }
    parsedVersions.delete(document);
    return this.textOf(document.uri);
  }

  /** Between the news of a file and its reading the file may go; that is an empty file, not a failed build. */
  private async textOf(uri: URI): Promise<string> {
    try {
      return await this.fileSystemProvider.readFile(uri);
    } catch {
      return '';
    }
  }
}
