/** The part of the façade that asks what was: records, side by side, and where things came from. */
import fs from 'node:fs';
import { relative, resolve } from 'node:path';
import type { Digest } from '../grammar/plan/plan.ts';
import { MlpipeError } from './errors.ts';
import { digestSource } from './execute/inputs.ts';
import {
  differencesAsMarkdown,
  differencesOf,
  environmentDifferencesOf,
  type RecordDifference,
} from './ledger/difference.ts';
import { type SignedRecord, withSignatures } from './ledger/judged.ts';
import { type LineageOptions, lineage as lineageOf } from './ledger/lineage.ts';
import type { StoredRecord } from './ledger/record.ts';
import type { Project } from './project.ts';
import type { LineageAnswer } from './rpc/protocol.ts';
import { resolveReference } from './versions/resolve.ts';

export interface LogOptions {
  file?: string;
  step?: string;
  limit?: number;
  /** The account, the name or the e-mail address of who ran it. */
  by?: string;
  /** ISO 8601. */
  since?: string;
  status?: string;
  kind?: string;
}

/** Records, the newest first. */
export function log(project: Project, { file, limit, ...filter }: LogOptions = {}): StoredRecord[] {
  const path = file === undefined ? undefined : relative(project.root, file).replaceAll('\\', '/');
  return project.ledger.list({ ...filter, file: path }, limit);
}

/** One record. @throws MlpipeError `reference-unknown`, `reference-ambiguous` */
export function show(project: Project, reference: string): StoredRecord {
  return resolveReference(project, reference);
}

/** The same with what their signatures are worth. */
export function signed(
  project: Project,
  records: readonly StoredRecord[],
  warn: (message: string) => void = () => undefined,
): Promise<SignedRecord[]> {
  return withSignatures(project.root, project.ledger, records, warn);
}

export interface Comparison {
  before: string;
  after: string;
  differences: RecordDifference[];
  markdown: string;
}

/** Two records side by side. */
export function diff(project: Project, one: string, other: string): Comparison {
  const before = resolveReference(project, one);
  const after = resolveReference(project, other);
  const differences = differencesOf(before.record, after.record);
  return {
    before: before.digest,
    after: after.digest,
    differences,
    markdown: differencesAsMarkdown(before, after, differences),
  };
}

/** In what the environments of two records differ: what decides a result, and what is good to know. */
export function environmentDiff(project: Project, one: string, other: string): Comparison {
  const before = project.ledger.resolve(one);
  const after = project.ledger.resolve(other);
  const differences = environmentDifferencesOf(before.record, after.record);
  return {
    before: before.digest,
    after: after.digest,
    differences,
    markdown: differencesAsMarkdown(before, after, differences),
  };
}

/**
 * What stands behind a record, an object or a file of the project, or what came of it. What names a record means that.
 *
 * @param folder where a relative path begins
 * @throws MlpipeError `reference-unknown`, `reference-ambiguous`
 */
export async function lineage(
  project: Project,
  reference: string,
  options: Partial<LineageOptions> & { folder?: string } = {},
): Promise<LineageAnswer> {
  const { folder = project.root, ...rest } = options;
  const start = await startOf(project, reference, folder);
  const { nodes, ...answer } = lineageOf(project.ledger, start, { direction: 'up', ...rest });
  const fromFolder = (path: string) => relative(folder, resolve(project.root, path)).replaceAll('\\', '/');
  const placed = nodes.map((node) => ({
    ...node,
    ...(node.path === undefined ? {} : { path: fromFolder(node.path) }),
    ...(node.record === undefined ? {} : { record: { ...node.record, file: fromFolder(node.record.file) } }),
  }));
  return { ...answer, nodes: placed };
}

async function startOf(project: Project, reference: string, folder: string): Promise<StoredRecord | Digest> {
  const { ledger, store, root } = project;
  try {
    return resolveReference(project, reference);
  } catch (error) {
    if (!(error instanceof MlpipeError) || error.code !== 'reference-unknown') throw error;
    const object = ledger.object(reference);
    if (object !== undefined) return object;
    const path = resolve(folder, reference);
    const now = fs.existsSync(path) ? ledger.object((await digestSource(store, path)).digest) : undefined;
    if (now !== undefined) return now;
    // No run knows the file as it is now, or it is gone: then what was last read from there is meant.
    const known = ledger.readFrom(relative(root, path).replaceAll('\\', '/'));
    if (known === undefined) throw error;
    return known;
  }
}
