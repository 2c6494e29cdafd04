/** Which files a source means: one, those of a folder, or those that a glob matches; always in the same order. */
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { MlpipeError } from '../errors.ts';
import { byCodeUnits } from './classes.ts';
import { globExpression, isGlob } from './glob.ts';

export interface SourceFile {
  path: string;
  /** In a folder or a glob: relative to it, with forward slashes. */
  part?: string;
}

export type Format = 'csv' | 'parquet' | 'image' | 'other';

export function formatOf(path: string): Format {
  const name = path.toLowerCase().replace(/\.gz$/, '');
  if (/\.(?:csv|tsv|tab|psv|txt|data)$/.test(name)) return 'csv';
  if (/\.(?:parquet|pq)$/.test(name)) return 'parquet';
  if (/\.(?:png|jpe?g)$/.test(name)) return 'image';
  return 'other';
}

export { isGlob };

/**
 * The files of a source, sorted by their relative path's code units. Names that begin with a dot are left out.
 *
 * @throws MlpipeError `data-missing` where there is nothing
 */
export async function expandSource(path: string): Promise<SourceFile[]> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) {
    const files = await walk(path);
    if (files.length === 0) throw missing(`The folder ${path} is empty.`);
    return files;
  }
  if (found !== undefined) return [{ path }];
  if (!isGlob(path)) throw missing(`There is no ${path}.`);
  const files = await filesOfGlob(path);
  if (files.length === 0) throw missing(`Nothing matches ${path}.`);
  return files;
}

/** The folder below which a glob looks: `data` of `data/*.csv`. */
export function globFolder(pattern: string): string {
  let folder = dirname(pattern);
  while (isGlob(folder)) folder = dirname(folder);
  return folder;
}

async function filesOfGlob(pattern: string): Promise<SourceFile[]> {
  const folder = globFolder(pattern);
  const inside = relative(folder, pattern).split(sep).join('/');
  const files = await walk(folder, inside.includes('/') ? Number.POSITIVE_INFINITY : 0).catch(() => []);
  const expression = globExpression(inside);
  return files.filter((file) => expression.test(file.part ?? basename(file.path)));
}

async function walk(folder: string, depth = Number.POSITIVE_INFINITY, prefix = ''): Promise<SourceFile[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const files: SourceFile[] = [];
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    const path = join(folder, entry.name);
    const part = prefix + entry.name;
    const kind = entry.isSymbolicLink() ? await stat(path).catch(() => entry) : entry;
    if (kind.isFile()) files.push({ path, part });
    else if (kind.isDirectory() && depth > 0) files.push(...(await walk(path, depth - 1, `${part}/`)));
  }
  return files.sort((a, b) => byCodeUnits(a.part ?? '', b.part ?? ''));
}

function missing(message: string): MlpipeError {
  return new MlpipeError(message, {
    code: 'data-missing',
    todo: 'Put it back, correct the path after "from", or run the step that writes it.',
  });
}
