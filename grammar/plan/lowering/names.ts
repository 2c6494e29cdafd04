/** What a block is called in a plan, and where paths in it lead. */
import { posix } from 'node:path';
import { type AstNode, AstUtils, type LangiumDocument } from 'langium';
import * as ast from '../../generated/ast.ts';
import type { Location } from '../plan.ts';

export class Names {
  private readonly entry: LangiumDocument<ast.File>;
  private readonly folder: string;
  private readonly visible = new Map<AstNode, string>();

  constructor(entry: LangiumDocument<ast.File>) {
    this.entry = entry;
    this.folder = posix.dirname(entry.uri.path);
    for (const element of entry.parseResult.value.elements) {
      if (!ast.isImport(element)) continue;
      for (const item of element.items) {
        const target = item.target?.ref;
        if (target !== undefined) this.visible.set(target, item.name ?? item.target.$refText);
      }
    }
  }

  /**
   * A block of the pipeline's own file has its own name, an imported one the name it was imported by. One that only an
   * imported file knows is called by that file too: `shared.cpu`.
   */
  of(node: AstNode & { name: string }): string {
    const document = AstUtils.getDocument(node);
    if (document.uri.toString() === this.entry.uri.toString()) return node.name;
    const known = this.visible.get(node);
    if (known !== undefined) return known;
    const file = posix.relative(this.folder, document.uri.path).replace(/\.mlpipe$/, '');
    return `${file
      .split(/[^\w-]+/)
      .filter((word) => word !== '')
      .join('.')}.${node.name}`;
  }

  /** A path as written beside `node`, relative to the pipeline's folder. Absolute paths and URLs stay as they are. */
  path(node: AstNode, path: string): string {
    const written = path.replaceAll('\\', '/');
    if (isUrl(written) || posix.isAbsolute(written)) return written;
    const folder = posix.dirname(AstUtils.getDocument(node).uri.path);
    const normal = posix.relative(this.folder, posix.join(folder, written));
    return normal === '' ? '.' : normal;
  }

  location(node: AstNode): Location {
    const start = node.$cstNode?.range.start ?? { line: 0, character: 0 };
    const file = posix.relative(this.folder, AstUtils.getDocument(node).uri.path);
    return { file, line: start.line + 1, column: start.character + 1 };
  }
}

/** Whether a source has a scheme: `https://…`, `s3://…`, `postgres://…`. */
export function isUrl(path: string): boolean {
  return /^[a-zA-Z][a-zA-Z0-9+.-]+:\/\//.test(path);
}
