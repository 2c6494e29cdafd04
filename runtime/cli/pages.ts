/** The pages of the diagnostics, which come along with the program. */
import fs from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The page of a code as Markdown, or nothing where there is no such code. */
export function pageOf(code: string): string | undefined {
  if (!/^MLP\d{4}$/.test(code)) return undefined;
  const here = fileURLToPath(import.meta.url);
  // From the source, or from the bundle.
  const pages = resolve(dirname(here), here.endsWith('.ts') ? '../../docs/diagnostics' : '../docs/diagnostics');
  try {
    return fs.readFileSync(join(pages, `${code}.md`), 'utf8');
  } catch {
    return undefined;
  }
}

/** `MLP2001: Data is not pinned` → `Data is not pinned` */
export function titleOf(page: string): string {
  return /^# MLP\d{4}: (.+)$/m.exec(page)?.[1] ?? '';
}
