/** What one source is: there or not, its digest, what its table holds. */
import { stat } from 'node:fs/promises';
import type { DataPlan, Digest } from '../../grammar/plan/plan.ts';
import type { SourceFact, TableFact } from '../../grammar/rules/facts.ts';
import { expandSource, formatOf, isGlob, type SourceFile } from '../data/sources.ts';
import { MlpipeError } from '../errors.ts';
import type { FactsOptions, WantedSource } from './gather.ts';
import { rememberedTable, rememberTable } from './table-cache.ts';
import { readTable } from './tables.ts';

/** Looks at a source. Whatever is wrong with it is part of the answer. */
export async function sourceFact(source: WantedSource, options: FactsOptions): Promise<SourceFact> {
  const { path, data, pin } = source;
  let files: SourceFile[];
  try {
    files = await expandSource(path);
  } catch (error) {
    if (!(error instanceof MlpipeError)) return unreadable(error);
    if (pin === undefined) return { state: 'missing' };
    return { state: 'missing', inStore: options.inStore?.(pin) ?? false, ...knownRemote(pin, options) };
  }
  try {
    const stored = await options.digest(path);
    const single = files.length === 1 && files[0]?.part === undefined;
    const fact: SourceFact = {
      state: 'present',
      kind: single ? 'file' : 'folder',
      digest: stored.digest,
      bytes: stored.bytes,
      ...(single ? {} : { files: stored.files ?? files.length }),
      modified: await lastModified(single || isGlob(path) ? files.map((file) => file.path) : [path]),
      ...knownRemote(stored.digest, options),
    };
    const table = await tableOf(data, path, files, stored.digest, stored.bytes, options);
    if (table !== undefined) fact.table = table;
    if (data !== undefined && pin !== undefined && pin !== stored.digest) {
      const before = await rememberedTable(options.cache, pin, data.schema);
      if (before !== undefined)
        fact.pinned = { digest: pin, bytes: before.bytes, rows: before.table.rows, columns: before.table.columns };
    }
    return fact;
  } catch (error) {
    options.signal?.throwIfAborted();
    return unreadable(error);
  }
}

function knownRemote(digest: Digest, { remote }: FactsOptions): { onRemote?: string } {
  return remote?.has(digest) ? { onRemote: remote.name } : {};
}

async function tableOf(
  data: DataPlan | undefined,
  path: string,
  files: SourceFile[],
  digest: `sha256:${string}`,
  bytes: number,
  options: FactsOptions,
): Promise<TableFact | undefined> {
  if (data === undefined) return undefined;
  const known = await rememberedTable(options.cache, digest, data.schema);
  if (known !== undefined) return known.table;
  // Without a schema the content may be of any kind; only tables then have rows and columns to tell of.
  if (data.schema.length === 0 && !files.every((file) => ['csv', 'parquet'].includes(formatOf(file.path))))
    return undefined;
  const table = await readTable(data, path, bytes, options.signal);
  await rememberTable(options.cache, digest, data.schema, { bytes, table });
  return table;
}

async function lastModified(paths: string[]): Promise<string> {
  let last = 0;
  for (const path of paths) last = Math.max(last, (await stat(path)).mtimeMs);
  return new Date(last).toISOString();
}

function unreadable(error: unknown): SourceFact {
  return { state: 'unreadable', reason: error instanceof Error ? error.message : String(error) };
}
