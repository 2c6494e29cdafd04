/** Files and folders inside the quotes of `from`, `reads`, `lock` and imports. */
import { type FileSystemProvider, type LangiumDocument, UriUtils } from 'langium';
import { type CompletionItem, CompletionItemKind, type Position } from 'vscode-languageserver';

interface PathAtCursor {
  /** What stands between the quote and the cursor. */
  typed: string;
  accepts: (name: string) => boolean;
}

/** The path that is being written at the cursor; `text` in any other text outside its `${…}`. */
export function pathAt(document: LangiumDocument, position: Position): PathAtCursor | 'text' | undefined {
  const before = document.textDocument.getText({ start: { line: position.line, character: 0 }, end: position });
  const open = /^((?:[^"]|"(?:[^"\\]|\\.)*")*)"((?:[^"\\]|\\.)*)$/.exec(before);
  const [, words = '', typed = ''] = open ?? [];
  if (open === null || isComment(words)) return undefined;
  if (typed.lastIndexOf('${') > typed.lastIndexOf('}')) return undefined;
  if (/^\s*import\b.*\bfrom\s*$/.test(words)) return { typed, accepts: (name) => name.endsWith('.mlpipe') };
  if (/^\s*model\b.*\bfrom\s*$/.test(words)) return { typed, accepts: (name) => /\.[cm]?[jt]s$/.test(name) };
  if (/\block\s*$/.test(words))
    return { typed, accepts: (name) => /lock|requirements|\.(txt|json|toml|yaml)$/.test(name) };
  if (/^\s*(from|reads)\b/.test(words)) return { typed, accepts: (name) => !name.endsWith('.mlpipe') };
  return 'text';
}

export async function completeFiles(
  document: LangiumDocument,
  position: Position,
  { typed, accepts }: PathAtCursor,
  files: FileSystemProvider,
): Promise<CompletionItem[]> {
  if (document.uri.scheme !== 'file') return [];
  const slash = typed.lastIndexOf('/') + 1;
  const folder = UriUtils.resolvePath(UriUtils.dirname(document.uri), typed.slice(0, slash) || '.');
  const start = { line: position.line, character: position.character - (typed.length - slash) };
  try {
    const entries = await files.readDirectory(folder);
    return entries
      .map((entry) => ({ entry, name: UriUtils.basename(entry.uri) }))
      .filter(
        ({ entry, name }) => !name.startsWith('.') && name !== 'node_modules' && (entry.isDirectory || accepts(name)),
      )
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map(({ entry, name }) => ({
        label: entry.isDirectory ? `${name}/` : name,
        kind: entry.isDirectory ? CompletionItemKind.Folder : CompletionItemKind.File,
        textEdit: { range: { start, end: position }, newText: entry.isDirectory ? `${name}/` : name },
      }));
  } catch {
    // The folder that has been typed so far is not there; there is nothing to propose in it.
    return [];
  }
}

function isComment(words: string): boolean {
  return /^([^"]|"([^"\\]|\\.)*")*?\/\//.test(words);
}
