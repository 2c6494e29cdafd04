/**
 * What was found out about tables, kept beside the store: one small file for each content and schema. It is found by the
 * content's digest, so it is never stale, and a torn or foreign file only means that the table is read once more.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOfValue } from '../../grammar/plan/canonical.ts';
import type { ColumnPlan, Digest } from '../../grammar/plan/plan.ts';
import type { TableFact } from '../../grammar/rules/facts.ts';

/** Raised when a reader begins to answer otherwise about the same bytes. */
const FORMAT = 'mlpipe-table/1';

export interface RememberedTable {
  bytes: number;
  table: TableFact;
}

export async function rememberedTable(
  folder: string | undefined,
  content: Digest,
  schema: ColumnPlan[],
): Promise<RememberedTable | undefined> {
  if (folder === undefined) return undefined;
  try {
    const kept = JSON.parse(await readFile(fileFor(folder, content, schema), 'utf8')) as {
      format?: string;
    } & RememberedTable;
    return kept.format === FORMAT && Array.isArray(kept.table?.columns) ? kept : undefined;
  } catch {
    // Not there, or torn: it is then read again.
    return undefined;
  }
}

export async function rememberTable(
  folder: string | undefined,
  content: Digest,
  schema: ColumnPlan[],
  found: RememberedTable,
): Promise<void> {
  if (folder === undefined) return;
  const file = fileFor(folder, content, schema);
  const temporary = `${file}.${process.pid}-${randomBytes(4).toString('hex')}`;
  try {
    await mkdir(join(folder, 'tables'), { recursive: true });
    await writeFile(temporary, JSON.stringify({ format: FORMAT, ...found }));
    await rename(temporary, file);
  } catch {
    // A full or read-only disk must not fail a question.
    await rm(temporary, { force: true }).catch(() => {});
  }
}

function fileFor(folder: string, content: Digest, schema: ColumnPlan[]): string {
  const key = digestOfValue({ format: FORMAT, content, schema }).slice('sha256:'.length, 'sha256:'.length + 40);
  return join(folder, 'tables', `${key}.json`);
}
